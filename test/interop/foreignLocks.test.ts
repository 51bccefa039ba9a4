import { assert, beforeEach, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { locksOf } from "../../src/interop/foreignLocks.ts"
import { owners } from "../../src/interop/owners.ts"
import { temporaryFolder } from "../run.ts"

const now = 1_800_000_000_000

let home: string

beforeEach(() => {
  // What stands in it is what other programs hold.
  home = path.join(temporaryFolder("locks"), "given")
  fs.mkdirSync(home)
})

const lock = (place: string, ageMillis: number, content?: string): void => {
  const file = path.join(home, place)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  if (content === undefined) fs.mkdirSync(file)
  else fs.writeFileSync(file, content)
  const at = new Date(now - ageMillis)
  fs.utimesSync(file, at, at)
}

const problems = (id: string): ReadonlyArray<string | undefined> =>
  locksOf(
    owners.find((owner) => owner.id === id)!,
    { env: {}, platform: "linux", homedir: () => home },
    now,
  ).map(({ problem }) => problem)

describe("the locks of other programs", () => {
  it.each([
    ["pi", ".pi/agent/auth.json.lock", 30_000, undefined],
    ["pi", ".pi/agent/mcp-auth-refresh-0123456789abcdef.lock", 20_000, undefined],
    ["claude-code", ".claude/.oauth_refresh.lock", 60_000, undefined],
    ["claude-code", ".claude.lock", 60_000, undefined],
    ["qwen", ".qwen/oauth_creds.lock", 35_000, "some-uuid"],
  ] as const)("%s, %s: left over after its own time and no sooner", (id, place, staleMillis, content) => {
    lock(place, staleMillis, content)
    assert.deepStrictEqual(problems(id), [undefined])
    fs.rmSync(path.join(home, place), { recursive: true })
    lock(place, staleMillis + 1_000, content)
    assert.deepStrictEqual(problems(id), ["whoever held it is gone"])
  })

  describe("OpenClaw's", () => {
    const place = ".openclaw/locks/oauth-refresh/lock-5440fa0b86d2697ef1152f7cb32a8157.lock"
    // Field 22 of what the kernel says of this process; elsewhere there is none.
    const stat = fs.existsSync("/proc/self/stat") ? fs.readFileSync("/proc/self/stat", "utf8") : ""
    const starttime = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19])
    const said = (ageMillis: number) => ({ createdAt: new Date(now - ageMillis).toISOString() })
    const hour = 3_600_000

    it.each([
      ["one that lives may hold it as long as it likes", hour, { pid: process.pid, ...said(hour) }, undefined],
      // Above the largest pid that Linux gives out.
      ["one that is gone holds nothing, however fresh", 0, { pid: 2 ** 22 + 1, ...said(0) }, "is gone"],
      ["without a process, its age", 0, said(180_000), undefined],
      ["without a process, its age", 0, said(180_001), "whoever held it is gone"],
      ["neither: for ever", 180_001, {}, "names no holder"],
      ["neither: perhaps not written yet", 180_000, "", undefined],
      ["not understood: for ever", hour, "{", "names no holder"],
    ] as const)("%s (%i ms): %j", (_, ageMillis, content, words) => {
      lock(place, ageMillis, typeof content === "string" ? content : JSON.stringify(content, null, 2))
      const [problem] = problems("openclaw")
      if (words === undefined) assert.isUndefined(problem)
      else assert.include(problem, words)
    })

    it.skipIf(stat === "")("a pid that another process has by now", () => {
      lock(place, 0, JSON.stringify({ pid: process.pid, starttime }))
      assert.deepStrictEqual(problems("openclaw"), [undefined])
      fs.rmSync(path.join(home, place))
      lock(place, 0, JSON.stringify({ pid: process.pid, starttime: starttime - 1 }))
      assert.include(problems("openclaw")[0], "another process by now")
    })
  })

  it("of the wrong kind, or with something in it, block for ever", () => {
    lock(".pi/agent/auth.json.lock", 0, "a file")
    assert.include(problems("pi")[0], "it is a file")
    fs.rmSync(path.join(home, ".pi/agent/auth.json.lock"))
    lock(".pi/agent/auth.json.lock/owner", 0)
    assert.include(problems("pi")[0], "not empty")
  })
})

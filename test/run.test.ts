/** The search of a whole run finds what is planted: what it has never found is worth nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { temporaryFolder } from "./run.ts"
import { findSecret } from "./secrets.ts"

const root = Path.join(import.meta.dirname, "..")

/** A run of `planted/planted.ts`, what it said, and the report it wrote. */
const planted = (way: string) =>
  new Promise<{ readonly code: number | null; readonly found: string; readonly report: string }>((resolve) => {
    const report = Path.join(temporaryFolder("planted"), "given", "report.json")
    const child = ChildProcess.spawn(
      process.execPath,
      [Path.join(root, "node_modules/vitest/vitest.mjs"), "run", "--config", "test/planted/vitest.config.ts"],
      {
        cwd: root,
        env: { PATH: process.env["PATH"], NO_COLOR: "1", PLANTED: way, PLANTED_REPORT: report },
      },
    )
    let said = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk))
    child.on("close", (code) => {
      const at = said.indexOf("Secrets were printed")
      const found = at < 0 ? "" : said.slice(at).split("\n    at ")[0]!
      resolve({ code, found, report: Fs.existsSync(report) ? report : "" })
    })
  })

describe("a run of the tests is searched for secrets", () => {
  it("and passes without one", async () => {
    const { code, found, report } = await planted("nothing")
    assert.deepStrictEqual([code, found], [0, ""])
    assert.notStrictEqual(report, "")
  })

  it.each([
    ["console", /\n {2}stdout, at character \d+/],
    ["stderr", /\n {2}stderr, at character \d+/],
    ["child", /\n {2}stderr, at character \d+/],
    ["file", /\n {2}\/.*\/planted-\w+\/log\.txt, at character 7/],
    ["name", /\n {2}the name of a file, at character \d+/],
    ["foreign", /\n {2}\/.*\/planted-\w+\/log\.txt/],
    ["failure", /\n {2}\/.*\/report\.json, at character \d+/],
  ] as const)("and fails with one: %s", async (way, where) => {
    const { code, found } = await planted(way)
    assert.strictEqual(code, 1)
    // A match and not the text in the failure: what it says is what is being tested.
    assert.isTrue(where.test(found), "it does not say where")
    assert.isUndefined(findSecret(found), "it repeats the secret")
  })

  it("and no test makes a temporary folder that is not searched", () => {
    const files = Fs.readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
    const making = files.filter(
      (file) => /\.m?ts$/.test(file) && /mkdtemp/.test(Fs.readFileSync(Path.join(import.meta.dirname, file), "utf8")),
    )
    // What a browser writes into its profile is its own affair.
    assert.sameMembers(making, ["run.ts", "run.test.ts", Path.join("signin", "chromium.ts")])
  })
})

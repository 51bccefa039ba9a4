import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Sqlite from "../../src/store/sqlite.ts"
import { look } from "../../src/store/sqliteLook.ts"
import { reseal } from "../../src/store/sqliteSeal.ts"
import { digest, put } from "./changes.ts"
import { contents, fileOf, freshHome, mode, raw } from "./support.ts"

const names = ["a", "b"]

const usedHome = Effect.gen(function* () {
  const home = yield* freshHome
  yield* Effect.scoped(
    Effect.gen(function* () {
      const store = yield* Sqlite.make({ home })
      for (const name of names) yield* store.compareAndSwap(name, put(name))
    }),
  )
  return home
})

/** The folder as a look finds it, times and modes included. */
const state = (home: string) => [
  contents(home),
  ["", ...fs.readdirSync(home)].map((name) => {
    const { mode, mtimeMs } = fs.statSync(path.join(home, name))
    return [name, mode, mtimeMs]
  }),
]

/** What a look finds. It must have changed nothing. */
const looked = (home: string) => {
  const before = state(home)
  const { credentials, isOld, problems } = look(home)
  assert.deepStrictEqual(state(home), before)
  return {
    names: credentials.map(({ name }) => name),
    digests: credentials.map(digest),
    isOld,
    problems: problems.map(({ message, path, reason }) => {
      assert.include(message, path)
      assert.notInclude(message, "secret")
      return reason
    }),
  }
}

const tamper = (home: string, sql: string) =>
  Effect.scoped(Effect.map(raw(fileOf(home)), (database) => database.exec(sql)))

describe("a look at our own store", () => {
  it.effect("finds what the store finds, and leaves files that others may reach as they are", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      fs.chmodSync(home, 0o755)
      fs.chmodSync(fileOf(home), 0o644)
      const { digests, ...rest } = looked(home)
      assert.deepStrictEqual(rest, { names, isOld: false, problems: [] })
      assert.strictEqual(mode(fileOf(home)), "644")
      const stored = yield* Effect.scoped(Effect.flatMap(Sqlite.make({ home }), ({ list }) => list))
      assert.deepStrictEqual(digests, stored.map(digest))
    }),
  )

  it.effect("reads what stands in the log alone, of a process at work and of one that was killed", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const copy = yield* freshHome
      const store = yield* Sqlite.make({ home })
      yield* store.compareAndSwap("a", put("a"))
      assert.deepStrictEqual(
        look(home).credentials.map(({ name }) => name),
        ["a"],
      )
      fs.cpSync(home, copy, { recursive: true })
      assert.isAbove(fs.statSync(`${fileOf(copy)}-wal`).size, 0)
      assert.deepStrictEqual(looked(copy).names, ["a"])
      // As after a power cut, for the index is not written to the disk.
      fs.rmSync(`${fileOf(copy)}-shm`)
      const { names, problems } = looked(copy)
      assert.deepStrictEqual([names, problems], [[], ["other"]])
      assert.include(look(copy).problems[0]?.message, "tokenkeep list")
    }).pipe(Effect.scoped),
  )

  it.effect("makes nothing where nothing is", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      assert.deepStrictEqual(look(home), { credentials: [], problems: [], isOld: false })
      assert.isFalse(fs.existsSync(home))
      fs.mkdirSync(home)
      fs.writeFileSync(fileOf(home), "")
      assert.deepStrictEqual(looked(home).names, [])
    }),
  )

  it.effect("reads the first version, and says that it is old", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      yield* tamper(home, "DROP TABLE history; DROP TABLE seal; PRAGMA user_version = 1")
      const { digests: _, ...rest } = looked(home)
      assert.deepStrictEqual(rest, { names, isOld: true, problems: [] })
    }),
  )

  it.effect("what cannot be read is told, and the rest is read", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      yield* tamper(home, "UPDATE credentials SET record = '{\"secret\":1}' WHERE name = 'a'")
      assert.deepStrictEqual([looked(home).names, looked(home).problems], [["b"], ["corrupt"]])
      yield* tamper(home, "PRAGMA user_version = 99")
      assert.deepStrictEqual([looked(home).names, looked(home).problems], [[], ["newerSchema"]])
      yield* tamper(home, "PRAGMA application_id = 7")
      assert.deepStrictEqual(looked(home).problems, ["notOurs"])
      fs.writeFileSync(fileOf(home), "secret-text that is no database")
      assert.lengthOf(looked(home).problems, 1)
    }),
  )

  it.effect("opens what is sealed, and tells once that the key is missing", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const key = `${home}.key`
      yield* reseal(fileOf(home), { kind: "file", path: key })
      assert.deepStrictEqual([looked(home).names, looked(home).problems], [names, []])
      fs.rmSync(key)
      assert.deepStrictEqual([looked(home).names, looked(home).problems], [[], ["sealed"]])
    }),
  )
})

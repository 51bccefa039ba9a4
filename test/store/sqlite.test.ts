import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import nodeFs, * as fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as path from "node:path"
import type { StoreUnavailable } from "../../src/store/CredentialStore.ts"
import * as Sqlite from "../../src/store/sqlite.ts"
import { claim, commit, digest, put } from "./changes.ts"
import { suite, Views } from "./CredentialStoreContract.ts"
import { contents, fileOf, freshHome, mode, raw } from "./support.ts"

suite(
  "sqlite",
  Layer.effect(
    Views,
    Effect.map(freshHome, (home) => ({ open: Sqlite.make({ home }) })),
  ),
)

const secrets = ["secret-access-0", "refresh-0", "client-secret"]

/** Every failure says what happened where, and what to run next, and no secret. */
const told = (
  error: StoreUnavailable,
  reason: StoreUnavailable["reason"],
  ...words: ReadonlyArray<string | RegExp>
) => {
  assert.strictEqual(error.reason, reason, error.message)
  assert.include(error.message, error.path)
  for (const word of words)
    assert.isTrue(typeof word === "string" ? error.message.includes(word) : word.test(error.message), error.message)
  assert.isFalse(secrets.some((secret) => JSON.stringify(error).includes(secret)))
}

/** A home with credential `a`, closed again. */
const usedHome = Effect.gen(function* () {
  const home = yield* freshHome
  yield* Effect.scoped(Effect.flatMap(Sqlite.make({ home }), (store) => store.compareAndSwap("a", put("a"))))
  return home
})

/** Changes the database behind the store's back, and leaves no log. */
const tamper = (home: string, sql: string) =>
  Effect.scoped(Effect.map(raw(fileOf(home)), (database) => database.exec(sql)))

/** The files of a store as a crash would leave them: with a log that nobody wrote back. */
const crashed = (home: string) =>
  Effect.gen(function* () {
    const copy = yield* freshHome
    yield* Effect.sync(() => {
      fs.mkdirSync(copy, { mode: 0o700 })
      for (const name of ["keep.db", "keep.db-wal"]) fs.copyFileSync(path.join(home, name), path.join(copy, name))
    })
    return copy
  })

const open = (home: string) => Effect.scoped(Effect.asVoid(Sqlite.make({ home })))

const asRoot = process.geteuid?.() === 0

describe("sqlite: files", () => {
  it.effect("are private from the start, whatever the umask", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const umask = process.umask(0)
      const store = yield* Effect.ensuring(
        Sqlite.make({ home: path.join(home, "deeper") }),
        Effect.sync(() => process.umask(umask)),
      )
      yield* store.compareAndSwap("a", put("a"))
      assert.strictEqual(mode(home), "700")
      assert.strictEqual(mode(path.join(home, "deeper")), "700")
      assert.deepStrictEqual(fs.readdirSync(path.join(home, "deeper")).toSorted(), [
        "keep.db",
        "keep.db-shm",
        "keep.db-wal",
      ])
      for (const suffix of ["", "-wal", "-shm"]) {
        assert.strictEqual(mode(fileOf(path.join(home, "deeper")) + suffix), "600")
      }
    }),
  )

  it.effect("are created with their final mode, and not narrowed afterwards", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const narrowed: Array<unknown> = []
      const { chmodSync } = nodeFs
      const umask = process.umask(0)
      nodeFs.chmodSync = (place) => void narrowed.push(place)
      syncBuiltinESMExports()
      yield* Effect.ensuring(
        open(home),
        Effect.sync(() => {
          nodeFs.chmodSync = chmodSync
          syncBuiltinESMExports()
          process.umask(umask)
        }),
      )
      assert.deepStrictEqual(narrowed, [])
    }),
  )

  it.effect("are made private again, log and all", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const store = yield* Sqlite.make({ home })
      yield* store.compareAndSwap("a", put("a"))
      fs.chmodSync(home, 0o755)
      for (const suffix of ["", "-wal", "-shm"]) fs.chmodSync(fileOf(home) + suffix, 0o664)
      yield* open(home)
      assert.strictEqual(mode(home), "700")
      for (const suffix of ["", "-wal", "-shm"]) assert.strictEqual(mode(fileOf(home) + suffix), "600")
      // The locks of the connection that was open all the while still hold.
      assert.isTrue((yield* store.compareAndSwap("a", claim(1, "t"))).applied)
    }),
  )

  it.effect("are found through symbolic links", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const linked = `${home}-linked`
      fs.mkdirSync(linked)
      fs.symlinkSync(fileOf(home), fileOf(linked))
      const store = yield* Sqlite.make({ home: linked })
      assert.strictEqual((yield* store.read("a"))?.generation, 1)
      yield* store.compareAndSwap("a", commit(1))
      const original = yield* Sqlite.make({ home })
      assert.strictEqual((yield* original.read("a"))?.generation, 2)
    }),
  )

  it.effect("hold a record as plain JSON text, for the command line's fast path", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const database = yield* raw(fileOf(home), { readOnly: true })
      const row = database.prepare("SELECT record FROM credentials WHERE name = ?").get("a")
      const record = JSON.parse(String(row?.["record"]))
      assert.strictEqual(record.generation, 1)
      assert.isTrue(record.tokens.accessToken === "secret-access-0")
    }),
  )

  it.effect("hold no token of a removed credential", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const store = yield* Sqlite.make({ home })
      yield* store.compareAndSwap("a", put("a"))
      yield* store.compareAndSwap("a", commit(1))
      yield* store.remove("a")
      for (const name of fs.readdirSync(home)) {
        const text = fs.readFileSync(path.join(home, name), "latin1")
        for (const secret of [...secrets, "refresh-2"]) assert.isFalse(text.includes(secret), name)
      }
    }),
  )
})

describe("sqlite: what it refuses", () => {
  it.effect("a newer schema, and changes nothing", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      yield* tamper(home, "PRAGMA user_version = 99")
      const before = contents(home)
      told(yield* Effect.flip(open(home)), "newerSchema", "version 99", /up to \d/, "npm install -g tokenkeep@latest")
      assert.deepStrictEqual(contents(home), before)
    }),
  )

  it.effect("a newer schema that is still in the log, and changes nothing", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const database = yield* raw(fileOf(home))
      database.exec("PRAGMA user_version = 99")
      const copy = yield* crashed(home)
      const before = contents(copy)
      told(yield* Effect.flip(open(copy)), "newerSchema", "version 99")
      const { "keep.db-shm": index, ...after } = contents(copy)
      assert.deepStrictEqual(after, before)
      // The index is rebuilt from the log by whoever opens it, and holds no data.
      assert.isDefined(index)
    }),
  )

  it.effect("to write once a newer tokenkeep has changed the schema under it", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const store = yield* Sqlite.make({ home })
      yield* store.read("a")
      yield* tamper(home, "PRAGMA user_version = 99; UPDATE credentials SET record = 'something newer'")
      told(yield* Effect.flip(store.compareAndSwap("a", put("a", 1))), "newerSchema")
      told(yield* Effect.flip(store.remove("a")), "newerSchema")
      told(yield* Effect.flip(store.read("a")), "newerSchema")
    }),
  )

  it.effect("another program's database, and changes nothing", () =>
    Effect.gen(function* () {
      for (const sql of ["CREATE TABLE t (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"]) {
        const home = yield* freshHome
        fs.mkdirSync(home, { mode: 0o700 })
        yield* tamper(home, sql)
        const before = contents(home)
        told(yield* Effect.flip(open(home)), "notOurs", "another program", "mv ")
        assert.deepStrictEqual(contents(home), before)
      }
    }),
  )

  it.effect("a file that is no database, and changes nothing", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      fs.mkdirSync(home, { mode: 0o700 })
      fs.writeFileSync(fileOf(home), "This is a letter, and no database. ".repeat(200), { mode: 0o600 })
      const before = contents(home)
      told(yield* Effect.flip(open(home)), "corrupt", "damaged", "mv ")
      assert.deepStrictEqual(contents(home), before)
    }),
  )

  it.effect("a damaged database, and writes nothing over it", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const bytes = fs.readFileSync(fileOf(home))
      // Everything but the first page, which says what the file is.
      fs.writeFileSync(fileOf(home), Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xff)]))
      const before = contents(home)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const failures = yield* Effect.flip(
            Effect.flatMap(Sqlite.make({ home }), (store) => store.compareAndSwap("a", put("a", 1))),
          )
          told(failures, "corrupt", "damaged", "mv ")
        }),
      )
      assert.deepStrictEqual(contents(home), before)
    }),
  )

  it.effect("a truncated database, and writes nothing over it", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      fs.truncateSync(fileOf(home), 6_000)
      const before = contents(home)
      const failure = yield* Effect.flip(
        Effect.scoped(Effect.flatMap(Sqlite.make({ home }), (store) => store.compareAndSwap("a", put("a", 1)))),
      )
      told(failure, "corrupt", "damaged", "mv ")
      assert.deepStrictEqual(contents(home), before)
    }),
  )

  it.effect("a log whose database is gone or empty, and keeps the log", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const store = yield* Sqlite.make({ home })
      yield* store.compareAndSwap("a", put("a"))
      for (const spoil of [(file: string) => fs.rmSync(file), (file: string) => fs.truncateSync(file)]) {
        const copy = yield* crashed(home)
        spoil(fileOf(copy))
        const before = contents(copy)
        told(yield* Effect.flip(open(copy)), "corrupt", "Put the file back")
        assert.deepStrictEqual(contents(copy), before)
      }
    }),
  )

  it.effect("a record it cannot understand, and that one alone", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const store = yield* Sqlite.make({ home })
      yield* store.compareAndSwap("b", put("b"))
      const spoiled = [
        `'{"name":"a","tokens":{"accessToken":"secret-access-0"'`,
        `json_remove(record, '$.client')`,
        `json_set(record, '$.generation', 9)`,
        `''`,
      ]
      for (const record of spoiled) {
        yield* tamper(home, `UPDATE credentials SET record = ${record} WHERE name = 'a'`)
        const database = yield* raw(fileOf(home), { readOnly: true })
        const stored = () => database.prepare("SELECT * FROM credentials WHERE name = 'a'").get()
        const before = stored()
        for (const use of [
          store.read("a"),
          store.list,
          ...[put("a", 1), commit(1), claim(1, "t")].map((change) => store.compareAndSwap("a", change)),
        ]) {
          told(
            yield* Effect.flip(use as Effect.Effect<unknown, StoreUnavailable>),
            "corrupt",
            `"a"`,
            "tokenkeep logout a",
          )
        }
        assert.isTrue(JSON.stringify(stored()) === JSON.stringify(before))
        assert.strictEqual((yield* store.read("b"))?.generation, 1)
        assert.isTrue(yield* store.remove("a"))
        yield* store.compareAndSwap("a", put("a"))
      }
      assert.strictEqual((yield* store.read("a"))?.generation, 1 + 2 * spoiled.length)
    }),
  )

  it.effect("a home that cannot be created", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      fs.writeFileSync(home, "")
      told(yield* Effect.flip(open(path.join(home, "below"))), "missing", "cannot be created", "mkdir -p -m 700")
    }),
  )

  it.effect("a home or a file of somebody else", () =>
    Effect.gen(function* () {
      if (!asRoot) return told(yield* Effect.flip(open("/")), "notOurs", "belongs to user 0", "chown")
      for (const suffix of [".", "keep.db", "keep.db-wal", "keep.db-shm"]) {
        const home = yield* freshHome
        const store = yield* Sqlite.make({ home })
        yield* store.compareAndSwap("a", put("a"))
        const place = path.join(home, suffix)
        fs.chownSync(place, 12345, 12345)
        fs.chmodSync(place, 0o777)
        const error = yield* Effect.flip(open(home))
        told(error, "notOurs", "belongs to user 12345", "chown")
        assert.strictEqual(error.path, place)
        assert.strictEqual(mode(place), "777")
      }
    }),
  )
})

describe("sqlite: while it is open", () => {
  it.effect("notices that the file was removed or replaced, and touches neither the old nor the new one", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const store = yield* Sqlite.make({ home })
      yield* store.read("a")
      fs.rmSync(home, { recursive: true })
      told(yield* Effect.flip(store.compareAndSwap("a", commit(1))), "missing", "removed or replaced", "ls -la")
      assert.isFalse(fs.existsSync(home))
      const replacement = yield* Sqlite.make({ home })
      yield* replacement.compareAndSwap("a", put("a", 3))
      for (const use of [store.compareAndSwap("a", commit(1)), store.remove("a"), store.read("a"), store.list]) {
        told(yield* Effect.flip(use as Effect.Effect<unknown, StoreUnavailable>), "missing", "removed or replaced")
      }
      const expected = digest({ ...put("a", 3).credential, generation: 1 })
      assert.strictEqual(digest(yield* replacement.read("a")), expected)
    }),
  )

  it.live("ends `changes` with a failure when the file is gone", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const store = yield* Sqlite.make({ home })
      const listener = yield* Effect.forkChild(Effect.flip(Stream.runDrain(store.changes)))
      yield* Effect.sleep("50 millis")
      fs.rmSync(home, { recursive: true })
      told(yield* Effect.timeout(Fiber.join(listener), "10 seconds"), "missing")
    }),
  )

  it.live("waits for a lock without holding up the program, and reads meanwhile", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const store = yield* Sqlite.make({ home })
      const other = yield* raw(fileOf(home))
      other.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.forkChild(store.compareAndSwap("a", commit(1)))
      let ticks = 0
      while (ticks < 40) {
        yield* Effect.sleep("5 millis")
        ticks++
        assert.strictEqual((yield* store.read("a"))?.generation, 1)
      }
      assert.isUndefined(waiting.pollUnsafe())
      other.exec("COMMIT")
      assert.isTrue((yield* Fiber.join(waiting)).applied)
    }),
  )

  it.effect("gives up on a lock after five seconds", () =>
    Effect.gen(function* () {
      const home = yield* usedHome
      const store = yield* Sqlite.make({ home })
      const other = yield* raw(fileOf(home))
      other.exec("BEGIN IMMEDIATE")
      const waiting = yield* Effect.forkChild(Effect.flip(store.compareAndSwap("a", commit(1))))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      told(yield* Fiber.join(waiting), "busy", "locked", "fuser -v")
      other.exec("ROLLBACK")
      assert.strictEqual((yield* store.read("a"))?.generation, 1)
      assert.isTrue((yield* store.compareAndSwap("a", commit(1))).applied)
    }),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import * as path from "node:path"
import type { StoreUnavailable } from "../../src/store/CredentialStore.ts"
import * as Seal from "../../src/store/seal.ts"
import * as Sqlite from "../../src/store/sqlite.ts"
import { reseal } from "../../src/store/sqliteSeal.ts"
import { claim, commit, digest, put } from "./changes.ts"
import { suite, Views } from "./CredentialStoreContract.ts"
import { contents, fileOf, freshHome, mode } from "./support.ts"

const keyOf = (home: string): string => `${home}.key`
const seal = (home: string, key = keyOf(home)) => reseal(fileOf(home), { kind: "file", path: key })

suite(
  "sealed sqlite",
  Layer.effect(
    Views,
    Effect.gen(function* () {
      const home = yield* freshHome
      yield* Effect.orDie(seal(home))
      return { open: Sqlite.make({ home }) }
    }),
  ),
)

const secrets = ["access-0", "refresh-0", "client-secret", "access-2", "refresh-2"]

/** Whether any file of the store shows a secret. */
const shows = (home: string): boolean =>
  fs.readdirSync(home).some((name) => {
    const bytes = fs.readFileSync(path.join(home, name))
    return secrets.some((secret) => bytes.includes(secret))
  })

const withStore = <A, E>(
  home: string,
  use: (store: Effect.Success<ReturnType<typeof Sqlite.make>>) => Effect.Effect<A, E>,
) => Effect.scoped(Effect.flatMap(Sqlite.make({ home }), use))

const refused = (error: StoreUnavailable, ...words: ReadonlyArray<string>) => {
  assert.strictEqual(error.reason, "sealed", error.message)
  for (const word of [error.path, ...words]) assert.include(error.message, word)
}

describe("a sealed store", () => {
  it.effect("holds no secret in clear, not in the log either, and reads back as it was", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const home = yield* freshHome
        const before = yield* withStore(home, (store) => store.compareAndSwap("a", put("a")))
        assert.isTrue(shows(home))
        assert.strictEqual(yield* seal(home), 1)
        assert.strictEqual(mode(keyOf(home)), "600")
        assert.isFalse(shows(home))
        const after = yield* withStore(home, (store) => store.read("a"))
        assert.strictEqual(digest(after), digest(before.credential))
        assert.strictEqual(yield* reseal(fileOf(home), undefined), 1)
        assert.isTrue(shows(home))
        assert.strictEqual(digest(yield* withStore(home, (store) => store.read("a"))), digest(before.credential))
      }),
    ),
  )

  it.effect("takes along the processes that have it open", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const home = yield* freshHome
        const store = yield* Sqlite.make({ home })
        yield* store.compareAndSwap("a", put("a"))
        yield* seal(home)
        assert.isTrue((yield* store.compareAndSwap("a", claim(1, "mine"))).applied)
        assert.isTrue((yield* store.compareAndSwap("a", commit(1))).applied)
        assert.strictEqual((yield* store.read("a"))?.generation, 2)
        assert.isFalse(shows(home))
        // And another key.
        yield* seal(home, `${keyOf(home)}.2`)
        fs.rmSync(keyOf(home))
        assert.strictEqual((yield* store.read("a"))?.generation, 2)
      }),
    ),
  )

  it.effect("without its key, or with another, says so and writes nothing", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const home = yield* freshHome
        yield* withStore(home, (store) => store.compareAndSwap("a", put("a")))
        yield* seal(home)
        const key = fs.readFileSync(keyOf(home))
        const before = contents(home)
        const trials = [
          [() => fs.rmSync(keyOf(home)), `not in ${keyOf(home)}`],
          [() => fs.writeFileSync(keyOf(home), Buffer.alloc(32, 7).toString("hex")), "is another one"],
          [() => fs.writeFileSync(keyOf(home), "not a key"), "64 hex characters"],
        ] as const
        for (const [spoil, word] of trials) {
          spoil()
          yield* withStore(home, (store) =>
            Effect.gen(function* () {
              refused(yield* Effect.flip(store.read("a")), word)
              refused(yield* Effect.flip(store.compareAndSwap("a", put("a", 5))), word)
              refused(yield* Effect.flip(store.compareAndSwap("new", put("new"))), word)
            }),
          )
          refused(yield* Effect.flip(reseal(fileOf(home), undefined)), word)
          assert.deepStrictEqual(contents(home)["keep.db"], before["keep.db"])
        }
        fs.writeFileSync(keyOf(home), key)
        assert.strictEqual((yield* withStore(home, (store) => store.read("a")))?.generation, 1)
      }),
    ),
  )

  it.effect("says how to reach a keyring that is not there", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const home = yield* freshHome
        yield* withStore(home, (store) => store.compareAndSwap("a", put("a")))
        const before = contents(home)
        const error = yield* Effect.flip(reseal(fileOf(home), { kind: "keyring", account: fileOf(home) }))
        refused(error, "tokenkeep seal --key-file FILE")
        assert.deepStrictEqual(contents(home)["keep.db"], before["keep.db"])
      }),
    ),
  )
})

describe("a seal", () => {
  const one = Seal.make(Buffer.alloc(32, 1))
  it("opens what it closed, for the same name only, and nothing that was changed", () => {
    const sealed = one.close("a", "text")
    assert.strictEqual(one.open("a", sealed), "text")
    assert.isUndefined(one.open("b", sealed))
    assert.isUndefined(Seal.make(Buffer.alloc(32, 2)).open("a", sealed))
    const at = sealed.length - 5
    assert.isUndefined(one.open("a", sealed.slice(0, at) + (sealed[at] === "A" ? "B" : "A") + sealed.slice(at + 1)))
    assert.isUndefined(one.open("a", "sealed1."))
    assert.notStrictEqual(one.close("a", "text"), sealed)
  })
})

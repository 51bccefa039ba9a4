/**
 * What every CredentialStore does: one suite for all of them.
 *
 * A store's test file provides `Views`: one fresh, empty store, and any number of users of it that are to each other as
 * processes are. Credentials are compared by digest, so that a failing test prints no token.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Change from "../../src/lifecycle/Change.ts"
import type * as Credential from "../../src/lifecycle/Credential.ts"
import type { CredentialStore, StoreUnavailable } from "../../src/store/CredentialStore.ts"
import { longest } from "../../src/lifecycle/History.ts"
import { claim, commit, condemn, digest, put, release } from "./changes.ts"

export class Views extends Context.Service<
  Views,
  { readonly open: Effect.Effect<CredentialStore["Service"], StoreUnavailable, Scope.Scope> }
>()("test/store/Views") {}

const digests = (credentials: ReadonlyArray<Credential.Credential>): ReadonlyArray<string> =>
  credentials.map((credential) => `${credential.name} ${digest(credential)}`)

/** Takes from `changes` until every one of `names` was named. Waits in real time, so only in live tests. */
const hears = (store: CredentialStore["Service"], names: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const missing = new Set(names)
    return store.changes.pipe(
      Stream.tap((name) => Effect.sync(() => missing.delete(name))),
      Stream.takeUntil(() => missing.size === 0),
      Stream.runCollect,
      Effect.timeout("15 seconds"),
    )
  })

export const suite = (name: string, layer: Layer.Layer<Views, unknown>): void => {
  const open = Effect.flatMap(Views, (views) => views.open)
  const fresh = Effect.provide(Layer.fresh(layer))

  describe(`CredentialStore: ${name}`, () => {
    it.effect("knows nothing at first", () =>
      Effect.gen(function* () {
        const store = yield* open
        assert.isUndefined(yield* store.read("a"))
        assert.deepStrictEqual(yield* store.list, [])
        assert.isFalse(yield* store.remove("a"))
        assert.deepStrictEqual(yield* store.compareAndSwap("a", commit(0)), { applied: false, credential: undefined })
      }).pipe(fresh),
    )

    it.effect("gives back what was put, secrets and all", () =>
      Effect.gen(function* () {
        const store = yield* open
        const stored = yield* store.compareAndSwap("a", put("a"))
        assert.isTrue(stored.applied)
        assert.strictEqual(stored.credential?.generation, 1)
        const read = yield* store.read("a")
        assert.strictEqual(digest(read), digest({ ...put("a").credential, generation: 1 }))
        assert.strictEqual(digest(read), digest(stored.credential))
        assert.isFalse(JSON.stringify(read).includes("refresh-0"))
      }).pipe(fresh),
    )

    it.effect("puts over anything, with the next generation", () =>
      Effect.gen(function* () {
        const store = yield* open
        yield* store.compareAndSwap("a", put("a"))
        yield* store.compareAndSwap("a", claim(1, "t"))
        yield* store.compareAndSwap("a", condemn(1, "t"))
        const { credential } = yield* store.compareAndSwap("a", put("a", 7))
        assert.strictEqual(digest(credential), digest({ ...put("a", 7).credential, generation: 2 }))
      }).pipe(fresh),
    )

    it.effect("gives a generation's ticket once, and tells the loser who has it", () =>
      Effect.gen(function* () {
        const [one, two] = [yield* open, yield* open]
        yield* one.compareAndSwap("a", put("a"))
        assert.isTrue((yield* one.compareAndSwap("a", claim(1, "first"))).applied)
        const lost = yield* two.compareAndSwap("a", claim(1, "second"))
        assert.isFalse(lost.applied)
        assert.strictEqual(lost.credential?.ticket?.id, "first")
        assert.strictEqual(digest(yield* one.read("a")), digest(lost.credential))
      }).pipe(fresh),
    )

    it.effect("gives a second ticket only after exactly the one in doubt, and no third", () =>
      Effect.gen(function* () {
        const store = yield* open
        yield* store.compareAndSwap("a", put("a"))
        yield* store.compareAndSwap("a", claim(1, "first"))
        assert.isFalse((yield* store.compareAndSwap("a", claim(1, "second", "other"))).applied)
        assert.isTrue((yield* store.compareAndSwap("a", claim(1, "second", "first"))).applied)
        assert.isFalse((yield* store.compareAndSwap("a", claim(1, "third", "second"))).applied)
        assert.isFalse((yield* store.compareAndSwap("a", claim(1, "third", "first"))).applied)
        assert.strictEqual((yield* store.read("a"))?.ticket?.first?.id, "first")
      }).pipe(fresh),
    )

    it.effect("commits by generation alone, whoever has the ticket", () =>
      Effect.gen(function* () {
        const [one, two] = [yield* open, yield* open]
        yield* one.compareAndSwap("a", put("a"))
        yield* one.compareAndSwap("a", claim(1, "theirs"))
        yield* one.compareAndSwap("a", condemn(1, "theirs"))
        const done = yield* two.compareAndSwap("a", commit(1))
        assert.isTrue(done.applied)
        const { pace } = done.credential!
        assert.isAbove(pace!, 0)
        assert.strictEqual(digest(done.credential), digest({ ...put("a", 2).credential, generation: 2, pace: pace! }))
        const late = yield* one.compareAndSwap("a", commit(1, 99))
        assert.isFalse(late.applied)
        assert.strictEqual(digest(late.credential), digest(done.credential))
        assert.isFalse((yield* one.compareAndSwap("a", condemn(1))).applied)
        assert.strictEqual(digest(yield* one.read("a")), digest(done.credential))
      }).pipe(fresh),
    )

    it.effect("takes a ticket back from its holder only, and keeps the pause", () =>
      Effect.gen(function* () {
        const store = yield* open
        yield* store.compareAndSwap("a", put("a"))
        yield* store.compareAndSwap("a", claim(1, "mine"))
        assert.isFalse((yield* store.compareAndSwap("a", release(1, "not mine"))).applied)
        const pause = { until: 10, failures: 2, cause: "the server was busy" }
        assert.isTrue((yield* store.compareAndSwap("a", release(1, "mine", pause))).applied)
        const stored = yield* store.read("a")
        assert.isUndefined(stored?.ticket)
        assert.deepStrictEqual(stored?.pause, pause)
      }).pipe(fresh),
    )

    it.effect("forgets a removed name, but not its generation", () =>
      Effect.gen(function* () {
        const [one, two] = [yield* open, yield* open]
        yield* one.compareAndSwap("a", put("a"))
        yield* one.compareAndSwap("a", commit(1))
        assert.isTrue(yield* one.remove("a"))
        assert.isFalse(yield* two.remove("a"))
        assert.isUndefined(yield* two.read("a"))
        assert.deepStrictEqual(yield* two.list, [])
        for (const generation of [1, 2, 3]) {
          const late = yield* two.compareAndSwap("a", commit(generation))
          assert.deepStrictEqual(late, { applied: false, credential: undefined })
        }
        const { credential } = yield* two.compareAndSwap("a", put("a", 5))
        assert.strictEqual(digest(credential), digest({ ...put("a", 5).credential, generation: 4 }))
      }).pipe(fresh),
    )

    it.effect("lists by name what is there", () =>
      Effect.gen(function* () {
        const store = yield* open
        for (const name of ["b", "c", "a", "B", "a1"]) yield* store.compareAndSwap(name, put(name))
        yield* store.remove("c")
        const listed = yield* store.list
        assert.deepStrictEqual(
          listed.map(({ name }) => name),
          ["B", "a", "a1", "b"],
        )
        assert.strictEqual(digest(listed[1]), digest(yield* store.read("a")))
      }).pipe(fresh),
    )

    it.effect("takes any name literally", () =>
      Effect.gen(function* () {
        const store = yield* open
        const names = ["x' OR 1=1 --", "../../etc", "ключ 🔑", "a\nb", "%", "__proto__", "a"]
        for (const [serial, name] of names.entries()) yield* store.compareAndSwap(name, put(name, serial))
        for (const [serial, name] of names.entries()) {
          const expected = digest({ ...put(name, serial).credential, generation: 1 })
          assert.strictEqual(digest(yield* store.read(name)), expected)
        }
        assert.strictEqual((yield* store.list).length, names.length)
      }).pipe(fresh),
    )

    it.effect("has one winner however many claim at once", () =>
      Effect.gen(function* () {
        const stores = yield* Effect.all(Array.from({ length: 4 }, () => open))
        yield* stores[0]!.compareAndSwap("a", put("a"))
        for (let generation = 1; generation <= 20; generation++) {
          const swaps = yield* Effect.all(
            Array.from({ length: 12 }, (_, index) =>
              stores[index % 4]!.compareAndSwap("a", claim(generation, `t${index}`)),
            ),
            { concurrency: "unbounded" },
          )
          assert.strictEqual(swaps.filter(({ applied }) => applied).length, 1)
          assert.strictEqual(new Set(swaps.map(({ credential }) => credential?.ticket?.id)).size, 1)
          yield* stores[generation % 4]!.compareAndSwap("a", commit(generation))
        }
      }).pipe(fresh),
    )

    it.effect("does what Change.apply says, in any order, from any view", () =>
      Effect.gen(function* () {
        const stores = [yield* open, yield* open] as const
        const model = new Map<string, { generation: number; credential: Credential.Credential | undefined }>()
        const applied = new Map<string, number>()
        const names = ["a", "b", "c"] as const
        for (let step = 0; step < 1_500; step++) {
          const name = yield* Random.choice(names)
          const store = yield* Random.choice(stores)
          const known = model.get(name)
          // Mostly the newest generation, sometimes one before or after it.
          const generation = (known?.generation ?? 0) + (yield* Random.choice([0, 0, 0, 0, -1, 1] as const))
          const doubted = known?.credential?.ticket?.id ?? "nobody"
          const choice = yield* Random.choice<ReadonlyArray<Change.Change | "remove">>([
            put(name, step),
            claim(generation, `t${step}`),
            claim(generation, `u${step}`),
            claim(generation, `v${step}`),
            claim(generation, `t${step}`, doubted),
            commit(generation, step),
            release(generation, doubted, { until: step, failures: 1, cause: "busy" }),
            condemn(generation, known?.credential?.ticket?.id),
            "remove",
          ])
          if (choice === "remove") {
            const there = known?.credential !== undefined
            assert.strictEqual(yield* store.remove(name), there)
            if (there) model.set(name, { generation: known.generation + 1, credential: undefined })
            continue
          }
          const next = Change.apply(known?.credential, known?.generation ?? 0, choice)
          const swapped = yield* store.compareAndSwap(name, choice)
          assert.strictEqual(swapped.applied, next !== undefined)
          assert.strictEqual(digest(swapped.credential), digest(next ?? known?.credential))
          if (next === undefined) continue
          assert.isAtLeast(next.generation, known?.generation ?? 0)
          model.set(name, { generation: next.generation, credential: next })
          applied.set(choice._tag, (applied.get(choice._tag) ?? 0) + 1)
        }
        for (const store of stores) {
          for (const name of names)
            assert.strictEqual(digest(yield* store.read(name)), digest(model.get(name)?.credential))
          const expected = names.flatMap((name) => model.get(name)?.credential ?? [])
          assert.deepStrictEqual(digests(yield* store.list), digests(expected))
        }
        // The walk would prove nothing if it had applied only some of the changes.
        for (const tag of ["Put", "Claim", "Commit", "Release", "Condemn"]) assert.isAtLeast(applied.get(tag) ?? 0, 5)
      }).pipe(Random.withSeed("tokenkeep"), fresh),
    )

    it.effect("keeps a history beside the record: in order, bounded, for every process, and after a removal", () =>
      Effect.gen(function* () {
        const [one, two] = [yield* open, yield* open]
        const line = (event: string) => ({ at: 1, by: "test (pid 1)", host: "h", event, generation: 1 })
        const events = Effect.map(two.history("a"), (lines) => lines.map(({ event }) => event))
        assert.deepStrictEqual(yield* events, [])
        yield* one.compareAndSwap("a", put("a"), [line("put")])
        yield* one.compareAndSwap("a", commit(7), [line("does not apply")])
        yield* two.append("a", [line("first"), line("second")])
        yield* two.append("b", [line("of another name")])
        assert.deepStrictEqual(yield* events, ["put", "first", "second"])
        yield* one.remove("a")
        assert.deepStrictEqual(yield* events, ["put", "first", "second"])
        yield* one.append(
          "a",
          Array.from({ length: longest }, (_, index) => line(String(index))),
        )
        assert.deepStrictEqual([(yield* events).length, (yield* events)[0]], [longest, "0"])
      }).pipe(fresh),
    )

    it.live("tells of others' changes, also of those made before anybody listened, and of removals", () =>
      Effect.gen(function* () {
        const [here, there] = [yield* open, yield* open]
        yield* there.compareAndSwap("early", put("early"))
        const heard = yield* Effect.forkChild(hears(here, ["early", "late", "gone"]))
        yield* there.compareAndSwap("gone", put("gone"))
        yield* there.remove("gone")
        yield* Effect.sleep("100 millis")
        yield* there.compareAndSwap("late", put("late"))
        yield* Fiber.join(heard)
      }).pipe(fresh),
    )

    it.live("tells every listener, and nobody of his own changes", () =>
      Effect.gen(function* () {
        const [here, there] = [yield* open, yield* open]
        yield* here.compareAndSwap("mine", put("mine"))
        const first = yield* Effect.forkChild(hears(here, ["theirs"]))
        const second = yield* Effect.forkChild(hears(here, ["theirs"]))
        yield* Effect.sleep("100 millis")
        yield* here.compareAndSwap("mine too", put("mine too"))
        yield* there.compareAndSwap("theirs", put("theirs"))
        assert.deepStrictEqual(yield* Fiber.join(first), ["theirs"])
        assert.deepStrictEqual(yield* Fiber.join(second), ["theirs"])
      }).pipe(fresh),
    )
  })
}

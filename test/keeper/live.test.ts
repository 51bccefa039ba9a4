import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Access } from "../../src/keeper/Keeper.ts"
import { StoreUnavailable } from "../../src/store/CredentialStore.ts"
import { tokens } from "../lifecycle/credentials.ts"
import { ambiguous, denied, elapse, hour, makeWorld, passing, settle } from "./world.ts"

const text = (access: Access) => Redacted.value(access.token)
const many = <A, E>(count: number, effect: Effect.Effect<A, E>) =>
  Effect.all(
    Array.from({ length: count }, () => effect),
    { concurrency: "unbounded" },
  )

describe("Keeper", () => {
  it.effect("1,000 calls on a valid token: no request", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      const got = yield* many(1_000, keeper.credential("github").access())
      assert.isTrue(got.every((access) => text(access) === "access-1"))
      assert.isTrue(keeper.credential("github").peek() === "access-1")
      assert.lengthOf(world.presented, 0)
    }),
  )

  it.effect("50 callers at expiry: one presentation, all get the new token", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      const got = yield* elapse(many(50, keeper.credential("github").access()))
      assert.isTrue(got.every((access) => text(access) === "access-2" && access.generation === 2))
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("8 processes x 10 callers at expiry: one presentation", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const first = yield* world.open("p0")
      yield* first.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      const keepers = [first]
      for (let i = 1; i < 8; i++) keepers.push(yield* world.open(`p${i}`))
      const got = yield* elapse(
        Effect.all(
          keepers.map((keeper) => many(10, keeper.credential("github").access())),
          { concurrency: "unbounded" },
        ),
      )
      assert.lengthOf(got.flat(), 80)
      assert.isTrue(got.flat().every((access) => text(access) === "access-2"))
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("a caller that goes away cancels nothing", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      const github = keeper.credential("github")
      const impatient = yield* Effect.forkChild(github.access())
      yield* settle
      yield* Fiber.interrupt(impatient)
      yield* TestClock.adjust(200)
      yield* settle
      assert.isTrue(github.peek() === "access-2")
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("another process rotated meanwhile: adopted, no request", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const one = yield* world.open("a")
      const other = yield* world.open("b", { background: false })
      yield* one.put(world.grant())
      yield* other.credential("github").access()
      yield* TestClock.adjust(2 * hour)
      yield* elapse(one.credential("github").access())
      const adopted = yield* elapse(other.credential("github").access())
      assert.isTrue(text(adopted) === "access-2")
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("in the window it refreshes by itself, with nobody asking, and serves the old token meanwhile", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.slow(5_000)
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      const github = keeper.credential("github")
      yield* github.access()
      yield* TestClock.adjust(0.79 * hour)
      assert.lengthOf(world.presented, 0)
      yield* elapse(Effect.sleep(0.06 * hour), 1_000)
      assert.lengthOf(world.presented, 1)
      assert.isTrue(github.peek() === "access-2")
    }),
  )

  it.effect("one timer, any number of credentials, each in its own time", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      for (let i = 0; i < 20; i++) {
        const expiry = { _tag: "Known", at: (i + 1) * hour, lifetimeMillis: (i + 1) * hour } as const
        yield* keeper.put(world.grant({ name: `c${i}`, tokens: tokens({ expiry }) }))
        yield* keeper.credential(`c${i}`).access()
      }
      yield* elapse(Effect.sleep(1.1 * hour), 200, 60_000)
      assert.isAtLeast(world.presented.length, 1)
      assert.isBelow(world.presented.length, 5)
    }),
  )

  it.effect("a 503 while the token still works: served, with a note; and pauses before the next try", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push(passing(), passing(), passing(), passing(), passing(), passing(), passing(), passing())
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      const github = keeper.credential("github")
      yield* TestClock.adjust(0.9 * hour)
      yield* github.access()
      yield* elapse(Effect.sleep(10_000), 20)
      const served = yield* github.access()
      assert.isTrue(text(served) === "access-1")
      assert.include(served.note ?? "", "503")
      assert.isAtMost(world.presented.length, 5)
    }),
  )

  it.effect("a 503 with no usable token: told when to come back, one request for all callers", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push(passing(2 * hour + 60_000))
      const keeper = yield* world.open("a", { background: false })
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      const results = yield* elapse(many(10, Effect.flip(keeper.credential("github").access())))
      for (const error of results) assert.strictEqual(error._tag, "TemporarilyUnavailable")
      const [first] = results
      assert.isTrue(first?._tag === "TemporarilyUnavailable" && first.retryAt >= 2 * hour + 60_000)
      yield* Effect.flip(keeper.credential("github").access())
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("a dead grant and 100 calls in two processes: one request, and a new login heals both", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push(denied)
      const one = yield* world.open("a")
      const other = yield* world.open("b")
      yield* one.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      const errors = [
        ...(yield* elapse(many(50, Effect.flip(one.credential("github").access())))),
        ...(yield* elapse(many(50, Effect.flip(other.credential("github").access())))),
      ]
      for (const error of errors) assert.isTrue(error._tag === "SignInRequired" && error.reason === "rejected")
      assert.lengthOf(world.presented, 1)
      const again = tokens({ accessToken: Redacted.make("access-new"), expiry: { _tag: "Unknown" } })
      yield* one.put(world.grant({ tokens: again }))
      yield* settle
      assert.isTrue(text(yield* one.credential("github").access()) === "access-new")
      assert.isTrue(text(yield* other.credential("github").access()) === "access-new")
    }),
  )

  it.effect("50 parallel 401s for one token: one refresh; a straggler gets the newer token for nothing", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      const github = keeper.credential("github")
      yield* github.access()
      const got = yield* elapse(many(50, github.refused("access-1")))
      assert.isTrue(got.every((access) => text(access) === "access-2"))
      const straggler = yield* elapse(github.refused("access-1"))
      assert.isTrue(text(straggler) === "access-2")
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("a refusal after another process has rotated: adopted, no request", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const one = yield* world.open("a")
      const other = yield* world.open("b")
      yield* one.put(world.grant())
      yield* one.credential("github").access()
      yield* other.credential("github").access()
      yield* elapse(one.credential("github").refused("access-1"))
      const adopted = yield* elapse(other.credential("github").refused("access-1"))
      assert.isTrue(text(adopted) === "access-2")
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("a server that refuses every token it mints is paced, and is not death", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      const github = keeper.credential("github")
      let token = text(yield* github.access())
      for (let i = 0; i < 20; i++) {
        const exit = yield* elapse(Effect.exit(github.refused(token)), 1, 200)
        if (Exit.isSuccess(exit)) token = text(exit.value)
      }
      assert.isAtMost(world.presented.length, 2)
      assert.strictEqual((yield* keeper.status("github")).state[0], "valid")
    }),
  )

  it.effect("an endpoint that never answers: the caller is told within its deadline", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push("hang")
      const scope = yield* Scope.make()
      const options = { background: false, callerDeadlineMillis: 5_000 }
      const keeper = yield* Scope.provide(world.open("a", options), scope)
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      const start = 2 * hour
      const error = yield* elapse(Effect.flip(keeper.credential("github").access()), 10)
      assert.strictEqual(error._tag, "TemporarilyUnavailable")
      assert.isTrue(error._tag === "TemporarilyUnavailable" && error.retryAt - start <= 7_000)
      yield* elapse(Scope.close(scope, Exit.void), 40)
    }),
  )

  it.effect("a lost answer: served to the token's end, one second presentation, then lost in rotation", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push(ambiguous, denied)
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      const github = keeper.credential("github")
      yield* TestClock.adjust(0.9 * hour)
      yield* github.access()
      yield* elapse(Effect.sleep(60_000), 80)
      const served = yield* github.access()
      assert.isTrue(text(served) === "access-1")
      assert.include(served.note ?? "", "connection broke")
      assert.lengthOf(world.presented, 1)
      yield* elapse(Effect.sleep(0.2 * hour), 100, 30_000)
      const error = yield* Effect.flip(github.access())
      assert.isTrue(error._tag === "SignInRequired" && error.reason === "lostInRotation")
      assert.lengthOf(world.presented, 2)
    }),
  )

  it.effect("an outage while no token is left: the last presentation waits five minutes, and saves the login", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push(ambiguous)
      yield* TestClock.adjust(2 * hour)
      const first = yield* world.open("a", { background: false })
      yield* first.put(world.grant())
      const error = yield* elapse(Effect.flip(first.credential("github").access()))
      assert.isTrue(error._tag === "TemporarilyUnavailable" && error.retryAt >= 2 * hour + 300_000)
      // The process that asked is gone by the time the next ones ask, as short commands are.
      world.gone.add("a")
      for (let i = 0; i < 3; i++) {
        const next = yield* world.open(`b${i}`, { background: false })
        const again = yield* elapse(Effect.flip(next.credential("github").access()))
        assert.isTrue(again._tag === "TemporarilyUnavailable")
        assert.include(again.message, "never came")
      }
      assert.lengthOf(world.presented, 1)
      yield* TestClock.adjust(300_000)
      const last = yield* world.open("c", { background: false })
      assert.isTrue(text(yield* elapse(last.credential("github").access())) === "access-2")
      assert.lengthOf(world.presented, 2)
    }),
  )

  it.effect("a holder that died in the middle is followed at once when nothing usable is left", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push("hang")
      const dying = yield* Scope.make()
      const first = yield* Scope.provide(world.open("dead"), dying)
      yield* first.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      yield* Effect.forkChild(first.credential("github").access())
      yield* settle
      world.gone.add("dead")
      const second = yield* world.open("next")
      const got = yield* elapse(second.credential("github").access(), 2, 500)
      assert.isTrue(text(got) === "access-2")
      assert.deepStrictEqual(world.presented, ["refresh-1", "refresh-1"])
    }),
  )

  it.effect("a clock that jumps back or a machine that slept: the timer looks at the wall clock again", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      yield* keeper.credential("github").access()
      yield* TestClock.setTime(0.99 * hour)
      yield* elapse(Effect.sleep(31_000), 40)
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("closing waits for the exchange on the wire, and stores what it brings", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.slow(5_000)
      const scope = yield* Scope.make()
      const keeper = yield* Scope.provide(world.open("a"), scope)
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      yield* Effect.forkChild(keeper.credential("github").access())
      yield* settle
      yield* elapse(Scope.close(scope, Exit.void), 40)
      const after = yield* world.open("b")
      assert.isTrue(text(yield* after.credential("github").access()) === "access-2")
      assert.lengthOf(world.presented, 1)
    }),
  )

  it.effect("removed and unknown names are not found, and a removed one leaves memory", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a")
      const other = yield* world.open("b")
      assert.strictEqual((yield* Effect.flip(keeper.credential("nobody").access()))._tag, "CredentialNotFound")
      yield* keeper.put(world.grant())
      yield* other.credential("github").access()
      yield* keeper.remove("github")
      yield* settle
      assert.strictEqual((yield* Effect.flip(other.credential("github").access()))._tag, "CredentialNotFound")
      assert.isUndefined(other.credential("github").peek())
    }),
  )

  it.effect("no message, note or status prints a secret", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      world.script.push(denied)
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      const access = yield* keeper.credential("github").access()
      yield* TestClock.adjust(2 * hour)
      const error = yield* elapse(Effect.flip(keeper.credential("github").access()))
      const status = yield* keeper.status("github")
      const printed = [
        String(error),
        JSON.stringify(error),
        JSON.stringify(status),
        JSON.stringify(access),
        String(access),
      ]
      for (const secret of ["access-1", "refresh-1"]) assert.isFalse(printed.some((line) => line.includes(secret)))
    }),
  )
})

describe("a store that fails", () => {
  const broken = new StoreUnavailable({ reason: "full", path: "keep.db", message: "keep.db: the disk is full" })
  const failing = (world: ReturnType<typeof makeWorld>, when: (change: string) => boolean) => {
    const { open } = world.shared
    return Object.assign(world.shared, {
      open: Effect.map(open, (store) => ({
        ...store,
        compareAndSwap: (name: string, change: Parameters<typeof store.compareAndSwap>[1]) =>
          when(change._tag) ? Effect.fail(broken) : store.compareAndSwap(name, change),
      })),
    })
  }

  it.effect("at the ticket: nothing is spent, and the caller hears of the store", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      let broke = false
      failing(world, () => broke)
      const keeper = yield* world.open("a", { background: false })
      yield* keeper.put(world.grant())
      broke = true
      yield* TestClock.adjust(2 * hour)
      const error = yield* elapse(Effect.flip(keeper.credential("github").access()))
      assert.strictEqual(error._tag, "StoreUnavailable")
      assert.lengthOf(world.presented, 0)
    }),
  )

  it.effect("at the commit: served from memory with a note, stored once it can be, never exchanged again", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      let broke = true
      failing(world, (change) => broke && change === "Commit")
      const keeper = yield* world.open("a")
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      const held = yield* elapse(keeper.credential("github").access())
      assert.isTrue(text(held) === "access-2")
      assert.include(held.note ?? "", "disk is full")
      yield* elapse(Effect.sleep(5_000), 20)
      broke = false
      yield* elapse(Effect.sleep(5_000), 20)
      const other = yield* world.open("b")
      assert.isTrue(text(yield* other.credential("github").access()) === "access-2")
      assert.lengthOf(world.presented, 1)
    }),
  )
})

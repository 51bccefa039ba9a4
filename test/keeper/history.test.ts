import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { longest } from "../../src/lifecycle/History.ts"
import { words } from "../../src/cli/explain.ts"
import { ambiguous, denied, elapse, hour, makeWorld, settle } from "./world.ts"

/** A short command, as the history is mostly asked about. */
const command = { background: false, label: "job" }

describe("the history", () => {
  it.effect("tells who refreshed, when, why and what came of it, and no secret", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a", command)
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      yield* elapse(keeper.credential("github").access({ caller: "nightly" }))
      yield* settle
      const lines = yield* keeper.history("github")
      assert.deepStrictEqual(
        lines.map(({ event, from, to }) => [event, from, to]),
        [
          ["GrantStored", undefined, undefined],
          ["Asked", "expiring.lapsed", "refreshing.claiming"],
          ["Claimed", "refreshing.claiming", "refreshing.exchanging"],
          ["Granted", "refreshing.exchanging", "refreshing.committing"],
          ["Stored", "refreshing.committing", "valid"],
        ],
      )
      assert.strictEqual(lines[1]?.caller, "nightly")
      assert.strictEqual(lines[1]?.by, "job (pid 1)")
      assert.strictEqual(lines[2]?.refresh, fingerprint("refresh-1"))
      assert.strictEqual(lines[3]?.access, fingerprint("access-2"))
      const told = lines.map(words).join("\n")
      for (const secret of ["access-1", "access-2", "refresh-1", "refresh-2"]) assert.notInclude(told, secret)
      assert.include(told, "nightly asked for a token")
    }),
  )

  it.effect("has the claim as soon as the ticket is won: who is killed then has left his name", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a", command)
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      world.script.push("hang")
      const fiber = yield* Effect.forkChild(keeper.credential("github").access())
      yield* settle
      const lines = yield* (yield* world.open("b", command)).history("github")
      assert.deepStrictEqual(
        lines.map(({ event }) => event),
        ["GrantStored", "Asked"],
      )
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust(60_000)
    }),
  )

  it.effect("has the claim of a program that refreshes as soon as it sees the credential, too", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      yield* (yield* world.open("a", command)).put(world.grant())
      yield* TestClock.adjust(2 * hour)
      world.script.push("hang")
      const keeper = yield* world.open("b", { background: true, label: "service" })
      const fiber = yield* Effect.forkChild(keeper.credential("github").access())
      yield* settle
      const lines = yield* keeper.history("github")
      assert.deepStrictEqual(
        lines.map(({ by, event, to }) => [by, event, to]),
        [
          ["job (pid 1)", "GrantStored", undefined],
          ["service (pid 1)", "Looked", "refreshing.claiming"],
        ],
      )
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust(60_000)
    }),
  )

  it.effect("names the server's code of a death, and a lost answer", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a", command)
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      world.script.push(ambiguous)
      yield* elapse(Effect.exit(keeper.credential("github").access()))
      yield* TestClock.adjust(hour)
      world.script.push(denied)
      yield* elapse(Effect.exit(keeper.credential("github").access()))
      yield* settle
      const told = (yield* keeper.history("github")).map(words).join("\n")
      assert.include(told, "no answer came that says what became of it")
      assert.include(told, "for good (invalid_grant)")
    }),
  )

  it.effect("is bounded", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a", command)
      yield* keeper.put(world.grant())
      const github = keeper.credential("github")
      yield* github.access()
      for (let i = 0; i < 2 * longest; i++) yield* github.refused("an older one")
      yield* settle
      assert.isAtMost((yield* keeper.history("github")).length, longest)
    }),
  )

  it.effect("a dead grant is tried once more when a person says so, and only then", () =>
    Effect.gen(function* () {
      const world = makeWorld()
      const keeper = yield* world.open("a", command)
      yield* keeper.put(world.grant())
      yield* TestClock.adjust(2 * hour)
      world.script.push(denied)
      const github = keeper.credential("github")
      yield* elapse(Effect.exit(github.access()))
      yield* elapse(Effect.exit(github.access()))
      assert.lengthOf(world.presented, 1)
      const again = yield* elapse(Effect.exit(github.access({ retryDead: true })))
      assert.lengthOf(world.presented, 2)
      assert.isTrue(again._tag === "Success" && Redacted.value(again.value.token) === "access-2")
      assert.include((yield* keeper.history("github")).map(words).join("\n"), "tried once more")
    }),
  )
})

/** Killed at one certain moment of a refresh, between any two of its writes: what the next process makes of it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ReuseClass } from "../../src/lifecycle/Credential.ts"
import { assertEnded, minted, simulated, type SimulatedWorld } from "./support.ts"

type Moment = readonly [when: "before" | "after", change: "Claim" | "Journal" | "Commit"]

const graceful = (reuse: ReuseClass) => ({
  reuse,
  graceMillis: reuse === "idempotent" || reuse === "fork" ? 60_000 : 0,
})

/** A program is killed at that moment while it refreshes. */
const killed = Effect.fnUntraced(function* (world: SimulatedWorld, [when, change]: Moment) {
  const { code, signal, stderr } = yield* world.program("dying.mjs", ["github", when, change])
  assert.deepStrictEqual([code, signal], [null, "SIGKILL"], stderr)
})

const outcomes = (world: SimulatedWorld) => world.presentations().map(({ outcome }) => outcome)

describe("killed between two writes of a refresh", () => {
  const moments: ReadonlyArray<readonly [Moment, ReuseClass]> = [
    ...ReuseClass.literals.map((reuse) => [["after", "Journal"], reuse] as const),
    [["before", "Commit"], "strict"],
    [["after", "Commit"], "strict"],
  ]
  for (const [moment, reuse] of moments) {
    it.live(`${moment.join(" ")}, ${reuse}: the next process has the new token, and presents nothing`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          yield* world.bringIn("github", -1_000, { policy: graceful(reuse) })
          yield* killed(world, moment)
          const next = yield* world.run(["token", "github"])
          assertEnded(next, 0)
          assert.strictEqual(next.result, minted(world))
          assert.deepStrictEqual(outcomes(world), ["granted"])
          // The login lives on.
          const again = yield* world.run(["token", "github", "--refused", next.result])
          assertEnded(again, 0)
          assert.deepStrictEqual(outcomes(world), ["granted", "granted"])
        }),
      ),
    )
  }

  for (const moment of [
    ["before", "Claim"],
    ["after", "Claim"],
  ] as const) {
    it.live(`${moment.join(" ")}: the token was never presented, and the next process does it at once`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          yield* world.bringIn("github", -1_000)
          yield* killed(world, moment)
          assert.deepStrictEqual(outcomes(world), [])
          const next = yield* world.run(["token", "github"])
          assertEnded(next, 0)
          assert.strictEqual(next.result, minted(world))
          assert.deepStrictEqual(outcomes(world), ["granted"])
        }),
      ),
    )
  }

  it.live("before Journal: then the answer is lost, and a strict server forgives nothing", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        yield* killed(world, ["before", "Journal"])
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 3)
        assert.include(next.stderr, "the answer to a refresh was lost, and with it the new refresh token")
        assert.deepStrictEqual(outcomes(world), ["granted", "denied"])
      }),
    ),
  )

  it.live("a refusal, after Journal: the next process reads it, and asks nobody again", () =>
    simulated((world) =>
      Effect.gen(function* () {
        world.server.revokeGrant((yield* world.bringIn("github", -1_000)).number)
        yield* killed(world, ["after", "Journal"])
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 3)
        assert.include(next.stderr, "the server no longer accepts the refresh token (invalid_grant)")
        assert.deepStrictEqual(outcomes(world), ["denied"])
      }),
    ),
  )

  it.live("while others wait for it: the answer that was written down is theirs", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        yield* killed(world, ["after", "Journal"])
        const programs = yield* Effect.all([world.worker("github"), world.worker("github")], {
          concurrency: "unbounded",
        })
        const answers = yield* Effect.forEach(programs, (program) => program.ask({ wish: "token", times: 10 }), {
          concurrency: "unbounded",
        })
        for (const answer of answers) assert.deepStrictEqual(answer, { got: { [minted(world)]: 10 }, errors: [] })
        assert.deepStrictEqual(outcomes(world), ["granted"])
      }),
    ),
  )
})

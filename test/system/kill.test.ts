/** A hundred rounds of what `npm run kill` runs a thousand of. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../run.ts"
import * as Kill from "./kill.ts"

describe("kill -9 at random moments of a refresh", () => {
  it.live(
    "costs a login only where the answer of a server was lost that forgives nothing, and nobody waits",
    () =>
      Effect.gen(function* () {
        const folder = temporaryFolder("kill")
        const { leaking, rounds } = yield* Kill.rounds({ rounds: 102, seed: 1, folder, parallel: 4 })
        assert.deepStrictEqual(Kill.wrong(rounds), [])
        assert.deepStrictEqual(leaking, [])
        // Or they were killed at the wrong moments.
        const at = (stage: (typeof Kill.stages)[number]) => rounds.filter((round) => round.stage === stage).length
        assert.isAbove(at("before the answer was written"), 10)
        assert.isAbove(rounds.filter(({ lost }) => lost).length, 0)
      }),
    120_000,
  )

  it("is judged: each thing that must not be is found", () => {
    const good: Kill.Round = {
      seed: 7,
      reuse: "fork",
      victim: "command",
      next: "program",
      bystander: false,
      before: 0,
      after: 0,
      anchor: "start",
      delay: 0,
      stage: "before the answer was written",
      lost: false,
      answerLost: true,
      diagnosed: false,
      hammered: false,
      waited: 100,
      complaints: [],
    }
    const lost = { ...good, reuse: "strict", lost: true, diagnosed: true } as const
    assert.deepStrictEqual(Kill.wrong([good, lost]), [])
    const bad: ReadonlyArray<readonly [round: Kill.Round, found: string]> = [
      [{ ...lost, reuse: "fork" }, "on a server that forgives"],
      [{ ...lost, answerLost: false }, "although no answer was"],
      [{ ...lost, diagnosed: false }, "nobody says so"],
      [{ ...good, hammered: true }, "presented again"],
      [{ ...good, waited: 5_000 }, "waited for 5000 ms"],
      [{ ...good, complaints: ["was told: exit 1"] }, "was told: exit 1"],
    ]
    for (const [round, found] of bad) {
      const [line, ...others] = Kill.wrong([round])
      assert.include(line, found)
      assert.include(line, "--seed 7 --rounds 1")
      assert.isEmpty(others)
    }
  })
})

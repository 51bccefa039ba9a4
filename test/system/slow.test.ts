/** An endpoint that takes its time: real time, because the sockets are real. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ReuseClass } from "../../src/lifecycle/Credential.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { simulated, together } from "./support.ts"

const classes = ReuseClass.literals

describe("8 processes and an endpoint that takes 12 seconds", () => {
  it.live("present the refresh token once, whatever the server would have done with a second one", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const grants = yield* Effect.forEach(classes, (reuse) =>
          world.bringIn(reuse, -1_000, {
            policy: { reuse, graceMillis: reuse === "idempotent" || reuse === "fork" ? 60_000 : 0 },
          }),
        )
        world.server.script({ ...Fault.slow(6_000, 6_000), times: 100 })
        const programs = yield* together(8, world.worker("-"))
        const began = performance.now()
        // All of them at once, and the processes share nothing but the store.
        const answers = yield* Effect.forEach(
          programs,
          (program) => program.ask({ wish: "token", names: classes, times: 5 }),
          { concurrency: "unbounded" },
        )
        assert.isAbove(performance.now() - began, 12_000)
        const shown = grants.map(({ refreshToken }) => world.server.presentations(fingerprint(refreshToken!)))
        assert.deepStrictEqual(
          shown.map((presentations) => presentations.map(({ outcome }) => outcome)),
          classes.map(() => ["granted"]),
        )
        const got = Object.fromEntries(shown.map(([presentation]) => [presentation!.granted!.accessToken, 5]))
        for (const answer of answers) assert.deepStrictEqual(answer, { got, errors: [] })
      }),
    ),
  )
})

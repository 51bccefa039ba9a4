import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { assertEnded, hour, minted, simulated, together } from "./support.ts"

describe("a refresh: once, and only when it is due", () => {
  it.live("1,000 calls on a valid token: 0 requests", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const first = fingerprint((yield* world.bringIn("github", hour)).accessToken)
        const program = yield* world.worker("github")
        const thousand = yield* program.ask({ wish: "token", times: 1_000 })
        assert.deepStrictEqual(thousand, { got: { [first]: 1_000 }, errors: [] })
        for (const args of [[], [], [], ["--min-ttl", "10m"], ["--timeout", "9s"]]) {
          const finished = yield* world.run(["token", "github", ...args])
          assertEnded(finished, 0)
          assert.deepStrictEqual([finished.result, finished.stderr], [first, ""])
        }
        assert.lengthOf(world.presentations(), 0)
      }),
    ),
  )

  it.live("50 callers at expiry in one process: 1 presentation, and all get its token", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        const program = yield* world.worker("github")
        const { errors, got } = yield* program.ask({ wish: "token", times: 50 })
        assert.deepStrictEqual(errors, [])
        assert.deepStrictEqual(got, { [minted(world)]: 50 })
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )

  it.live("8 processes × 10 requests at expiry: 1 presentation, and all 80 are answered", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000, { resource: world.resourceUrl })
        // Long enough for all of them to arrive while the one is on its way.
        world.server.script(Fault.slow(0, 300))
        const programs = yield* together(8, world.worker("github"))
        const answers = yield* Effect.forEach(
          programs,
          (program) => program.ask({ wish: "fetch", times: 10, url: world.resourceUrl }),
          { concurrency: "unbounded" },
        )
        assert.lengthOf(world.presentations(), 1)
        for (const answer of answers) assert.deepStrictEqual(answer, { got: { [minted(world)]: 10 }, errors: [] })
      }),
    ),
  )

  it.live("50 parallel 401s for one token: 1 refresh, also when other processes meet them too", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const { accessToken } = yield* world.bringIn("github", hour, { resource: world.resourceUrl })
        const program = yield* world.worker("github")
        const ask = { wish: "fetch", times: 50, url: world.resourceUrl } as const
        assert.deepStrictEqual((yield* program.ask(ask)).got, { [fingerprint(accessToken)]: 50 })
        world.server.revokeToken(accessToken)
        world.server.script(Fault.slow(0, 300))
        yield* program.wish(ask)
        const others = yield* together(4, world.run(["token", "github", "--refused", fingerprint(accessToken)]))
        assert.deepStrictEqual(yield* program.answer, { got: { [minted(world)]: 50 }, errors: [] })
        for (const finished of others) {
          assertEnded(finished, 0)
          assert.strictEqual(finished.result, minted(world))
        }
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )

  it.live("another process rotated meanwhile: adopted at a 401 and at the end of the token, 0 requests", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const { accessToken } = yield* world.bringIn("github", hour, { resource: world.resourceUrl })
        const program = yield* world.worker("github")
        const fetch = { wish: "fetch", url: world.resourceUrl } as const
        assert.deepStrictEqual((yield* program.ask(fetch)).got, { [fingerprint(accessToken)]: 1 })

        world.server.revokeToken(accessToken)
        assertEnded(yield* world.run(["token", "github", "--refused", fingerprint(accessToken)]), 0)
        assert.deepStrictEqual((yield* program.ask(fetch)).got, { [minted(world)]: 1 })
        assert.lengthOf(world.presentations(), 1)

        // A program that has the credential in memory, and one that only knows where it is.
        yield* world.bringIn("gitlab", 2_000)
        const programs = yield* together(2, world.worker("gitlab", { background: false }))
        yield* programs[0]!.ask({ wish: "token" })
        const other = yield* world.run(["token", "gitlab"])
        assertEnded(other, 0)
        yield* Effect.sleep(2_000)
        for (const each of programs) {
          assert.deepStrictEqual(yield* each.ask({ wish: "token" }), { got: { [other.result]: 1 }, errors: [] })
        }
        assert.lengthOf(world.presentations(), 2)
      }),
    ),
  )
})

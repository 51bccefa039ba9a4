/** Processes that end while an exchange is on the wire, or that need none. What signals do stands in `crash.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import * as Sqlite from "../../src/store/sqlite.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import type { Overrides } from "../../src/testing/Policy.ts"
import { assertEnded, hour, minted, simulated, type SimulatedWorld, until } from "./support.ts"

/** A program with a request on the wire, which ends as it is told on SIGUSR2. */
const exchanging = Effect.fnUntraced(function* (
  world: SimulatedWorld,
  end: "exit" | "close" | "throw",
  policy: Overrides = {},
) {
  yield* world.bringIn("github", -1_000, { policy })
  world.server.script(Fault.slow(0, 700))
  const program = yield* world.worker("github", { end })
  yield* program.wish({ wish: "token" })
  yield* until("the request", () => world.presentations().length === 1)
  yield* program.kill("SIGUSR2")
  return yield* program.finished
})

describe("a program that ends itself in the middle of an exchange", () => {
  it.live("and closes its keeper first has stored the answer", () =>
    simulated((world) =>
      Effect.gen(function* () {
        assertEnded(yield* exchanging(world, "close"), 7)
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 0)
        assert.strictEqual(next.result, minted(world))
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )

  for (const [end, code] of [
    ["exit", 7],
    ["throw", 1],
  ] as const) {
    it.live(`by ${end}: nobody can wait for anything then, and the next process goes on at once`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          assertEnded(yield* exchanging(world, end, { reuse: "idempotent", graceMillis: 60_000 }), code)
          const next = yield* world.run(["token", "github"])
          assertEnded(next, 0)
          assert.strictEqual(next.result, minted(world))
          assert.deepStrictEqual(
            world.presentations().map(({ outcome }) => outcome),
            ["granted", "repeated"],
          )
        }),
      ),
    )
  }

  it.live("by exit, and the server is strict: said as what it is, and who it was", () =>
    simulated((world) =>
      Effect.gen(function* () {
        assertEnded(yield* exchanging(world, "exit"), 7)
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 3)
        assert.include(next.stderr, "the answer to a refresh was lost, and with it the new refresh token")
        const { result } = yield* world.run(["explain", "github"])
        assert.match(result, /tokenkeep \(pid \d+\): wants to refresh generation 1/)
        assert.match(
          result,
          /tokenkeep \(pid \d+\): the server refused refresh token \w{12} for good \(invalid_grant\)/,
        )
      }),
    ),
  )
})

describe("an endpoint that never answers holds nobody for longer than the deadline of an exchange", () => {
  it.live("a program that is asked to end: it writes down that nobody knows, and ends", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        world.server.script(Fault.silence)
        const program = yield* world.worker("github", { exchangeDeadlineMillis: 1_500 })
        yield* program.wish({ wish: "token" })
        yield* until("the request", () => world.presentations().length === 1)
        const asked = performance.now()
        yield* program.kill("SIGTERM")
        assert.strictEqual((yield* program.finished).signal, "SIGTERM")
        assert.isBelow(performance.now() - asked, 8_000)
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 4)
        assert.match(next.stderr, /the answer to the refresh of .* never came/)
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )

  it.live("a command that is told twice ends at once, and the next one finds that its holder is gone", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000, { policy: { reuse: "notRotating" } })
        world.server.script(Fault.silence)
        const command = yield* world.start(["token", "github"])
        yield* until("the request", () => world.presentations().length === 1)
        yield* command.kill("SIGINT")
        // It says why it is still there.
        yield* until("the explanation", command.told)
        const asked = performance.now()
        yield* command.kill("SIGINT")
        assertEnded(yield* command.finished, 130)
        assert.isBelow(performance.now() - asked, 5_000)
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 0)
        assert.strictEqual(next.result, minted(world))
      }),
    ),
  )
})

describe("inside the refresh window, with a token that will do", () => {
  /** Granted long ago, with 100 seconds to go. */
  const due = Effect.fnUntraced(function* (world: SimulatedWorld) {
    const grantedAt = Date.now() - hour + 100_000
    const grant = world.server.grant({}, grantedAt)
    const document = JSON.parse(
      JSON.stringify(grantDocument(grant, { issuer: world.url, tokenEndpoint: world.tokenEndpoint })),
    )
    const credential = Result.getOrThrow(GrantDocument.toCredential(document, "github", grantedAt))
    yield* Effect.scoped(
      Effect.flatMap(Sqlite.make({ home: world.home }), (store) =>
        store.compareAndSwap("github", { _tag: "Put", credential }),
      ),
    )
    return fingerprint(grant.accessToken)
  })

  it.live("a short command starts no exchange, and neither does a program that says it is short", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const token = yield* due(world)
        for (const args of [[], ["--timeout", "20s"], ["--min-ttl", "90s"]]) {
          const finished = yield* world.run(["token", "github", ...args])
          assertEnded(finished, 0)
          assert.deepStrictEqual([finished.result, finished.stderr], [token, ""])
        }
        assert.include((yield* world.run(["status", "github"])).result, "a refresh is due")
        const program = yield* world.worker("github", { background: false })
        assert.deepStrictEqual(yield* program.ask({ wish: "token", times: 5 }), { got: { [token]: 5 }, errors: [] })
        yield* program.leave
        assertEnded(yield* program.finished, 0)
        assert.lengthOf(world.presentations(), 0)
      }),
    ),
  )

  it.live("a program that stays refreshes it without being asked", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const token = yield* due(world)
        const program = yield* world.worker("github")
        assert.deepStrictEqual(yield* program.ask({ wish: "token" }), { got: { [token]: 1 }, errors: [] })
        yield* until("the refresh", () => world.presentations().length === 1)
        yield* program.leave
        assertEnded(yield* program.finished, 0)
        assert.strictEqual((yield* world.run(["token", "github"])).result, minted(world))
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { assertEnded, hour, minted, simulated, type SimulatedWorld, until } from "./support.ts"

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

const arrived = (world: SimulatedWorld) => until("the request", () => world.presentations().length === 1)

/** The successor is stored: the next process has it, and asks nobody. */
const assertStored = Effect.fnUntraced(function* (world: SimulatedWorld, name = "github") {
  const next = yield* world.run(["token", name])
  assertEnded(next, 0)
  assert.deepStrictEqual([next.result, next.stderr], [minted(world), ""])
  assert.lengthOf(world.presentations(), 1)
})

describe("asked to end in the middle of an exchange, a process stores the answer first", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it.live(`the command line, ${signal}`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          yield* world.bringIn("github", -1_000)
          world.server.script(Fault.slow(0, 700))
          const command = yield* world.start(["token", "github"])
          yield* arrived(world)
          yield* command.kill(signal)
          const finished = yield* command.finished
          assert.strictEqual(finished.code, exitCodes[signal], finished.stderr)
          assert.strictEqual(finished.result, "")
          yield* assertStored(world)
        }),
      ),
    )

    it.live(`a program, ${signal}`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          yield* world.bringIn("github", -1_000)
          world.server.script(Fault.slow(0, 700))
          const program = yield* world.worker("github")
          yield* program.wish({ wish: "token", times: 3 })
          yield* arrived(world)
          yield* program.kill(signal)
          // As it would have ended without us, only later.
          assert.strictEqual((yield* program.finished).signal, signal)
          yield* assertStored(world)
        }),
      ),
    )
  }

  it.live("a program that has opened two keepers, SIGTERM", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        world.server.script(Fault.slow(0, 700))
        const program = yield* world.worker("github", { keepers: 2 })
        yield* program.wish({ wish: "token" })
        yield* arrived(world)
        yield* program.kill("SIGTERM")
        assert.strictEqual((yield* program.finished).signal, "SIGTERM")
        yield* assertStored(world)
      }),
    ),
  )
})

describe("killed in the middle of an exchange", () => {
  /** Kills a command once the server has its request. */
  const killed = Effect.fnUntraced(function* (world: SimulatedWorld, fault: Fault.Fault) {
    world.server.script(fault)
    const command = yield* world.start(["token", "github"])
    yield* arrived(world)
    yield* command.kill("SIGKILL")
    assert.strictEqual((yield* command.finished).signal, "SIGKILL")
  })

  const never: Fault.Fault = { processed: false, answer: "never" }

  it.live("before the server acted: the next process sees that the holder is dead, and the login survives", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        yield* killed(world, never)
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 0)
        assert.strictEqual(next.result, minted(world))
        assert.deepStrictEqual(
          world.presentations().map(({ outcome }) => outcome),
          ["unprocessed", "granted"],
        )
      }),
    ),
  )

  it.live("before the server acted, while others waited for it: they go on by themselves", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        world.server.script(never)
        const command = yield* world.start(["token", "github"])
        yield* arrived(world)
        const program = yield* world.worker("github")
        yield* program.wish({ wish: "token", times: 10 })
        const other = yield* world.start(["token", "github"])
        yield* Effect.sleep(500)
        assert.lengthOf(world.presentations(), 1)
        yield* command.kill("SIGKILL")
        assert.deepStrictEqual(yield* program.answer, { got: { [minted(world)]: 10 }, errors: [] })
        assert.strictEqual((yield* other.finished).result, minted(world))
        assert.lengthOf(world.presentations(), 2)
      }),
    ),
  )

  it.live("after a strict server rotated: said once as what it is, and nobody asks again", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        yield* killed(world, Fault.silence)
        for (let i = 0; i < 3; i++) {
          const next = yield* world.run(["token", "github"])
          assertEnded(next, 3)
          assert.include(
            next.stderr,
            "the answer to a refresh was lost, and with it the new refresh token (invalid_grant)",
          )
          assert.include(next.stderr, "Next: tokenkeep import FILE --name github")
        }
        assert.deepStrictEqual(
          world.presentations().map(({ was }) => was),
          ["current", "reuse"],
        )
        // A person signs in, and it is forgotten.
        const { accessToken } = yield* world.bringIn("github", hour)
        assert.strictEqual((yield* world.run(["token", "github"])).result, fingerprint(accessToken))
      }),
    ),
  )

  it.live("after a strict server rotated, while the token works: it is served to its end, and nobody gambles", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const { accessToken } = yield* world.bringIn("github", 55_000)
        yield* killed(world, Fault.silence)
        for (let i = 0; i < 2; i++) {
          const next = yield* world.run(["token", "github"])
          assertEnded(next, 0)
          assert.strictEqual(next.result, fingerprint(accessToken))
        }
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )

  for (const reuse of ["notRotating", "idempotent", "fork", "untilSuccessorUsed"] as const) {
    it.live(`after a server rotated that forgives (${reuse}): the login survives`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          yield* world.bringIn("github", -1_000, { policy: { reuse, graceMillis: 60_000 } })
          yield* killed(world, Fault.silence)
          const next = yield* world.run(["token", "github"])
          assertEnded(next, 0)
          assert.strictEqual(next.result, minted(world))
          assert.lengthOf(world.presentations(), 2)
          // And lives on.
          const again = yield* world.run(["token", "github", "--refused", next.result])
          assertEnded(again, 0)
          assert.notStrictEqual(again.result, next.result)
        }),
      ),
    )
  }
})

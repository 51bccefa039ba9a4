/** The programs of the README's tutorial on testing, as they stand there but for the imports. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { Keeper, KeeperLive, MemoryStore } from "../../src/index.ts"
import * as AuthorizationServer from "../../src/testing/AuthorizationServer.ts"
import * as Check from "../../src/testing/check.ts"
import { Counterexample } from "../../src/testing/Counterexample.ts"
import * as SimulatedEndpoint from "../../src/testing/endpoint.ts"
import * as Foreign from "../../src/testing/exploreForeign.ts"
import * as Sequence from "../../src/testing/sequence.ts"

// The first program: yours, with Tokenkeep inside.
const program = Effect.gen(function* () {
  const keeper = yield* Keeper.Keeper
  const { token } = yield* keeper.credential("github").access()
  return Redacted.value(token)
})

describe("the tutorial", () => {
  it.effect("refreshes once, however many ask", () => {
    const server = AuthorizationServer.make({ policy: { reuse: "strict" } })
    const swapped = [MemoryStore.layerMemory, SimulatedEndpoint.layer(server)] as const
    return Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const keeper = yield* Keeper.Keeper
      yield* keeper.put(SimulatedEndpoint.credentialOf(server.grant({}, now), { name: "github" }, now))
      yield* TestClock.adjust("2 hours")
      const tokens = yield* Effect.all(
        Array.from({ length: 10 }, () => program),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual([...new Set(tokens)], ["at-2"])
      assert.lengthOf(server.presentations(), 1)
    }).pipe(Effect.provide(KeeperLive.layer({ background: false }).pipe(Layer.provide([...swapped]))))
  })

  // The second: somebody's, with a `fetch` and a storage.
  const theirs: Foreign.ForeignClient =
    ({ fetch, storage }) =>
    async () => {
      const tokens = JSON.parse((await storage.get("tokens"))!)
      if (Date.now() < tokens.expires_at) return tokens.access_token
      const body = new URLSearchParams({
        grant_type: "refresh_token",
        client_id: "client",
        refresh_token: tokens.refresh_token,
      })
      const response = await fetch("https://as.example/token", { method: "POST", body })
      if (!response.ok) throw new Error(`the refresh failed: ${response.status}`)
      const { access_token, expires_in, refresh_token } = JSON.parse(await response.text())
      const expires_at = Date.now() + expires_in * 1000
      await storage.set("tokens", JSON.stringify({ access_token, refresh_token, expires_at }))
      return access_token
    }

  const twoProcesses: Foreign.ForeignScenario = {
    name: "two processes at expiry",
    processes: Foreign.copies(2, theirs),
    storage: (grant) => ({
      tokens: JSON.stringify({ access_token: grant.accessToken, refresh_token: grant.refreshToken, expires_at: 0 }),
    }),
    watched: ["the session is kept"],
  }

  it("finds how two processes log their user out", async () => {
    const { found } = await Foreign.shortest(twoProcesses)
    const { story } = await Foreign.replay(twoProcesses, found!.schedule)
    assert.include(Sequence.toText(story), "The whole family is revoked.")
  })

  it("fails with the story as a test, and again with the schedule that the story names", async () => {
    const failed = async (checked: Promise<unknown>): Promise<Counterexample> => {
      const error: unknown = await checked.catch((reason: unknown) => reason)
      assert.instanceOf(error, Counterexample)
      return error
    }
    const { message, schedule } = await failed(Check.holds(twoProcesses))
    assert.include(message, "The whole family is revoked.")
    assert.match(schedule, /^P0:call0 P0:get\/tokens P0:token\/rt-1 /)
    assert.strictEqual((await failed(Check.replays(twoProcesses, schedule))).schedule, schedule)
  })

  it("shows that the same two processes keep the login when they ask Tokenkeep", async () => {
    const ours: Foreign.ForeignClient =
      ({ tokenkeep }) =>
      () =>
        tokenkeep.token()
    const report = await Foreign.explore({
      name: "the same through Tokenkeep",
      processes: Foreign.copies(2, ours),
      faults: ["crash", "lostAnswer", "busyBefore"],
      bounds: { faults: 1, stalls: 0 },
      restart: 1,
    })
    assert.strictEqual(report.verdict, "holds")
    assert.isAtLeast(report.happened["crash"] ?? 0, 1)
  })
})

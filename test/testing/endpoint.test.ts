import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import type { Outcome } from "../../src/exchange/TokenEndpoint.ts"
import * as AuthorizationServer from "../../src/testing/AuthorizationServer.ts"
import type { Client } from "../../src/testing/clientAuth.ts"
import * as Endpoint from "../../src/testing/endpoint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { bodies, expiresInSpellings, type Overrides } from "../../src/testing/Policy.ts"
import * as Spellings from "../../src/testing/spellings.ts"

const deadline = 20_000

const setUp = (options: AuthorizationServer.Options = {}, grant: AuthorizationServer.GrantOptions = {}) => {
  const server = AuthorizationServer.make(options)
  const credential = { ...Endpoint.credentialOf(server.grant(grant, 0), { name: "a" }, 0), generation: 1 }
  return { server, credential, exchange: (held = credential) => Endpoint.make(server).exchange(held, deadline) }
}

/** An outcome in a few words. */
const words = (outcome: Outcome): string => {
  switch (outcome._tag) {
    case "Rotated": {
      const { accessToken, refreshToken } = outcome.tokens
      return [accessToken, refreshToken].flatMap((token) => (token ? [Redacted.value(token)] : [])).join(" ")
    }
    case "Rejected":
      return outcome.dead === undefined ? `passing ${outcome.retryAt}` : `dead: ${outcome.dead.reason}`
    case "Ambiguous":
    case "NotSent":
      return outcome._tag
  }
}

const settle = Effect.repeat(Effect.yieldNow, { times: 50 })

/** What the exchange ends with, and after how many milliseconds. */
const timed = Effect.fnUntraced(function* (exchange: Effect.Effect<Outcome>, stepMillis: number) {
  const fiber = yield* Effect.forkChild(exchange)
  let millis = 0
  for (; millis <= 2 * deadline; millis += stepMillis) {
    yield* settle
    if (fiber.pollUnsafe() !== undefined) break
    yield* TestClock.adjust(stepMillis)
  }
  return [words(yield* Fiber.join(fiber)), millis] as const
})

describe("the simulated token endpoint", () => {
  it.effect("answers at once, with what the credential's client may have", () =>
    Effect.gen(function* () {
      const clients: ReadonlyArray<Client> = [
        { clientId: "open" },
        { clientId: "b:c", clientSecret: "p+s %é" },
        { clientId: "posts", clientSecret: "s", authMethod: "client_secret_post" },
      ]
      for (const { clientId } of clients) {
        const { exchange, server } = setUp({ clients }, { clientId, resource: "https://mcp.example/mcp" })
        assert.strictEqual(words(yield* exchange()), "at-2 rt-2")
        assert.deepInclude(server.presentations()[0], { client: clientId, resource: "https://mcp.example/mcp" })
      }
    }),
  )

  it.effect("reads every shape of a granted answer as the real one does", () =>
    Effect.gen(function* () {
      for (const body of bodies) {
        const outcome = yield* setUp({ policy: { body } }, { scope: "a b" }).exchange()
        assert.strictEqual(words(outcome), "at-2 rt-2")
        if (outcome._tag === "Rotated") assert.strictEqual(outcome.tokens.scope, "a b")
      }
      const lifetimes: Array<unknown> = []
      for (const expiresIn of expiresInSpellings) {
        const outcome = yield* setUp({ policy: { expiresIn } }).exchange()
        lifetimes.push(outcome._tag === "Rotated" && outcome.tokens.expiry._tag === "Known" && outcome.tokens.expiry.at)
      }
      const hour = 3_600_000
      const unknown = expiresInSpellings.slice(1, 7).map(() => false)
      // 3,600,000 could be seconds: without a profile that says milliseconds nobody knows.
      assert.deepStrictEqual(lifetimes, [hour, ...unknown, hour, 3_600_000_000])
      assert.strictEqual(words(yield* setUp({ policy: { omitsRefreshToken: true } }).exchange()), "at-2")
    }),
  )

  it.effect("is understood in every spelling of a dead token: by any profile, or by that of its provider alone", () =>
    Effect.gen(function* () {
      for (const dead of Spellings.deadSpellingNames) {
        const { credential, exchange, server } = setUp({ policy: { dead } })
        server.revokeGrant(1)
        const said = words(yield* exchange())
        const provider = Spellings.profileOnly.get(dead)
        assert.match(said, provider === undefined ? /^dead/ : /^passing/, dead)
        if (provider !== undefined) assert.match(words(yield* exchange({ ...credential, provider })), /^dead/, dead)
        const unknown = { ...credential, tokens: { ...credential.tokens, refreshToken: Redacted.make("unknown") } }
        assert.strictEqual(words(yield* exchange(unknown)).split(" ")[0], said.split(" ")[0], dead)
      }
    }),
  )

  it.effect("and in every trouble, none of which kills the refresh token", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(1_000)
      const said: Record<string, string> = {}
      for (const name of Spellings.troubleNames) {
        const { exchange, server } = setUp()
        server.script(Fault.instead(name))
        said[name] = words(yield* exchange())
        assert.isTrue(server.inspect("rt-1", 0).honoured, name)
        assert.strictEqual(words(yield* exchange()), "at-2 rt-2", name)
      }
      const {
        emptyOk,
        htmlBadGateway,
        htmlGatewayTimeout,
        htmlOk,
        invalidClient,
        truncatedOk,
        unauthorizedClient,
        ...rest
      } = said
      const unclear = [emptyOk, htmlBadGateway, htmlGatewayTimeout, htmlOk, truncatedOk]
      assert.deepStrictEqual(new Set(unclear), new Set(["Ambiguous"]))
      assert.deepStrictEqual(new Set([invalidClient, unauthorizedClient]), new Set(["dead: clientRejected"]))
      const { busyDate, busySeconds, unavailableSeconds, ...passing } = rest
      assert.deepStrictEqual(
        [busyDate, busySeconds, unavailableSeconds],
        ["passing 31000", "passing 31000", "passing 121000"],
      )
      assert.deepStrictEqual(new Set(Object.values(passing)), new Set(["passing 1000"]))
    }),
  )

  const faults: ReadonlyArray<readonly [name: string, Fault.Fault, said: string, millis: number, consumed: boolean]> = [
    ["a lost request", Fault.lostRequest, "Ambiguous", 0, false],
    ["a lost answer", Fault.lostAnswer, "Ambiguous", 0, true],
    ["half an answer", Fault.halfAnswer, "Ambiguous", 0, true],
    ["silence", Fault.silence, "Ambiguous", deadline, true],
    ["silence to a lost request", { processed: false, answer: "never" }, "Ambiguous", deadline, false],
    ["an answer that somebody spoils", Fault.spoiled("htmlBadGateway"), "Ambiguous", 0, true],
    ["a slow server", Fault.slow(3_000, 4_000), "at-2 rt-2", 7_000, true],
    ["a server that is too slow", Fault.slow(25_000), "Ambiguous", deadline, false],
    ["an answer that is too slow", Fault.slow(0, 25_000), "Ambiguous", deadline, true],
    ["an answer in drops", Fault.drip(10), "at-2 rt-2", 1_000, true],
    ["an answer in drops that does not end in time", Fault.drip(1_000), "Ambiguous", deadline, true],
  ]
  for (const [name, fault, said, millis, consumed] of faults) {
    it.effect(`carries out ${name}`, () =>
      Effect.gen(function* () {
        const { exchange, server } = setUp()
        server.script(fault)
        assert.deepStrictEqual(yield* timed(exchange(), 1_000), [said, millis])
        assert.strictEqual(server.inspect("rt-1", 0).was, consumed ? "reuse" : "current")
        assert.isTrue(server.presentations()[0]?.faulted)
      }),
    )
  }

  it.effect("does its work although the client has gone", () =>
    Effect.gen(function* () {
      const { exchange, server } = setUp()
      server.script(Fault.slow(25_000), Fault.slow(5_000))
      const fiber = yield* Effect.forkChild(exchange())
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(server.presentations()[0]?.outcome, "unprocessed")
      yield* TestClock.adjust(25_000)
      assert.strictEqual(server.presentations()[0]?.outcome, "granted")
      assert.strictEqual(server.inspect("rt-1", 0).was, "reuse")
    }),
  )

  it.effect("follows the script in order, and by whom a fault is meant for", () =>
    Effect.gen(function* () {
      const { exchange, server } = setUp({ policy: { reuse: "notRotating" } satisfies Overrides })
      server.script(
        { ...Fault.lostRequest, aim: { client: "another" } },
        { ...Fault.instead("unavailable"), times: 2, aim: { grantType: "refresh_token", client: "client" } },
        Fault.lostAnswer,
      )
      const said: Array<string> = []
      for (let i = 0; i < 4; i++) said.push(words(yield* exchange()))
      assert.deepStrictEqual(said, ["passing 0", "passing 0", "Ambiguous", "at-3 rt-1"])
    }),
  )

  it.effect("lets a scheduler in on the way there and back, and may have another clock", () =>
    Effect.gen(function* () {
      const { credential, server } = setUp()
      const passed: Array<string> = []
      const note = (way: string) => Effect.sync(() => void passed.push(`${way} ${server.presentations().length}`))
      const endpoint = Endpoint.make(server, { there: note("there"), back: note("back"), skewMillis: 5_000 })
      assert.strictEqual(words(yield* endpoint.exchange(credential, deadline)), "at-2 rt-2")
      assert.deepStrictEqual(passed, ["there 0", "back 1"])
      assert.strictEqual(server.presentations()[0]?.at, 5_000)
    }),
  )
})

/** The two fronts agree: the real adapter over a socket and the simulated endpoint make the same of the same server. */
import { assert, describe, it } from "@effect/vitest"
import * as Tls from "node:tls"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as HttpTokenEndpoint from "../../src/exchange/http.ts"
import type { Outcome } from "../../src/exchange/TokenEndpoint.ts"
import type { Credential } from "../../src/lifecycle/Credential.ts"
import * as AuthorizationServer from "../../src/testing/AuthorizationServer.ts"
import { selfSigned } from "../../src/testing/certificate.ts"
import * as Endpoint from "../../src/testing/endpoint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { listen, type ListenOptions } from "../../src/testing/http.ts"
import { bodies, expiresInSpellings, type Overrides } from "../../src/testing/Policy.ts"
import * as Spellings from "../../src/testing/spellings.ts"

interface Scene {
  readonly name: string
  readonly policy?: Overrides
  readonly revoked?: boolean
  readonly fault?: Fault.Fault
  /** It takes longer than anybody waits. */
  readonly endless?: boolean
}

const scenes: ReadonlyArray<Scene> = [
  ...bodies.map((body) => ({ name: `body ${body}`, policy: { body } })),
  ...expiresInSpellings.map((expiresIn) => ({ name: `expires_in ${expiresIn}`, policy: { expiresIn } })),
  { name: "no refresh token", policy: { omitsRefreshToken: true } },
  { name: "a JWT", policy: { accessTokens: "jwt", expiresIn: "missing" } },
  ...Spellings.deadSpellingNames.map((dead) => ({ name: `dead as ${dead}`, policy: { dead }, revoked: true })),
  ...Spellings.troubleNames.map((name) => ({ name, fault: Fault.instead(name) })),
  { name: "a lost request", fault: Fault.lostRequest },
  { name: "a lost answer", fault: Fault.lostAnswer },
  { name: "half an answer", fault: Fault.halfAnswer },
  { name: "silence", fault: Fault.silence, endless: true },
  { name: "too slow", fault: Fault.slow(0, 2_000), endless: true },
  { name: "drops", fault: Fault.drip(1) },
]

const secrets = { secretPrefix: "same-" }
const resource = "https://mcp.example/mcp"

/** What is the same however long the exchange took, and wherever it went. */
const gist = (outcome: Outcome): unknown => {
  switch (outcome._tag) {
    case "Rotated": {
      const { accessToken, expiry, refreshToken, scope, tokenType } = outcome.tokens
      const lifetime = expiry._tag === "Known" ? Math.round((expiry.lifetimeMillis ?? 0) / 10_000) : expiry._tag
      // A JWT holds the instant of its end, so its text differs.
      const access = Redacted.value(accessToken).replace(/^(\w+)\..*/, "$1")
      return [access, refreshToken && Redacted.value(refreshToken), lifetime, scope, tokenType]
    }
    case "Rejected":
      return [outcome.dead, outcome.cause]
    case "Ambiguous":
    case "NotSent":
      return outcome._tag
  }
}

const prepare = (server: AuthorizationServer.AuthorizationServer, tokenEndpoint: string, scene: Scene, now: number) => {
  const grant = server.grant({ resource, scope: "a b" }, now)
  if (scene.revoked) server.revokeGrant(grant.number)
  if (scene.fault) server.script(scene.fault)
  return { ...Endpoint.credentialOf(grant, { name: "a", tokenEndpoint }, now), generation: 1 } satisfies Credential
}

const parametersOf = (server: AuthorizationServer.AuthorizationServer) =>
  server.presentations()[0]?.parameters.toSorted()

describe("both fronts", () => {
  for (const scene of scenes) {
    it.live(scene.name, () =>
      Effect.scoped(
        Effect.gen(function* () {
          const now = Date.now()
          const deadline = scene.endless ? 400 : 10_000
          const { server, tokenEndpoint } = yield* listen({ ...secrets, policy: scene.policy })
          const real = yield* HttpTokenEndpoint.make
          const overHttp = yield* real.exchange(prepare(server, tokenEndpoint, scene, now), deadline)

          const simulated = AuthorizationServer.make({ ...secrets, policy: scene.policy })
          const credential = prepare(simulated, tokenEndpoint, scene, now)
          const inProcess = yield* Endpoint.make(simulated).exchange(credential, deadline)

          assert.strictEqual(inProcess._tag, overHttp._tag)
          const redirected = scene.name === "redirect"
          if (!redirected) assert.deepStrictEqual(gist(inProcess), gist(overHttp))
          assert.strictEqual(simulated.presentations()[0]?.outcome, server.presentations()[0]?.outcome)
          assert.deepStrictEqual(parametersOf(simulated), parametersOf(server))
        }),
      ),
    )
  }

  it.live("with TLS, and nobody has told this process to trust it: the refresh token stays here", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { server, tokenEndpoint, url } = yield* listen({ tls: "selfSigned" })
        assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/)
        const real = yield* HttpTokenEndpoint.make
        const outcome = yield* real.exchange(prepare(server, tokenEndpoint, { name: "" }, Date.now()), 2_000)
        assert.strictEqual(outcome._tag, "NotSent")
        assert.lengthOf(server.presentations(), 0)
      }),
    ),
  )

  it.live.each<{ readonly which: string; readonly tls: ListenOptions["tls"] }>([
    { which: "made for the run", tls: "selfSigned" },
    { which: "given", tls: selfSigned(["127.0.0.1"], Date.now()) },
  ])("with TLS, by a certificate that is $which and trusted", ({ tls }) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { certificate, server, tokenEndpoint } = yield* listen({ tls })
        const before = Tls.getCACertificates()
        yield* Effect.acquireRelease(
          Effect.sync(() => Tls.setDefaultCACertificates([...before, certificate!])),
          () => Effect.sync(() => Tls.setDefaultCACertificates(before)),
        )
        const real = yield* HttpTokenEndpoint.make
        const outcome = yield* real.exchange(prepare(server, tokenEndpoint, { name: "" }, Date.now()), 10_000)
        assert.strictEqual(outcome._tag, "Rotated")
        assert.lengthOf(server.presentations(), 1)
      }),
    ),
  )
})

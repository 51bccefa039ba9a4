/** Once against an authorization server that somebody else wrote. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Outcome } from "../../src/exchange/TokenEndpoint.ts"
import type { Tokens } from "../../src/lifecycle/Credential.ts"
import { exchange } from "./loopback.ts"
import { clients, listen, signIn, withTokens } from "./oidcProvider.ts"

const tokensOf = (outcome: Outcome): Tokens => {
  assert.strictEqual(outcome._tag, "Rotated")
  return (outcome as Extract<Outcome, { readonly _tag: "Rotated" }>).tokens
}

const same = (a: Tokens["refreshToken"], b: Tokens["refreshToken"]) => Redacted.value(a!) === Redacted.value(b!)

const verdict = (outcome: Outcome) => (outcome._tag === "Rejected" ? outcome.dead : outcome._tag)

describe("oidc-provider", () => {
  it.live.each(Object.keys(clients))("rotates, and kills the family for a reuse: %s", (method) =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const first = yield* Effect.promise(() => signIn(issuer, clients[method]!))

      const second = withTokens(first, tokensOf(yield* exchange(first)))
      assert.isFalse(same(first.tokens.refreshToken, second.tokens.refreshToken))
      assert.strictEqual(second.tokens.tokenType, "Bearer")
      assert.strictEqual(second.tokens.scope, "openid offline_access")
      assert.strictEqual(second.tokens.expiry._tag === "Known" && second.tokens.expiry.lifetimeMillis, 3_600_000)

      const third = withTokens(second, tokensOf(yield* exchange(second)))
      assert.isFalse(same(second.tokens.refreshToken, third.tokens.refreshToken))

      const reuse = yield* exchange(first)
      assert.deepStrictEqual(verdict(reuse), { reason: "rejected", code: "invalid_grant" })
      assert.strictEqual(
        reuse._tag === "Rejected" && reuse.cause,
        'the server answered 400 invalid_grant: "grant request is invalid"',
      )
      // Strict: the reuse took the winner's token with it.
      assert.deepStrictEqual(verdict(yield* exchange(third)), { reason: "rejected", code: "invalid_grant" })
    }),
  )

  it.live("a client that it does not know leaves the refresh token alone", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const held = yield* Effect.promise(() => signIn(issuer, clients["client_secret_post"]!))
      const client = { ...held.client, clientSecret: Redacted.make("wrong") }
      assert.deepStrictEqual(verdict(yield* exchange({ ...held, client })), {
        reason: "clientRejected",
        code: "invalid_client",
      })
      assert.strictEqual((yield* exchange(held))._tag, "Rotated")
    }),
  )
})

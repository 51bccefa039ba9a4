/** A sign-in by the word of an identity provider (ID-JAG): no browser, because the person is signed in there already. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as oauth from "oauth4webapi"
import { clientAuth } from "../exchange/clientAuth.ts"
import * as Assertion from "../exchange/identityAssertion.ts"
import { mintParams } from "../exchange/request.ts"
import type { Credential, IdentityAssertion, Tokens } from "../lifecycle/Credential.ts"
import type { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import * as TokenRequest from "./tokenRequest.ts"

/** `parent`: with tokens that work. */
export const authorize = Effect.fnUntraced(function* (
  context: TokenRequest.Context,
  parent: Credential,
  resource: string | undefined,
  mint: IdentityAssertion,
): Effect.fn.Return<Tokens, SignInFailed> {
  const { client, profile, server } = context
  const now = yield* Clock.currentTimeMillis
  const what = "the identity provider"
  const assertion = yield* Guard.call(what, parent.tokenEndpoint, "person", ({ [oauth.customFetch]: fetch }) =>
    Assertion.request(parent, mint, resource, { fetch, now, signal: new AbortController().signal }),
  )
  const { refreshToken: _, ...tokens } = yield* TokenRequest.send(context, [assertion], (options) =>
    oauth.genericTokenEndpointRequest(
      server.metadata,
      { client_id: client.clientId },
      clientAuth(client),
      Assertion.jwtBearer,
      { ...mintParams(profile, resource, mint), assertion },
      options,
    ),
  )
  // Another one is had by asking again, as long as the identity provider vouches.
  return tokens
})

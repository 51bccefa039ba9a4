/** Tells the server that a grant is over (RFC 7009). What is kept here is not touched. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as oauth from "oauth4webapi"
import { clientAuth } from "../exchange/clientAuth.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import * as Metadata from "./metadata.ts"

/** The server's own word again where it has metadata: an endpoint that it named once may have moved, or been a lie. */
const serverOf = Effect.fnUntraced(function* ({
  issuer,
  signedIn,
  tokenEndpoint,
}: Credential): Effect.fn.Return<Metadata.AuthorizationServer, SignInFailed> {
  if (issuer !== undefined && signedIn?.hasMetadata !== false) return yield* Metadata.discover(issuer, "person")
  const metadata = {
    issuer: issuer ?? tokenEndpoint,
    ...(signedIn?.revocationEndpoint !== undefined && { revocation_endpoint: signedIn.revocationEndpoint }),
  }
  return { metadata, source: "person", from: "person" }
})

/** Revokes the refresh token, and with it the grant; without one, the access token. */
export const revoke = Effect.fnUntraced(function* (credential: Credential): Effect.fn.Return<void, SignInFailed> {
  const { client, tokens } = credential
  const { metadata, source } = yield* serverOf(credential)
  const url = metadata.revocation_endpoint
  if (url === undefined) {
    const message = `${URL.parse(metadata.issuer)?.host ?? "the server"} has no revocation endpoint`
    return yield* new SignInFailed({ reason: "unsupported", message })
  }
  const token = Redacted.value(tokens.refreshToken ?? tokens.accessToken)
  const hint = tokens.refreshToken === undefined ? "access_token" : "refresh_token"
  yield* Guard.call("the revocation endpoint", url, source, async (options) =>
    oauth.processRevocationResponse(
      await oauth.revocationRequest(metadata, { client_id: client.clientId }, clientAuth(client), token, {
        ...options,
        additionalParameters: { token_type_hint: hint },
      }),
    ),
  )
})

/** A client that signs in as itself, without any person (RFC 6749 §4.4). */
import * as Effect from "effect/Effect"
import * as oauth from "oauth4webapi"
import { clientAuth } from "../exchange/clientAuth.ts"
import { mintParams } from "../exchange/request.ts"
import type { Mint, Tokens } from "../lifecycle/Credential.ts"
import { SignInFailed } from "./errors.ts"
import * as TokenRequest from "./tokenRequest.ts"

/** What `--client-auth` and the key or secret have to be, when the server says what it takes (RFC 8414 §2). */
const authProblem = ({ client, server }: TokenRequest.Context): string | undefined => {
  if (client.authMethod === "none") return "a client signs in as itself by a secret or a key: give one with --client-id"
  const taken = server.metadata.token_endpoint_auth_methods_supported
  return taken === undefined || taken.includes(client.authMethod)
    ? undefined
    : `the server does not take ${client.authMethod}, but ${taken.join(", ")}: see --client-auth`
}

/** The first token. Those to come are asked for in the same way, by whoever keeps the credential. */
export const authorize = Effect.fnUntraced(function* (
  context: TokenRequest.Context,
  resource: string | undefined,
  mint: Mint,
): Effect.fn.Return<Tokens, SignInFailed> {
  const problem = authProblem(context)
  if (problem !== undefined) return yield* new SignInFailed({ reason: "invalid", message: problem })
  const { client, profile, server } = context
  const { refreshToken: _, ...tokens } = yield* TokenRequest.send(context, [], (options) =>
    oauth.clientCredentialsGrantRequest(
      server.metadata,
      { client_id: client.clientId },
      clientAuth(client),
      mintParams(profile, resource, mint),
      options,
    ),
  )
  // RFC 6749 §4.4.3: there should be none, and nobody would use it.
  return tokens
})

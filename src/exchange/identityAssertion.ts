/**
 * Enterprise-managed authorization: the identity provider, where a person is signed in already, vouches for them to
 * another authorization server (token exchange, RFC 8693, for an identity assertion authorization grant, "ID-JAG"), which
 * takes that in the place of a sign-in of its own (RFC 7523).
 *
 * The assertion is worth one request. What lasts is the parent credential, the sign-in at the identity provider: while it
 * lives, tokens can be minted, and when it ends there is nothing to mint from until somebody signs in there again.
 */
import * as Redacted from "effect/Redacted"
import type { Credential, IdentityAssertion } from "../lifecycle/Credential.ts"
import * as Expiry from "../lifecycle/Expiry.ts"
import { clientAuth } from "./clientAuth.ts"
import { endpointProblem } from "./endpointUrl.ts"
import type { FetchFunction } from "./Fetch.ts"
import { userAgent } from "./userAgent.ts"

const urn = "urn:ietf:params:oauth"
const assertionType = `${urn}:token-type:id-jag`

export const jwtBearer = `${urn}:grant-type:jwt-bearer`

/** The identity provider's word for who the person is: the ID token while it is valid, else the access token. */
const subjectOf = ({ accessToken, idToken }: Credential["tokens"], now: number) => {
  const expiry = idToken && Expiry.fromDocument(undefined, Redacted.value(idToken))
  const isValid = expiry?._tag === "Known" && expiry.at > now
  return isValid && idToken !== undefined
    ? { subject_token: Redacted.value(idToken), subject_token_type: `${urn}:token-type:id_token` }
    : { subject_token: Redacted.value(accessToken), subject_token_type: `${urn}:token-type:access_token` }
}

/** One assertion for `mint`. Rejects when the identity provider does not give one. */
export const request = async (
  parent: Credential,
  { audience, scope }: IdentityAssertion,
  resource: string | undefined,
  options: { readonly fetch: FetchFunction; readonly now: number; readonly signal: AbortSignal },
): Promise<string> => {
  const problem = endpointProblem(parent.tokenEndpoint)
  if (problem !== undefined) throw new TypeError(`the token endpoint ${problem}`)
  const oauth = await import("oauth4webapi")
  const server = { issuer: parent.issuer ?? parent.tokenEndpoint, token_endpoint: parent.tokenEndpoint }
  const client = { client_id: parent.client.clientId }
  const response = await oauth.genericTokenEndpointRequest(
    server,
    client,
    clientAuth(parent.client),
    `${urn}:grant-type:token-exchange`,
    {
      requested_token_type: assertionType,
      audience,
      ...(resource !== undefined && { resource }),
      ...(scope !== undefined && { scope }),
      ...subjectOf(parent.tokens, options.now),
    },
    {
      [oauth.customFetch]: (url, init) => options.fetch(url, { ...init, signal: options.signal }),
      // Looked at above: `http:` means loopback.
      [oauth.allowInsecureRequests]: true,
      headers: { "user-agent": userAgent, connection: "close" },
    },
  )
  const answer = await oauth.processGenericTokenEndpointResponse(server, client, response, {
    recognizedTokenTypes: { n_a: () => {} },
  })
  if (answer["issued_token_type"] !== assertionType) throw new TypeError("the answer is no identity assertion")
  return answer.access_token
}

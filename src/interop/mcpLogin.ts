/**
 * A login to an MCP server as the clients of the official TypeScript SDK keep it: the token endpoint's answer (`tokens`),
 * the client's registration (RFC 7591) and what was discovered, each in the server's own spelling.
 */
import { type CoOwning, type Held, heldOf, type Json, members, text } from "./ForeignStore.ts"
import { endOf, entryAt, setting, signedIn } from "./successor.ts"

export interface SdkLogin {
  readonly tokens: Json
  readonly client: Json
  /** `OAuthDiscoveryState`, as the SDK calls it. */
  readonly discovery: Json
  /** Epoch milliseconds: an answer's `expires_in` alone says nothing to a later reader. */
  readonly expiresAt: Json
  readonly issuer?: Json
  readonly resource?: Json
}

export const sdkLogin = ({ client, discovery, expiresAt, issuer, resource, tokens }: SdkLogin): Held => {
  const [answer, registration, found] = [members(tokens), members(client), members(discovery)]
  const metadata = members(found?.["authorizationServerMetadata"])
  return heldOf({
    access: answer?.["access_token"],
    refresh: answer?.["refresh_token"],
    tokenType: answer?.["token_type"],
    scope: answer?.["scope"],
    expiresAt,
    clientId: registration?.["client_id"],
    clientSecret: registration?.["client_secret"],
    authMethod: registration?.["token_endpoint_auth_method"],
    issuer: text(issuer) ?? text(metadata?.["issuer"]) ?? text(found?.["authorizationServerUrl"]),
    tokenEndpoint: metadata?.["token_endpoint"],
    resource: text(resource) ?? members(found?.["resourceMetadata"])?.["resource"],
  })
}

/** As pi keeps it: the answer of the token endpoint, and beside it when the access token ends. */
export const sdkEdits: CoOwning["edits"] = (key, next, content) => {
  if (signedIn(entryAt(content, key)?.["tokens"], "access_token") === undefined) return []
  return [
    ...setting([key, "tokens"], {
      access_token: next.accessToken,
      refresh_token: next.refreshToken,
      expires_in: Math.max(0, Math.round((endOf(next) - next.obtainedAt) / 1000)),
      scope: next.scope,
    }),
    ...setting([key], { tokensExpireAt: endOf(next) }),
  ]
}

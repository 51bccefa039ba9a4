/** A grant of a simulated server in the form in which it is handed to somebody: `import --from json` reads it. */
import { timestamp } from "../interop/timestamp.ts"
import type { Grant } from "./AuthorizationServer.ts"
import { methodOf } from "./clientAuth.ts"

export interface Addresses {
  readonly issuer: string
  readonly tokenEndpoint: string
}

/** Servers whose answers tell no expiry do not tell one here. Members that are `undefined` are absent in JSON. */
export const grantDocument = (grant: Grant, { issuer, tokenEndpoint }: Addresses) => {
  const { accessToken, client, expiresAt, policy, refreshToken, resource, scope } = grant
  return {
    provider: "generic",
    issuer,
    token_endpoint: tokenEndpoint,
    resource,
    client: {
      client_id: client.clientId,
      client_secret: client.clientSecret,
      token_endpoint_auth_method: methodOf(client),
    },
    tokens: {
      access_token: accessToken,
      refresh_token: refreshToken,
      token_type: "Bearer",
      expires_at: policy.expiresIn === "missing" ? undefined : timestamp(expiresAt),
      scope,
    },
    reuse: policy.reuse,
    grace: policy.graceMillis / 1000,
  }
}

/** Token clients that are not ours, put into the world as their users write them. Nothing in them is prepared for it. */
import type { OAuthClientProvider } from "@modelcontextprotocol/sdk/client/auth.js"
import { withOAuth } from "@modelcontextprotocol/sdk/client/middleware.js"
import type { OAuthTokens } from "@modelcontextprotocol/sdk/shared/auth.js"
import { OAuth2Client } from "google-auth-library"
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import { type ForeignClient, type ForeignStorage, issuer, resource, tokenEndpoint } from "../../src/testing/Foreign.ts"
import { authorizationServer, protectedResource } from "../../src/testing/metadata.ts"

/** A headless program: where a browser would open, it ends. */
class SignInNeeded extends Error {
  override readonly name = "SignInNeeded"
}

const discovered = {
  authorizationServerUrl: issuer,
  authorizationServerMetadata: authorizationServer(issuer),
  resourceMetadata: protectedResource(issuer),
}

const providerOver = (storage: ForeignStorage): OAuthClientProvider => ({
  redirectUrl: "http://localhost:3000/callback",
  clientMetadata: { redirect_uris: ["http://localhost:3000/callback"] },
  clientInformation: () => ({ client_id: "client", issuer }),
  tokens: async () => {
    const tokens = await storage.get("tokens")
    return tokens === undefined ? undefined : (JSON.parse(tokens) as OAuthTokens)
  },
  saveTokens: (tokens) => storage.set("tokens", JSON.stringify(tokens)),
  invalidateCredentials: async (scope) => {
    if (scope === "all" || scope === "tokens") await storage.delete("tokens")
  },
  redirectToAuthorization: () => {
    throw new SignInNeeded("a person has to sign in")
  },
  // Found when the user signed in, and kept since then, as the SDK advises.
  discoveryState: () => discovered,
  saveCodeVerifier: () => {},
  codeVerifier: () => "",
})

/** The MCP SDK's own way: its middleware adds the token and runs `auth()` after a 401. */
export const mcp: ForeignClient = ({ fetch, storage }) => {
  const authorized = withOAuth(providerOver(storage), resource)(fetch)
  return () => authorized(resource)
}

/** The same client. The one thing that changes is the `fetch` that it is given. */
export const mcpWithTokenkeep: ForeignClient = (surroundings) =>
  mcp({ ...surroundings, fetch: surroundings.tokenkeep.fetch })

export const mcpStorage = ({ accessToken, refreshToken }: Grant) => ({
  tokens: JSON.stringify({ access_token: accessToken, token_type: "Bearer", refresh_token: refreshToken, issuer }),
})

const google = (fetch: typeof globalThis.fetch) =>
  new OAuth2Client({
    clientId: "client",
    endpoints: { oauth2TokenUrl: tokenEndpoint },
    transporterOptions: { fetchImplementation: fetch },
  })

/** google-auth-library as its README has it: credentials from a file, and whatever comes in `tokens` goes back there. */
export const googleAuth: ForeignClient = async ({ fetch, storage }) => {
  const client = google(fetch)
  client.setCredentials(JSON.parse((await storage.get("credentials")) ?? "{}"))
  client.on("tokens", (tokens) => {
    void storage.set("credentials", JSON.stringify({ ...client.credentials, ...tokens }))
  })
  return async () => (await client.getAccessToken()).token ?? ""
}

/** The library's own seam for somebody else who refreshes. The token has "ended" at once, so it asks each time. */
export const googleAuthWithTokenkeep: ForeignClient = ({ fetch, tokenkeep }) => {
  const client = google(fetch)
  client.refreshHandler = async () => ({ access_token: await tokenkeep.token(), expiry_date: Date.now() })
  return async () => (await client.getAccessToken()).token ?? ""
}

export const googleStorage = ({ accessToken, expiresAt, refreshToken }: Grant) => ({
  credentials: JSON.stringify({ access_token: accessToken, refresh_token: refreshToken, expiry_date: expiresAt }),
})

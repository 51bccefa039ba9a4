/**
 * An authorization server that somebody else wrote: panva's oidc-provider with rotation, which revokes the whole grant
 * when a used refresh token comes back. The sign-in runs through its own pages.
 */
import { assert, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import type { IncomingMessage, RequestListener } from "node:http"
import { createRequire } from "node:module"
import type { Credential, Tokens } from "../../src/lifecycle/Credential.ts"
import { browser } from "../signin/oidcProvider.ts"
import { credential, http } from "./loopback.ts"

/** As much of it as is used here: the package has no types. */
interface Provider {
  readonly callback: () => RequestListener
  readonly on: (event: "grant.success", listener: (context: { readonly body: Record<string, unknown> }) => void) => void
}
type ProviderClass = new (issuer: string, configuration: object) => Provider

const require = createRequire(import.meta.url)
const oidcProvider = require("oidc-provider") as { readonly Provider: ProviderClass }

const redirectUri = "https://client.example/callback"

export const clients: Readonly<Record<string, Credential["client"]>> = {
  none: { clientId: "public", authMethod: "none" },
  client_secret_basic: {
    clientId: "basic:a b%+&=/~",
    clientSecret: Redacted.make("s3cret: /%+&=~"),
    authMethod: "client_secret_basic",
  },
  client_secret_post: {
    clientId: "post",
    clientSecret: Redacted.make("s3cret&=+ %/"),
    authMethod: "client_secret_post",
  },
}

const configuration = () => ({
  clients: Object.values(clients).map((client) => ({
    client_id: client.clientId,
    ...(client.clientSecret && { client_secret: Redacted.value(client.clientSecret) }),
    token_endpoint_auth_method: client.authMethod,
    grant_types: ["authorization_code", "refresh_token"],
    redirect_uris: [redirectUri],
    ...(client.authMethod === "none" && { application_type: "web" }),
  })),
  jwks: { keys: [Crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })] },
  cookies: { keys: [Crypto.randomUUID()] },
  scopes: ["openid", "offline_access"],
  rotateRefreshToken: true,
  ttl: { AccessToken: 3600, RefreshToken: 86_400, Grant: 86_400, Session: 86_400, Interaction: 600, IdToken: 600 },
})

/** It warns of everything that is meant for development only, which is what it is used for here. */
const quiet = Effect.acquireRelease(
  Effect.sync(() => vi.spyOn(console, "warn").mockImplementation(() => undefined)),
  (warn) => Effect.sync(() => warn.mockRestore()),
)

/** Listens on loopback. `front` stands before it, and passes on what it lets through. */
export const listen = Effect.fnUntraced(function* (
  front: (request: IncomingMessage, proceed: () => void) => void = (_, proceed) => proceed(),
) {
  yield* quiet
  const { port, server } = yield* http(() => undefined)
  const issuer = `http://127.0.0.1:${port}`
  const provider = new oidcProvider.Provider(issuer, configuration())
  const handle = provider.callback()
  server
    .removeAllListeners("request")
    .on("request", (request, response) => front(request, () => void handle(request, response)))
  return { issuer, provider }
})

/** The authorization code flow as a person's browser would run it, up to the first tokens. */
export const signIn = async (issuer: string, client: Credential["client"]): Promise<Credential> => {
  const verifier = Crypto.randomBytes(32).toString("base64url")
  const query = new URLSearchParams({
    client_id: client.clientId,
    response_type: "code",
    redirect_uri: redirectUri,
    scope: "openid offline_access",
    prompt: "consent",
    code_challenge: Crypto.createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  })
  // Nobody is at the redirect URI: the browser stops there.
  const { pathname } = new URL(redirectUri)
  const { url: returned } = await browser("consent", pathname).signIn(`${issuer}/auth?${query}`)

  const secret = client.clientSecret && Redacted.value(client.clientSecret)
  const encoded = (text: string) => new URLSearchParams([["", text]]).toString().slice(1)
  const basic = secret !== undefined && client.authMethod === "client_secret_basic"
  const response = await fetch(`${issuer}/token`, {
    method: "POST",
    headers: basic ? { authorization: `Basic ${btoa(`${encoded(client.clientId)}:${encoded(secret)}`)}` } : {},
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: new URL(returned).searchParams.get("code") ?? "",
      redirect_uri: redirectUri,
      code_verifier: verifier,
      ...(!basic && { client_id: client.clientId, ...(secret !== undefined && { client_secret: secret }) }),
    }),
  })
  const tokens = (await response.json()) as { access_token?: string; refresh_token?: string }
  assert.isTrue(tokens.access_token !== undefined && tokens.refresh_token !== undefined, "the sign-in gave no tokens")
  const held = credential(`${issuer}/token`, { issuer, client })
  return withTokens(held, {
    ...held.tokens,
    accessToken: Redacted.make(tokens.access_token!),
    refreshToken: Redacted.make(tokens.refresh_token!),
  })
}

export const withTokens = (credential: Credential, tokens: Tokens): Credential => ({ ...credential, tokens })

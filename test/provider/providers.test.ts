/**
 * Each provider's answers in the shapes in which they were recorded (facts: providers §3, §6, §7), on the whole way from an
 * imported document over the real exchange to what is stored. They are written down here apart from the table: who the
 * server is, what must be sent to it, and what becomes of the grant.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { Fetch } from "../../src/exchange/Fetch.ts"
import * as Http from "../../src/exchange/http.ts"
import { read } from "../../src/exchange/read.ts"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import * as Change from "../../src/lifecycle/Change.ts"
import type { ReuseClass } from "../../src/lifecycle/Credential.ts"
import { rows } from "../../src/provider/builtIn.ts"
import * as Profiles from "../../src/provider/Profiles.ts"
import { generic } from "../../src/provider/ProviderProfile.ts"

const now = 1_800_000_000_000

interface Recorded {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

const answer = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Recorded => ({
  status,
  body,
  headers: { "content-type": "application/json", ...headers },
})
const oauth = (status: number, error: string, description?: string): Recorded =>
  answer(status, { error, ...(description !== undefined && { error_description: description }) })

const jwt = (exp: number): string =>
  ["{}", JSON.stringify({ exp }), "signature"].map((part) => Buffer.from(part).toString("base64url")).join(".")

interface Case {
  readonly provider: string
  /** How the provider is found: nothing else of it is in the document, unless it has to be named. */
  readonly server: { readonly provider?: string; readonly issuer?: string; readonly token_endpoint: string }
  readonly reuse: ReuseClass
  readonly success: Recorded
  /** What is stored after `success`. The lifetime in seconds, `undefined` when nobody knows it. */
  readonly kept: {
    readonly lifetime: number | undefined
    readonly refreshToken: "new" | "kept"
    readonly scope?: string
  }
  readonly errors: ReadonlyArray<readonly [Recorded, outcome: string]>
  /** Members of the request beside those of RFC 6749. Default: the resource alone, in a form. */
  readonly sent?: Readonly<Record<string, string>>
  readonly json?: boolean
}

/** RFC 6749 §5.1 with everything in it. */
const full = answer(200, {
  access_token: "at-2",
  refresh_token: "rt-2",
  token_type: "Bearer",
  expires_in: 3600,
  scope: "read write",
})
const rotated = { lifetime: 3600, refreshToken: "new", scope: "read write" } as const
const busy = answer(429, { error: "too_many_requests" }, { "retry-after": "30" })
const deadGrant = oauth(400, "invalid_grant")
const badClient = oauth(401, "invalid_client", "Client authentication failed")
const usual = [
  [deadGrant, "dead: rejected"],
  [badClient, "dead: clientRejected"],
  [busy, "passing"],
] as const

const resource = { resource: "https://api.example/" }

const cases: ReadonlyArray<Case> = [
  {
    provider: "google",
    server: { issuer: "https://accounts.google.com", token_endpoint: "https://oauth2.googleapis.com/token" },
    reuse: "notRotating",
    success: answer(200, {
      access_token: "at-2",
      expires_in: 3599,
      scope: "openid",
      token_type: "Bearer",
      id_token: "x",
    }),
    kept: { lifetime: 3599, refreshToken: "kept", scope: "openid" },
    errors: [
      [oauth(400, "invalid_grant", "Token has been expired or revoked."), "dead: rejected"],
      [oauth(401, "invalid_client", "The OAuth client was not found."), "dead: clientRejected"],
      [oauth(400, "invalid_scope", "Some requested scopes were invalid. {invalid=[offline_access]}"), "passing"],
      [answer(403, { error: { code: 403, message: "Rate Limit Exceeded", status: "RESOURCE_EXHAUSTED" } }), "passing"],
    ],
  },
  {
    provider: "entra",
    server: {
      issuer: "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
      token_endpoint: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    },
    reuse: "notRotating",
    success: full,
    kept: rotated,
    sent: { scope: "User.Read offline_access" },
    errors: [
      [
        oauth(400, "invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1"),
        "dead: expired",
      ],
      [
        oauth(400, "invalid_grant", "AADSTS70008: The provided authorization code or refresh token has expired"),
        "dead: expired",
      ],
      [
        oauth(400, "invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked"),
        "dead: revoked",
      ],
      [oauth(400, "invalid_grant", "AADSTS50076: Due to a configuration change"), "dead: rejected"],
      [
        oauth(401, "invalid_client", "AADSTS7000222: The provided client secret keys are expired."),
        "dead: clientRejected",
      ],
      [oauth(400, "invalid_request", "AADSTS90009: Application is requesting a token for itself."), "passing"],
      [oauth(400, "invalid_request", "AADSTS9010010: The resource parameter does not match the scopes."), "passing"],
    ],
  },
  {
    provider: "auth0",
    server: { issuer: "https://acme.eu.auth0.com/", token_endpoint: "https://acme.eu.auth0.com/oauth/token" },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [
      [oauth(403, "invalid_grant", "Unknown or invalid refresh token."), "dead: rejected"],
      [oauth(401, "access_denied", "Unauthorized"), "passing"],
      [answer(429, { error: "too_many_requests", error_description: "Global limit has been reached" }), "passing"],
    ],
  },
  {
    provider: "okta",
    server: {
      issuer: "https://acme.okta.com/oauth2/default",
      token_endpoint: "https://acme.okta.com/oauth2/default/v1/token",
    },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [[oauth(400, "invalid_grant", "The refresh token is invalid or expired."), "dead: rejected"], ...usual],
  },
  {
    provider: "keycloak",
    server: {
      issuer: "https://sso.acme.example/realms/staff",
      token_endpoint: "https://sso.acme.example/realms/staff/protocol/openid-connect/token",
    },
    reuse: "strict",
    success: answer(200, {
      access_token: "at-2",
      expires_in: 300,
      refresh_expires_in: 1800,
      refresh_token: "rt-2",
      token_type: "Bearer",
      "not-before-policy": 0,
      session_state: "1",
      scope: "email profile",
    }),
    kept: { lifetime: 300, refreshToken: "new", scope: "email profile" },
    errors: [
      [oauth(400, "invalid_grant", "Maximum allowed refresh token reuse exceeded"), "dead: reused"],
      [oauth(400, "invalid_grant", "Token is not active"), "dead: expired"],
      [oauth(400, "invalid_grant", "Session not active"), "dead: rejected"],
      [oauth(401, "unauthorized_client", "Invalid client or Invalid client credentials"), "dead: clientRejected"],
    ],
  },
  {
    provider: "cognito",
    server: {
      issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Abc",
      token_endpoint: "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token",
    },
    reuse: "strict",
    success: answer(200, { id_token: "x", access_token: "at-2", expires_in: 3600, token_type: "Bearer" }),
    kept: { lifetime: 3600, refreshToken: "kept", scope: "User.Read" },
    errors: [
      [deadGrant, "dead: rejected"],
      [answer(400, { __type: "NotAuthorizedException", message: "Refresh Token has been revoked" }), "dead: rejected"],
      [
        answer(400, { __type: "NotAuthorizedException", message: "Unable to verify secret hash for client 1a2b" }),
        "dead: clientRejected",
      ],
      [badClient, "dead: clientRejected"],
    ],
  },
  {
    provider: "zitadel",
    server: {
      issuer: "https://acme-1234.zitadel.cloud",
      token_endpoint: "https://acme-1234.zitadel.cloud/oauth/v2/token",
    },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [
      [oauth(400, "invalid_request", "Errors.OIDCSession.RefreshTokenInvalid"), "dead: rejected"],
      [oauth(400, "invalid_request", "Errors.User.RefreshToken.Invalid"), "dead: rejected"],
      [oauth(400, "invalid_request", "Errors.Internal"), "passing"],
      [oauth(400, "invalid_client", "client_id does not correspond"), "dead: clientRejected"],
    ],
  },
  {
    provider: "supabase",
    server: {
      issuer: "https://abcdefgh.supabase.co/auth/v1",
      token_endpoint: "https://abcdefgh.supabase.co/auth/v1/token",
    },
    reuse: "untilSuccessorUsed",
    success: full,
    kept: rotated,
    errors: [
      [
        answer(400, {
          code: 400,
          error_code: "refresh_token_not_found",
          msg: "Invalid Refresh Token: Refresh Token Not Found",
        }),
        "dead: rejected",
      ],
      [answer(400, { code: 400, error_code: "refresh_token_already_used", msg: "Already Used" }), "dead: reused"],
      [answer(403, { code: 403, error_code: "session_not_found", msg: "Session not found" }), "dead: revoked"],
      [answer(429, { code: 429, error_code: "over_request_rate_limit", msg: "Too many" }), "passing"],
    ],
  },
  {
    provider: "atlassian",
    server: { token_endpoint: "https://auth.atlassian.com/oauth/token" },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [[oauth(403, "invalid_grant", "Unknown or invalid refresh token."), "dead: rejected"], ...usual],
  },
  {
    provider: "atlassian-mcp",
    server: { issuer: "https://mcp.atlassian.com", token_endpoint: "https://cf.mcp.atlassian.com/v1/token" },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [
      [oauth(400, "unauthorized_client", "refresh_token is invalid"), "dead: rejected"],
      [oauth(400, "unauthorized_client"), "dead: clientRejected"],
    ],
  },
  {
    provider: "slack",
    server: { token_endpoint: "https://slack.com/api/oauth.v2.access" },
    reuse: "strict",
    success: answer(200, {
      ok: true,
      app_id: "A1",
      authed_user: {
        id: "U1",
        scope: "chat:write",
        access_token: "at-2",
        refresh_token: "rt-2",
        token_type: "user",
        expires_in: 43200,
      },
    }),
    kept: { lifetime: 43200, refreshToken: "new", scope: "chat:write" },
    errors: [
      [answer(200, { ok: false, error: "invalid_refresh_token" }), "dead: rejected"],
      [answer(200, { ok: false, error: "token_revoked" }), "dead: revoked"],
      [answer(200, { ok: false, error: "bad_client_secret" }), "dead: clientRejected"],
      [answer(200, { ok: false, error: "invalid_client_id" }), "dead: clientRejected"],
      [answer(200, { ok: false, error: "ratelimited" }), "passing"],
      [answer(200, { ok: false, error: "internal_error" }), "passing"],
    ],
  },
  {
    provider: "github",
    server: { issuer: "https://github.com/login/oauth", token_endpoint: "https://github.com/login/oauth/access_token" },
    reuse: "strict",
    success: {
      status: 200,
      headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
      body: "access_token=at-2&expires_in=28800&refresh_token=rt-2&refresh_token_expires_in=15811200&scope=&token_type=bearer",
    },
    kept: { lifetime: 28800, refreshToken: "new", scope: "User.Read" },
    errors: [
      [oauth(200, "bad_refresh_token", "The refresh token passed is incorrect or expired."), "dead: rejected"],
      [
        oauth(200, "incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect."),
        "dead: clientRejected",
      ],
      [answer(403, { message: "API rate limit exceeded", documentation_url: "https://docs.github.com" }), "passing"],
    ],
  },
  {
    provider: "linear",
    server: { token_endpoint: "https://api.linear.app/oauth/token" },
    reuse: "strict",
    success: answer(200, {
      access_token: "at-2",
      token_type: "Bearer",
      expires_in: 86399,
      refresh_token: "rt-2",
      scope: ["read", "write"],
    }),
    kept: { lifetime: 86399, refreshToken: "new", scope: "read write" },
    errors: usual,
  },
  {
    provider: "asana",
    server: { token_endpoint: "https://app.asana.com/-/oauth_token" },
    reuse: "strict",
    success: answer(200, { access_token: "at-2", expires_in: 3600, token_type: "bearer", data: { id: 1 } }),
    kept: { lifetime: 3600, refreshToken: "kept", scope: "User.Read" },
    errors: usual,
  },
  {
    provider: "hubspot",
    server: { token_endpoint: "https://api.hubapi.com/oauth/v3/token" },
    reuse: "strict",
    success: answer(200, { accessToken: "at-2", refreshToken: "rt-2", expiresIn: 1800, tokenType: "bearer" }),
    kept: { lifetime: 1800, refreshToken: "new", scope: "User.Read" },
    errors: [
      [
        answer(400, { status: "BAD_REFRESH_TOKEN", message: "missing or invalid refresh token", correlationId: "1" }),
        "dead: rejected",
      ],
      [answer(403, { status: "error", message: "You have reached your limit", errorType: "RATE_LIMIT" }), "passing"],
    ],
  },
  {
    provider: "salesforce",
    server: { token_endpoint: "https://acme.my.salesforce.com/services/oauth2/token" },
    reuse: "strict",
    success: answer(200, {
      access_token: "at-2",
      instance_url: "https://acme.my.salesforce.com",
      issued_at: "1800000000000",
      token_type: "Bearer",
      scope: "refresh_token api",
    }),
    kept: { lifetime: undefined, refreshToken: "kept", scope: "refresh_token api" },
    errors: [
      [oauth(400, "invalid_grant", "expired access/refresh token"), "dead: expired"],
      [oauth(400, "invalid_client_id", "client identifier invalid"), "dead: clientRejected"],
      [oauth(400, "unsupported_grant_type", "grant type not supported"), "passing"],
    ],
  },
  {
    provider: "dropbox",
    server: { token_endpoint: "https://api.dropboxapi.com/oauth2/token" },
    reuse: "notRotating",
    success: answer(200, { access_token: "at-2", token_type: "bearer", expires_in: 14400 }),
    kept: { lifetime: 14400, refreshToken: "kept", scope: "User.Read" },
    errors: [[oauth(400, "invalid_grant", "refresh token is invalid or revoked"), "dead: rejected"], ...usual],
  },
  {
    provider: "box",
    server: { token_endpoint: "https://api.box.com/oauth2/token" },
    reuse: "strict",
    success: answer(200, {
      access_token: "at-2",
      expires_in: 4169,
      restricted_to: [],
      refresh_token: "rt-2",
      token_type: "bearer",
    }),
    kept: { lifetime: 4169, refreshToken: "new", scope: "User.Read" },
    errors: [[oauth(400, "invalid_grant", "Refresh token has expired"), "dead: rejected"], ...usual],
  },
  {
    provider: "discord",
    server: { token_endpoint: "https://discord.com/api/oauth2/token" },
    reuse: "strict",
    success: answer(200, {
      token_type: "Bearer",
      access_token: "at-2",
      expires_in: 604800,
      refresh_token: "rt-2",
      scope: "identify",
    }),
    kept: { lifetime: 604800, refreshToken: "new", scope: "identify" },
    errors: [
      [deadGrant, "dead: rejected"],
      [answer(429, { message: "You are being rate limited.", retry_after: 1.5 }), "passing"],
    ],
  },
  {
    provider: "spotify",
    server: { token_endpoint: "https://accounts.spotify.com/api/token" },
    reuse: "strict",
    success: answer(200, { access_token: "at-2", token_type: "Bearer", expires_in: 3600, scope: "user-read-email" }),
    kept: { lifetime: 3600, refreshToken: "kept", scope: "user-read-email" },
    errors: [
      [oauth(400, "invalid_grant", "Refresh token revoked"), "dead: rejected"],
      [oauth(503, "server_error"), "passing"],
    ],
  },
  {
    provider: "x",
    server: { token_endpoint: "https://api.x.com/2/oauth2/token" },
    reuse: "strict",
    success: answer(200, {
      token_type: "bearer",
      expires_in: 7200,
      access_token: "at-2",
      scope: "tweet.read offline.access",
      refresh_token: "rt-2",
    }),
    kept: { lifetime: 7200, refreshToken: "new", scope: "tweet.read offline.access" },
    errors: [
      [oauth(400, "invalid_request", "Value passed for the token was invalid."), "dead: rejected"],
      [oauth(400, "invalid_request", "Missing required parameter [client_id]."), "passing"],
      [oauth(401, "unauthorized_client", "Missing valid authorization header"), "dead: clientRejected"],
    ],
  },
  {
    provider: "zoom",
    server: { token_endpoint: "https://zoom.us/oauth/token" },
    reuse: "strict",
    success: answer(200, {
      access_token: "at-2",
      token_type: "bearer",
      refresh_token: "rt-2",
      expires_in: 3599,
      scope: "user:read",
    }),
    kept: { lifetime: 3599, refreshToken: "new", scope: "user:read" },
    errors: [
      [answer(401, { reason: "Invalid Token!", error: "invalid_request" }), "dead: rejected"],
      [{ status: 400, headers: { "content-type": "text/plain" }, body: "Invalid Token!" }, "dead: rejected"],
      [answer(400, { reason: "Invalid client_id or client_secret", error: "invalid_client" }), "dead: clientRejected"],
    ],
  },
  {
    provider: "reddit",
    server: { token_endpoint: "https://www.reddit.com/api/v1/access_token" },
    reuse: "strict",
    success: answer(200, {
      access_token: "at-2",
      token_type: "bearer",
      expires_in: 86400,
      refresh_token: "rt-2",
      scope: "identity",
    }),
    kept: { lifetime: 86400, refreshToken: "new", scope: "identity" },
    errors: [
      [answer(400, { message: "Bad Request", error: 400 }), "passing"],
      [answer(401, { message: "Unauthorized", error: 401 }), "passing"],
      [{ status: 403, headers: { "content-type": "text/html" }, body: "<html>whoa there, pardner!</html>" }, "passing"],
    ],
  },
  {
    provider: "linkedin",
    server: { token_endpoint: "https://www.linkedin.com/oauth/v2/accessToken" },
    reuse: "notRotating",
    success: answer(200, {
      access_token: "at-2",
      expires_in: 5184000,
      refresh_token: "rt-1",
      refresh_token_expires_in: 439200,
    }),
    kept: { lifetime: 5184000, refreshToken: "kept", scope: "User.Read" },
    errors: [
      [
        oauth(400, "invalid_grant", "The provided authorization grant or refresh token is invalid, expired or revoked"),
        "dead: rejected",
      ],
      ...usual,
    ],
  },
  {
    provider: "openai",
    server: { issuer: "https://auth.openai.com", token_endpoint: "https://auth.openai.com/oauth/token" },
    reuse: "strict",
    success: answer(200, {
      id_token: "x",
      access_token: jwt(now / 1000 + 864_000),
      refresh_token: "rt-2",
      expires_in: 60,
    }),
    kept: { lifetime: 864_000, refreshToken: "new", scope: "User.Read" },
    sent: {},
    json: true,
    errors: [
      [
        answer(401, {
          error: { message: "Already used.", type: "invalid_request_error", code: "refresh_token_reused" },
        }),
        "dead: reused",
      ],
      [answer(400, { error: { message: "Already used.", code: "refresh_token_reused" } }), "dead: reused"],
      [answer(401, { error: { message: "Expired.", code: "refresh_token_expired" } }), "dead: expired"],
      [answer(401, { error: { message: "Signed in elsewhere.", code: "refresh_token_invalidated" } }), "dead: revoked"],
      [answer(401, { error: "refresh_token_invalidated" }), "dead: revoked"],
      [answer(400, { error: { code: "invalid_grant" } }), "dead: rejected"],
      [
        answer(403, { error: { message: "Unsupported region", code: "unsupported_country_region_territory" } }),
        "passing",
      ],
      [answer(500, { error: { message: "Oops", code: "refresh_token_reused" } }), "passing"],
    ],
  },
  {
    provider: "anthropic",
    server: { token_endpoint: "https://platform.claude.com/v1/oauth/token" },
    reuse: "strict",
    success: answer(200, {
      token_type: "Bearer",
      access_token: "at-2",
      expires_in: 28800,
      refresh_token: "rt-2",
      scope: "user:inference",
    }),
    kept: { lifetime: 28800, refreshToken: "new", scope: "user:inference" },
    sent: {},
    json: true,
    errors: [
      [oauth(400, "invalid_grant", "Refresh token not found or invalid"), "dead: rejected"],
      [answer(404, { type: "error", error: { type: "not_found_error", message: "Not found" } }), "dead: reused"],
      [answer(404, { type: "error", error: { type: "not_found_error", message: "model: claude-1" } }), "passing"],
      [answer(400, { type: "error", error: { type: "not_found_error", message: "Not found" } }), "passing"],
      [answer(529, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }), "passing"],
    ],
  },
  {
    provider: "generic",
    // The endpoint that has moved: to every refresh it answers what the other answers to a loser.
    server: { token_endpoint: "https://console.anthropic.com/v1/oauth/token" },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [[answer(404, { type: "error", error: { type: "not_found_error", message: "Not found" } }), "passing"]],
  },
  {
    provider: "notion",
    server: { issuer: "https://mcp.notion.com", token_endpoint: "https://mcp.notion.com/token" },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [[oauth(400, "invalid_grant", "OAuth grant revoked"), "dead: revoked"], ...usual],
  },
  {
    provider: "cloudflare",
    server: {
      provider: "cloudflare",
      issuer: "https://mcp.acme.example",
      token_endpoint: "https://mcp.acme.example/token",
    },
    reuse: "untilSuccessorUsed",
    success: full,
    kept: rotated,
    errors: usual,
  },
  {
    provider: "obot",
    server: { provider: "obot", token_endpoint: "https://obot.acme.example/oauth/token" },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [
      [oauth(400, "invalid_request", "refresh_token is invalid"), "dead: rejected"],
      [oauth(400, "invalid_request", "Obot: refresh_token is invalid"), "dead: rejected"],
      [oauth(400, "invalid_request", "refresh_token is required"), "passing"],
    ],
  },
  {
    provider: "generic",
    server: { issuer: "https://as.example", token_endpoint: "https://as.example/token" },
    reuse: "strict",
    success: full,
    kept: rotated,
    errors: [
      ...usual,
      [oauth(400, "invalid_request", "Value passed for the token was invalid."), "passing"],
      [oauth(400, "invalid_request", "Errors.OIDCSession.RefreshTokenInvalid"), "passing"],
      [oauth(400, "invalid_request", "refresh_token is invalid"), "passing"],
    ],
  },
]

const credentialOf = (server: Case["server"]) => ({
  ...Result.getOrThrow(
    GrantDocument.toCredential(
      {
        ...server,
        ...resource,
        client: { client_id: "client-1" },
        tokens: { access_token: "at-1", refresh_token: "rt-1", scope: "User.Read", expires_at: now / 1000 },
      },
      "one",
      now,
    ),
  ),
  generation: 1,
})

/** Presents the refresh token to a server that answers so, and keeps what was sent. */
const presented = Effect.fnUntraced(function* (credential: ReturnType<typeof credentialOf>, recorded: Recorded) {
  const requests: Array<{ readonly url: string; readonly type: string; readonly body: string }> = []
  const { body, headers, status } = recorded
  const endpoint = yield* Http.make.pipe(
    Effect.provideService(Fetch, (url, init) => {
      requests.push({ url, type: new Headers(init.headers).get("content-type") ?? "", body: String(init.body) })
      const text = typeof body === "string" ? body : JSON.stringify(body)
      return Promise.resolve(new Response(text, { status, ...(headers && { headers }) }))
    }),
  )
  return { outcome: yield* endpoint.exchange(credential, 20_000), requests }
})

const word = (outcome: Effect.Success<ReturnType<typeof presented>>["outcome"]): string =>
  outcome._tag !== "Rejected" ? outcome._tag : outcome.dead === undefined ? "passing" : `dead: ${outcome.dead.reason}`

describe("each provider, by its issuer or its token endpoint", () => {
  for (const { errors, json = false, provider, reuse, sent = resource, server, success, kept } of cases) {
    it.effect(`${provider} at ${new URL(server.issuer ?? server.token_endpoint).host}`, () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(now)
        const credential = credentialOf(server)
        assert.strictEqual(credential.provider, provider)
        assert.strictEqual(credential.reuse.class, reuse)

        const { outcome, requests } = yield* presented(credential, success)
        if (outcome._tag !== "Rotated") return assert.fail(`expected Rotated, got ${word(outcome)}`)
        const commit = {
          _tag: "Commit",
          generation: 1,
          seed: credential.seed,
          tokens: outcome.tokens,
          forced: 0,
        } as const
        const { expiry, refreshToken, scope } = Change.apply(credential, 1, commit)!.tokens
        assert.strictEqual(expiry._tag === "Known" ? (expiry.at - now) / 1000 : undefined, kept.lifetime)
        assert.strictEqual(Redacted.value(refreshToken!) === "rt-1" ? "kept" : "new", kept.refreshToken)
        assert.strictEqual(scope, kept.scope)

        const [request] = requests
        assert.strictEqual(request?.url, server.token_endpoint)
        assert.strictEqual(request?.type.split(";")[0], json ? "application/json" : "application/x-www-form-urlencoded")
        const members = json ? JSON.parse(request!.body) : Object.fromEntries(new URLSearchParams(request!.body))
        assert.deepStrictEqual(members, {
          grant_type: "refresh_token",
          refresh_token: "rt-1",
          client_id: "client-1",
          ...sent,
        })

        for (const [recorded, expected] of errors) {
          const { outcome } = yield* presented(credential, recorded)
          assert.strictEqual(word(outcome), expected, JSON.stringify(recorded.body))
        }
      }),
    )
  }

  it("has every provider of the table among them", () => {
    const tried = new Set(cases.map(({ provider }) => provider))
    assert.deepStrictEqual(
      rows.map(({ id }) => id).filter((id) => !tried.has(id)),
      [],
    )
  })
})

describe("a profile that is not built in", () => {
  const own = { ...generic, id: "acme", spellings: [{ code: "acme_gone", means: "revoked" } as const] }
  const gone = answer(400, { error: "acme_gone" })
  const acme = { ...credentialOf({ token_endpoint: "https://as.example/token" }), provider: "acme" }
  const kept = { status: 400, body: Redacted.make(JSON.stringify(gone.body)), sentAt: now, at: now }

  it.effect("reads the answers of its server, now and from the journal", () =>
    Effect.gen(function* () {
      const known = Effect.succeed(Profiles.make([own], []))
      const { outcome } = yield* presented(acme, gone).pipe(Effect.provideService(Profiles.Profiles, known))
      assert.strictEqual(word(outcome), "dead: revoked")
      assert.strictEqual(word(read(acme, kept, [own])), "dead: revoked")
    }),
  )

  it.effect("is asked for when it is not there, and nothing is sent", () =>
    Effect.gen(function* () {
      const { outcome, requests } = yield* presented(acme, gone)
      assert.strictEqual(outcome._tag, "NotSent")
      assert.match(
        outcome._tag === "NotSent" ? outcome.cause : "",
        /^the provider is acme, and no provider profile has this id/,
      )
      assert.lengthOf(requests, 0)
      assert.strictEqual(word(read(acme, kept)), "passing")
    }),
  )
})

describe("an answer with a refresh token and no access token", () => {
  const alone = answer(200, { refresh_token: "rt-2", id_token: "x" })
  const openai = { token_endpoint: "https://auth.openai.com/oauth/token" }

  it.effect("is the successor at OpenAI, and what is absent is kept", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const credential = credentialOf(openai)
      const living = {
        ...credential,
        tokens: { ...credential.tokens, expiry: { _tag: "Known", at: now + 600_000 } as const },
      }
      const { outcome } = yield* presented(living, alone)
      if (outcome._tag !== "Rotated") return assert.fail(word(outcome))
      assert.strictEqual(Redacted.value(outcome.tokens.accessToken), "at-1")
      assert.strictEqual(Redacted.value(outcome.tokens.refreshToken!), "rt-2")
      // Due again after half of what is left, and not at once.
      assert.deepStrictEqual(outcome.tokens.expiry, { _tag: "Known", at: now + 600_000, lifetimeMillis: 600_000 })
    }),
  )

  it.effect("is not refreshed in a loop when the kept one has ended", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const { outcome } = yield* presented(credentialOf(openai), alone)
      assert.deepStrictEqual(outcome._tag === "Rotated" && outcome.tokens.expiry, { _tag: "Unknown" })
    }),
  )

  it.effect("leaves everything open anywhere else, and where it says that it is an error", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(now)
      const elsewhere = yield* presented(credentialOf({ token_endpoint: "https://as.example/token" }), alone)
      assert.strictEqual(word(elsewhere.outcome), "Ambiguous")
      const empty = yield* presented(credentialOf(openai), answer(200, { id_token: "x" }))
      assert.strictEqual(word(empty.outcome), "Ambiguous")
      const error = answer(200, { refresh_token: "rt-2", error: { code: "refresh_token_reused" } })
      assert.strictEqual(word((yield* presented(credentialOf(openai), error)).outcome), "dead: reused")
    }),
  )
})

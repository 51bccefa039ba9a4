/**
 * What servers say instead of a token, as data: every spelling of a dead refresh token that has been seen, and every
 * answer that looks like one and is none. Facts: providers §6.
 *
 * They are written down here a second time, apart from the tables that recognize them: a test that quotes the code under
 * test would agree with any mistake in it.
 */
import { type Answer, form, html, httpDate, json, oauthError, text } from "./answers.ts"

/** Why the server does not honour a refresh token. Only some of the spellings tell. */
export type Why = "unknown" | "reused" | "revoked" | "expired"

const openai: Readonly<Record<Why, string>> = {
  unknown: "refresh_token_invalidated",
  reused: "refresh_token_reused",
  revoked: "refresh_token_invalidated",
  expired: "refresh_token_expired",
}

const keycloak: Readonly<Record<Why, string>> = {
  unknown: "Invalid refresh token",
  reused: "Maximum allowed refresh token reuse exceeded",
  revoked: "Token is not active",
  expired: "Token is not active",
}

const standard: Readonly<Record<Why, string>> = {
  unknown: "The refresh token is not valid.",
  reused: "The refresh token was used before.",
  revoked: "The grant was revoked.",
  expired: "The refresh token has expired.",
}

const deadSpellings = {
  /** RFC 6749 §5.2, and most servers. */
  oauth: (why: Why) => oauthError(400, "invalid_grant", standard[why]),
  bare: () => oauthError(400, "invalid_grant"),
  auth0: () => oauthError(403, "invalid_grant", "Unknown or invalid refresh token."),
  atlassian: () => oauthError(403, "invalid_grant", "Unknown or invalid refresh token."),
  atlassianMcp: () => oauthError(400, "unauthorized_client", "refresh_token is invalid"),
  claude: () => json(404, { type: "error", error: { type: "not_found_error", message: "Not found" } }),
  cognito: () => json(400, { __type: "NotAuthorizedException", message: "Invalid Refresh Token" }),
  entra: (why: Why) =>
    oauthError(
      400,
      "invalid_grant",
      why === "expired" ? "AADSTS700082: The refresh token has expired." : "AADSTS50173",
    ),
  github: () =>
    form(200, { error: "bad_refresh_token", error_description: "The refresh token passed is incorrect or expired." }),
  hubspot: () => json(400, { status: "BAD_REFRESH_TOKEN", message: "missing or invalid refresh token" }),
  keycloak: (why: Why) => oauthError(400, "invalid_grant", keycloak[why]),
  notion: () => oauthError(400, "invalid_grant", "OAuth grant revoked"),
  obot: () => oauthError(400, "invalid_request", "refresh_token is invalid"),
  openai: (why: Why) =>
    json(401, {
      error: {
        message: "Your refresh token could not be used. Please sign in again.",
        type: "invalid_request_error",
        code: openai[why],
      },
    }),
  /** The same codes as a text in `error`, beside it, and one that says less. */
  openaiText: (why: Why) => json(400, { error: openai[why] }),
  openaiCode: (why: Why) => json(401, { message: "Your refresh token could not be used.", code: openai[why] }),
  openaiExpired: () => json(401, { error: { message: "Your session has ended.", code: "token_expired" } }),
  openaiObject: () => json(400, { error: { message: "The grant is not valid.", code: "invalid_grant" } }),
  slack: () => json(200, { ok: false, error: "invalid_refresh_token" }),
  slackRevoked: () => json(200, { ok: false, error: "token_revoked" }),
  supabase: (why: Why) =>
    json(400, {
      code: 400,
      error_code: why === "reused" ? "refresh_token_already_used" : "refresh_token_not_found",
      msg: "Invalid Refresh Token",
    }),
  x: () => oauthError(400, "invalid_request", "Value passed for the token was invalid."),
  zitadel: () => oauthError(400, "invalid_request", "Errors.User.RefreshToken.Invalid"),
  zoom: () => json(401, { reason: "Invalid Token!", error: "invalid_request" }),
  zoomBare: () => text(400, "Invalid Token!"),
} satisfies Record<string, (why: Why) => Answer>

export type DeadSpelling = keyof typeof deadSpellings

export const deadSpellingNames = Object.keys(deadSpellings) as ReadonlyArray<DeadSpelling>

export const dead = (spelling: DeadSpelling, why: Why): Answer => deadSpellings[spelling](why)

/** Spellings that mean something else at another server, with the id of the profile that can say they are final. */
export const profileOnly: ReadonlyMap<DeadSpelling, string> = new Map([
  ["claude", "anthropic"],
  ["obot", "obot"],
  ["x", "x"],
  ["zitadel", "zitadel"],
])

const busy = (retryAfter: string): Answer => json(429, { error: "too_many_requests" }, { "retry-after": retryAfter })

const troubles = {
  /** Ory Hydra to the loser of a race. */
  hydraRetry: () =>
    json(400, {
      error: "invalid_request",
      error_description: "The request failed.",
      error_hint:
        "Failed to refresh token because of multiple concurrent requests using the same token. Please retry the request.",
    }),
  busySeconds: () => busy("30"),
  busyDate: (now: number) => busy(httpDate(now + 30_000)),
  busySilent: () => json(429, { error: "slow_down" }),
  timeout: () => text(408, "Request Timeout"),
  tooEarly: () => text(425, "Too Early"),
  unavailable: () => oauthError(503, "temporarily_unavailable", "The server is overloaded."),
  unavailableSeconds: () => json(503, { error: "temporarily_unavailable" }, { "retry-after": "120" }),
  serverError: () => oauthError(500, "server_error"),
  htmlForbidden: () => html(403, "Access denied"),
  htmlBadGateway: () => html(502, "Bad Gateway"),
  htmlUnavailable: () => html(503, "Service Unavailable"),
  htmlGatewayTimeout: () => html(504, "Gateway Timeout"),
  forbiddenRate: () => json(403, { message: "API rate limit exceeded" }),
  redirect: () => ({ ...html(302, "Found"), headers: { location: "/sign-in", "content-type": "text/html" } }),
  invalidScope: () => oauthError(400, "invalid_scope"),
  invalidTarget: () => oauthError(400, "invalid_target"),
  unsupportedGrant: () => oauthError(400, "unsupported_grant_type"),
  invalidDpop: () => oauthError(400, "invalid_dpop_proof"),
  entraScope: () => oauthError(400, "invalid_request", "AADSTS90009: The application requests a token for itself."),
  entraResource: () => oauthError(400, "invalid_request", "AADSTS9010010: The resource parameter does not match."),
  /** The client is what these refuse: the refresh token is alive, and may be used by whoever mends the configuration. */
  invalidClient: () => oauthError(401, "invalid_client"),
  unauthorizedClient: () => oauthError(400, "unauthorized_client"),
  /** A 2xx that grants nothing: the server may have rotated before somebody spoiled its answer. */
  emptyOk: () => ({ status: 200, headers: { "content-type": "application/json" }, body: "" }),
  htmlOk: () => html(200, "Sign in to the network"),
  truncatedOk: () => ({ status: 200, headers: { "content-type": "application/json" }, body: '{"access_token":"' }),
} satisfies Record<string, (now: number) => Answer>

export type Trouble = keyof typeof troubles

export const troubleNames = Object.keys(troubles) as ReadonlyArray<Trouble>

export const trouble = (name: Trouble, now: number): Answer => troubles[name](now)

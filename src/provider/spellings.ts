/**
 * The ways in which authorization servers say that a refresh token is dead, as data. Facts: providers §6.
 *
 * **Invariants**
 *
 * - Dead only by a whole code or a whole verdict phrase of this table or of the provider's profile (I8): never by a
 *   status, never by a substring (valid sessions were declared dead for "refresh token" in a description).
 * - A phrase that means death at one server and something else at another belongs into that server's profile.
 */
import type { DeadSpelling } from "./ProviderProfile.ts"

/** Spellings that mean the same wherever they were seen. The first that matches decides, so phrases stand before codes. */
export const everywhere: ReadonlyArray<DeadSpelling> = [
  // RFC 6749 §5.2. Keycloak and Notion say more in the description.
  { code: "invalid_grant", description: /^Maximum allowed refresh token reuse exceeded\.?$/i, reason: "reused" },
  { code: "invalid_grant", description: /^Token is not active\.?$/i, reason: "expired" },
  { code: "invalid_grant", description: /^OAuth grant revoked\.?$/i, reason: "revoked" },
  { code: "invalid_grant", reason: "rejected" },
  // OpenAI, nested in `error`; Supabase in `error_code`.
  { code: "refresh_token_reused", reason: "reused" },
  { code: "refresh_token_already_used", reason: "reused" },
  { code: "refresh_token_expired", reason: "expired" },
  { code: "refresh_token_invalidated", reason: "revoked" },
  { code: "refresh_token_not_found", reason: "rejected" },
  { code: "token_expired", reason: "expired" },
  { code: "token_revoked", reason: "revoked" },
  // GitHub Apps with status 200, HubSpot in `status`; Slack with `ok: false`.
  { code: "bad_refresh_token", reason: "rejected" },
  { code: "invalid_refresh_token", reason: "rejected" },
  // Cognito says the same for a client that cannot prove itself.
  {
    code: "NotAuthorizedException",
    description: /^Unable to verify secret hash for client .*$/i,
    reason: "clientRejected",
  },
  { code: "NotAuthorizedException", reason: "rejected" },
  // Zoom, with and without a code beside the phrase.
  { code: "invalid_request", description: /^Invalid Token!$/i, reason: "rejected" },
  { code: "", description: /^Invalid Token!$/i, reason: "rejected" },
  // Atlassian's MCP server blames the client for the token. Without the phrase it is the client (RFC 6749 §5.2).
  { code: "unauthorized_client", description: /^refresh_token is invalid\.?$/i, reason: "rejected" },
  { code: "unauthorized_client", reason: "clientRejected" },
  { code: "invalid_client", reason: "clientRejected" },
]

/** Codes that settle the matter the other way, whatever else the answer carries: they pass, or a person mends them. */
export const passing: ReadonlySet<string> = new Set([
  "server_error",
  "temporarily_unavailable",
  "slow_down",
  "too_many_requests",
  "invalid_scope",
  "invalid_target",
  "unsupported_grant_type",
  "invalid_dpop_proof",
])

/** Hydra to the loser of a race: the token is alive, and its successor may already be in the store. */
export const retryHint = /\bplease retry\b/i

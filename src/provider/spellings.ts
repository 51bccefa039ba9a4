/**
 * The ways in which authorization servers say what became of a refresh token, as data. Facts: providers §6.
 *
 * **Invariants**
 *
 * - Dead only by a whole code or a whole verdict phrase of this table or of the provider's profile (I8): never by a
 *   status, never by a substring (valid sessions were declared dead for "refresh token" in a description).
 * - A phrase that means death at one server and something else at another belongs into that server's profile.
 */
import type { Spelling } from "./ProviderProfile.ts"

/** Spellings that mean the same wherever they were seen. The first that matches decides, so phrases stand before codes. */
export const everywhere: ReadonlyArray<Spelling> = [
  // RFC 6749 §5.2. Keycloak and Notion say more in the description.
  { code: "invalid_grant", phrase: "Maximum allowed refresh token reuse exceeded", means: "reused" },
  { code: "invalid_grant", phrase: "Token is not active", means: "expired" },
  { code: "invalid_grant", phrase: "OAuth grant revoked", means: "revoked" },
  { code: "invalid_grant", means: "rejected" },
  // OpenAI, nested in `error`; Supabase in `error_code`.
  { code: "refresh_token_reused", means: "reused" },
  { code: "refresh_token_already_used", means: "reused" },
  { code: "refresh_token_expired", means: "expired" },
  { code: "refresh_token_invalidated", means: "revoked" },
  { code: "refresh_token_not_found", means: "rejected" },
  { code: "token_expired", means: "expired" },
  { code: "token_revoked", means: "revoked" },
  // GitHub Apps with status 200, HubSpot in `status`; Slack with `ok: false`.
  { code: "bad_refresh_token", means: "rejected" },
  { code: "invalid_refresh_token", means: "rejected" },
  // Cognito says the same for a client that cannot prove itself.
  {
    code: "NotAuthorizedException",
    phrase: "Unable to verify secret hash for client *",
    means: "clientRejected",
  },
  { code: "NotAuthorizedException", means: "rejected" },
  // Zoom, with and without a code beside the phrase.
  { code: "invalid_request", phrase: "Invalid Token!", means: "rejected" },
  { code: "", phrase: "Invalid Token!", means: "rejected" },
  // Atlassian's MCP server blames the client for the token. Without the phrase it is the client (RFC 6749 §5.2).
  { code: "unauthorized_client", phrase: "refresh_token is invalid", means: "rejected" },
  { code: "unauthorized_client", means: "clientRejected" },
  { code: "invalid_client", means: "clientRejected" },
  // Codes that settle the matter the other way: they pass, or a person mends them.
  { code: "server_error", means: "passing" },
  { code: "temporarily_unavailable", means: "passing" },
  { code: "slow_down", means: "passing" },
  { code: "too_many_requests", means: "passing" },
  { code: "invalid_scope", means: "passing" },
  { code: "invalid_target", means: "passing" },
  { code: "unsupported_grant_type", means: "passing" },
  { code: "invalid_dpop_proof", means: "passing" },
]

/** Hydra to the loser of a race: the token is alive, and its successor may already be in the store. */
export const retryHint = /\bplease retry\b/i

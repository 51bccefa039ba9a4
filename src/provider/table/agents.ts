/** What coding agents and MCP clients sign in to. */
import { documented, reported, reuse, type Row, unsure, verified } from "./Row.ts"

export const agents: ReadonlyArray<Row> = [
  {
    id: "openai",
    name: "OpenAI (ChatGPT, Codex)",
    match: ["auth.openai.com"],
    cells: {
      authorizeParams: verified(
        { id_token_add_organizations: "true", codex_cli_simplified_flow: "true" },
        "openai/codex login; for its client id",
      ),
      scopes: verified(
        { defaults: ["openid", "profile", "email", "offline_access"], add: ["offline_access"] },
        "openai/codex login",
      ),
      offlineParams: verified({}, "openai/codex login sends no prompt"),
      sendResource: verified(false, "openai/codex sends none"),
      requestBody: verified("json", "openai/codex 0.169, observed: a refresh is sent as JSON"),
      accessTokenOptional: verified(
        true,
        "openai/codex: every member of an answer is optional, and what is absent is kept",
      ),
      expirySource: verified("jwt", "openai/codex reads exp of the token and ignores expires_in"),
      reuse: verified(reuse.strict, "openai/codex: refresh_token_reused; nothing is known of a grace"),
      refreshTokenRule: verified(
        "OpenAI gives a refresh token when the scope offline_access is asked for.",
        "openai/codex login",
      ),
    },
    spellings: [
      verified(
        { code: "refresh_token_reused", means: "reused" },
        "openai/codex; in error.code with status 401, also 400: openai/codex#24830",
      ),
      verified({ code: "refresh_token_expired", means: "expired" }, "openai/codex; in error.code with status 401"),
      verified({ code: "refresh_token_invalidated", means: "revoked" }, "openai/codex; in error.code with status 401"),
      verified({ code: "invalid_grant", means: "rejected" }, "openai/codex 0.169; as a text and as an object"),
      reported(
        { code: "token_expired", means: "expired" },
        "openai/codex: any other code with status 401 is final there",
      ),
    ],
  },
  {
    id: "anthropic",
    name: "Anthropic (Claude)",
    // The older console.anthropic.com answers 404 to every refresh since the endpoint has moved: Wei-Shaw/claude-relay-service#1207.
    match: ["platform.claude.com"],
    cells: {
      sendResource: reported(false, "claude-code sends none"),
      requestBody: reported("json", "claude-code, as read by other clients"),
      reuse: reported(reuse.strict, "reuse revokes the family: anthropics/claude-code#58066, #54443"),
      refreshTokenRule: reported(
        "Anthropic gives a refresh token with a sign-in, and none with claude setup-token, whose token lives for a year.",
        "claude-code",
      ),
    },
    spellings: [
      reported(
        { code: "invalid_grant", phrase: "Refresh token not found or invalid", means: "rejected" },
        "Wei-Shaw/claude-relay-service#1207",
      ),
      reported(
        { code: "", phrase: "Not found", status: 404, means: "reused" },
        "anthropics/claude-code#27933: to the loser of a race",
      ),
      reported(
        { code: "not_found_error", status: 404, means: "reused" },
        "anthropics/claude-code#27933: to the loser of a race",
      ),
    ],
  },
  {
    id: "notion",
    name: "Notion's MCP server",
    match: ["mcp.notion.com"],
    cells: {
      reuse: unsure(
        reuse.untilSuccessorUsed,
        "makenotion/notion-cookbook says so; two live probes saw the family revoked: local-operator#345, #945",
      ),
      refreshTokenRule: documented(
        "Notion's MCP server gives a refresh token with every authorization code.",
        "makenotion/notion-cookbook",
      ),
    },
    spellings: [reported({ code: "invalid_grant", phrase: "OAuth grant revoked", means: "revoked" }, "local-operator")],
  },
  {
    id: "cloudflare",
    name: "Cloudflare's workers-oauth-provider",
    // A library: it answers under anybody's host, and has to be named.
    match: [],
    cells: {
      reuse: verified(
        reuse.untilSuccessorUsed,
        "cloudflare/workers-oauth-provider 742e222: the previous one stays valid until its successor is first used",
      ),
      refreshTokenRule: verified(
        "It gives a refresh token with every authorization code.",
        "cloudflare/workers-oauth-provider 742e222",
      ),
    },
    spellings: [],
  },
  {
    id: "obot",
    name: "Obot",
    // Runs under anybody's host, and has to be named.
    match: [],
    cells: {
      reuse: unsure(reuse.rejectOnly, "obot-platform/obot deletes a token that is used; nothing more is known"),
      refreshTokenRule: verified(
        "Obot gives a refresh token with every authorization code.",
        "obot-platform/obot pkg/api/handlers/mcpgateway/oauth/token.go",
      ),
    },
    spellings: [
      verified(
        { code: "invalid_request", phrase: "refresh_token is invalid", means: "rejected" },
        "obot-platform/obot pkg/api/handlers/mcpgateway/oauth/token.go",
      ),
      reported(
        { code: "invalid_request", phrase: "Obot: refresh_token is invalid", means: "rejected" },
        "obot-platform/obot#7501",
      ),
    ],
  },
]

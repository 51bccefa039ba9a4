/** Services that people sign in to for their own data. */
import { documented, reported, reuse, type Row, unsure } from "./Row.ts"

export const services: ReadonlyArray<Row> = [
  {
    id: "google",
    name: "Google",
    match: ["accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com/oauth2"],
    cells: {
      authorizeParams: documented(
        { access_type: "offline", prompt: "consent" },
        "developers.google.com/identity/protocols/oauth2/web-server",
      ),
      scopes: documented(
        { never: ["offline_access"] },
        "developers.google.com/identity/protocols/oauth2/scopes has none; invalid_scope: mcp-remote#258",
      ),
      offlineParams: documented({}, "developers.google.com/identity/protocols/oauth2"),
      clientAuth: documented("client_secret_post", "developers.google.com/identity/protocols/oauth2/web-server"),
      reuse: documented(
        reuse.notRotating,
        "developers.google.com/identity/protocols/oauth2: a refresh token lives until it is revoked or unused for six months",
      ),
      refreshTokenRule: documented(
        "Google gives a refresh token with access_type=offline, and to somebody who has consented before only with prompt=consent; a consent screen in “Testing” gives one of 7 days.",
        "developers.google.com/identity/protocols/oauth2",
      ),
    },
    spellings: [],
  },
  {
    id: "atlassian",
    name: "Atlassian (3LO)",
    match: ["auth.atlassian.com"],
    cells: {
      authorizeParams: documented(
        { audience: "api.atlassian.com", prompt: "consent" },
        "developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps",
      ),
      scopes: documented({ add: ["offline_access"] }, "developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps"),
      clientAuth: documented("client_secret_post", "developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps"),
      reuse: unsure(
        reuse.idempotent(600),
        "community.developer.atlassian.com/t/54172: 10 minutes of leeway; what a second use returns is not said",
      ),
      refreshTokenRule: documented(
        "Atlassian gives a refresh token when the scope offline_access is asked for; it ends after 90 days without use and after 365 days in any case.",
        "community.developer.atlassian.com/t/54172",
      ),
    },
    spellings: [
      reported({ code: "invalid_grant", means: "rejected" }, "community.developer.atlassian.com; with status 403"),
    ],
  },
  {
    id: "atlassian-mcp",
    name: "Atlassian's MCP server",
    match: ["mcp.atlassian.com", "*.mcp.atlassian.com"],
    cells: { reuse: unsure(reuse.strict, "nothing is known") },
    spellings: [
      reported(
        { code: "unauthorized_client", phrase: "refresh_token is invalid", means: "rejected" },
        "openai/codex#27165",
      ),
    ],
  },
  {
    id: "slack",
    name: "Slack",
    match: ["slack.com", "*.slack.com"],
    cells: {
      scopes: documented({ separator: "," }, "docs.slack.dev/authentication/installing-with-oauth"),
      reuse: unsure(
        reuse.strict,
        "docs.slack.dev using-token-rotation: single use, revoked after a short grace whose length is not said",
      ),
      refreshTokenRule: documented(
        "Slack gives a refresh token only to apps that have turned token rotation on; without it the access token does not end.",
        "docs.slack.dev/authentication/using-token-rotation",
      ),
    },
    spellings: [
      documented(
        { code: "invalid_refresh_token", means: "rejected" },
        "docs.slack.dev oauth.v2.access; with status 200 and ok: false",
      ),
      documented({ code: "token_revoked", means: "revoked" }, "docs.slack.dev; with status 200 and ok: false"),
      documented({ code: "invalid_client_id", means: "clientRejected" }, "docs.slack.dev oauth.v2.access"),
      documented({ code: "bad_client_secret", means: "clientRejected" }, "docs.slack.dev oauth.v2.access"),
      documented({ code: "ratelimited", means: "passing" }, "docs.slack.dev oauth.v2.access"),
    ],
  },
  {
    id: "github",
    name: "GitHub Apps",
    match: ["github.com/login/oauth"],
    cells: {
      clientAuth: documented("client_secret_post", "docs.github.com refreshing-user-access-tokens"),
      reuse: unsure(
        reuse.rejectOnly,
        "coder/coder: the loser of a race is refused and the winner lives; GitHub says single use",
      ),
      refreshTokenRule: documented(
        "GitHub gives a refresh token for GitHub Apps whose user tokens expire; an OAuth App gets an access token that does not end, and no refresh token.",
        "docs.github.com refreshing-user-access-tokens",
      ),
    },
    spellings: [
      documented(
        { code: "bad_refresh_token", means: "rejected" },
        "docs.github.com refreshing-user-access-tokens; with status 200",
      ),
      documented(
        { code: "incorrect_client_credentials", means: "clientRejected" },
        "docs.github.com troubleshooting-oauth-app-access-token-request-errors",
      ),
    ],
  },
  {
    id: "linear",
    name: "Linear",
    match: ["linear.app", "api.linear.app"],
    cells: {
      scopes: documented({ separator: "," }, "linear.app/developers/oauth-2-0-authentication"),
      clientAuth: documented("client_secret_post", "linear.app/developers/oauth-2-0-authentication"),
      reuse: unsure(reuse.strict, "rotates; a grace is not confirmed"),
      refreshTokenRule: documented(
        "Linear gives a refresh token to apps made since October 2025, and to all since April 2026.",
        "linear.app/developers/oauth-2-0-authentication",
      ),
    },
    spellings: [],
  },
  {
    id: "asana",
    name: "Asana",
    match: ["app.asana.com", "mcp.asana.com"],
    cells: {
      clientAuth: documented("client_secret_post", "developers.asana.com/docs/oauth"),
      reuse: unsure(reuse.notRotating, "not confirmed; its MCP server rotates: NousResearch/hermes-agent#103029"),
      refreshTokenRule: documented(
        "Asana gives a refresh token with every authorization code.",
        "developers.asana.com/docs/oauth",
      ),
    },
    spellings: [],
  },
  {
    id: "hubspot",
    name: "HubSpot",
    match: ["app.hubspot.com", "api.hubapi.com", "api.hubspot.com", "mcp.hubspot.com"],
    cells: {
      clientAuth: documented("client_secret_post", "developers.hubspot.com oauth-tokens guides"),
      reuse: unsure(reuse.notRotating, "sources contradict each other"),
      refreshTokenRule: documented(
        "HubSpot gives a refresh token with every authorization code.",
        "developers.hubspot.com oauth-tokens guides",
      ),
    },
    spellings: [
      documented({ code: "BAD_REFRESH_TOKEN", means: "rejected" }, "developers.hubspot.com; in status, without error"),
    ],
  },
  {
    id: "salesforce",
    name: "Salesforce",
    match: ["login.salesforce.com", "test.salesforce.com", "*.my.salesforce.com", "*.my.site.com"],
    cells: {
      scopes: documented({ add: ["refresh_token"] }, "help.salesforce.com OAuth tokens and scopes"),
      scopeOnRefresh: reported(false, "some organizations reject it: appsmith#30239"),
      expirySource: reported(
        "expires_in",
        "none is sent (NangoHQ/nango#327): the token is used until a resource server refuses it",
      ),
      reuse: unsure(reuse.notRotating, "rotation is optional and set by each connected app"),
      refreshTokenRule: documented(
        "Salesforce gives a refresh token when the scope refresh_token is asked for and the connected app allows it.",
        "help.salesforce.com OAuth tokens and scopes",
      ),
    },
    spellings: [
      documented(
        { code: "invalid_grant", phrase: "expired access/refresh token", means: "expired" },
        "help.salesforce.com OAuth 2.0 authorization errors",
      ),
      documented(
        { code: "invalid_client_id", means: "clientRejected" },
        "help.salesforce.com OAuth 2.0 authorization errors",
      ),
    ],
  },
  {
    id: "dropbox",
    name: "Dropbox",
    match: ["dropbox.com", "www.dropbox.com", "api.dropbox.com", "api.dropboxapi.com"],
    cells: {
      authorizeParams: documented({ token_access_type: "offline" }, "developers.dropbox.com/oauth-guide"),
      reuse: documented(
        reuse.notRotating,
        "developers.dropbox.com/oauth-guide: a refresh token does not end, and the answer to a refresh has none",
      ),
      refreshTokenRule: documented(
        "Dropbox gives a refresh token with token_access_type=offline.",
        "developers.dropbox.com/oauth-guide",
      ),
    },
    spellings: [],
  },
  {
    id: "box",
    name: "Box",
    match: ["account.box.com", "api.box.com"],
    cells: {
      clientAuth: documented("client_secret_post", "developer.box.com/guides/authentication/tokens/refresh"),
      reuse: documented(reuse.strict, "developer.box.com/guides/authentication/tokens/refresh: 60 days or one use"),
      refreshTokenRule: documented(
        "Box gives a refresh token with every authorization code.",
        "developer.box.com/guides/authentication/oauth2",
      ),
    },
    spellings: [],
  },
  {
    id: "discord",
    name: "Discord",
    match: ["discord.com"],
    cells: {
      reuse: unsure(reuse.strict, "nothing is confirmed; revoking one token revokes all of the user and app"),
      refreshTokenRule: documented(
        "Discord gives a refresh token with every authorization code.",
        "discord.com/developers/docs/topics/oauth2",
      ),
    },
    spellings: [],
  },
  {
    id: "spotify",
    name: "Spotify",
    match: ["accounts.spotify.com"],
    cells: {
      reuse: unsure(reuse.notRotating, "rspotify docs: single use with PKCE, else the answer often has none"),
      refreshTokenRule: documented(
        "Spotify gives a refresh token with every authorization code; it ends six months after the consent, whether used or not.",
        "developer.spotify.com/blog/2026-06-18",
      ),
    },
    spellings: [],
  },
  {
    id: "x",
    name: "X",
    match: ["x.com", "twitter.com", "api.x.com", "api.twitter.com"],
    cells: {
      scopes: documented({ add: ["offline.access"] }, "docs.x.com OAuth 2.0"),
      reuse: unsure(reuse.strict, "rotates; nothing is known of reuse"),
      refreshTokenRule: documented(
        "X gives a refresh token when the scope offline.access is asked for.",
        "docs.x.com OAuth 2.0",
      ),
    },
    spellings: [
      reported(
        { code: "invalid_request", phrase: "Value passed for the token was invalid.", means: "rejected" },
        "third-party probes",
      ),
      reported({ code: "unauthorized_client", means: "clientRejected" }, "third-party probes: a wrong client"),
    ],
  },
  {
    id: "zoom",
    name: "Zoom",
    match: ["zoom.us"],
    cells: {
      clientAuth: documented("client_secret_basic", "developers.zoom.us/docs/integrations/oauth"),
      reuse: unsure(reuse.strict, "devforum.zoom.us: rotates, with no grace"),
      refreshTokenRule: documented(
        "Zoom gives a refresh token with every authorization code.",
        "developers.zoom.us/docs/integrations/oauth",
      ),
    },
    spellings: [
      reported(
        { code: "invalid_request", phrase: "Invalid Token!", means: "rejected" },
        "devforum.zoom.us; status 400 or 401",
      ),
      reported({ code: "", phrase: "Invalid Token!", means: "rejected" }, "devforum.zoom.us; status 400 or 401"),
    ],
  },
  {
    id: "reddit",
    name: "Reddit",
    match: ["reddit.com", "www.reddit.com"],
    cells: {
      authorizeParams: documented({ duration: "permanent" }, "github.com/reddit-archive/reddit/wiki/OAuth2"),
      clientAuth: documented("client_secret_basic", "github.com/reddit-archive/reddit/wiki/OAuth2"),
      reuse: unsure(reuse.notRotating, "a new one comes since 2021; whether the old one ends is not confirmed"),
      refreshTokenRule: documented(
        "Reddit gives a refresh token with duration=permanent.",
        "github.com/reddit-archive/reddit/wiki/OAuth2",
      ),
    },
    spellings: [],
  },
  {
    id: "linkedin",
    name: "LinkedIn",
    match: ["www.linkedin.com"],
    cells: {
      clientAuth: documented(
        "client_secret_post",
        "learn.microsoft.com/linkedin/shared/authentication/programmatic-refresh-tokens",
      ),
      reuse: documented(
        reuse.notRotating,
        "learn.microsoft.com/linkedin/shared/authentication/programmatic-refresh-tokens: the same one for 365 days",
      ),
      refreshTokenRule: documented(
        "LinkedIn gives refresh tokens to approved partners only; for others the access token ends after 60 days.",
        "learn.microsoft.com/linkedin/shared/authentication/programmatic-refresh-tokens",
      ),
    },
    spellings: [],
  },
]

/** Identity platforms: what they do is often decided by each installation, and then the strict default stands. */
import { documented, reported, reuse, type Row, unsure, verified } from "./Row.ts"

export const identity: ReadonlyArray<Row> = [
  {
    id: "entra",
    name: "Microsoft Entra ID",
    match: [
      "login.microsoftonline.com",
      "login.microsoft.com",
      "login.windows.net",
      "sts.windows.net",
      "login.microsoftonline.us",
      "login.partner.microsoftonline.cn",
      "*.ciamlogin.com",
    ],
    cells: {
      scopes: documented({ add: ["offline_access"] }, "learn.microsoft.com/entra/identity-platform/scopes-oidc"),
      offlineParams: documented(
        {},
        "learn.microsoft.com: offline_access needs no prompt, and prompt=consent may need an administrator",
      ),
      sendResource: reported(false, "AADSTS9010010 with v2 scopes: modelcontextprotocol/python-sdk#2578"),
      scopeOnRefresh: reported(true, "AADSTS90009 without it: modelcontextprotocol/typescript-sdk#2718"),
      reuse: documented(
        reuse.notRotating,
        "learn.microsoft.com/entra/identity-platform/refresh-tokens: an old one is not revoked by its use",
      ),
      refreshTokenRule: documented(
        "Microsoft gives a refresh token when the scope offline_access is asked for, and to a client of the kind “single-page application” one of 24 hours.",
        "learn.microsoft.com/entra/identity-platform/refresh-tokens",
      ),
    },
    spellings: [
      documented(
        { code: "invalid_grant", phrase: "AADSTS70008*", means: "expired" },
        "learn.microsoft.com/entra/identity-platform/reference-error-codes",
      ),
      documented(
        { code: "invalid_grant", phrase: "AADSTS50173*", means: "revoked" },
        "learn.microsoft.com/entra/identity-platform/reference-error-codes",
      ),
      reported(
        { code: "invalid_request", phrase: "AADSTS90009*", means: "passing" },
        "modelcontextprotocol/typescript-sdk#2718",
      ),
      reported(
        { code: "invalid_request", phrase: "AADSTS9010010*", means: "passing" },
        "modelcontextprotocol/python-sdk#2578",
      ),
    ],
  },
  {
    id: "auth0",
    name: "Auth0",
    match: ["*.auth0.com"],
    cells: {
      scopes: documented({ add: ["offline_access"] }, "auth0.com/docs/secure/tokens/refresh-tokens"),
      reuse: documented(
        reuse.strict,
        "auth0.com/docs refresh-token-rotation: overlap 0 s by default, reuse revokes the family",
      ),
      refreshTokenRule: documented(
        "Auth0 gives a refresh token when the scope offline_access is asked for and the API allows offline access; the API is named by the parameter audience.",
        "auth0.com/docs/secure/tokens/refresh-tokens",
      ),
    },
    spellings: [
      documented(
        { code: "invalid_grant", phrase: "Unknown or invalid refresh token.", means: "rejected" },
        "auth0.com/docs; with status 403",
      ),
    ],
  },
  {
    id: "okta",
    name: "Okta",
    match: ["*.okta.com", "*.oktapreview.com", "*.okta-emea.com"],
    cells: {
      scopes: documented({ add: ["offline_access"] }, "developer.okta.com/docs/guides/refresh-tokens"),
      reuse: unsure(
        reuse.idempotent(30),
        "Okta docs: leeway 30 s by default and set by each application; what a second use returns is not said",
      ),
      refreshTokenRule: documented(
        "Okta gives a refresh token when the scope offline_access is asked for and the application allows the grant type Refresh Token.",
        "developer.okta.com/docs/guides/refresh-tokens",
      ),
    },
    spellings: [],
  },
  {
    id: "keycloak",
    name: "Keycloak",
    match: ["/realms/*", "/auth/realms/*"],
    cells: {
      reuse: unsure(
        reuse.notRotating,
        "Keycloak docs: revokeRefreshToken is off by default and set by each realm; keycloak/keycloak#49213",
      ),
      refreshTokenRule: documented(
        "Keycloak gives a refresh token by default, which ends with the session; with the scope offline_access, if the client may have it, one that outlives the session.",
        "keycloak.org/docs server administration, offline access",
      ),
    },
    spellings: [
      reported(
        { code: "invalid_grant", phrase: "Maximum allowed refresh token reuse exceeded", means: "reused" },
        "keycloak/keycloak issues",
      ),
      reported({ code: "invalid_grant", phrase: "Token is not active", means: "expired" }, "keycloak/keycloak issues"),
    ],
  },
  {
    id: "cognito",
    name: "Amazon Cognito",
    match: ["cognito-idp.*.amazonaws.com", "*.amazoncognito.com"],
    cells: {
      reuse: unsure(
        reuse.notRotating,
        "docs.aws.amazon.com RefreshTokenRotationType: off by default and set by each client, with a grace of 0-60 s",
      ),
      refreshTokenRule: documented(
        "Cognito gives a refresh token with the authorization code grant to every client, and none with other grants.",
        "docs.aws.amazon.com/cognito token endpoint",
      ),
    },
    spellings: [
      reported(
        {
          code: "NotAuthorizedException",
          phrase: "Unable to verify secret hash for client *",
          means: "clientRejected",
        },
        "docs.aws.amazon.com; the form of the SDK's API",
      ),
      reported({ code: "NotAuthorizedException", means: "rejected" }, "docs.aws.amazon.com; the form of the SDK's API"),
    ],
  },
  {
    id: "zitadel",
    name: "Zitadel",
    match: ["*.zitadel.cloud"],
    cells: {
      scopes: documented({ add: ["offline_access"] }, "zitadel.com/docs/apis/openidoauth/scopes"),
      reuse: unsure(
        reuse.rejectOnly,
        "zitadel/zitadel: an id that is not the current one is refused; nothing is known of the family",
      ),
      refreshTokenRule: documented(
        "Zitadel gives a refresh token when the scope offline_access is asked for and the application allows the grant type Refresh Token.",
        "zitadel.com/docs/apis/openidoauth/scopes",
      ),
    },
    spellings: [
      verified(
        { code: "invalid_request", phrase: "Errors.OIDCSession.RefreshTokenInvalid", means: "rejected" },
        "zitadel/zitadel internal/command/oidc_session.go and internal/api/oidc/error.go",
      ),
      verified(
        { code: "invalid_request", phrase: "Errors.User.RefreshToken.Invalid", means: "rejected" },
        "zitadel/zitadel internal/api/oidc/error.go",
      ),
    ],
  },
  {
    id: "supabase",
    name: "Supabase Auth",
    match: ["*.supabase.co/auth/v1"],
    cells: {
      reuse: verified(
        reuse.untilSuccessorUsed,
        "supabase/auth internal/tokens/service.go: the parent of the active token is honoured again",
      ),
      refreshTokenRule: documented(
        "Supabase Auth gives a refresh token with every session.",
        "supabase.com/docs/guides/auth/sessions",
      ),
    },
    spellings: [
      verified({ code: "refresh_token_not_found", means: "rejected" }, "supabase/auth#2829; in error_code"),
      documented(
        { code: "refresh_token_already_used", means: "reused" },
        "supabase.com/docs/guides/auth/debugging/error-codes",
      ),
      documented({ code: "session_expired", means: "expired" }, "supabase.com/docs/guides/auth/debugging/error-codes"),
      documented(
        { code: "session_not_found", means: "revoked" },
        "supabase.com/docs/guides/auth/debugging/error-codes",
      ),
    ],
  },
]

/** The documents in which the simulated server describes itself: RFC 8414 (and OpenID's name for it) and RFC 9728. */

export const paths = {
  authorize: "/authorize",
  token: "/token",
  revoke: "/revoke",
  introspect: "/introspect",
  resource: "/resource",
  log: "/log",
  control: "/control",
  authorizationServer: "/.well-known/oauth-authorization-server",
  openid: "/.well-known/openid-configuration",
  protectedResource: "/.well-known/oauth-protected-resource",
} as const

const authMethods = ["none", "client_secret_basic", "client_secret_post"]

export const authorizationServer = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}${paths.authorize}`,
  token_endpoint: `${issuer}${paths.token}`,
  revocation_endpoint: `${issuer}${paths.revoke}`,
  introspection_endpoint: `${issuer}${paths.introspect}`,
  response_types_supported: ["code"],
  response_modes_supported: ["query"],
  grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
  code_challenge_methods_supported: ["S256"],
  token_endpoint_auth_methods_supported: authMethods,
  revocation_endpoint_auth_methods_supported: authMethods,
  authorization_response_iss_parameter_supported: true,
})

export const protectedResource = (issuer: string) => ({
  resource: `${issuer}${paths.resource}`,
  authorization_servers: [issuer],
  bearer_methods_supported: ["header"],
})

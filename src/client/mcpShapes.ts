/**
 * What the two MCP SDK lines (`@modelcontextprotocol/sdk` 1.x, `@modelcontextprotocol/client` 2.x) take and give, as far
 * as it is used here. Written down by structure, so that neither is a dependency; `test/client/mcpTypes.test.ts` holds
 * them against the real types. Types and not interfaces, because the SDKs' own have index signatures.
 */

/** Both lines call it so; `globalThis.fetch` is one. */
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

/** RFC 7591 §2. */
export type ClientMetadata = {
  redirect_uris: Array<string>
  client_name?: string
  client_uri?: string
  /** OpenID Connect Registration §2: MCP 2026-07-28 wants it said. */
  application_type?: string
  token_endpoint_auth_method?: string
  grant_types?: Array<string>
  response_types?: Array<string>
  scope?: string
  software_id?: string
  software_version?: string
}

/** A client as it is registered. `issuer` is the authorization server that knows it. */
export type ClientInformation = {
  client_id: string
  client_secret?: string
  token_endpoint_auth_method?: string
  issuer?: string
}

/** RFC 6749 §5.1, with the SDKs' own `issuer`. */
export type Tokens = {
  access_token: string
  token_type: string
  expires_in?: number | undefined
  refresh_token?: string | undefined
  scope?: string | undefined
  issuer?: string
}

/** What the SDKs found out about the server and its authorization server (RFC 9728, RFC 8414). */
export type DiscoveryState = {
  authorizationServerUrl: string
  resourceMetadataUrl?: string
  resourceMetadata?: { resource: string; authorization_servers?: Array<string> }
  authorizationServerMetadata?: {
    issuer: string
    authorization_endpoint: string
    token_endpoint: string
    registration_endpoint?: string
    response_types_supported: Array<string>
    token_endpoint_auth_methods_supported?: Array<string>
    authorization_response_iss_parameter_supported?: boolean
  }
}

/** The minimal interface of 2.x. */
export interface AuthProvider {
  token(): Promise<string | undefined>
  onUnauthorized(): Promise<void>
}

/** The members of `OAuthClientProvider` of both lines that Tokenkeep has; the others are better left out. */
export interface OAuthClientProvider {
  readonly redirectUrl: string
  readonly clientMetadata: ClientMetadata
  readonly clientMetadataUrl?: string
  state(): string
  clientInformation(): Promise<ClientInformation | undefined>
  saveClientInformation(information: ClientInformation): void
  tokens(): Promise<Tokens | undefined>
  saveTokens(tokens: Tokens): Promise<void>
  redirectToAuthorization(url: URL): Promise<void>
  saveCodeVerifier(verifier: string): void
  codeVerifier(): string
  invalidateCredentials(scope: "all" | "client" | "tokens" | "verifier" | "discovery"): void
  saveDiscoveryState(state: DiscoveryState): void
  discoveryState(): DiscoveryState | undefined
  validateResourceURL?(): Promise<undefined>
}

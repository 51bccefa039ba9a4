/**
 * The `OAuthClientProvider` of both MCP SDK lines over the Keeper: for the SDK's interactive login, and for nothing else.
 *
 * **Invariants**
 *
 * - Nothing that the SDK believes removes a token. The verdict on a grant is the Keeper's, so an invalidation, which does
 *   not even say what it is about, drops at most a registration that was made here or a login under way.
 * - Tokens that the SDK saves are stored only as the outcome of a login; the echo of its own refresh changes nothing.
 * - A passing failure never becomes `undefined`, which the SDK would take for a reason to open a browser.
 */
import * as Redacted from "effect/Redacted"
import { isLoopback } from "../exchange/endpointUrl.ts"
import type { PromiseCredential, PromiseKeeper } from "../promise.ts"
import { builtIn } from "../provider/builtIn.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import type { Logins } from "./mcpLogin.ts"
import * as Login from "./mcpLogin.ts"
import { isHandle, needsPerson } from "./mcpRefresh.ts"
import type { ClientInformation, ClientMetadata, DiscoveryState, OAuthClientProvider, Tokens } from "./mcpShapes.ts"

export interface LoginOptions {
  /** Where the browser comes back to: a page of the program, on loopback or https. */
  readonly redirectUrl: string | URL
  /** Registered with the server where it does not know the client yet (RFC 7591). `redirect_uris` is `redirectUrl`. */
  readonly clientMetadata?: Omit<ClientMetadata, "redirect_uris"> | undefined
  /** An https URL that is the client's identifier, for servers that read its metadata there. */
  readonly clientMetadataUrl?: string | undefined
  /** A client that the server knows already. */
  readonly clientInformation?: ClientInformation | undefined
  /** For the authorization request, such as Google's `access_type=offline`. */
  readonly authorizeParams?: Readonly<Record<string, string>> | undefined
  /** Shows a URL to a person. Absent in a program without one: then what needs a person rejects with `SignInRequired`. */
  readonly open?: ((url: URL) => void | Promise<void>) | undefined
}

/** The server wants more scopes than were granted, and there is nobody who could grant them. */
export class InsufficientScope extends Error {
  override readonly name = "InsufficientScope"
}

interface Parts {
  readonly keeper: PromiseKeeper
  readonly credential: PromiseCredential
  readonly tokens: () => Promise<Tokens>
  readonly logins: Logins
  readonly options: LoginOptions
}

/** RFC 6749 §2.3.1 in the SDKs' order: what the client is registered with, else the first that the server takes. */
const authMethodOf = (client: ClientInformation, supported: ReadonlyArray<string>): string => {
  const named = client.token_endpoint_auth_method
  if (named !== undefined && (supported.length === 0 || supported.includes(named))) return named
  const possible = client.client_secret === undefined ? ["none"] : ["client_secret_basic", "client_secret_post", "none"]
  return possible.find((method) => supported.length === 0 || supported.includes(method)) ?? possible.at(-2) ?? "none"
}

/** The grant in the form that `import` reads, where `null` is absent. */
const documentOf = (tokens: Tokens, client: ClientInformation, found: DiscoveryState) => {
  const metadata = found.authorizationServerMetadata
  return {
    issuer: metadata?.issuer ?? tokens.issuer ?? null,
    // Servers of MCP 2025-03-26 without metadata have their endpoints at fixed places.
    token_endpoint: metadata?.token_endpoint ?? new URL("/token", found.authorizationServerUrl).href,
    resource: found.resourceMetadata?.resource ?? null,
    client: {
      client_id: client.client_id,
      client_secret: client.client_secret ?? null,
      token_endpoint_auth_method: authMethodOf(client, metadata?.token_endpoint_auth_methods_supported ?? []),
    },
    tokens: {
      access_token: tokens.access_token,
      refresh_token: tokens.refresh_token ?? null,
      token_type: tokens.token_type,
      scope: tokens.scope ?? null,
      ...(tokens.expires_in !== undefined && {
        expires_at: Math.floor(Login.now() / 1000) + Math.max(0, Math.floor(tokens.expires_in)),
      }),
    },
  }
}

/** Whether the authorization server takes the parameter `resource` (RFC 8707): not all do, and then the login would fail. */
const takesResource = (found: DiscoveryState | undefined): boolean => {
  const metadata = found?.authorizationServerMetadata
  const server = { issuer: metadata?.issuer ?? found?.authorizationServerUrl, tokenEndpoint: metadata?.token_endpoint }
  return ProviderProfile.choose(builtIn, server).sendResource
}

/** A registration is asked for once, and its answer is for all who ask. */
const registrations = (logins: Logins) => {
  let answer: Promise<Response> | undefined
  return {
    register: (url: URL, send: () => Promise<Response>): Promise<Response> | undefined => {
      if (url.href !== logins.discovered()?.authorizationServerMetadata?.registration_endpoint) return undefined
      answer ??= send().then((response) => {
        if (!response.ok) answer = undefined
        return response
      })
      answer.catch(() => (answer = undefined))
      return answer.then((response) => response.clone())
    },
    forget: (): void => void (answer = undefined),
  }
}

export const make = ({ credential, keeper, logins, options, tokens }: Parts) => {
  const redirectUrl = String(options.redirectUrl)
  const registration = registrations(logins)
  let registered: ClientInformation | undefined

  /** The client of the grant that is kept, unless the server has turned it away. */
  const storedClient = async (): Promise<ClientInformation | undefined> => {
    try {
      const { client, issuer, verdict } = (await keeper.status(credential.name)).credential
      if (verdict?.reason === "clientRejected") return undefined
      return {
        client_id: client.clientId,
        ...(client.clientSecret !== undefined && { client_secret: Redacted.value(client.clientSecret) }),
        token_endpoint_auth_method: client.authMethod,
        ...(issuer !== undefined && { issuer }),
      }
    } catch (error) {
      if (needsPerson(error)) return undefined
      throw error
    }
  }

  const clientInformation = async (): Promise<ClientInformation | undefined> =>
    options.clientInformation ?? registered ?? (await storedClient())

  const open = (url: URL) => {
    // Whatever a discovered document says: only a web page is opened.
    if (!/^https?:$/.test(url.protocol)) throw new Login.LoginFailed(`Not a web page: a URL with ${url.protocol}`)
    for (const [name, value] of Object.entries(options.authorizeParams ?? {})) url.searchParams.set(name, value)
    return options.open!(url)
  }

  const authProvider: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: {
      client_name: "Tokenkeep",
      application_type: isLoopback(new URL(redirectUrl)) ? "native" : "web",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      ...options.clientMetadata,
      redirect_uris: [redirectUrl],
    },
    ...(options.clientMetadataUrl !== undefined && { clientMetadataUrl: options.clientMetadataUrl }),
    state: logins.state,
    clientInformation,
    saveClientInformation: (information) => {
      if (options.clientInformation === undefined) registered = information
    },
    tokens: async () => {
      try {
        return await tokens()
      } catch (error) {
        if (needsPerson(error)) return undefined
        throw error
      }
    },
    saveTokens: async (saved) => {
      const client = await clientInformation()
      const found = logins.discovered()
      if (isHandle(saved.refresh_token) || !logins.isOpen() || client === undefined || found === undefined) return
      try {
        await keeper.import(credential.name, documentOf(saved, client, found))
      } finally {
        logins.end()
      }
    },
    redirectToAuthorization: async (url) => {
      if (options.open !== undefined) return logins.open(url, open)
      // There is nobody to ask. Why one would be needed is what the Keeper says.
      await credential.token()
      throw new InsufficientScope(
        `${credential.name}: the server wants the scopes ${url.searchParams.get("scope") ?? "(unnamed)"}, and a person has to grant them`,
      )
    },
    saveCodeVerifier: (verifier) => {
      if (options.open !== undefined) logins.noteVerifier(verifier)
    },
    codeVerifier: logins.verifier,
    invalidateCredentials: (scope) => {
      if (scope === "all" || scope === "client") {
        registered = undefined
        registration.forget()
      }
      if (scope === "all" || scope === "verifier") logins.end()
      if (scope === "discovery") logins.forgetDiscovery()
    },
    saveDiscoveryState: logins.noteDiscovery,
    // The SDK would prefer what it once found to what the server says now.
    discoveryState: () => (logins.isOpen() ? logins.discovered() : undefined),
    // Where it is absent the SDKs send what the server's metadata says, word for word. They look after the discovery.
    get validateResourceURL() {
      return (takesResource(logins.discovered()) ? undefined : async () => undefined) as () => Promise<undefined>
    },
  }

  const isEndpoint = (url: URL): boolean => {
    const metadata = logins.discovered()?.authorizationServerMetadata
    const endpoints = [metadata?.authorization_endpoint, metadata?.token_endpoint, metadata?.registration_endpoint]
    return endpoints.some((endpoint) => endpoint !== undefined && URL.parse(endpoint)?.href === url.href)
  }
  return { authProvider, hooks: { isEndpoint, register: registration.register, failed: logins.fail } }
}

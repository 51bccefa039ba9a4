/**
 * Tokenkeep for MCP clients, of both SDK lines: `@modelcontextprotocol/sdk` 1.x and `@modelcontextprotocol/client` 2.x.
 *
 * ```ts
 * import { mcpAuth } from "tokenkeep/mcp"
 * import { openKeeper } from "tokenkeep/promise"
 *
 * const keeper = await openKeeper()
 * const linear = mcpAuth(keeper, { credential: "linear", server: "https://mcp.linear.app/mcp" })
 * const transport = new StreamableHTTPClientTransport(linear.server, { fetch: linear.fetch })
 * ```
 *
 * **Gotchas**
 *
 * - A call that has no token rejects with what the Keeper says: `SignInRequired` (also where nobody ever signed in),
 *   `TemporarilyUnavailable` or `StoreUnavailable`, unchanged by the SDK. No browser opens and nothing is deleted.
 * - `fetch` and provider belong together, so a provider comes only in the transport options that hold its `fetch` too.
 *   The SDK hides which token was refused, and only a `fetch` sees it.
 * - Around the SDK's `withOAuth` middleware nothing helps: give it `fetch` as the inner one, or better leave it out.
 */
import { notSignedIn } from "../keeper/wording.ts"
import type { PromiseCredential, PromiseKeeper } from "../promise.ts"
import * as McpFetch from "./mcpFetch.ts"
import * as Login from "./mcpLogin.ts"
import * as Provider from "./mcpProvider.ts"
import { handleOf } from "./mcpRefresh.ts"
import type { AuthProvider, Fetch, OAuthClientProvider, Tokens } from "./mcpShapes.ts"

export { LoginFailed } from "./mcpLogin.ts"
export { InsufficientScope } from "./mcpProvider.ts"
export type { LoginOptions } from "./mcpProvider.ts"

export interface McpOptions {
  /** The name under which the grant is kept. */
  readonly credential: string
  /** The MCP server's URL, as the transport gets it. The token is sent there, and below it, and nowhere else. */
  readonly server: string | URL
  /** How requests leave, in place of the platform's `fetch`: those to the MCP server, and those of the SDK's login. */
  readonly fetch?: Fetch | undefined
}

const platformFetch: Fetch = (url, init) =>
  // @effect-diagnostics-next-line globalFetch:off -- what it stands in for is the SDK's own fetch
  globalThis.fetch(url, init)

/** Transport options, to be passed whole. */
export interface WithAuthProvider {
  readonly fetch: Fetch
  readonly authProvider: AuthProvider
}

/** Transport options, to be passed whole, and the way back from the browser. */
export interface WithLogin {
  readonly fetch: Fetch
  readonly authProvider: OAuthClientProvider
  /**
   * What the browser came back with, as the URL of the callback: then `transport.finishAuth(code, iss)`, in 1.x without
   * `iss`, which has been checked. Throws `LoginFailed` when it is not the answer to a login of this client.
   */
  readonly callback: (url: string | URL) => { readonly code: string; readonly iss: string | undefined }
}

export interface McpAuth {
  readonly server: URL
  /** All that a transport needs, of either line: `{ fetch }`. */
  readonly fetch: Fetch
  /** For programs that are built on the `AuthProvider` of 2.x. */
  readonly withAuthProvider: WithAuthProvider
  /** For programs that log in by the SDK: with a browser, and the SDK's `finishAuth`. Either line. */
  readonly withLogin: (options: Provider.LoginOptions) => WithLogin
}

/** Who asks, for the history. */
const caller = "MCP client"

/** To an MCP client a name that holds nothing is a sign-in that is due, and it says how. */
const orSignIn = (credential: PromiseCredential, server: URL): PromiseCredential => {
  const due = <Arguments extends ReadonlyArray<unknown>, A>(ask: (...args: Arguments) => Promise<A>) => {
    return async (...args: Arguments): Promise<A> => {
      try {
        return await ask(...args)
      } catch (error) {
        const isUnknown = (error as { readonly _tag?: unknown } | null)?._tag === "CredentialNotFound"
        throw isUnknown ? notSignedIn(credential.name, server, Login.now()) : error
      }
    }
  }
  const { token, wrapFetch } = credential
  return {
    ...credential,
    token: due((options) => token({ caller, ...options })),
    wrapFetch: (fetch) => due(wrapFetch(fetch, { caller })),
  }
}

/** One MCP server with the credential that is for it. Reads nothing until it is used. */
export const mcpAuth = (keeper: PromiseKeeper, options: McpOptions): McpAuth => {
  const server = new URL(options.server)
  const credential = orSignIn(keeper.credential(options.credential), server)
  const tokens = async (): Promise<Tokens> => {
    const token = await credential.token()
    const { generation, issuer, tokens: kept } = (await keeper.status(credential.name)).credential
    return {
      access_token: token,
      token_type: kept.tokenType,
      refresh_token: handleOf(credential.name, generation),
      ...(kept.scope !== undefined && { scope: kept.scope }),
      ...(issuer !== undefined && { issuer }),
    }
  }
  const bare = options.fetch ?? platformFetch
  // Whoever asks here never passes a `Request`.
  const authorized = credential.wrapFetch(bare as typeof globalThis.fetch)
  const parts = { credential, server, tokens, authorized, bare }
  const fetch = McpFetch.make(parts)
  return {
    server,
    fetch,
    withAuthProvider: {
      fetch,
      authProvider: {
        token: () => credential.token(),
        // `fetch` has told the Keeper of the refusal. What is left is to say why no other token came, if none did.
        onUnauthorized: async () => void (await credential.token()),
      },
    },
    withLogin: (login) => {
      const logins = Login.make()
      const { authProvider, hooks } = Provider.make({ keeper, credential, tokens, logins, options: login })
      return {
        fetch: McpFetch.make({ ...parts, login: hooks }),
        authProvider,
        callback: logins.callback,
      }
    },
  }
}

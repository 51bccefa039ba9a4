/**
 * The `fetch` of an MCP client's transport: the access token for the MCP server, the SDK's own refresh answered on the
 * spot, and everything else as it is.
 *
 * **Invariants**
 *
 * - The token goes to the MCP server's origin, at and below its path; never to a well-known document and never to an
 *   endpoint of the authorization server, even where both are one server.
 * - Every 401 is told to the Keeper with the token that it was for, so a late one never counts against a newer token.
 * - A 401 reaches the SDK only when signing in is what helps. For a passing failure the call rejects with its reason.
 */
import type { PromiseCredential } from "../promise.ts"
import { isWithin } from "./destination.ts"
import { answerRefresh, formOf, isOwnRefresh, needsPerson } from "./mcpRefresh.ts"
import type { Fetch, Tokens } from "./mcpShapes.ts"

export interface Parts {
  readonly credential: PromiseCredential
  readonly server: URL
  /** To the MCP server, with the token. */
  readonly authorized: Fetch
  /** To everybody else. */
  readonly bare: Fetch
  /** What the SDK gets to see of the tokens. Rejects as `credential.token` does. */
  readonly tokens: () => Promise<Tokens>
  /** Of the SDK's login, where there is one: then a 401 that only a person can mend goes to the SDK. */
  readonly login?:
    | {
        readonly isEndpoint: (url: URL) => boolean
        /** The registration of a client, once for all who ask; `undefined`: it is something else. */
        readonly register: (url: URL, send: () => Promise<Response>) => Promise<Response> | undefined
        /** The redemption of a code did not succeed. */
        readonly failed: () => void
      }
    | undefined
}

/** Whether the request is for the MCP server itself. */
const isForServer = (url: URL, form: URLSearchParams, { login, server }: Parts): boolean =>
  isWithin(url, server) &&
  !url.pathname.startsWith("/.well-known/") &&
  !form.has("grant_type") &&
  login?.isEndpoint(url) !== true

const ask = async ({ authorized, bare, credential, login }: Parts, url: URL, init: RequestInit | undefined) => {
  const isForLogin = (error: unknown) => login !== undefined && needsPerson(error)
  let response: Response
  try {
    response = await authorized(url, init)
  } catch (error) {
    // Without a token the server says what the SDK's login starts from (RFC 9728 §5.1).
    if (isForLogin(error)) return bare(url, init)
    throw error
  }
  if (response.status !== 401) return response
  try {
    await credential.token()
  } catch (error) {
    if (isForLogin(error)) return response
    await response.body?.cancel()
    throw error
  }
  return response
}

const redeemed = async (sent: Promise<Response>, failed: () => void): Promise<Response> => {
  try {
    const response = await sent
    if (!response.ok) failed()
    return response
  } catch (error) {
    failed()
    throw error
  }
}

export const make = (parts: Parts): Fetch => {
  const { bare, credential, login, tokens } = parts
  return async (input, init) => {
    const url = new URL(input)
    const form = formOf(init)
    if (isOwnRefresh(form)) return answerRefresh(form, credential, tokens)
    if (isForServer(url, form, parts)) return ask(parts, url, init)
    if (login === undefined) return bare(url, init)
    if (form.get("grant_type") === "authorization_code") return redeemed(bare(url, init), login.failed)
    return login.register(url, () => bare(url, init)) ?? bare(url, init)
  }
}

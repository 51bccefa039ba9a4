/**
 * `fetch` with the credential's access token, and one retry after a 401.
 *
 * **Invariants**
 *
 * - The token goes to the credential's own resource only (RFC 8707): same origin, and below its path. To another origin
 *   a redirect goes without it, as the Fetch standard has it.
 * - A 401 names the token that was refused; a 403 never refreshes anything.
 * - A token that is bound to a key goes with a proof made for this one request (RFC 9449). A server that wants its nonce
 *   in it has not refused the token: the same one is sent again.
 * - A body that can be read only once is not sent twice: then the 401 is the answer.
 */
import type * as Redacted from "effect/Redacted"
import { handleOf } from "../exchange/dpop.ts"
import { parse } from "../signin/challenge.ts"
import { foreign, unsafe } from "./destination.ts"

type Fetch = typeof globalThis.fetch

/** What the wrapper needs of a credential. `resource` is known once a token has been handed out. */
export interface TokenSource {
  readonly token: () => Promise<{
    readonly token: string
    readonly resource: string | undefined
    readonly dpopKey?: Redacted.Redacted | undefined
  }>
  readonly refused: (token: string) => Promise<string>
}

const replayable = (input: Parameters<Fetch>[0], init: RequestInit | undefined): boolean =>
  init?.body instanceof ReadableStream || (init?.body == null && input instanceof Request && input.body !== null)
    ? false
    : !(typeof init?.body === "object" && init.body !== null && Symbol.asyncIterator in init.body)

/** The two headers of RFC 9449 §7.1, and the answer's nonce noted for the next proof. */
const withProof = async (
  key: Redacted.Redacted,
  token: string,
  request: { readonly url: URL; readonly method: string },
  send: (headers: Readonly<Record<"authorization" | "dpop", string>>) => Promise<Response>,
): Promise<Response> => {
  const oauth = await import("oauth4webapi")
  const options = {
    DPoP: await handleOf(key),
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (_url: string, { headers }: { readonly headers: Record<string, string> }) =>
      send({ authorization: headers["authorization"]!, dpop: headers["dpop"]! }),
  } as const
  try {
    return await oauth.protectedResourceRequest(token, request.method, request.url, new Headers(), null, options)
  } catch (error) {
    if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response
    throw error
  }
}

const wantsNonce = (response: Response): boolean =>
  response.status === 401 &&
  parse(response.headers.get("www-authenticate") ?? "").some(
    ({ parameters, scheme }) => scheme === "dpop" && parameters.get("error") === "use_dpop_nonce",
  )

/** A `fetch` that adds the token of `source`. Takes and gives what `fetch` does, and may reject with its errors. */
export const withToken = (source: TokenSource, fetch: Fetch): Fetch => {
  const send = async (
    input: Parameters<Fetch>[0],
    init: RequestInit | undefined,
    token: string,
    key: Redacted.Redacted | undefined,
  ): Promise<Response> => {
    const sendWith = (added: Readonly<Record<string, string>>) => {
      const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
      for (const [name, value] of Object.entries(added)) headers.set(name, value)
      return fetch(input, { ...init, headers })
    }
    if (key === undefined) return sendWith({ authorization: `Bearer ${token}` })
    const request = {
      url: new URL(input instanceof Request ? input.url : input),
      method: init?.method ?? (input instanceof Request ? input.method : "GET"),
    }
    const response = await withProof(key, token, request, sendWith)
    if (!wantsNonce(response) || !replayable(input, init)) return response
    await response.body?.cancel()
    return withProof(key, token, request, sendWith)
  }
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const wrong = unsafe(url)
    if (wrong !== undefined) throw wrong
    const { dpopKey, resource, token } = await source.token()
    const elsewhere = foreign(url, resource)
    if (elsewhere !== undefined) throw elsewhere
    const response = await send(input, init, token, dpopKey)
    if (response.status !== 401 || !replayable(input, init)) return response
    const another = await source.refused(token).catch(() => undefined)
    // No other token to be had: the resource server's own 401 says more than any error of ours.
    if (another === undefined || another === token) return response
    await response.body?.cancel()
    return send(input, init, another, dpopKey)
  }
}

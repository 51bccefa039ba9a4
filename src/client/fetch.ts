/**
 * `fetch` with the credential's access token, and one retry after a 401.
 *
 * **Invariants**
 *
 * - The token goes to the credential's own resource only (RFC 8707): same origin, and below its path. To another origin
 *   a redirect goes without it, as the Fetch standard has it.
 * - A 401 names the token that was refused; a 403 never refreshes anything.
 * - A body that can be read only once is not sent twice: then the 401 is the answer.
 */
type Fetch = typeof globalThis.fetch

/** What the wrapper needs of a credential. `resource` is known once a token has been handed out. */
export interface TokenSource {
  readonly token: () => Promise<{ readonly token: string; readonly resource: string | undefined }>
  readonly refused: (token: string) => Promise<string>
}

/** The credential is bound to a resource, and the request would carry its token somewhere else. */
export class ForeignResource extends TypeError {
  override readonly name = "ForeignResource"
}

const within = (url: URL, resource: string): boolean => {
  const home = new URL(resource)
  const folder = home.pathname.endsWith("/") ? home.pathname : `${home.pathname}/`
  return url.origin === home.origin && `${url.pathname}/`.startsWith(folder)
}

const isSafe = ({ hostname, protocol }: URL): boolean =>
  protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname)

const replayable = (input: Parameters<Fetch>[0], init: RequestInit | undefined): boolean =>
  init?.body instanceof ReadableStream || (init?.body == null && input instanceof Request && input.body !== null)
    ? false
    : !(typeof init?.body === "object" && init.body !== null && Symbol.asyncIterator in init.body)

/** A `fetch` that adds the token of `source`. Takes and gives what `fetch` does, and may reject with its errors. */
export const withToken = (source: TokenSource, fetch: Fetch): Fetch => {
  const send = (input: Parameters<Fetch>[0], init: RequestInit | undefined, token: string) => {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    headers.set("authorization", `Bearer ${token}`)
    return fetch(input, { ...init, headers })
  }
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (!isSafe(url))
      throw new ForeignResource(`${url.origin} is neither https nor loopback: the token is not sent there`)
    const { resource, token } = await source.token()
    if (resource !== undefined && !within(url, resource)) {
      throw new ForeignResource(`the token is for ${resource}; it is not sent to ${url.origin}${url.pathname}`)
    }
    const response = await send(input, init, token)
    if (response.status !== 401 || !replayable(input, init)) return response
    const another = await source.refused(token).catch(() => undefined)
    // No other token to be had: the resource server's own 401 says more than any error of ours.
    if (another === undefined || another === token) return response
    await response.body?.cancel()
    return send(input, init, another)
  }
}

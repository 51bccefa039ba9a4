/**
 * `fetch` with the credential's access token, and one retry after a 401.
 *
 * **Invariants**
 *
 * - The token goes to the credential's own resource only (RFC 8707): same origin, and below its path, also after a
 *   redirect.
 * - A 401 names the token that was refused; a 403 never refreshes anything.
 * - A token that is bound to a key goes with a proof made for this one request (RFC 9449). A server that wants its nonce
 *   in it has not refused the token: the same one is sent again.
 * - A body that can be read only once is not sent twice: then the 401 is the answer, and an event says so.
 * - An abort cancels the request and never a refresh. Once the answer is there, nothing is held for it.
 */
import type * as Redacted from "effect/Redacted"
import { handleOf } from "../exchange/dpop.ts"
import { parse } from "../signin/challenge.ts"
import { foreign, unsafe } from "./destination.ts"
import { type FetchEvent, insufficientScope, placeOf } from "./FetchEvent.ts"
import { follow } from "./redirect.ts"

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

/** Rejects with the reason when the caller aborts. What it waited for goes on: a refresh belongs to no caller. */
const unlessAborted = async <A>(promise: Promise<A>, signal: AbortSignal | null | undefined): Promise<A> => {
  if (signal == null) return promise
  signal.throwIfAborted()
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = () => reject(signal.reason as Error)
    signal.addEventListener("abort", onAbort)
    stop = () => signal.removeEventListener("abort", onAbort)
  })
  return Promise.race([promise, aborted]).finally(stop)
}

/** A `fetch` that adds the token of `source`. Takes and gives what `fetch` does, and may reject with its errors. */
export const withToken = (
  source: TokenSource,
  fetch: Fetch,
  onEvent: (event: FetchEvent) => void = () => {},
): Fetch => {
  return async (input, init) => {
    const given = input instanceof Request ? input : undefined
    const url = new URL(given?.url ?? String(input))
    const signal = init?.signal ?? given?.signal
    const wrong = unsafe(url)
    if (wrong !== undefined) throw wrong
    const { dpopKey, resource, token } = await unlessAborted(source.token(), signal)
    const elsewhere = foreign(url, resource)
    if (elsewhere !== undefined) throw elsewhere
    const isReplayable = replayable(input, init)
    const sendWith = (added: Readonly<Record<string, string>>) => {
      const headers = new Headers(init?.headers ?? given?.headers)
      for (const [name, value] of Object.entries(added)) headers.set(name, value)
      return follow(fetch, input, { ...init, headers }, { isReplayable, resource })
    }
    const send = async (token: string): Promise<Response> => {
      if (dpopKey === undefined) return sendWith({ authorization: `Bearer ${token}` })
      const request = { url, method: init?.method ?? given?.method ?? "GET" }
      const response = await withProof(dpopKey, token, request, sendWith)
      if (!wantsNonce(response) || !isReplayable) return response
      await response.body?.cancel()
      return withProof(dpopKey, token, request, sendWith)
    }
    const response = await send(token)
    const event = insufficientScope(response.status, response.headers.get("www-authenticate"), url)
    if (event !== undefined) onEvent(event)
    // Wherever a redirect led that takes no token, its 401 does not speak of ours.
    const answered = URL.parse(response.url) ?? url
    const wentWithout = dpopKey !== undefined && response.redirected
    if (response.status !== 401 || wentWithout || answered.origin !== url.origin || foreign(answered, resource))
      return response
    const refused = source.refused(token).catch(() => undefined)
    if (!isReplayable) {
      onEvent({ type: "NotReplayed", url: placeOf(url) })
      return response
    }
    const another = await unlessAborted(refused, signal)
    // No other token to be had: the resource server's own 401 says more than any error of ours.
    if (another === undefined || another === token) return response
    await response.body?.cancel()
    return send(another)
  }
}

/**
 * `fetch` with the credential's access token, and one retry after a 401.
 *
 * **Invariants**
 *
 * - The token goes to the credential's own resource only (RFC 8707): same origin, and below its path, also after a
 *   redirect.
 * - A 401 names the token that was refused; a 403 never refreshes anything.
 * - A server that wants its nonce in the proof of a bound token gets the same one again, once, and nothing is refreshed.
 * - A body that can be read only once is not sent twice: then the 401 is the answer, and an event says so.
 * - An abort cancels the request and never a refresh. Once the answer is there, nothing is held for it.
 */
import { type Authorization, authorizationFor, type Refusal } from "./authorization.ts"
import { foreign, unsafe } from "./destination.ts"
import { type FetchEvent, insufficientScope, placeOf } from "./FetchEvent.ts"
import { follow, requestOf } from "./redirect.ts"
import type { Granted, TokenSource } from "./TokenSource.ts"
import { unlessAborted } from "./unlessAborted.ts"

type Fetch = typeof globalThis.fetch

interface Attempt {
  readonly response: Response
  /** `undefined` also where a redirect led that takes no token: its 401 does not speak of ours. */
  readonly refusal: Refusal | undefined
}

/** Whether the body of a request can be sent twice. That of a `Request` is a stream, whatever it was made of. */
export const replayable = (input: Parameters<Fetch>[0], init: RequestInit | undefined): boolean => {
  const body = init?.body ?? requestOf(input)?.body
  return !(
    body instanceof ReadableStream ||
    (typeof body === "object" && body !== null && Symbol.asyncIterator in body)
  )
}

const read = async (response: Response, authorization: Authorization | undefined): Promise<Attempt> => {
  await authorization?.keep(response.headers.get("dpop-nonce"))
  return { response, refusal: authorization?.refusal(response.status, response.headers.get("www-authenticate")) }
}

/** A `fetch` that adds the token of `source`. Takes and gives what `fetch` does, and may reject with its errors. */
export const withToken = (
  source: TokenSource,
  fetch: Fetch,
  onEvent: (event: FetchEvent) => void = () => {},
): Fetch => {
  return async (input, init) => {
    const given = requestOf(input)
    const url = new URL(given?.url ?? String(input))
    const signal = init?.signal ?? given?.signal
    const wrong = unsafe(url)
    if (wrong !== undefined) throw wrong
    const granted = await unlessAborted(source.token, signal)
    const elsewhere = foreign(url, granted.resource)
    if (elsewhere !== undefined) throw elsewhere
    const isReplayable = replayable(input, init)
    const attempt = async (granted: Granted): Promise<Attempt> => {
      const { resource } = granted
      const authorize = (to: URL, method: string) => authorizationFor(granted, to, method)
      const { authorization, response } = await follow(fetch, input, init, { authorize, isReplayable, resource })
      return read(response, authorization)
    }
    const send = async (granted: Granted): Promise<Attempt> => {
      const first = await attempt(granted)
      if (first.refusal !== "nonce" || !isReplayable) return first
      await first.response.body?.cancel()
      return attempt(granted)
    }
    const answer = async (): Promise<Response> => {
      const { refusal, response } = await send(granted)
      if (refusal === undefined) return response
      const refused = refusal === "token" ? source.refused(granted.token).catch(() => undefined) : undefined
      if (!isReplayable) onEvent({ type: "NotReplayed", url: placeOf(url) })
      if (!isReplayable || refused === undefined) return response
      const another = await unlessAborted(() => refused, signal)
      // No other token to be had: the resource server's own 401 says more than any error of ours.
      if (another === undefined || another.token === granted.token) return response
      await response.body?.cancel()
      return (await send(another)).response
    }
    const response = await answer()
    const event = insufficientScope(response.status, response.headers.get("www-authenticate"), url)
    if (event !== undefined) onEvent(event)
    return response
  }
}

/**
 * The token as an undici interceptor: for programs that choose their `Dispatcher`, and for libraries that take one.
 *
 * ```ts
 * import { Agent } from "undici"
 * const dispatcher = new Agent().compose(keeper.credential("github").interceptor)
 * ```
 *
 * The same rules as `fetch.ts`. A redirect that an interceptor outside of this one follows comes by here again, and is judged
 * like any request.
 */
import type { Dispatcher } from "undici"
import { foreign, keyBound, unsafe } from "./destination.ts"
import type { TokenSource } from "./fetch.ts"
import { type FetchEvent, insufficientScope, placeOf } from "./FetchEvent.ts"

type Handler = Dispatcher.DispatchHandler

const replayable = (body: Dispatcher.DispatchOptions["body"]): boolean =>
  body == null || typeof body === "string" || body instanceof Uint8Array

const urlOf = ({ origin, path, query }: Dispatcher.DispatchOptions): URL => {
  const url = new URL(path, origin)
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.append(name, String(value))
  return url
}

/** Headers in each of undici's forms, without a token of somebody else, and with this one. */
const headersWith = (headers: Dispatcher.DispatchOptions["headers"], token: string): Array<string> => {
  const flat: Array<string> = []
  const add = (name: string, value: unknown) => {
    if (name.toLowerCase() === "authorization" || value === undefined) return
    for (const one of Array.isArray(value) ? value : [value]) flat.push(name, String(one))
  }
  if (Array.isArray(headers)) for (let i = 0; i + 1 < headers.length; i += 2) add(headers[i]!, headers[i + 1])
  else if (headers != null && Symbol.iterator in headers)
    for (const [name, value] of headers as Iterable<[string, unknown]>) add(name, value)
  else for (const [name, value] of Object.entries(headers ?? {})) add(name, value)
  flat.push("authorization", `Bearer ${token}`)
  return flat
}

/** Passes everything on but one answer with 401, which it hands to `onRefused`. */
const watching = (
  handler: Handler,
  onStart: (status: number, challenge: string | null) => "pass" | "swallow",
  onSwallowed: () => void,
): Handler => {
  let isSwallowed = false
  const passing =
    <Name extends "onResponseData" | "onResponseEnd" | "onResponseError">(name: Name, end?: () => void) =>
    (...args: Array<never>) =>
      isSwallowed ? end?.() : (handler[name] as ((...args: Array<never>) => void) | undefined)?.apply(handler, args)
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
    onResponseStart: (controller, status, headers, message) => {
      const challenge = headers["www-authenticate"]
      const said = Array.isArray(challenge) ? challenge.join(", ") : challenge
      isSwallowed = onStart(status, said ?? null) === "swallow"
      if (!isSwallowed) handler.onResponseStart?.(controller, status, headers, message)
    },
    onResponseData: passing("onResponseData"),
    onResponseEnd: passing("onResponseEnd", onSwallowed),
    onResponseError: passing("onResponseError", onSwallowed),
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => handler.onRequestSent?.(),
  }
}

export const interceptor =
  (source: TokenSource, onEvent: (event: FetchEvent) => void = () => {}): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) => {
    const url = urlOf(options)
    const fail = (error: unknown) => handler.onResponseError?.(undefined as never, error as Error)
    const send = (token: string, handler: Handler) =>
      void dispatch({ ...options, headers: headersWith(options.headers, token) }, handler)
    const again = (refused: string, answer: () => void) =>
      source.refused(refused).then((another) => send(another, handler), answer)
    const begin = async () => {
      const wrong = unsafe(url)
      if (wrong !== undefined) throw wrong
      const { dpopKey, resource, token } = await source.token()
      const elsewhere = foreign(url, resource) ?? keyBound(dpopKey)
      if (elsewhere !== undefined) throw elsewhere
      const onStart = (status: number, challenge: string | null) => {
        const event = insufficientScope(status, challenge, url)
        if (event !== undefined) onEvent(event)
        if (status !== 401) return "pass"
        if (replayable(options.body)) return "swallow"
        onEvent({ type: "NotReplayed", url: placeOf(url) })
        source.refused(token).catch(() => undefined)
        return "pass"
      }
      // Without another token the same one shows the caller the server's own 401.
      const onSwallowed = () => void again(token, () => send(token, handler))
      send(token, watching(handler, onStart, onSwallowed))
    }
    begin().catch(fail)
    return true
  }

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
import { type Authorization, authorizationFor, type Refusal } from "./authorization.ts"
import { foreign, unsafe } from "./destination.ts"
import { type FetchEvent, insufficientScope, placeOf } from "./FetchEvent.ts"
import type { Granted, TokenSource } from "./TokenSource.ts"
import { unlessAborted } from "./unlessAborted.ts"

type Handler = Dispatcher.DispatchHandler

const replayable = (body: Dispatcher.DispatchOptions["body"]): boolean =>
  body == null || typeof body === "string" || body instanceof Uint8Array

const urlOf = ({ origin, path, query }: Dispatcher.DispatchOptions): URL => {
  const url = new URL(path, origin)
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.append(name, String(value))
  return url
}

/** undici tells a handler of an abort when the request is sent, and so not while a token is waited for. */
const signalOf = ({ signal }: Dispatcher.DispatchOptions & { readonly signal?: unknown }): AbortSignal | undefined =>
  signal instanceof AbortSignal ? signal : undefined

/** Headers in each of undici's forms, without a token of somebody else, and with this one. */
const headersWith = (
  headers: Dispatcher.DispatchOptions["headers"],
  authorization: Authorization["headers"],
): Array<string> => {
  const flat: Array<string> = []
  const add = (name: string, value: unknown) => {
    if (/^(?:authorization|dpop)$/i.test(name) || value === undefined) return
    for (const one of Array.isArray(value) ? value : [value]) flat.push(name, String(one))
  }
  if (Array.isArray(headers)) for (let i = 0; i + 1 < headers.length; i += 2) add(headers[i]!, headers[i + 1])
  else if (headers != null && Symbol.iterator in headers)
    for (const [name, value] of headers as Iterable<[string, unknown]>) add(name, value)
  else for (const [name, value] of Object.entries(headers ?? {})) add(name, value)
  return flat.concat(...Object.entries(authorization))
}

const textOf = (header: string | ReadonlyArray<string> | undefined): string | null =>
  header === undefined ? null : typeof header === "string" ? header : header.join(", ")

interface Head {
  readonly status: number
  readonly challenge: string | null
  readonly nonce: string | null
}

/** Passes everything on but an answer for which `onStart` has something else to do, which is done at its end. */
const watching = (handler: Handler, onStart: (head: Head) => (() => void) | undefined): Handler => {
  let instead: (() => void) | undefined
  const passing =
    <Name extends "onResponseData" | "onResponseEnd" | "onResponseError">(name: Name, isEnd: boolean) =>
    (...args: Array<never>) => {
      if (instead === undefined) (handler[name] as ((...args: Array<never>) => void) | undefined)?.apply(handler, args)
      else if (isEnd) instead()
    }
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
    onResponseStart: (controller, status, headers, message) => {
      const challenge = textOf(headers["www-authenticate"])
      instead = onStart({ status, challenge, nonce: textOf(headers["dpop-nonce"]) })
      if (instead === undefined) handler.onResponseStart?.(controller, status, headers, message)
    },
    onResponseData: passing("onResponseData", false),
    onResponseEnd: passing("onResponseEnd", true),
    onResponseError: passing("onResponseError", true),
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
    const isReplayable = replayable(options.body)
    const signal = signalOf(options)
    /** `cures`: what a 401 may be about so that there is another attempt. */
    const attempt = async (granted: Granted, cures: ReadonlyArray<Refusal>): Promise<void> => {
      const authorization = await authorizationFor(granted, url, options.method)
      const again = async (refusal: Refusal, kept: Promise<void>) => {
        await kept
        if (refusal === "nonce")
          return attempt(
            granted,
            cures.filter((cure) => cure !== "nonce"),
          )
        const refused = () => source.refused(granted.token).catch(() => undefined)
        const another = await unlessAborted(refused, signal)
        // Without another token the same one shows the caller the server's own 401.
        return attempt(another ?? granted, another === undefined ? [] : ["nonce"])
      }
      const onStart = ({ challenge, nonce, status }: Head) => {
        const kept = authorization.keep(nonce)
        const event = insufficientScope(status, challenge, url)
        if (event !== undefined) onEvent(event)
        const refusal = authorization.refusal(status, challenge)
        if (refusal === undefined || !cures.includes(refusal)) return undefined
        if (isReplayable) return () => void again(refusal, kept).catch(fail)
        onEvent({ type: "NotReplayed", url: placeOf(url) })
        if (refusal === "token") source.refused(granted.token).catch(() => undefined)
        return undefined
      }
      dispatch({ ...options, headers: headersWith(options.headers, authorization.headers) }, watching(handler, onStart))
    }
    const begin = async () => {
      const wrong = unsafe(url)
      if (wrong !== undefined) throw wrong
      const granted = await unlessAborted(source.token, signal)
      const elsewhere = foreign(url, granted.resource)
      if (elsewhere !== undefined) throw elsewhere
      await attempt(granted, ["nonce", "token"])
    }
    begin().catch(fail)
    return true
  }

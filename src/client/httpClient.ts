/**
 * The token for Effect's `HttpClient`: the same rules as `fetch.ts`, and the Keeper's errors in the error channel.
 *
 * ```ts
 * const client = (yield* HttpClient.HttpClient).pipe(HttpClientToken.withToken(keeper.credential("github")))
 * ```
 *
 * **Gotchas**
 *
 * - Redirects are the client's: `FetchHttpClient` drops the token for another origin, but not for another folder of it.
 * - `HttpClient` is unstable in Effect 4, and so is this module.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import type { TokenError } from "../keeper/errors.ts"
import type { Access, Handle } from "../keeper/Keeper.ts"
import { type ForeignResource, foreign, type KeyBoundToken, keyBound, unsafe } from "./destination.ts"
import { type FetchEvent, insufficientScope, placeOf } from "./FetchEvent.ts"

/** A stream, and what only the platform knows how to read, may be readable once only. */
const isReplayable = ({ body }: HttpClientRequest.HttpClientRequest): boolean =>
  body._tag === "Empty" || body._tag === "Uint8Array" || body._tag === "FormData"

const send = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  handle: Handle,
  request: HttpClientRequest.HttpClientRequest,
  onEvent: (event: FetchEvent) => void,
): Effect.Effect<HttpClientResponse.HttpClientResponse, E | TokenError | ForeignResource | KeyBoundToken, R> =>
  Effect.gen(function* () {
    const url = new URL(request.url)
    const wrong = unsafe(url)
    if (wrong !== undefined) return yield* Effect.fail(wrong)
    const access = yield* handle.access()
    const elsewhere = foreign(url, access.resource) ?? keyBound(access.dpopKey)
    if (elsewhere !== undefined) return yield* Effect.fail(elsewhere)
    const sendWith = ({ token }: Access) =>
      client.postprocess(Effect.succeed(HttpClientRequest.bearerToken(request, Redacted.value(token))))
    const response = yield* sendWith(access)
    const event = insufficientScope(response.status, response.headers["www-authenticate"] ?? null, url)
    if (event !== undefined) onEvent(event)
    if (response.status !== 401) return response
    const refused = handle.refused(Redacted.value(access.token))
    if (!isReplayable(request)) {
      onEvent({ type: "NotReplayed", url: placeOf(url) })
      yield* Effect.forkDetach(Effect.ignore(refused))
      return response
    }
    const another = yield* Effect.option(refused)
    // No other token to be had: the resource server's own 401 says more than any error of ours.
    return another._tag === "None" ? response : yield* sendWith(another.value)
  })

/** Adds the token of `handle` to every request of a client, with one retry after a 401. */
export const withToken =
  (handle: Handle, options: { readonly onEvent?: ((event: FetchEvent) => void) | undefined } = {}) =>
  <E, R>(
    client: HttpClient.HttpClient.With<E, R>,
  ): HttpClient.HttpClient.With<E | TokenError | ForeignResource | KeyBoundToken, R> =>
    HttpClient.makeWith<E, R, E | TokenError | ForeignResource | KeyBoundToken, R>(
      Effect.flatMap((request) => send(client, handle, request, options.onEvent ?? (() => {}))),
      client.preprocess,
    )

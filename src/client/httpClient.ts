/**
 * The token for Effect's `HttpClient`: the same rules as `fetch.ts`, and the Keeper's errors in the error channel.
 *
 * ```ts
 * const client = (yield* HttpClient.HttpClient).pipe(HttpClientToken.withToken(keeper.credential("github")))
 * ```
 *
 * **Details**
 *
 * - On `FetchHttpClient` redirects are followed as the client would, one by one, and the token stays with its resource.
 * - `HttpClient.followRedirects` belongs around `withToken`, where each hop is judged. Below it the token would go along
 *   within its origin before anybody here could say no: what comes back from outside the resource fails with
 *   `ForeignResource`, so that nobody builds on it.
 * - `HttpClient` is unstable in Effect 4, and so is this module.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import type { TokenError } from "../keeper/errors.ts"
import type { Handle } from "../keeper/Keeper.ts"
import { type Authorization, authorizationFor, type Refusal } from "./authorization.ts"
import { ForeignResource, foreign, unsafe } from "./destination.ts"
import { replayable } from "./fetch.ts"
import { type FetchEvent, insufficientScope, placeOf } from "./FetchEvent.ts"
import { follow } from "./redirect.ts"
import { type Granted, grantedOf } from "./TokenSource.ts"

type Fetch = typeof globalThis.fetch

interface Attempt {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly refusal: Refusal | undefined
}

/** A stream, and what only the platform knows how to read, may be readable once only. */
const isReplayable = ({ body }: HttpClientRequest.HttpClientRequest): boolean =>
  body._tag === "Empty" || body._tag === "Uint8Array" || body._tag === "FormData"

/** For what runs after it in the same region, `FetchHttpClient` has another `fetch`, made of the one that it would have had. */
const replaceFetch = (change: (fetch: Fetch) => Fetch): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    fiber.setContext(Context.add(fiber.context, FetchHttpClient.Fetch, change(fiber.getRef(FetchHttpClient.Fetch))))
    return Effect.void
  })

const attempt = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  granted: Granted,
): Effect.Effect<Attempt, E | ForeignResource, R> =>
  Effect.gen(function* () {
    const { resource } = granted
    const isOurs = (to: URL) =>
      to.origin === url.origin && unsafe(to) === undefined && foreign(to, resource) === undefined
    /** With what the last request went. */
    let last: Authorization | undefined
    const guarded =
      (fetch: Fetch): Fetch =>
      async (input, init) => {
        const authorize = async (to: URL, method: string) =>
          last !== undefined && isOurs(to) ? authorizationFor(granted, to, method) : undefined
        const rules = { authorize, isReplayable: replayable(input, init), resource }
        const { authorization, response } = await follow(fetch, input, init, rules)
        last = authorization
        return response
      }
    // Evaluated by the client, where the context of its layer holds, and again by one that retries: a proof is for one request.
    const prepared = Effect.gen(function* () {
      const authorization = yield* Effect.promise(() => authorizationFor(granted, url, request.method))
      last = authorization
      yield* replaceFetch(guarded)
      return HttpClientRequest.setHeaders(request, authorization.headers)
    })
    // A region of its own, which ends with the context that it began with.
    const response = yield* Effect.updateContext(client.postprocess(prepared), (context: Context.Context<R>) =>
      Context.merge(context, Context.empty()),
    )
    const { headers, status } = response
    const authorization = last as Authorization | undefined
    if (authorization !== undefined) yield* Effect.promise(() => authorization.keep(headers["dpop-nonce"] ?? null))
    const at = URL.parse(response.request.url) ?? url
    if (at.origin === url.origin && foreign(at, resource) !== undefined) {
      const message = `a redirect to ${placeOf(at)} was followed with the token for ${resource}: put followRedirects around withToken`
      return yield* Effect.fail(new ForeignResource(message))
    }
    const challenge = headers["www-authenticate"] ?? null
    const refusal = at.origin === url.origin ? authorization?.refusal(status, challenge) : undefined
    return { response, refusal }
  })

/** Lets go of an answer that nobody will read: its connection would stay taken until the response is collected. */
const discard = ({ stream }: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.ignore(Stream.runHead(stream))

export interface Options {
  readonly onEvent?: ((event: FetchEvent) => void) | undefined
  /** Who asks, for the history. Default "HttpClient". */
  readonly caller?: string | undefined
}

const send = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  handle: Handle,
  request: HttpClientRequest.HttpClientRequest,
  { caller = "HttpClient", onEvent = () => {} }: Options,
): Effect.Effect<HttpClientResponse.HttpClientResponse, E | TokenError | ForeignResource, R> =>
  Effect.gen(function* () {
    const url = URL.parse(request.url)
    // What is wrong with it the client says itself.
    if (url === null) return yield* client.postprocess(Effect.succeed(request))
    const wrong = unsafe(url)
    if (wrong !== undefined) return yield* Effect.fail(wrong)
    const granted = grantedOf(yield* handle.access({ caller }))
    const elsewhere = foreign(url, granted.resource)
    if (elsewhere !== undefined) return yield* Effect.fail(elsewhere)
    const canRepeat = isReplayable(request)
    const sendWith = Effect.fnUntraced(function* (granted: Granted) {
      const first = yield* attempt(client, request, url, granted)
      if (first.refusal !== "nonce" || !canRepeat) return first
      yield* discard(first.response)
      return yield* attempt(client, request, url, granted)
    })
    const { refusal, response } = yield* sendWith(granted)
    if (refusal !== undefined && !canRepeat) {
      onEvent({ type: "NotReplayed", url: placeOf(url) })
      if (refusal === "token") yield* Effect.forkDetach(Effect.ignore(handle.refused(granted.token, { caller })))
    }
    const another =
      refusal === "token" && canRepeat ? yield* Effect.option(handle.refused(granted.token, { caller })) : undefined
    // No other token to be had: the resource server's own 401 says more than any error of ours.
    if (another?._tag === "Some") yield* discard(response)
    const answer = another?._tag === "Some" ? (yield* sendWith(grantedOf(another.value))).response : response
    const event = insufficientScope(answer.status, answer.headers["www-authenticate"] ?? null, url)
    if (event !== undefined) onEvent(event)
    return answer
  })

/** Adds the token of `handle` to every request of a client, with one retry after a 401. */
export const withToken =
  (handle: Handle, options: Options = {}) =>
  <E, R>(client: HttpClient.HttpClient.With<E, R>): HttpClient.HttpClient.With<E | TokenError | ForeignResource, R> =>
    HttpClient.makeWith<E, R, E | TokenError | ForeignResource, R>(
      Effect.flatMap((request) => send(client, handle, request, options)),
      client.preprocess,
    )

/**
 * Requests of a sign-in: through our transport, to places where the one who named the URL may send us, with limits.
 *
 * **Invariants**
 *
 * - `https:`, or `http:` to this machine. The addresses are judged when the connection is made (`zone.ts`).
 * - No redirect is followed but by `get`, at most three, and each is judged like any other URL that a server names.
 * - An answer is at most 1 MiB and 20 seconds long. 408, 425, 429 and 5xx are trouble that passes, whatever they say: a
 *   server that is down must never look like one that lacks something.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as oauth from "oauth4webapi"
import { endpointProblem } from "../exchange/endpointUrl.ts"
import * as Failure from "../exchange/failure.ts"
import { Fetch, type FetchFunction } from "../exchange/Fetch.ts"
import { userAgent } from "../exchange/userAgent.ts"
import { retryAt } from "../provider/classify.ts"
import * as Scrub from "../provider/scrub.ts"
import { SignInFailed } from "./errors.ts"
import { farthest, mayReach, type Source, type Zone, zoneOf, zoneOfHost } from "./zone.ts"

const deadline = "20 seconds"
const longestAnswerBytes = 1_048_576
const mostRedirects = 3

/** An answer and the zone it came from, which bounds what its URLs may name. */
export interface Answer {
  readonly response: Response
  readonly zone: Zone
}

/** What every request of `oauth4webapi` is given. */
export interface RequestOptions {
  readonly [oauth.customFetch]: (url: string, init: RequestInit) => Promise<Response>
  readonly [oauth.allowInsecureRequests]: true
  readonly headers: Headers
  readonly DPoP?: oauth.DPoPHandle
}

export const untrusted = (message: string): SignInFailed => new SignInFailed({ reason: "untrusted", message })

/** What is wrong with `url` when `source` names it, as far as the URL alone tells. `what` says its part to people. */
export const urlProblem = (url: string, source: Source, what: string): SignInFailed | undefined => {
  const problem = endpointProblem(url)
  if (problem !== undefined) return untrusted(`${what} ${problem}`)
  const { host, hostname } = new URL(url)
  const zone = zoneOfHost(hostname)
  return zone === undefined || mayReach(source, zone) ? undefined : foreign(what, host, source, zone)
}

const zoneWords: Record<Zone, string> = {
  public: "the internet",
  private: "a private network",
  loopback: "this machine",
  linkLocal: "a link-local or reserved address",
}

const foreign = (what: string, host: string, source: Source, zone: Zone): SignInFailed =>
  untrusted(`${what} (${host}) leads to ${zoneWords[zone]}, and a server in ${zoneWords[source as Zone]} named it`)

const isPassing = (status: number): boolean => status >= 500 || [408, 425, 429].includes(status)

/** The whole answer, within its limit, so that no later reader can hang on it. */
const read = async (response: Response, what: string): Promise<Response> => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  // An event stream has no end; who answers so has said nothing that matters here.
  const isEndless = response.headers.get("content-type")?.startsWith("text/event-stream") === true
  if (isEndless) await response.body?.cancel()
  else {
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength
      if (size > longestAnswerBytes) throw untrusted(`${what} answered with more than 1 MiB`)
      chunks.push(chunk)
    }
  }
  const { headers, status, statusText } = response
  const hasBody = size > 0 && ![101, 103, 204, 205, 304].includes(status)
  return new Response(hasBody ? Buffer.concat(chunks) : null, { headers, status, statusText })
}

const send = async (
  fetch: FetchFunction,
  what: string,
  source: Source,
  url: string,
  init: RequestInit,
): Promise<Answer> => {
  const problem = urlProblem(url, source, what)
  if (problem !== undefined) throw problem
  const { host, hostname } = new URL(url)
  let zone = zoneOfHost(hostname) ?? "public"
  let refused: SignInFailed | undefined
  const response = await fetch(url, init, (addresses) => {
    const zones = addresses.map(zoneOf)
    zone = farthest(zones)
    const wrong = zones.find((each) => !mayReach(source, each))
    if (wrong !== undefined) refused = foreign(what, host, source, wrong)
    return refused?.message
  }).catch((error: unknown) => {
    throw refused ?? error
  })
  return { response: await read(response, what), zone }
}

/** What oauth4webapi, the transport or this module threw, as our own error. */
export const failureOf = (error: unknown, what: string, host: string, now: number): SignInFailed => {
  if (error instanceof SignInFailed) return error
  if (error instanceof oauth.ResponseBodyError || error instanceof oauth.AuthorizationResponseError) {
    const description = Scrub.description(error.error_description ?? "", [])
    const code = Scrub.code(error.error, []) ?? "an error"
    return new SignInFailed({
      reason: ["access_denied", "login_required", "consent_required", "interaction_required"].includes(code)
        ? "denied"
        : ["temporarily_unavailable", "server_error"].includes(code)
          ? "unavailable"
          : "refused",
      message: `${what} said ${code}${description === "" ? "" : `: "${description}"`}`,
      code,
      ...(["temporarily_unavailable", "server_error"].includes(code) && { retryAt: now }),
    })
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) {
    return new SignInFailed({ reason: "refused", message: `${what} answered ${error.status}` })
  }
  // Its messages name the part of the answer that is wrong, and never quote it.
  if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
    return untrusted(`${what} gave an answer that cannot be used: ${error.message}`)
  }
  return new SignInFailed({ reason: "unavailable", message: Failure.explain(error, host), retryAt: now })
}

const passing = ({ headers, status }: Response, what: string, now: number): SignInFailed =>
  new SignInFailed({
    reason: "unavailable",
    message: `${what} answered ${status}`,
    retryAt: retryAt(headers.get("retry-after") ?? undefined, now),
  })

const hostOf = (url: string): string => URL.parse(url)?.host ?? "the server"

/**
 * Runs a request of oauth4webapi and the processing of its answer. `url` is where it goes, `source` who named that.
 * `what` begins the sentence when it fails, such as "the token endpoint".
 */
export const call = Effect.fnUntraced(function* <A>(
  what: string,
  url: string,
  source: Source,
  run: (options: RequestOptions) => Promise<A>,
): Effect.fn.Return<A, SignInFailed> {
  const fetch = yield* Fetch
  const now = yield* Clock.currentTimeMillis
  return yield* Effect.tryPromise({
    try: (signal) =>
      run({
        [oauth.customFetch]: async (url, init) => {
          const { response } = await send(fetch, what, source, url, { ...init, signal })
          if (isPassing(response.status)) throw passing(response, what, now)
          if (response.status >= 300 && response.status <= 399) throw untrusted(`${what} answered with a redirect`)
          return response
        },
        [oauth.allowInsecureRequests]: true,
        headers: new Headers({ "user-agent": userAgent, connection: "close" }),
      }),
    catch: (error) => failureOf(error, what, hostOf(url), now),
  }).pipe(
    Effect.timeoutOrElse({
      duration: deadline,
      orElse: () => Effect.fail(tooSlow(what, now)),
    }),
  )
})

const tooSlow = (what: string, now: number): SignInFailed =>
  new SignInFailed({ reason: "unavailable", message: `${what} did not answer within ${deadline}`, retryAt: now })

/** One request by hand, its redirects followed where `init` has no body. Statuses that mean passing trouble fail. */
export const get = Effect.fnUntraced(function* (
  what: string,
  url: string,
  source: Source,
  init: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string } = {},
): Effect.fn.Return<Answer, SignInFailed> {
  const fetch = yield* Fetch
  const now = yield* Clock.currentTimeMillis
  const headers = { accept: "application/json", "user-agent": userAgent, connection: "close", ...init.headers }
  const hop = async (at: string, from: Source, left: number, signal: AbortSignal): Promise<Answer> => {
    const answer = await send(fetch, what, from, at, { ...init, headers, signal, redirect: "manual" })
    const { response, zone } = answer
    const target = [301, 302, 303, 307, 308].includes(response.status) ? response.headers.get("location") : null
    if (target === null || init.body !== undefined) return answer
    if (left === 0) throw untrusted(`${what} answered with more than ${mostRedirects} redirects`)
    const next = URL.parse(target, at)
    if (next === null) throw untrusted(`${what} answered with a redirect to no URL`)
    return hop(next.href, zone, left - 1, signal)
  }
  const answer = yield* Effect.tryPromise({
    try: (signal) => hop(url, source, mostRedirects, signal),
    catch: (error) => failureOf(error, what, hostOf(url), now),
  }).pipe(Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.fail(tooSlow(what, now)) }))
  return isPassing(answer.response.status) ? yield* passing(answer.response, what, now) : answer
})

/**
 * The TokenEndpoint over HTTP: one POST, what the wire showed of it, and the classification of its answer.
 *
 * **Invariants**
 *
 * - One presentation: no retry, no redirect, and a repetition that `fetch` starts by itself is stopped (I1).
 * - NotSent only on evidence that no byte of the request left. Whatever has arrived of an answer when the connection or
 *   the deadline ends counts: tokens that can be read from it are not thrown away (I4).
 * - The deadline covers everything, from loading the first module to the last byte, on Effect's clock, and holds in a
 *   region that cannot be interrupted too.
 * - No secret in `cause` (I10): messages of caught errors are never repeated, a server's words are scrubbed.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Credential } from "../lifecycle/Credential.ts"
import { classify, retryAt } from "../provider/classify.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import { withoutSecrets } from "../provider/scrub.ts"
import { endpointProblem } from "./endpointUrl.ts"
import * as Failure from "./failure.ts"
import { Fetch } from "./Fetch.ts"
import * as Request from "./request.ts"
import { type Outcome, TokenEndpoint } from "./TokenEndpoint.ts"
import * as Wire from "./wire.ts"

/** Everything that goes out with a request and must not come back in a message. */
const secretsOf = ({ client, tokens }: Credential): ReadonlyArray<string> => {
  const held = [tokens.accessToken, tokens.refreshToken, client.clientSecret].flatMap((secret) =>
    secret === undefined ? [] : [Redacted.value(secret)],
  )
  const basic = client.clientSecret && [client.clientId, Redacted.value(client.clientSecret)].map(Request.formEncoded)
  return basic === undefined ? held : [...held, basic.join(":")]
}

/** A redirect would carry the refresh token to whoever the answer names. */
const redirected = (head: Request.Head, credential: Credential, now: number): Outcome => {
  const target = head.location === undefined ? undefined : URL.parse(head.location, credential.tokenEndpoint)?.host
  const to = target ? ` to ${withoutSecrets(target, secretsOf(credential))}` : ""
  const cause = `the server answered ${head.status}, a redirect${to}, and a refresh token is not sent elsewhere`
  return { _tag: "Rejected", cause, dead: undefined, retryAt: retryAt(head.retryAfter, now) }
}

/** By the answer, as far as it arrived. `cut` says why it ended early. */
const answered = (
  credential: Credential,
  profile: ProviderProfile.ProviderProfile,
  head: Request.Head,
  body: string,
  cut: string | undefined,
  now: number,
): Outcome => {
  if (head.status >= 300 && head.status <= 399) return redirected(head, credential, now)
  const whole = classify({ ...head, body }, profile, now, secretsOf(credential))
  // JSON that broke off does not parse. A form does, without what was still to come: a longer token, the refresh token.
  const partial = cut !== undefined && whole._tag === "Rotated" && !body.trimStart().startsWith("{")
  const outcome: Outcome = partial ? { _tag: "Ambiguous", cause: "the server's answer broke off" } : whole
  if (outcome._tag !== "Rotated") {
    return cut === undefined ? outcome : { ...outcome, cause: `${outcome.cause} (${cut})` }
  }
  // An echo of the request. As an access token it would be shown to every resource server.
  const refreshToken = credential.tokens.refreshToken && Redacted.value(credential.tokens.refreshToken)
  return Redacted.value(outcome.tokens.accessToken) === refreshToken
    ? { _tag: "Ambiguous", cause: `the server answered ${head.status} with our refresh token as the access token` }
    : outcome
}

/** By the wire, when no answer arrived. `failure` is absent when time was up. */
const unanswered = (
  host: string,
  handedOver: boolean,
  evidence: Wire.Evidence,
  failure: Request.Arrived["failure"],
  seconds: number,
): Outcome => {
  const unsent = !handedOver || evidence === "notSent" || (evidence === "unknown" && Failure.isUnsent(failure?.error))
  if (failure !== undefined) {
    const cause = Failure.explain(failure.error, host)
    return unsent ? { _tag: "NotSent", cause } : { _tag: "Ambiguous", cause: `${cause} before it answered` }
  }
  return unsent
    ? { _tag: "NotSent", cause: `no connection to ${host} came about within ${seconds} s` }
    : { _tag: "Ambiguous", cause: `${host} did not answer within ${seconds} s` }
}

export const make = Effect.gen(function* () {
  const fetch = yield* Fetch

  const exchange = Effect.fnUntraced(function* (
    credential: Credential,
    deadlineMillis: number,
  ): Effect.fn.Return<Outcome> {
    const problem = endpointProblem(credential.tokenEndpoint)
    if (problem !== undefined) return { _tag: "NotSent", cause: `the token endpoint ${problem}` }
    if (credential.tokens.refreshToken === undefined) return { _tag: "NotSent", cause: "there is no refresh token" }

    const { host } = new URL(credential.tokenEndpoint)
    const profile = ProviderProfile.find(credential.provider) ?? ProviderProfile.generic
    const refreshToken = Redacted.value(credential.tokens.refreshToken)
    const seconds = deadlineMillis / 1000
    const arrived = Request.nothing()
    const controller = new AbortController()

    const request = (wire: Wire.Wire): Request.Options => ({
      credential,
      refreshToken,
      sendResource: profile.sendResource,
      fetch: (url, init) => wire.observe(() => fetch(url, init)),
      signal: controller.signal,
    })
    const { evidence, inTime } = yield* Effect.acquireUseRelease(
      Effect.sync(() => Wire.make(() => controller.abort(new Failure.Repeated()))),
      (wire) =>
        Effect.promise(() => Request.send(request(wire), arrived)).pipe(
          Effect.onInterrupt(() => Effect.sync(() => controller.abort())),
          Effect.timeoutOption(deadlineMillis),
          Effect.map((done) => ({ evidence: wire.evidence(), inTime: Option.isSome(done) })),
        ),
      (wire) => Effect.sync(() => wire.dispose()),
    )

    const now = yield* Clock.currentTimeMillis
    const { body, handedOver, head, tooLong } = arrived
    // A failure after the deadline is the one that the deadline caused.
    const failure = inTime ? arrived.failure : undefined
    if (head === undefined) return unanswered(host, handedOver, evidence, failure, seconds)
    const cut = [
      ...(tooLong ? ["more than 1 MiB of it"] : []),
      ...(failure === undefined ? [] : [`then ${Failure.explain(failure.error, host)}`]),
      ...(inTime ? [] : [`and did not finish within ${seconds} s`]),
    ][0]
    return answered(credential, profile, head, body, cut, now)
  })

  return TokenEndpoint.of({ exchange })
})

export const layer: Layer.Layer<TokenEndpoint> = Layer.effect(TokenEndpoint, make)

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
 * - No secret in `cause` (I10): messages of caught errors are never repeated.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Answer, Credential, IdentityAssertion } from "../lifecycle/Credential.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import * as Profiles from "../provider/Profiles.ts"
import { endpointProblem } from "./endpointUrl.ts"
import { wantsNonce } from "./dpop.ts"
import * as Assertion from "./identityAssertion.ts"
import * as Failure from "./failure.ts"
import { Fetch } from "./Fetch.ts"
import { read } from "./read.ts"
import * as Request from "./request.ts"
import { type Outcome, TokenEndpoint, type Witness } from "./TokenEndpoint.ts"
import * as Wire from "./wire.ts"

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

/** How long an identity provider may take to vouch for somebody. */
const vouchLimit = "10 seconds"

export const make = Effect.gen(function* () {
  const fetch = yield* Fetch
  const profiles = yield* Profiles.Profiles

  /** Nothing has gone to the credential's own server while the identity provider is asked. */
  const vouched = Effect.fnUntraced(function* (
    { resource }: Credential,
    mint: IdentityAssertion,
    { parent }: Witness,
  ): Effect.fn.Return<{ readonly text: string } | { readonly cause: string }> {
    const found = yield* Effect.result(
      parent?.(mint.parent) ?? Effect.fail({ message: `nobody here can say what ${mint.parent} holds` }),
    )
    if (found._tag === "Failure") return { cause: `it is minted from ${mint.parent}. ${found.failure.message}` }
    const now = yield* Clock.currentTimeMillis
    return yield* Effect.tryPromise({
      try: (signal) => Assertion.request(found.success, mint, resource, { fetch, now, signal }),
      catch: () => ({ cause: `the identity provider of ${mint.parent} does not vouch for it` }),
    }).pipe(
      Effect.map((text) => ({ text })),
      Effect.timeoutOrElse({
        duration: vouchLimit,
        orElse: () => Effect.succeed({ cause: "the identity provider is too slow" }),
      }),
      Effect.catch(Effect.succeed),
    )
  })

  const exchange = Effect.fnUntraced(function* (
    credential: Credential,
    deadlineMillis: number,
    witness: Witness = {},
  ): Effect.fn.Return<Outcome> {
    const problem = endpointProblem(credential.tokenEndpoint)
    if (problem !== undefined) return { _tag: "NotSent", cause: `the token endpoint ${problem}` }
    const { mint, tokens } = credential
    if (tokens.refreshToken === undefined && mint === undefined) {
      return { _tag: "NotSent", cause: "there is no refresh token" }
    }

    const { host } = new URL(credential.tokenEndpoint)
    const known = yield* profiles
    const profile = ProviderProfile.find(known.profiles, credential.provider)
    // Without its file nobody knows how that server wants to be asked. The token is kept until the file is back.
    if (profile === undefined) {
      const { provider } = credential
      return { _tag: "NotSent", cause: `the provider is ${provider}, and ${Profiles.missing(known, provider)}` }
    }
    const refreshToken = tokens.refreshToken && Redacted.value(tokens.refreshToken)
    const seconds = deadlineMillis / 1000
    const sentAt = yield* Clock.currentTimeMillis
    const controller = new AbortController()

    const assertion = mint?._tag === "IdentityAssertion" ? yield* vouched(credential, mint, witness) : undefined
    if (assertion !== undefined && "cause" in assertion) return { _tag: "NotSent", cause: assertion.cause }
    const request = (wire: Wire.Wire): Request.Options => ({
      credential,
      assertion: assertion?.text,
      refreshToken,
      profile,
      sent: witness.sent ?? (() => {}),
      fetch: (url, init) => wire.observe(() => fetch(url, init)),
      signal: controller.signal,
    })
    const present = (arrived: Request.Arrived, limitMillis: number) =>
      Effect.acquireUseRelease(
        Effect.sync(() => Wire.make(() => controller.abort(new Failure.Repeated()))),
        (wire) =>
          Effect.promise(() => Request.send(request(wire), arrived)).pipe(
            Effect.onInterrupt(() => Effect.sync(() => controller.abort())),
            Effect.timeoutOption(limitMillis),
            Effect.map((done) => ({ arrived, evidence: wire.evidence(), inTime: Option.isSome(done) })),
          ),
        (wire) => Effect.sync(() => wire.dispose()),
      )
    const first = yield* present(Request.nothing(), deadlineMillis)
    const { head: refusal, body: words } = first.arrived
    const isAskedAgain =
      credential.dpopKey !== undefined &&
      refusal !== undefined &&
      wantsNonce(refusal.status, refusal.contentType, words)
    // Within the same deadline: by then others take it that nothing is under way any more.
    const left = sentAt + deadlineMillis - (yield* Clock.currentTimeMillis)
    const { arrived, evidence, inTime } = isAskedAgain && left > 0 ? yield* present(Request.nothing(), left) : first

    const at = yield* Clock.currentTimeMillis
    const { body, handedOver, head, tooLong } = arrived
    // A failure after the deadline is the one that the deadline caused.
    const failure = inTime ? arrived.failure : undefined
    if (head === undefined) return unanswered(host, handedOver, evidence, failure, seconds)
    const cut = [
      ...(tooLong ? ["more than 1 MiB of it"] : []),
      ...(failure === undefined ? [] : [`then ${Failure.explain(failure.error, host)}`]),
      ...(inTime ? [] : [`and did not finish within ${seconds} s`]),
    ][0]
    const answer: Answer = { ...head, sentAt, at, body: Redacted.make(body), ...(cut !== undefined && { cut }) }
    if (witness.answered) yield* witness.answered(answer)
    return read(credential, answer, known.profiles)
  })

  return TokenEndpoint.of({ exchange })
})

export const layer: Layer.Layer<TokenEndpoint> = Layer.effect(TokenEndpoint, make)

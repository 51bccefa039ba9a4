/**
 * A simulated authorization server as a TokenEndpoint, in this process and under Effect's clock. Its answers pass through
 * the real classifier, so that every spelling is read in the simulated world as it is read in the real one.
 *
 * **Details**
 *
 * - Without a fault and without a journey an exchange is synchronous.
 * - The server does not know that a client has gone: its work goes on in a fiber of its own when the deadline is over or
 *   the exchange is interrupted, as a request that is under way arrives after all.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { profileOf, read } from "../exchange/read.ts"
import { formEncoded } from "../exchange/clientAuth.ts"
import { type Outcome, TokenEndpoint, type Witness } from "../exchange/TokenEndpoint.ts"
import type { Credential, ReuseClass } from "../lifecycle/Credential.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import { type Answer, written } from "./answers.ts"
import type { Arrival, AuthorizationServer, Grant } from "./AuthorizationServer.ts"
import { methodOf, type Request } from "./clientAuth.ts"
import * as Fault from "./Fault.ts"

export interface EndpointOptions {
  /** On the way to the server and back: where a scheduler may put something else in between. */
  readonly there?: Effect.Effect<void> | undefined
  readonly back?: Effect.Effect<void> | undefined
  /** The server's clock is so much ahead of the client's. */
  readonly skewMillis?: number | undefined
}

/** The request that presents the credential's refresh token (RFC 6749 §6). */
export const requestOf = (credential: Credential): Request => {
  const { client, resource, tokens } = credential
  const secret = client.clientSecret === undefined ? "" : Redacted.value(client.clientSecret)
  const parameters = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: tokens.refreshToken === undefined ? "" : Redacted.value(tokens.refreshToken),
  })
  const extra = ProviderProfile.refreshParams(profileOf(credential), { resource, scope: tokens.scope })
  for (const [name, value] of Object.entries(extra)) parameters.set(name, value)
  if (client.authMethod === "client_secret_basic") {
    return { parameters, authorization: `Basic ${btoa(`${formEncoded(client.clientId)}:${formEncoded(secret)}`)}` }
  }
  parameters.set("client_id", client.clientId)
  if (client.authMethod === "client_secret_post") parameters.set("client_secret", secret)
  return { parameters }
}

const ambiguous = (what: string): Outcome => ({
  _tag: "Ambiguous",
  cause: `the simulated server ${what} after the request had reached it`,
})

const dropped = ambiguous("closed the connection")
const late = ambiguous("had not answered in time")

/** What leaves the server: an answer that takes so long, or nothing. */
interface Left {
  readonly answer: Answer | undefined
  readonly millis: number
}

const leaves = (fault: Fault.Fault | undefined, own: Answer | undefined, now: number): Left | "silence" => {
  const replaced = Fault.replacement(fault, now)
  if (replaced !== undefined) return { answer: replaced, millis: 0 }
  const kind = fault?.answer ?? "own"
  if (kind === "never") return "silence"
  if (kind === "drop" || own === undefined) return { answer: undefined, millis: 0 }
  if (kind === "half") return { answer: { ...own, body: own.body.slice(0, own.body.length >> 1) }, millis: 0 }
  const perByte = typeof kind === "object" && "dripMillis" in kind ? kind.dripMillis : 0
  return { answer: own, millis: perByte * own.body.length }
}

export const make = (server: AuthorizationServer, options: EndpointOptions = {}): TokenEndpoint["Service"] => {
  const { back, skewMillis = 0, there } = options

  /** The server's side: it ends by itself, whoever waits for it. */
  const serve = Effect.fnUntraced(function* (clock: Clock.Clock, arrival: Arrival, answered: Deferred.Deferred<Left>) {
    const { fault } = arrival
    const now = () => clock.currentTimeMillisUnsafe() + skewMillis
    if (fault?.beforeMillis) yield* Effect.sleep(fault.beforeMillis)
    const own = Fault.isProcessed(fault) ? server.process(arrival, now()) : undefined
    if (fault?.afterMillis) yield* Effect.sleep(fault.afterMillis)
    const left = leaves(fault, own, now())
    if (left === "silence") return
    if (left.millis > 0) yield* Effect.sleep(left.millis)
    Deferred.doneUnsafe(answered, Effect.succeed(left))
  })

  const troubled = Effect.fnUntraced(function* (clock: Clock.Clock, arrival: Arrival, deadlineMillis: number) {
    const answered = Deferred.makeUnsafe<Left>()
    yield* Effect.forkDetach(serve(clock, arrival, answered))
    return yield* Effect.timeoutOrElse(Deferred.await(answered), {
      duration: deadlineMillis,
      orElse: () => Effect.undefined,
    })
  })

  const exchange = Effect.fnUntraced(function* (
    credential: Credential,
    deadlineMillis: number,
    witness: Witness = {},
  ): Effect.fn.Return<Outcome> {
    const clock = yield* Clock.Clock
    if (there !== undefined) yield* there
    const now = clock.currentTimeMillisUnsafe()
    const request = requestOf(credential)
    witness.sent?.([...request.parameters.keys()])
    const arrival = server.arrive(request, now + skewMillis)
    const left: Left | undefined =
      arrival.fault === undefined
        ? { answer: server.process(arrival, now + skewMillis), millis: 0 }
        : yield* troubled(clock, arrival, deadlineMillis)
    if (left === undefined) return late
    if (back !== undefined) yield* back
    if (left.answer === undefined) return dropped
    const answer = written(left.answer, now, clock.currentTimeMillisUnsafe())
    if (witness.answered) yield* witness.answered(answer)
    return read(credential, answer)
  })

  return { exchange }
}

export const layer = (server: AuthorizationServer, options?: EndpointOptions): Layer.Layer<TokenEndpoint> =>
  Layer.succeed(TokenEndpoint, make(server, options))

export interface CredentialOptions {
  readonly name: string
  readonly tokenEndpoint?: string | undefined
  readonly provider?: string | undefined
  /** What the client believes of the server. Default: the truth. */
  readonly reuse?: { readonly class: ReuseClass; readonly graceMillis: number } | undefined
}

/** The grant as somebody holds it who took it over at `now`. */
export const credentialOf = (grant: Grant, options: CredentialOptions, now: number): Omit<Credential, "generation"> => {
  const { accessToken, client, expiresAt, policy, refreshToken, resource, scope } = grant
  return {
    name: options.name,
    provider: options.provider ?? ProviderProfile.generic.id,
    tokenEndpoint: options.tokenEndpoint ?? "https://as.example/token",
    ...(resource !== undefined && { resource }),
    client: {
      clientId: client.clientId,
      ...(client.clientSecret !== undefined && { clientSecret: Redacted.make(client.clientSecret) }),
      authMethod: methodOf(client),
    },
    tokens: {
      accessToken: Redacted.make(accessToken),
      ...(refreshToken !== undefined && { refreshToken: Redacted.make(refreshToken) }),
      tokenType: "Bearer",
      ...(scope !== undefined && { scope }),
      expiry: { _tag: "Known", at: expiresAt, lifetimeMillis: policy.accessLifetimeMillis },
      obtainedAt: now,
    },
    reuse: options.reuse ?? { class: policy.reuse, graceMillis: policy.graceMillis },
    forced: 0,
  }
}

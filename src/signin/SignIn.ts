/**
 * Signs a person in and puts the grant into the Keeper's hands.
 *
 * **Invariants**
 *
 * - What a name holds is replaced by one write, after the new grant is here. Nothing is revoked or deleted for it, and a
 *   grant that can still be refreshed is not given up for one that cannot.
 * - A name is bound to its issuer: what was registered or granted there is never shown to another (RFC 9700 §4.4).
 * - One sign-in at a time under a name. Whoever asks meanwhile gets its outcome.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Dpop from "../exchange/dpop.ts"
import { Fetch } from "../exchange/Fetch.ts"
import { Keeper, type Status } from "../keeper/Keeper.ts"
import type { Credential, Mint, SignedIn as Record, Tokens } from "../lifecycle/Credential.ts"
import * as Profiles from "../provider/Profiles.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import type { StoreUnavailable } from "../store/CredentialStore.ts"
import * as AuthorizationCode from "./authorizationCode.ts"
import * as ClientCredentials from "./clientCredentials.ts"
import * as DeviceCode from "./deviceCode.ts"
import * as Discovery from "./discovery.ts"
import { SignInFailed } from "./errors.ts"
import * as IdentityAssertion from "./identityAssertion.ts"
import * as Listener from "./listener.ts"
import * as Metadata from "./metadata.ts"
import { differences, type Outcome, whyNone } from "./Outcome.ts"
import * as Page from "./page.ts"
import { Person } from "./Person.ts"
import * as RedirectUri from "./redirectUri.ts"
import * as Registration from "./registration.ts"
import * as Revocation from "./revocation.ts"
import { boundIssuer, completed, type Completed, invalid, profileOf, type Request, wishedScopes } from "./Request.ts"

import type * as TokenRequest from "./tokenRequest.ts"
import { Turn } from "./Turn.ts"

export type { Outcome, Request }

export type SignInError = SignInFailed | StoreUnavailable

export class SignIn extends Context.Service<
  SignIn,
  {
    readonly login: (request: Request) => Effect.Effect<Outcome, SignInError>
    /** Ends the grant at the server (RFC 7009). What is kept stays as it is. */
    readonly revoke: (credential: Credential) => Effect.Effect<void, SignInFailed>
  }
>()("tokenkeep/signin/SignIn") {}

interface Landing {
  /** As it was said: perhaps without a port. */
  readonly wanted: string
  readonly redirectUri: string
  readonly listener: Listener.Listener | undefined
}

export const make = Effect.gen(function* () {
  const keeper = yield* Keeper
  const person = yield* Person
  const fetch = yield* Fetch
  const turn = yield* Turn
  const profiles = yield* Profiles.Profiles
  const pending = new Map<string, Deferred.Deferred<Outcome, SignInError>>()

  /**
   * Where the browser comes back to. The place that a registered client knows is used again; where that is taken, the
   * client is of no more use and another will be registered.
   */
  const landing = Effect.fnUntraced(function* (
    given: string | undefined,
    earlier: Record | undefined,
  ): Effect.fn.Return<Landing, SignInFailed, Scope.Scope> {
    if (given === undefined && earlier?.client === "registered" && earlier.redirectUri !== undefined) {
      const again = yield* Effect.option(landing(earlier.redirectUri, undefined))
      if (Option.isSome(again)) return again.value
    }
    const wanted =
      given ?? (earlier?.client === "registered" ? undefined : earlier?.redirectUri) ?? RedirectUri.standard
    const shape = RedirectUri.shapeOf(wanted)
    if (shape._tag === "Invalid") return yield* invalid(`the redirect URI ${shape.problem}`)
    if (shape._tag === "Elsewhere") return { wanted, redirectUri: wanted, listener: undefined }
    const listener = yield* Listener.open(shape)
    return { wanted, redirectUri: listener.redirectUri, listener }
  })

  const clientFor = (
    request: Completed,
    { server }: Discovery.Discovered,
    wanted: Registration.Wanted,
  ): Effect.Effect<Registration.Registered & { readonly isOld: boolean }, SignInFailed> => {
    const fresh = (from: Effect.Effect<Registration.Registered, SignInFailed>) =>
      Effect.map(from, (registered) => ({ ...registered, isOld: false }))
    if (request.client !== undefined) return Effect.succeed({ client: request.client, from: "given", isOld: false })
    const { known } = request
    const earlier = known?.signedIn
    const isUsable =
      earlier?.client !== "registered" ||
      (known?.verdict?.reason !== "clientRejected" && earlier.redirectUri === wanted.redirectUri)
    if (known !== undefined && isUsable) {
      return Effect.succeed({ client: known.client, from: earlier?.client ?? "given", isOld: true })
    }
    return fresh(Registration.obtain(server, request.clientDocument, wanted))
  }

  /** The first token of a credential that has no refresh token and needs none. */
  const minted = Effect.fnUntraced(function* (
    context: TokenRequest.Context,
    resource: string | undefined,
    mint: Mint,
  ): Effect.fn.Return<Tokens, SignInError> {
    if (mint._tag === "ClientCredentials") return yield* ClientCredentials.authorize(context, resource, mint)
    const { parent } = mint
    // With tokens that work: refreshed first, if need be.
    const { credential } = yield* Effect.andThen(keeper.credential(parent).access(), keeper.status(parent)).pipe(
      Effect.catchTag("SignInRequired", ({ message }) => Effect.fail(new SignInFailed({ reason: "expired", message }))),
      Effect.catchTag("TemporarilyUnavailable", ({ message, retryAt }) =>
        Effect.fail(new SignInFailed({ reason: "unavailable", message, retryAt })),
      ),
      Effect.catchTag("CredentialNotFound", ({ message }) => Effect.fail(invalid(message))),
    )
    return yield* IdentityAssertion.authorize(context, credential, resource, mint)
  })

  const authorized = Effect.fnUntraced(function* (
    request: Completed,
    before: Credential | undefined,
  ): Effect.fn.Return<Outcome, SignInError, Scope.Scope> {
    const { known } = request
    const found = yield* Discovery.discover(request.target, known?.issuer)
    const { server } = found
    const { metadata } = server
    for (const step of found.steps) yield* person.tell(step)
    yield* boundIssuer(request, metadata.issuer)
    const profile = yield* profileOf(yield* profiles, request.provider, server)
    const pkce = request.way === "browser" ? Metadata.pkceProblem(server) : undefined
    if (pkce !== undefined) {
      const allowed = request.allowMissingPkce === true
      if (!allowed) {
        return yield* new SignInFailed({
          reason: "unsupported",
          message: `${pkce}. Without it a stolen code can be used: only if you trust the server, say --allow-missing-pkce-metadata`,
        })
      }
      yield* person.tell(
        `WARNING: ${pkce}. Going on, as you asked: a code stolen on its way could be used by its thief`,
      )
    }

    const wished = wishedScopes(request, found)
    // Whoever asks in their own name needs no refresh token, and so nothing that would bring one.
    const isOwn = request.way === "clientCredentials" || request.way === "identityAssertion"
    const scopes = isOwn ? wished : ProviderProfile.scopes(profile, wished, metadata.scopes_supported ?? [])
    const scope = ProviderProfile.scopeText(profile, scopes)
    const parameters = {
      ...(profile.sendResource && found.resource !== undefined && { resource: found.resource }),
      ...(scope !== "" && { scope }),
    }
    const place = request.way === "browser" ? yield* landing(request.redirectUri, known?.signedIn) : undefined
    const wanted = {
      redirectUri: place?.redirectUri,
      grantTypes: [place === undefined ? DeviceCode.grantType : "authorization_code", "refresh_token"],
      scopes,
    }

    const scoped = scope === "" ? {} : { scope }
    const mint: Mint | undefined = !isOwn
      ? undefined
      : request.parent === undefined
        ? { _tag: "ClientCredentials", ...scoped }
        : { _tag: "IdentityAssertion", parent: request.parent, audience: metadata.issuer, ...scoped }

    const dpopKey =
      (request.dpop ?? (found.wantsProof || known?.dpopKey !== undefined))
        ? (known?.dpopKey ?? (yield* Effect.promise(Dpop.generateKey)))
        : undefined
    const proof = dpopKey && (yield* Effect.promise(() => Dpop.handleOf(dpopKey)))

    const store = Effect.fnUntraced(function* (
      { client, from }: Registration.Registered,
      tokens: Tokens,
      sent: URLSearchParams,
    ): Effect.fn.Return<Outcome, SignInError> {
      const isComplete = tokens.refreshToken !== undefined || mint !== undefined
      const noRefreshToken = !isComplete ? whyNone(request.name, profile, scopes, sent) : undefined
      if (noRefreshToken !== undefined && before?.tokens.refreshToken !== undefined && before.verdict === undefined) {
        return yield* new SignInFailed({
          reason: "refused",
          message:
            `the server gave no refresh token, and the one that ${request.name} holds is still good: it is kept. ` +
            `${noRefreshToken.why} Ask again: ${noRefreshToken.again}. To give the old one up: tokenkeep logout ${request.name}`,
        })
      }
      const { target } = request
      const credential = yield* keeper.put({
        name: request.name,
        provider: profile.id,
        ...((server.from === "metadata" || ("endpoints" in target && target.endpoints.issuer !== undefined)) && {
          issuer: metadata.issuer,
        }),
        tokenEndpoint: metadata.token_endpoint!,
        ...(found.resource !== undefined && { resource: found.resource }),
        client,
        // RFC 6749 §5.1: a server that says nothing has granted what was asked.
        tokens: { ...(scopes.length > 0 && { scope: scopes.join(" ") }), ...tokens },
        ...(dpopKey !== undefined && { dpopKey }),
        ...(mint !== undefined && { mint }),
        reuse: mint === undefined ? profile.reuse : { class: "notRotating", graceMillis: 0 },
        forced: 0,
        signedIn: {
          way: request.way,
          ...("mcp" in target && { mcp: target.mcp }),
          ...endpointsOf(server),
          hasMetadata: server.from === "metadata",
          scopes,
          authorizeParams: request.authorizeParams,
          // Another client may come back on any port, so that it stays open which.
          ...(place !== undefined && { redirectUri: from === "registered" ? place.redirectUri : place.wanted }),
          client: from,
        },
      })
      return { credential, ...differences(scopes, tokens.scope), noRefreshToken }
    })

    const run = (registered: Registration.Registered): Effect.Effect<Outcome, SignInError> => {
      const context = { server, profile, client: registered.client, proof }
      const flow =
        mint !== undefined
          ? Effect.flatMap(minted(context, found.resource, mint), (tokens) =>
              store(registered, tokens, new URLSearchParams(parameters)),
            )
          : place === undefined
            ? Effect.flatMap(DeviceCode.authorize(context, parameters), (tokens) =>
                store(registered, tokens, new URLSearchParams(parameters)),
              )
            : AuthorizationCode.authorize(
                {
                  ...context,
                  ...place,
                  parameters: {
                    ...parameters,
                    ...ProviderProfile.authorizeParams(profile, scopes, request.authorizeParams),
                  },
                },
                ({ sent, tokens }) =>
                  Effect.map(store(registered, tokens, sent), (value) => ({
                    page: Page.signedIn(request.name),
                    value,
                  })),
              )
      return Effect.provideService(flow, Person, person)
    }
    if (mint !== undefined && request.client === undefined && known?.mint === undefined) {
      return yield* invalid("a client that signs in as itself has to be registered already: give it with --client-id")
    }
    const registered = yield* clientFor(request, found, wanted)
    return yield* Effect.catchIf(
      run(registered),
      (error) => {
        const isRejected = error._tag === "SignInFailed" && error.code === "invalid_client"
        return isRejected && registered.isOld && registered.from === "registered"
      },
      () =>
        Effect.gen(function* () {
          yield* person.tell("the server has forgotten the client that was registered: registering another")
          return yield* run(yield* Registration.obtain(server, request.clientDocument, wanted))
        }),
    )
  })

  const statusOf = (name: string): Effect.Effect<Status | undefined, StoreUnavailable> =>
    Effect.catchTag(keeper.status(name), "CredentialNotFound", () => Effect.undefined)

  /** Waits while another process signs in under the name. What it brought; `undefined`: nothing, and the turn is ours. */
  const elsewhere = Effect.fnUntraced(function* (
    name: string,
    before: Credential | undefined,
  ): Effect.fn.Return<Outcome | undefined, StoreUnavailable, Scope.Scope> {
    let told = false
    while (true) {
      const holder = yield* turn(name)
      // Looked at after the turn was asked for: whoever gave it back has stored what it got before.
      const credential = told ? (yield* statusOf(name))?.credential : undefined
      if (credential !== undefined && credential.generation !== before?.generation) {
        return { credential, withheld: [], unasked: [], noRefreshToken: undefined }
      }
      if (holder === undefined) return undefined
      if (!told) {
        yield* person.tell(`process ${holder.pid} is signing in to ${name} already: finish it there. Waiting for it …`)
        told = true
      }
      yield* Effect.sleep(othersCheck)
    }
  })

  return SignIn.of({
    login: Effect.fnUntraced(function* (request) {
      const running = pending.get(request.name)
      if (running !== undefined) return yield* Deferred.await(running)
      const outcome = Deferred.makeUnsafe<Outcome, SignInError>()
      pending.set(request.name, outcome)
      return yield* Effect.gen(function* () {
        const before = (yield* statusOf(request.name))?.credential
        return (
          (yield* elsewhere(request.name, before)) ?? (yield* authorized(yield* completed(request, before), before))
        )
      }).pipe(
        Effect.scoped,
        Effect.provideService(Fetch, fetch),
        Effect.onExit((exit) => {
          pending.delete(request.name)
          return Exit.hasInterrupts(exit) ? Deferred.fail(outcome, givenUp) : Deferred.done(outcome, exit)
        }),
      )
    }),
    revoke: (credential) => Effect.provideService(Revocation.revoke(credential), Fetch, fetch),
  })
})

/** How often to look whether another process has finished its sign-in. */
const othersCheck = "500 millis"

const givenUp = new SignInFailed({ reason: "expired", message: "the sign-in under way was given up" })

export const layer: Layer.Layer<SignIn, never, Keeper | Person> = Layer.effect(SignIn, make)

/** What no metadata will say again. */
const endpointsOf = ({ from, metadata }: Metadata.AuthorizationServer) =>
  from === "metadata"
    ? {}
    : {
        ...(metadata.authorization_endpoint && { authorizationEndpoint: metadata.authorization_endpoint }),
        ...(metadata.device_authorization_endpoint && {
          deviceAuthorizationEndpoint: metadata.device_authorization_endpoint,
        }),
        ...(metadata.revocation_endpoint && { revocationEndpoint: metadata.revocation_endpoint }),
      }

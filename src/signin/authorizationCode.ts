/**
 * The authorization code flow (RFC 6749 §4.1) with PKCE S256 (RFC 7636), through a browser on this machine or another.
 *
 * **Invariants**
 *
 * - One verifier and one state an attempt, and a code goes to the token endpoint only after `callback.ts` has found it to
 *   be the answer to this attempt. Anything else that arrives changes nothing.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as oauth from "oauth4webapi"
import { clientAuth } from "../exchange/clientAuth.ts"
import type { Tokens } from "../lifecycle/Credential.ts"
import * as Callback from "./callback.ts"
import { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import type { Listener, Received } from "./listener.ts"
import * as Page from "./page.ts"
import { Person } from "./Person.ts"
import * as TokenRequest from "./tokenRequest.ts"

/** How long a person may take. */
const patience = "5 minutes"

/** Parameters that carry the flow's security, or its result back to us: nobody else's to set. */
export const reserved: ReadonlyArray<string> =
  "client_id response_type redirect_uri state code_challenge code_challenge_method request request_uri".split(" ")

export interface Request extends TokenRequest.Context {
  readonly redirectUri: string
  /** Absent when the browser comes back elsewhere. */
  readonly listener: Listener | undefined
  /** `scope`, `resource` and what the provider or the person adds. */
  readonly parameters: Readonly<Record<string, string>>
}

interface Answered {
  readonly verdict: Exclude<Callback.Verdict, { readonly _tag: "Foreign" }>
  readonly show: Received["show"]
}

type Judge = (parameters: URLSearchParams) => Callback.Verdict

const fromBrowser = Effect.fnUntraced(function* (listener: Listener, judge: Judge): Effect.fn.Return<Answered> {
  while (true) {
    const { parameters, show } = yield* listener.next
    const verdict = judge(parameters)
    if (verdict._tag !== "Foreign") return { verdict, show }
    yield* Effect.forkDetach(show(Page.foreign))
  }
})

const fromPaste = Effect.fnUntraced(function* (judge: Judge): Effect.fn.Return<Answered, never, Person> {
  const person = yield* Person
  while (true) {
    const parameters = Callback.pasted(yield* person.pasted)
    const verdict = parameters && judge(parameters)
    if (verdict !== undefined && verdict._tag !== "Foreign") return { verdict, show: () => Effect.void }
    yield* person.tell(
      verdict === undefined
        ? "that is not the URL that the browser was sent to in the end: it begins with the redirect URI and has a state"
        : "that URL belongs to another sign-in: paste the one that this sign-in ended at",
    )
  }
})

const pushed = Effect.fnUntraced(function* ({ client, server }: Request, parameters: URLSearchParams) {
  const url = server.metadata.pushed_authorization_request_endpoint
  if (url === undefined) {
    const message = "the server wants pushed authorization requests (RFC 9126), and its metadata says nowhere to"
    return yield* new SignInFailed({ reason: "unsupported", message })
  }
  return yield* Guard.call("the pushed authorization request endpoint", url, server.source, async (options) => {
    const { metadata } = server
    const oauthClient = { client_id: client.clientId }
    return oauth.processPushedAuthorizationResponse(
      metadata,
      oauthClient,
      await oauth.pushedAuthorizationRequest(metadata, oauthClient, clientAuth(client), parameters, options),
    )
  })
})

/** Where the browser is sent. */
const authorizationUrl = Effect.fnUntraced(function* (request: Request, parameters: URLSearchParams) {
  const { client, server } = request
  const endpoint = server.metadata.authorization_endpoint
  if (endpoint === undefined) {
    const message = "the server's metadata names no authorization endpoint: try --device"
    return yield* new SignInFailed({ reason: "unsupported", message })
  }
  const problem = Guard.urlProblem(endpoint, server.source, "the authorization endpoint")
  if (problem !== undefined) return yield* problem
  const url = new URL(endpoint)
  const isPushed = server.metadata.require_pushed_authorization_requests === true
  const sent = isPushed
    ? new URLSearchParams({ client_id: client.clientId, request_uri: (yield* pushed(request, parameters)).request_uri })
    : parameters
  for (const [name, value] of sent) url.searchParams.set(name, value)
  return url.href
})

const late = new SignInFailed({ reason: "expired", message: `nobody finished the sign-in within ${patience}` })

export interface Authorized {
  readonly tokens: Tokens
  /** The authorization request as it was made. */
  readonly sent: URLSearchParams
}

/** Signs in, hands what was granted to `use`, and shows the browser how that ended. */
export const authorize = Effect.fnUntraced(function* <A, E extends { readonly message: string }>(
  request: Request,
  use: (authorized: Authorized) => Effect.Effect<{ readonly page: Page.Page; readonly value: A }, E>,
): Effect.fn.Return<A, SignInFailed | E, Person> {
  const person = yield* Person
  const { client, listener, redirectUri, server } = request
  const { metadata } = server
  const oauthClient = { client_id: client.clientId }
  const state = oauth.generateRandomState()
  const verifier = oauth.generateRandomCodeVerifier()
  const sent = new URLSearchParams({
    ...request.parameters,
    client_id: client.clientId,
    response_type: "code",
    redirect_uri: redirectUri,
    state,
    code_challenge: yield* Effect.promise(() => oauth.calculatePKCECodeChallenge(verifier)),
    code_challenge_method: "S256",
    // RFC 9449 §10: the code is bound to the key from the start.
    ...(request.proof && { dpop_jkt: yield* Effect.promise(() => request.proof!.calculateThumbprint()) }),
  })
  const url = yield* authorizationUrl(request, sent)
  const judge: Judge = (parameters) => Callback.judge(metadata, oauthClient, state, parameters)

  yield* person.visit({ url, returns: listener !== undefined })
  const paste = fromPaste(judge)
  const { show, verdict } = yield* (
    listener === undefined ? paste : Effect.raceFirst(fromBrowser(listener, judge), paste)
  ).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(late) }))

  const finish = Effect.gen(function* () {
    if (verdict._tag === "MixedUp") return yield* Guard.untrusted(`${verdict.cause}: nothing of it is used`)
    if (verdict._tag === "Refused") {
      const now = yield* Clock.currentTimeMillis
      return yield* Guard.failureOf(verdict.error, "the authorization server", "", now)
    }
    const resource = request.parameters["resource"]
    const tokens = yield* TokenRequest.send(request, [verifier, verdict.parameters.get("code") ?? ""], (options) =>
      oauth.authorizationCodeGrantRequest(
        metadata,
        oauthClient,
        clientAuth(client),
        verdict.parameters,
        redirectUri,
        verifier,
        { ...options, ...(resource !== undefined && { additionalParameters: { resource } }) },
      ),
    )
    return yield* use({ tokens, sent })
  })
  const { page, value } = yield* Effect.tapError(finish, ({ message }) => show(Page.failed(message)))
  yield* show(page)
  return value
})

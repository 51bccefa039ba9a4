/**
 * One request to the token endpoint that is not a refresh. The answer is read like that to a refresh, by the provider's
 * profile (`classify.ts`): the same servers write the same odd answers here.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { customFetch, type DPoPHandle } from "oauth4webapi"
import { wantsNonce } from "../exchange/dpop.ts"
import { inJson } from "../exchange/request.ts"
import type { Credential, Tokens } from "../lifecycle/Credential.ts"
import * as Expiry from "../lifecycle/Expiry.ts"
import * as Answer from "../provider/answer.ts"
import { classify } from "../provider/classify.ts"
import type { ProviderProfile } from "../provider/ProviderProfile.ts"
import { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import type { AuthorizationServer } from "./metadata.ts"

export type Client = Credential["client"]

export interface Context {
  readonly server: AuthorizationServer
  readonly client: Client
  readonly profile: ProviderProfile
  /** The tokens are to be bound to its key (RFC 9449). */
  readonly proof?: DPoPHandle | undefined
}

const what = "the token endpoint"

/** `secrets`: what is sent beside the client's own, and must not be repeated in a message. */
export const send = Effect.fnUntraced(function* (
  { client, profile, proof, server }: Context,
  secrets: ReadonlyArray<string>,
  request: (options: Guard.RequestOptions) => Promise<Response>,
): Effect.fn.Return<Tokens, SignInFailed> {
  const url = server.metadata.token_endpoint
  if (url === undefined) {
    return yield* new SignInFailed({ reason: "unsupported", message: "the server's metadata names no token endpoint" })
  }
  const sentAt = yield* Clock.currentTimeMillis
  const ask = Guard.call(what, url, server.source, async (options) => {
    const fetch = options[customFetch]
    const inItsForm: Guard.RequestOptions = {
      ...options,
      ...(proof && { DPoP: proof }),
      [customFetch]: (url, init) => fetch(url, profile.requestBody === "json" ? inJson(init) : init),
    }
    const response = await request(inItsForm)
    const contentType = response.headers.get("content-type") ?? undefined
    return { status: response.status, contentType, body: await response.text() }
  })
  const first = yield* ask
  const isAskedAgain = proof !== undefined && wantsNonce(first.status, first.contentType, first.body)
  const answer = isAskedAgain ? yield* ask : first
  const now = yield* Clock.currentTimeMillis
  const hidden = [...secrets, ...(client.clientSecret ? [Redacted.value(client.clientSecret)] : [])]
  const outcome = classify(answer, profile, now, hidden)
  if (outcome._tag === "Rotated") return Expiry.sooner(outcome.tokens, now - sentAt)
  const fields = Answer.fieldsOf(answer.body, answer.contentType)
  const [code] = fields === undefined ? [] : Answer.codesOf(fields)
  return yield* new SignInFailed({
    reason: code === "access_denied" ? "denied" : code === "expired_token" ? "expired" : "refused",
    message: `${what}: ${outcome.cause}`,
    ...(code !== undefined && { code }),
  })
})

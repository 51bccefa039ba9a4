/**
 * What an answer to a presentation means: the classification, and what only the one who asked can tell. Pure.
 *
 * No secret in `cause` (I10): a server's words are scrubbed of everything that went out with the request.
 */
import * as Redacted from "effect/Redacted"
import type { Answer, Credential } from "../lifecycle/Credential.ts"
import * as Expiry from "../lifecycle/Expiry.ts"
import { builtIn } from "../provider/builtIn.ts"
import { classify, retryAt } from "../provider/classify.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import { withoutSecrets } from "../provider/scrub.ts"
import { formEncoded } from "./clientAuth.ts"
import type { Outcome } from "./TokenEndpoint.ts"

/** Everything that goes out with a request and must not come back in a message. */
const secretsOf = ({ client, tokens }: Credential): ReadonlyArray<string> => {
  const held = [tokens.accessToken, tokens.refreshToken, client.clientSecret].flatMap((secret) =>
    secret === undefined ? [] : [Redacted.value(secret)],
  )
  const basic = client.clientSecret && [client.clientId, Redacted.value(client.clientSecret)].map(formEncoded)
  return basic === undefined ? held : [...held, basic.join(":")]
}

/** A redirect would carry the refresh token to whoever the answer names. */
const redirected = ({ at, location, retryAfter, status }: Answer, credential: Credential): Outcome => {
  const target = location === undefined ? undefined : URL.parse(location, credential.tokenEndpoint)?.host
  const to = target ? ` to ${withoutSecrets(target, secretsOf(credential))}` : ""
  const cause = `the server answered ${status}, a redirect${to}, and a refresh token is not sent elsewhere`
  return { _tag: "Rejected", cause, dead: undefined, retryAt: retryAt(retryAfter, at) }
}

/** The profile of a credential's provider; one that is not known here is read like any other server. */
export const profileOf = (
  { provider }: Credential,
  profiles: ReadonlyArray<ProviderProfile.ProviderProfile> = builtIn,
): ProviderProfile.ProviderProfile => ProviderProfile.find(profiles, provider) ?? ProviderProfile.generic

/**
 * By the answer, as far as it arrived. It is the same whether the answer has just come or is read from the journal by
 * somebody else: instants in it are those of whoever heard it. `profiles`: those that are known on this machine.
 */
export const read = (
  credential: Credential,
  answer: Answer,
  profiles: ReadonlyArray<ProviderProfile.ProviderProfile> = builtIn,
): Outcome => {
  if (answer.status >= 300 && answer.status <= 399) return redirected(answer, credential)
  const { at, cut, sentAt } = answer
  const body = Redacted.value(answer.body)
  const whole = classify(
    { ...answer, body },
    profileOf(credential, profiles),
    at,
    secretsOf(credential),
    credential.tokens,
  )
  // JSON that broke off does not parse. A form does, without what was still to come: a longer token, the refresh token.
  const partial = cut !== undefined && whole._tag === "Rotated" && !body.trimStart().startsWith("{")
  const outcome: Outcome = partial ? { _tag: "Ambiguous", cause: "the server's answer broke off" } : whole
  if (outcome._tag !== "Rotated") {
    return cut === undefined ? outcome : { ...outcome, cause: `${outcome.cause} (${cut})` }
  }
  // An echo of the request. As an access token it would be shown to every resource server.
  const refreshToken = credential.tokens.refreshToken && Redacted.value(credential.tokens.refreshToken)
  return Redacted.value(outcome.tokens.accessToken) === refreshToken
    ? { _tag: "Ambiguous", cause: `the server answered ${answer.status} with our refresh token as the access token` }
    : { _tag: "Rotated", tokens: Expiry.sooner(outcome.tokens, at - sentAt) }
}

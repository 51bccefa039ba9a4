/**
 * From what a token endpoint answered to an `Outcome`: the one place that decides whether a grant lives. Facts:
 * providers §5-§7, refresh-protocol §4.6.
 *
 * | answer | outcome | why |
 * |---|---|---|
 * | 2xx with a usable access token | Rotated | however odd the rest: the old refresh token is consumed |
 * | 2xx with a refresh token alone | Rotated, where the profile says so; else Ambiguous | OpenAI: what is absent is kept |
 * | 2xx that calls itself an error | Rejected | GitHub, Slack |
 * | 2xx otherwise: HTML, truncated, empty | Ambiguous | the server may have rotated before somebody spoiled its answer |
 * | 502, 504, 520, 524 | Ambiguous | a gateway lost the answer of a server that may have rotated |
 * | 408, 421, 425, 429, other 5xx | Rejected, passing | busy is not dead |
 * | 3xx, and 4xx with anything but a known code | Rejected, passing | suspected at most |
 * | 4xx or 2xx with a spelling of the tables | Rejected, dead | |
 *
 * **Invariants**
 *
 * - Dead only by the tables (I8), and total: no answer makes it throw.
 * - No text of the answer reaches `cause` but its code and description, both scrubbed (I10).
 */
import * as Redacted from "effect/Redacted"
import type { Outcome } from "../exchange/TokenEndpoint.ts"
import type { DeadReason, Tokens } from "../lifecycle/Credential.ts"
import * as Expiry from "../lifecycle/Expiry.ts"
import * as Answer from "./answer.ts"
import type { ProviderProfile, Spelling } from "./ProviderProfile.ts"
import * as Scrub from "./scrub.ts"
import * as Spellings from "./spellings.ts"

/** What the server said, as it arrived. */
export interface TokenAnswer {
  readonly status: number
  readonly contentType?: string | undefined
  /** The header `Retry-After`. */
  readonly retryAfter?: string | undefined
  /** The header `Date`: the server's clock. */
  readonly date?: string | undefined
  readonly body: string
}

/** Cloudflare's 520 and 524 are a 502 and a 504 by another number. */
const gatewayStatuses: ReadonlySet<number> = new Set([502, 504, 520, 524])

const busyStatuses: ReadonlySet<number> = new Set([408, 421, 425, 429])

const longestPauseMillis = 3_600_000

/** RFC 9110 §10.2.3: seconds or a date. What is absurd is cut to an hour: a header must not switch a login off. */
export const retryAt = (retryAfter: string | undefined, now: number): number => {
  const value = retryAfter?.trim() ?? ""
  const millis = /^\d+(?:\.\d+)?$/.test(value)
    ? Number(value) * 1000
    : /^[A-Za-z]{3,9},? /.test(value)
      ? Date.parse(value) - now
      : 0
  return now + (millis > 0 ? Math.min(millis, longestPauseMillis) : 0)
}

/** What servers call a bearer token: Slack says what it is for, Apigee likes it long. */
const bearerNames: ReadonlySet<string> = new Set(["bearer", "bearertoken", "bot", "user"])

/** RFC 6749 §5.1, as the scheme of an `Authorization` header. `undefined`: not a token for requests (RFC 8693 `N_A`). */
const schemeOf = (tokenType: string | undefined): string | undefined => {
  if (tokenType === undefined || bearerNames.has(tokenType.toLowerCase())) return "Bearer"
  if (tokenType.toUpperCase() === "N_A") return undefined
  return /^[A-Za-z][A-Za-z0-9._-]{0,31}$/.test(tokenType) ? tokenType : "Bearer"
}

/** The end of the year 9999: what lies behind it is no date for anyone, and a token's life ends there unknown. */
const lastInstant = 253_402_300_799_999

/** Less than this between two clocks is the way of the answer, and the second that `Date` is rounded to. */
const negligibleOffsetMillis = 5_000

/** By how much the server's clock is ahead of the one that said `now`; `undefined` where it does not say its time. */
const offsetOf = (date: string | undefined, now: number): number | undefined => {
  const offset = date === undefined ? Number.NaN : Date.parse(date) - now
  return Number.isNaN(offset) ? undefined : Math.abs(offset) < negligibleOffsetMillis ? 0 : offset
}

const expiryOf = (
  grant: Answer.Grant,
  profile: ProviderProfile,
  now: number,
  offsetMillis: number | undefined,
): Tokens["expiry"] => {
  const from = (expiresIn: unknown) => {
    const expiry = Expiry.fromTokenResponse(expiresIn, grant.accessToken, now, offsetMillis)
    return expiry._tag === "Known" && !(expiry.at <= lastInstant) ? ({ _tag: "Unknown" } as const) : expiry
  }
  const told = grant.expiresIn
  switch (profile.expirySource) {
    case "expires_in":
      return from(told)
    case "milliseconds":
      return from(typeof told === "number" || typeof told === "string" ? Number(told) / 1000 : undefined)
    case "jwt": {
      const own = from(undefined)
      return own._tag === "Known" ? own : from(told)
    }
  }
}

/**
 * The successor of `held` when only the refresh token is new. Treated as if it were minted now, so that what is left of its
 * life decides when to ask again; and one that has ended is used until refused, since it would be refreshed in a loop.
 */
const kept = ({ refreshAt: _, ...held }: Tokens, refreshToken: string, now: number): Tokens => ({
  ...held,
  refreshToken: Redacted.make(refreshToken),
  expiry:
    held.expiry._tag === "Known"
      ? held.expiry.at > now
        ? { _tag: "Known", at: held.expiry.at, lifetimeMillis: held.expiry.at - now }
        : { _tag: "Unknown" }
      : held.expiry,
  obtainedAt: now,
})

const optional = <Name extends string, A>(name: Name, value: A | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: A }

const tokensOf = (
  grant: Answer.Grant,
  scheme: string,
  profile: ProviderProfile,
  now: number,
  offsetMillis: number | undefined,
): Tokens => ({
  accessToken: Redacted.make(grant.accessToken),
  ...(grant.refreshToken !== undefined && { refreshToken: Redacted.make(grant.refreshToken) }),
  ...(grant.idToken !== undefined && { idToken: Redacted.make(grant.idToken) }),
  tokenType: scheme,
  ...(grant.scope !== undefined && { scope: grant.scope }),
  expiry: expiryOf(grant, profile, now, offsetMillis),
  obtainedAt: now,
  ...optional("refreshAt", Expiry.refreshAtOf(grant.refreshIn, now)),
  ...optional("clockOffsetMillis", offsetMillis === 0 ? undefined : offsetMillis),
})

/** A code and the words that came with it. The code is empty where the server sent words only. */
interface Said {
  readonly codes: ReadonlyArray<string>
  readonly descriptions: ReadonlyArray<string>
  readonly isError: boolean
}

const saidIn = (answer: TokenAnswer, fields: Answer.Fields | undefined): Said => {
  if (fields !== undefined) {
    return {
      codes: Answer.codesOf(fields),
      descriptions: Answer.descriptionsOf(fields),
      isError: Answer.saysError(fields),
    }
  }
  // A bare sentence, as Zoom once wrote. A page of HTML is somebody else's.
  const sentence = answer.body.trim()
  const isSentence = sentence !== "" && sentence.length <= 200 && !/[<{[\n]/.test(sentence)
  return { codes: [], descriptions: isSentence ? [sentence] : [], isError: false }
}

/** As people compare sentences: without case, and without the full stop. */
const plain = (words: string): string => words.trim().replace(/\.$/, "").toLowerCase()

const says = (words: string, phrase: string): boolean =>
  phrase.endsWith("*") ? plain(words).startsWith(plain(phrase.slice(0, -1))) : plain(words) === plain(phrase)

/** The words by which a row recognizes the answer: the whole code, or the whole phrase that came with it. */
const matched = (
  row: Spelling,
  status: number,
  code: string,
  descriptions: ReadonlyArray<string>,
): string | undefined => {
  if (row.code.toLowerCase() !== code.toLowerCase() || (row.status ?? status) !== status) return undefined
  const { phrase } = row
  // A row that names neither a code nor a phrase would condemn every answer without a code.
  if (phrase === undefined) return code === "" ? undefined : code
  const words = descriptions.find((words) => says(words, phrase))
  return words !== undefined && code !== "" ? code : words
}

/** The first code that any table knows decides; a code that no table knows leaves the word to the next. */
const verdict = (
  status: number,
  said: Said,
  profile: ProviderProfile,
  secrets: ReadonlyArray<string>,
): { reason: DeadReason; code: string } | undefined => {
  const table = [...profile.spellings, ...Spellings.everywhere]
  const codes = said.codes.length === 0 ? [""] : said.codes
  for (const code of codes) {
    if (
      code.toLowerCase() === "invalid_request" &&
      said.descriptions.some((words) => Spellings.retryHint.test(words))
    ) {
      return undefined
    }
    for (const row of table) {
      const words = matched(row, status, code, said.descriptions)
      if (words === undefined) continue
      if (row.means === "passing") return undefined
      return { reason: row.means, code: code === "" ? Scrub.description(words, secrets) : code }
    }
  }
  return undefined
}

/**
 * What became of the refresh token, by the answer to its presentation. `now` is the instant of the answer (epoch
 * milliseconds), `secrets` what was sent with it and must not be repeated, `held` the tokens that it was to replace.
 */
export const classify = (
  answer: TokenAnswer,
  profile: ProviderProfile,
  now: number,
  secrets: ReadonlyArray<string> = [],
  held?: Tokens,
): Outcome => {
  const { status } = answer
  const fields = Answer.fieldsOf(answer.body, answer.contentType)
  const granted = status >= 200 && status <= 299
  const grant = granted && fields !== undefined ? Answer.grantOf(fields) : undefined
  const scheme = grant && schemeOf(grant.tokenType)
  if (grant !== undefined && scheme !== undefined) {
    return { _tag: "Rotated", tokens: tokensOf(grant, scheme, profile, now, offsetOf(answer.date, now)) }
  }

  const said = saidIn(answer, fields)
  // A server that may leave the access token out has consumed the old refresh token all the same.
  const successor = granted && !said.isError && fields !== undefined ? Answer.refreshTokenOf(fields) : undefined
  if (profile.accessTokenOptional && held !== undefined && successor !== undefined && grant === undefined) {
    return { _tag: "Rotated", tokens: kept(held, successor, now) }
  }
  const unspeakable = [...secrets, ...Answer.secretsOf(fields)]
  const cause = causeOf(status, said, unspeakable)
  const passing: Outcome = { _tag: "Rejected", cause, dead: undefined, retryAt: retryAt(answer.retryAfter, now) }
  if (gatewayStatuses.has(status)) return { _tag: "Ambiguous", cause }
  if (status >= 500 || busyStatuses.has(status)) return passing

  const dead = granted || status >= 400 ? verdict(status, said, profile, unspeakable) : undefined
  if (dead !== undefined && (!granted || fields !== undefined)) return { _tag: "Rejected", cause, dead, retryAt: now }
  return granted && !said.isError ? { _tag: "Ambiguous", cause: `${cause}, without a usable access token` } : passing
}

const causeOf = (status: number, said: Said, secrets: ReadonlyArray<string>): string => {
  const code = said.codes.map((code) => Scrub.code(code, secrets)).find((code) => code !== undefined)
  const words = said.descriptions.map((words) => Scrub.description(words, secrets)).find((words) => words !== "")
  return `the server answered ${status}${code === undefined ? "" : ` ${code}`}${words === undefined ? "" : `: "${words}"`}`
}

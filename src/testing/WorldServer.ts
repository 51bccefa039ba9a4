/**
 * The authorization server as a world knows it: one client, its families, its answers as they
 * go over the wire, and looks that change nothing, for the monitors.
 */
import { type Answer as Wire, granted as grantedAnswer } from "./answers.ts"
import * as Family from "./Family.ts"
import { over, type Policy, standard } from "./Policy.ts"
import * as Spellings from "./spellings.ts"

/** What the server says to one request, and what that means to somebody who knows everything. */
export interface Answer {
  readonly wire: Wire
  readonly words: string
  readonly granted: { readonly accessToken: string; readonly refreshToken: string | undefined } | undefined
  /** It calls the refresh token dead. */
  readonly dead: boolean
  /** It leaves open whether the request was carried out. */
  readonly unsure: boolean
}

export interface Grant {
  readonly accessToken: string
  readonly refreshToken: string
}

/** Short names, so that traces read well: the second access token of the first family is `AT2`. */
const secretOf: Family.SecretOf = (kind, { number: family }, number) =>
  `${kind === "at" ? "AT" : "RT"}${family > 1 ? `${"i".repeat(family)}.` : ""}${number}`

export interface WorldServer {
  readonly policy: Policy
  readonly first: Grant
  readonly present: (refreshToken: string, now: number) => Answer
  /** An answer without any work done: 429, 503, or the gateway's 502. */
  readonly refuse: (status: 429 | 502 | 503, now: number) => Answer
  /** Whether the refresh token would be honoured now. */
  readonly accepts: (refreshToken: string, now: number) => boolean
  /** Whether a resource server takes the access token now. */
  readonly works: (accessToken: string, now: number) => boolean
  readonly used: (accessToken: string) => void
  /** Early death of one access token, which nobody is told of. */
  readonly withdraw: (accessToken: string) => void
  readonly revoke: () => void
  readonly isRevoked: () => boolean
  readonly issue: (now: number) => Grant
  readonly secrets: () => ReadonlyArray<string>
  readonly digest: () => string
}

/** `firstExpiresAt`: when the first access token ends. */
export const make = (overrides: Partial<Policy>, firstExpiresAt: number): WorldServer => {
  const policy = over(standard, overrides)
  const families: Array<Family.Family> = []
  const refreshTokens = new Map<string, Family.RefreshToken>()
  const accessTokens = new Map<string, Family.AccessToken>()

  const remember = (pair: Family.Pair): Family.Pair => {
    accessTokens.set(pair.access.secret, pair.access)
    if (pair.refresh !== undefined) refreshTokens.set(pair.refresh.secret, pair.refresh)
    return pair
  }
  const issue = (at: number): Grant => {
    const family = Family.make({
      number: families.length + 1,
      clientId: "client",
      scope: undefined,
      resource: undefined,
      overrides: undefined,
    })
    families.push(family)
    const { access, refresh } = Family.mint(family, undefined, policy, at, undefined, secretOf)
    remember({ access, refresh })
    return { accessToken: access.secret, refreshToken: refresh.secret }
  }
  const first = issue(firstExpiresAt - policy.accessLifetimeMillis)
  const wordsOf = (token: string, wire: Wire, fate: string): string => `${wire.status} to ${token}: ${fate}`

  const dead = (token: string, why: Spellings.Why): Answer => {
    const wire = Spellings.dead(policy.dead, why)
    return { wire, words: wordsOf(token, wire, why), granted: undefined, dead: true, unsure: false }
  }

  return {
    policy,
    first,
    present: (token, at) => {
      const known = refreshTokens.get(token)
      if (known === undefined) return dead(token, "unknown")
      const judgement = Family.judge(known, policy, at)
      const pair = Family.present(known, judgement, policy, at, undefined, secretOf)
      if (judgement._tag === "Refused" || pair === undefined) {
        const { revokes, why } = judgement as Extract<typeof judgement, { _tag: "Refused" }>
        const answer = dead(token, why)
        return revokes ? { ...answer, words: `${answer.words}, and the whole family is revoked` } : answer
      }
      remember(pair)
      const wire = grantedAnswer(
        {
          accessToken: pair.access.secret,
          refreshToken: pair.refresh?.secret,
          expiresInMillis: pair.access.expiresAt - at,
          scope: undefined,
        },
        policy,
      )
      const words = wordsOf(token, wire, `${pair.access.secret}${pair.refresh ? ` and ${pair.refresh.secret}` : ""}`)
      const granted = { accessToken: pair.access.secret, refreshToken: pair.refresh?.secret }
      return { wire, words, granted, dead: false, unsure: false }
    },
    refuse: (status, at) => {
      const wire = Spellings.trouble(
        status === 429 ? "busySeconds" : status === 503 ? "unavailable" : "htmlBadGateway",
        at,
      )
      return { wire, words: `${status}`, granted: undefined, dead: false, unsure: status === 502 }
    },
    accepts: (token, at) => {
      const known = refreshTokens.get(token)
      return known !== undefined && Family.judge(known, policy, at)._tag === "Honoured"
    },
    works: (token, at) => {
      const known = accessTokens.get(token)
      return known !== undefined && Family.inactive(known, at) === undefined
    },
    used: (token) => {
      Family.used(accessTokens.get(token)?.refreshToken, policy)
    },
    withdraw: (token) => {
      accessTokens.get(token)!.revoked = true
    },
    revoke: () => families.forEach((family) => Family.revoke(family, policy.revokesAccessTokens)),
    isRevoked: () => families.every(({ revoked }) => revoked),
    issue,
    secrets: () => [...refreshTokens.keys(), ...accessTokens.keys()],
    digest: () => families.map(Family.digest).join("&"),
  }
}

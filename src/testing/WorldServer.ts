/**
 * The authorization server as a world knows it: one client, its families, its answers as they
 * go over the wire, and looks that change nothing, for the monitors.
 */
import { type Answer as Wire, granted as grantedAnswer } from "./answers.ts"
import * as Family from "./Family.ts"
import { over, type Policy, standard } from "./Policy.ts"
import { jwtOf } from "./loginFile.ts"
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
const secretOf =
  ({ accessTokens }: Policy): Family.SecretOf =>
  (kind, { number: family }, number, expiresAt) => {
    const name = `${kind === "at" ? "AT" : "RT"}${family > 1 ? `${"i".repeat(family)}.` : ""}${number}`
    return kind === "at" && accessTokens === "jwt" ? jwtOf(name, expiresAt) : name
  }

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
  /** The same once more, so that each can go its own way. */
  readonly fork: () => WorldServer
}

/** `firstExpiresAt`: when the first access token ends. */
export const make = (overrides: Partial<Policy>, firstExpiresAt: number): WorldServer => {
  const policy = over(standard, overrides)
  const families: Array<Family.Family> = []
  return from(policy, families, issueTo(families, policy, firstExpiresAt - policy.accessLifetimeMillis))
}

const issueTo = (families: Array<Family.Family>, policy: Policy, at: number): Grant => {
  const family = Family.make({
    number: families.length + 1,
    clientId: "client",
    scope: undefined,
    resource: undefined,
    overrides: undefined,
  })
  families.push(family)
  const { access, refresh } = Family.mint(family, undefined, policy, at, undefined, secretOf(policy))
  return { accessToken: access.secret, refreshToken: refresh.secret }
}

const from = (policy: Policy, families: Array<Family.Family>, first: Grant): WorldServer => {
  // There are a few tokens at the most: looking through them is cheaper than keeping an index of them for every world.
  const refreshToken = (secret: string): Family.RefreshToken | undefined => {
    for (const { refreshTokens } of families)
      for (const token of refreshTokens) if (token.secret === secret) return token
    return undefined
  }
  const accessToken = (secret: string): Family.AccessToken | undefined => {
    for (const { accessTokens } of families) for (const token of accessTokens) if (token.secret === secret) return token
    return undefined
  }
  const wordsOf = (token: string, wire: Wire, fate: string): string => `${wire.status} to ${token}: ${fate}`

  const dead = (token: string, why: Spellings.Why): Answer => {
    const wire = Spellings.dead(policy.dead, why)
    return { wire, words: wordsOf(token, wire, why), granted: undefined, dead: true, unsure: false }
  }

  return {
    policy,
    first,
    present: (token, at) => {
      const known = refreshToken(token)
      if (known === undefined) return dead(token, "unknown")
      const judgement = Family.judge(known, policy, at)
      const pair = Family.present(known, judgement, policy, at, undefined, secretOf(policy))
      if (judgement._tag === "Refused" || pair === undefined) {
        const { revokes, why } = judgement as Extract<typeof judgement, { _tag: "Refused" }>
        const answer = dead(token, why)
        return revokes ? { ...answer, words: `${answer.words}, and the whole family is revoked` } : answer
      }
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
      const known = refreshToken(token)
      return known !== undefined && Family.judge(known, policy, at)._tag === "Honoured"
    },
    works: (token, at) => {
      const known = accessToken(token)
      return known !== undefined && Family.inactive(known, at) === undefined
    },
    used: (token) => {
      Family.used(accessToken(token)?.refreshToken, policy)
    },
    withdraw: (token) => {
      accessToken(token)!.revoked = true
    },
    revoke: () => families.forEach((family) => Family.revoke(family, policy.revokesAccessTokens)),
    isRevoked: () => families.every(({ revoked }) => revoked),
    issue: (at) => issueTo(families, policy, at),
    secrets: () =>
      families.flatMap(({ accessTokens, refreshTokens }) =>
        [...refreshTokens, ...accessTokens].map(({ secret }) => secret),
      ),
    digest: () => families.map(Family.digest).join("&"),
    fork: () => from(policy, families.map(Family.copy), first),
  }
}

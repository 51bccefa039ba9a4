/**
 * One grant and every token that came out of it: what becomes of a refresh token that is presented, by reuse class.
 *
 * **Invariants**
 *
 * - One call is one step: consuming a token and minting its successor cannot be told apart in time.
 * - A judgement is a look and changes nothing, so that a monitor may ask at any moment what would happen.
 * - Tokens are numbered within their family. Histories that differ only in what other families did, or in what was
 *   refused, lead to the same names, and so to the same digest.
 */
import { type Overrides, type Policy, revokesFamily } from "./Policy.ts"
import type { Why } from "./spellings.ts"

export interface Family {
  /** Within its server, from 1. */
  readonly number: number
  readonly clientId: string
  readonly scope: string | undefined
  readonly resource: string | undefined
  /** What is different for this grant. */
  readonly overrides: Overrides | undefined
  readonly refreshTokens: Array<RefreshToken>
  readonly accessTokens: Array<AccessToken>
  revoked: boolean
  /** Not every server takes the access tokens along. */
  accessRevoked: boolean
}

export interface RefreshToken {
  readonly kind: "refresh"
  readonly secret: string
  readonly number: number
  readonly family: Family
  readonly predecessor: RefreshToken | undefined
  readonly expiresAt: number
  consumedAt: number | undefined
  /** The newest pair minted in its place. */
  successor: Pair | undefined
  /** A successor, or the access token that came with it, has been used. */
  superseded: boolean
  /** Dead by itself: a sibling has taken its place. */
  replaced: boolean
}

export interface AccessToken {
  readonly kind: "access"
  readonly secret: string
  readonly number: number
  readonly family: Family
  /** The refresh token that it came with, or that stayed when it came. */
  readonly refreshToken: RefreshToken | undefined
  readonly scope: string | undefined
  readonly expiresAt: number
  revoked: boolean
}

export interface Pair {
  readonly access: AccessToken
  /** `undefined` when the answer carries none. */
  readonly refresh: RefreshToken | undefined
}

/** How the values of tokens come about. */
export type SecretOf = (kind: "at" | "rt", family: Family, number: number, expiresAt: number) => string

export const make = (grant: Pick<Family, "number" | "clientId" | "scope" | "resource" | "overrides">): Family => ({
  ...grant,
  refreshTokens: [],
  accessTokens: [],
  revoked: false,
  accessRevoked: false,
})

/** What a presentation would lead to: `keep` mints an access token only, `repeat` and `again` honour a consumed one. */
export type Judgement =
  | { readonly _tag: "Honoured"; readonly how: "rotate" | "keep" | "repeat" | "again" }
  | { readonly _tag: "Refused"; readonly why: Why; readonly revokes: boolean }

const refused = (why: Why, revokes = false): Judgement => ({ _tag: "Refused", why, revokes })

const honoured = (how: "rotate" | "keep" | "repeat" | "again"): Judgement => ({ _tag: "Honoured", how })

export const judge = (token: RefreshToken, policy: Policy, now: number): Judgement => {
  const { consumedAt, family } = token
  if (family.revoked) return refused(consumedAt === undefined ? "revoked" : "reused")
  if (token.replaced) return refused("revoked")
  if (now >= token.expiresAt) return refused("expired")
  if (consumedAt === undefined) {
    return honoured(policy.reuse === "notRotating" || policy.omitsRefreshToken ? "keep" : "rotate")
  }
  const inGrace = now - consumedAt < policy.graceMillis
  switch (policy.reuse) {
    case "notRotating":
      return honoured("keep")
    case "idempotent":
      if (inGrace) return honoured("repeat")
      break
    case "fork":
      if (inGrace) return honoured("again")
      break
    case "untilSuccessorUsed":
      if (!token.superseded) return honoured("again")
      break
  }
  return refused("reused", revokesFamily(policy))
}

/** What the token is to a server that looks at it with this judgement. */
export const standing = (token: RefreshToken, judgement: Judgement): "current" | "reuse" | "dead" => {
  if (judgement._tag === "Honoured")
    return judgement.how === "repeat" || judgement.how === "again" ? "reuse" : "current"
  return judgement.why === "reused" && !token.family.revoked ? "reuse" : "dead"
}

const mintAccess = (
  refreshToken: RefreshToken | undefined,
  family: Family,
  policy: Policy,
  now: number,
  scope: string | undefined,
  secretOf: SecretOf,
): AccessToken => {
  const number = family.accessTokens.length + 1
  const expiresAt = now + policy.accessLifetimeMillis
  const secret = secretOf("at", family, number, expiresAt)
  const access: AccessToken = { kind: "access", secret, number, family, refreshToken, scope, expiresAt, revoked: false }
  family.accessTokens.push(access)
  return access
}

export const mint = (
  family: Family,
  predecessor: RefreshToken | undefined,
  policy: Policy,
  now: number,
  scope: string | undefined,
  secretOf: SecretOf,
): { readonly access: AccessToken; readonly refresh: RefreshToken } => {
  const number = family.accessTokens.length + 1
  const expiresAt = now + policy.refreshLifetimeMillis
  const refresh: RefreshToken = {
    kind: "refresh",
    secret: secretOf("rt", family, number, expiresAt),
    number,
    family,
    predecessor,
    expiresAt,
    consumedAt: undefined,
    successor: undefined,
    superseded: false,
    replaced: false,
  }
  family.refreshTokens.push(refresh)
  return { access: mintAccess(refresh, family, policy, now, scope, secretOf), refresh }
}

/** A grant without a refresh token: the server gave none, or the client acts for itself. */
export const mintAccessOnly = (family: Family, policy: Policy, now: number, secretOf: SecretOf): Pair => ({
  access: mintAccess(undefined, family, policy, now, family.scope, secretOf),
  refresh: undefined,
})

export const revoke = (family: Family, accessTokens: boolean): void => {
  family.revoked = true
  if (accessTokens) family.accessRevoked = true
}

/**
 * The first use of a token, or of the access token that came with it, ends what its predecessor was kept for. Servers of
 * other classes do not look, and remember nothing.
 */
export const used = (token: RefreshToken | undefined, { reuse }: Policy): boolean => {
  const predecessor = token?.predecessor
  if (reuse !== "untilSuccessorUsed" || !predecessor || predecessor.superseded || token?.replaced) return false
  predecessor.superseded = true
  return true
}

/** Carries out what `judge` says. `undefined` when the token is refused. */
export const present = (
  token: RefreshToken,
  judgement: Judgement,
  policy: Policy,
  now: number,
  scope: string | undefined,
  secretOf: SecretOf,
): Pair | undefined => {
  const { family } = token
  if (judgement._tag === "Refused") {
    if (judgement.revokes) revoke(family, policy.revokesAccessTokens)
    return undefined
  }
  switch (judgement.how) {
    case "keep":
      used(token, policy)
      return {
        access: mintAccess(token, family, policy, now, scope, secretOf),
        refresh: policy.omitsRefreshToken ? undefined : token,
      }
    case "repeat":
      return token.successor
    case "rotate":
      used(token, policy)
      token.consumedAt = now
      break
    case "again": {
      const before = token.successor?.refresh
      if (before !== undefined && policy.reuse === "untilSuccessorUsed" && policy.replacesSuccessor)
        before.replaced = true
      break
    }
  }
  token.successor = mint(family, token, policy, now, scope, secretOf)
  return token.successor
}

/** The same once more, so that each can go its own way. */
export const copy = (family: Family): Family => {
  const next: Family = { ...family, refreshTokens: [], accessTokens: [] }
  const refresh = (token: RefreshToken | undefined): RefreshToken | undefined =>
    token && next.refreshTokens[family.refreshTokens.indexOf(token)]
  for (const token of family.refreshTokens) {
    next.refreshTokens.push({ ...token, family: next, predecessor: refresh(token.predecessor) })
  }
  for (const token of family.accessTokens) {
    next.accessTokens.push({ ...token, family: next, refreshToken: refresh(token.refreshToken) })
  }
  for (const token of next.refreshTokens) {
    if (token.successor === undefined) continue
    const access = next.accessTokens[family.accessTokens.indexOf(token.successor.access)]!
    token.successor = { access, refresh: refresh(token.successor.refresh) }
  }
  return next
}

/** Why an access token is not active, or `undefined` when it is. */
export const inactive = (token: AccessToken, now: number): "revoked" | "expired" | undefined => {
  if (token.revoked || token.family.accessRevoked) return "revoked"
  return now >= token.expiresAt ? "expired" : undefined
}

const refreshDigest = (token: RefreshToken): string =>
  `${token.number}<${token.predecessor?.number ?? ""}>${token.successor?.access.number ?? ""}` +
  `@${token.consumedAt ?? ""}~${token.expiresAt}${token.superseded ? "s" : ""}${token.replaced ? "r" : ""}`

const accessDigest = (token: AccessToken): string =>
  `${token.number}<${token.refreshToken?.number ?? ""}~${token.expiresAt}"${token.scope ?? ""}"${token.revoked ? "r" : ""}`

/** Everything about the family that its future depends on. */
export const digest = (family: Family): string => {
  const flags = `${family.revoked ? "R" : ""}${family.accessRevoked ? "A" : ""}`
  const { clientId, number, overrides, resource, scope } = family
  const grant = `${number}"${clientId}""${scope ?? ""}""${resource ?? ""}"${overrides === undefined ? "" : JSON.stringify(overrides)}`
  const refreshTokens = family.refreshTokens.map(refreshDigest).join(" ")
  return `${grant}${flags}[${refreshTokens}][${family.accessTokens.map(accessDigest).join(" ")}]`
}

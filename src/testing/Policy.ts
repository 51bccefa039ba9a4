/**
 * How a simulated authorization server behaves, as data: one value for the server, and a part of one for a client or a
 * grant that differs from it. Facts: providers §1, §7, §9.
 *
 * | `reuse` | a consumed refresh token again | after that, or outside its grace |
 * |---|---|---|
 * | `notRotating` | is never consumed | |
 * | `idempotent` | within grace the same answer again | as `onReuse` says: the family dies |
 * | `fork` | within grace one more valid pair each time | as `onReuse` says: the family dies |
 * | `untilSuccessorUsed` | another pair, until its successor or the access token that came with it is used | refused |
 * | `rejectOnly` | refused, and the winner lives | |
 * | `strict` | the family dies | |
 */
import type { ReuseClass } from "../lifecycle/Credential.ts"
import type { DeadSpelling } from "./spellings.ts"

export interface Policy {
  readonly reuse: ReuseClass
  /** From the first use, and over at its last millisecond: a reuse is inside while `elapsed < graceMillis`. */
  readonly graceMillis: number
  /** What a reuse costs that nothing allows. The default goes by the class; `strict` and `rejectOnly` do not ask. */
  readonly onReuse: "reject" | "revokeFamily" | undefined
  /** Whether a family that dies takes its access tokens along. */
  readonly revokesAccessTokens: boolean
  /**
   * `untilSuccessorUsed` only: whether another pair takes the place of the unused successor, whose refresh token dies
   * (Cloudflare's library), or stands beside it (Doorkeeper).
   */
  readonly replacesSuccessor: boolean
  readonly accessLifetimeMillis: number
  readonly refreshLifetimeMillis: number
  /** Answers without a refresh token: the presented one stays (RFC 6749 §6), so nothing rotates. */
  readonly omitsRefreshToken: boolean
  /** A sign-in yields no refresh token at all. */
  readonly withholdsRefreshToken: boolean
  readonly accessTokens: "opaque" | "jwt"
  readonly expiresIn: ExpiresIn
  readonly body: Body
  /** How a dead refresh token is called dead. */
  readonly dead: DeadSpelling
  /** RFC 8707: a request without `resource` is refused. */
  readonly requiresResource: boolean
  /** The resource server turns away every token, valid or not. */
  readonly refusesAccessTokens: boolean
}

/** How `expires_in` is written. `nan` is the text "NaN", `word` is "soon", and `null` is what JSON makes of a NaN. */
export const expiresInSpellings = [
  "seconds",
  "missing",
  "null",
  "zero",
  "negative",
  "nan",
  "word",
  "string",
  "milliseconds",
] as const
export type ExpiresIn = (typeof expiresInSpellings)[number]

/** How a granted answer is written: GitHub's form, HubSpot's camel case, Slack's `authed_user`, Linear's scope array. */
export const bodies = ["json", "form", "camelCase", "authedUser", "scopeArray"] as const
export type Body = (typeof bodies)[number]

export const standard: Policy = {
  reuse: "strict",
  graceMillis: 0,
  onReuse: undefined,
  revokesAccessTokens: true,
  replacesSuccessor: true,
  accessLifetimeMillis: 3_600_000,
  refreshLifetimeMillis: Infinity,
  omitsRefreshToken: false,
  withholdsRefreshToken: false,
  accessTokens: "opaque",
  expiresIn: "seconds",
  body: "json",
  dead: "oauth",
  requiresResource: false,
  refusesAccessTokens: false,
}

/** What is written over the standard. A member that is there but `undefined` changes nothing. */
export type Overrides = { readonly [K in keyof Policy]?: Policy[K] | undefined }

export const over = (policy: Policy, overrides: Overrides | undefined): Policy => {
  if (overrides === undefined) return policy
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined)
  return given.length === 0 ? policy : { ...policy, ...Object.fromEntries(given) }
}

/** Whether a reuse that the class does not allow ends the family. */
export const revokesFamily = ({ onReuse, reuse }: Policy): boolean => {
  switch (reuse) {
    case "strict":
      return true
    case "rejectOnly":
      return false
    default:
      return (onReuse ?? (reuse === "untilSuccessorUsed" ? "reject" : "revokeFamily")) === "revokeFamily"
  }
}

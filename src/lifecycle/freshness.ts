/**
 * When a token is fresh, when a refresh is due, and until when a token may be handed out.
 *
 * This module imports nothing, because three readers share it: the Keeper's hot path, the state machine and the
 * command line's fast path (a CommonJS file that loads no library). A property test proves that they agree.
 *
 * **Invariants**
 *
 * - One margin only: the stored expiry is the server's, the margin is applied here and nowhere else. A margin baked
 *   into the stored expiry and another at the check add up (seen in pi).
 * - The refresh window scales with the lifetime, so a 120-second token is not refreshed at every call.
 * - An expiry nobody knows never counts as expired: such a token is used until a resource server refuses it.
 */

/** Until when an access token lives. All instants are milliseconds since the Unix epoch. */
export type Expiry =
  /** `lifetimeMillis` is there when the server told it (an exchange), and absent for an imported token. */
  | { readonly _tag: "Known"; readonly at: number; readonly lifetimeMillis?: number }
  | { readonly _tag: "Unknown" }
  | { readonly _tag: "Never" }

/** What has to be known about a token to judge its freshness. Instants in epoch milliseconds. */
export interface Freshness {
  readonly expiry: Expiry
  readonly obtainedAt: number
  /** From when the server would like to see it refreshed, where it says so. */
  readonly refreshAt?: number
}

/** A token is not handed out in its last moments: it has to survive the way to the resource server. */
const margin = (lifetimeMillis: number): number => Math.min(10_000, lifetimeMillis * 0.1)

/** Long enough for one exchange at its deadline (20 s), a second one, and the wait between them. */
const shortestWindowMillis = 70_000

const lifetimeOf = (freshness: Freshness): number =>
  freshness.expiry._tag === "Known"
    ? Math.max(0, freshness.expiry.lifetimeMillis ?? freshness.expiry.at - freshness.obtainedAt)
    : Infinity

/** How long before expiry a refresh becomes due: 20 % of the lifetime, at least 70 s, at most half the lifetime. */
export const windowMillis = (lifetimeMillis: number): number =>
  Math.min(Math.max(lifetimeMillis * 0.2, shortestWindowMillis), lifetimeMillis * 0.5)

/** The instant from which the token is no longer handed out. `Infinity` when that is unknown or never. */
export const usableUntil = (freshness: Freshness): number =>
  freshness.expiry._tag === "Known" ? freshness.expiry.at - margin(lifetimeOf(freshness)) : Infinity

/**
 * The instant from which a refresh is due. `jitter` in [0, 1) moves it later by at most a quarter of the window, so
 * that hosts which share a grant do not all start at the same moment. A server that asks for an earlier refresh gets it,
 * but no sooner than after a fifth of the lifetime: whatever it says, nobody refreshes at every call.
 */
export const refreshAt = (freshness: Freshness, jitter: number): number => {
  const asked = freshness.refreshAt ?? Infinity
  if (freshness.expiry._tag !== "Known") return asked
  const lifetime = lifetimeOf(freshness)
  const window = windowMillis(lifetime)
  const start = Math.min(freshness.expiry.at - window, Math.max(asked, freshness.expiry.at - lifetime * 0.8))
  return start + window * 0.25 * jitter
}

/**
 * The validity a caller can sensibly ask for: at most half of what the server grants, or else the refresh token would
 * be spent at every call and the wish still not met. An imported token's lifetime is not known, so its wish stands
 * once; the token that replaces it has one.
 */
export const effectiveMinValidity = (freshness: Freshness, minValidityMillis: number): number =>
  freshness.expiry._tag === "Known" && freshness.expiry.lifetimeMillis !== undefined
    ? Math.min(minValidityMillis, freshness.expiry.lifetimeMillis * 0.5)
    : minValidityMillis

/** Whether the token may be handed out at `now` to a caller who wants it to live `minValidityMillis` longer. */
export const satisfies = (freshness: Freshness, now: number, minValidityMillis: number): boolean =>
  now < usableUntil(freshness) &&
  (freshness.expiry._tag !== "Known" || freshness.expiry.at - now >= effectiveMinValidity(freshness, minValidityMillis))

/** FNV-1a of a text as a number in [0, 1): the same host gives the same credential the same jitter every time. */
export const jitterOf = (seed: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193)
  return (hash >>> 0) / 0x1_0000_0000
}

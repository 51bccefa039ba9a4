/**
 * How often one grant may be presented at all, whatever went wrong: the last line of defence against hammering a server.
 *
 * One number per grant, by the generic cell rate algorithm (ITU-T I.371): thirty presentations at once, and from then on
 * one per quarter of the token's lifetime, at least five seconds and at most two minutes apart. A grant that is refreshed
 * as it should be, once per window, never comes near it.
 */
import type { Credential } from "./Credential.ts"

const burst = 30

/** How long an imported token was granted for, nobody says: a guess that leaves room for short ones. */
const guessedLifetimeMillis = 120_000

const intervalMillis = ({ tokens: { expiry } }: Pick<Credential, "tokens">): number => {
  const lifetime = expiry._tag === "Known" ? (expiry.lifetimeMillis ?? guessedLifetimeMillis) : Infinity
  return Math.min(120_000, Math.max(5_000, lifetime / 4))
}

/** From when the next presentation is allowed (epoch milliseconds). */
export const openAt = (credential: Pick<Credential, "tokens" | "pace">): number =>
  credential.pace === undefined ? 0 : credential.pace - (burst - 1) * intervalMillis(credential)

/** The `pace` after a presentation at `now`. */
export const presented = (credential: Pick<Credential, "tokens" | "pace">, now: number): number =>
  Math.max(credential.pace ?? 0, now) + intervalMillis(credential)

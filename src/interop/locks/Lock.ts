/**
 * What every kind of lock is to those that take it: an attempt comes to a lock of ours, or to what is known about the
 * one that somebody else holds.
 *
 * The steps of a lock are synchronous: nothing of this process comes between a look and what follows from it, and a
 * process that ends can still let go.
 */

/** One that we hold. Instants in epoch milliseconds. */
export interface Lock {
  /** Nobody took it away, nor may anybody have begun to because we showed no life for too long. */
  readonly isOurs: (now: number) => boolean
  /** Shows that its holder is alive. A kernel knows by itself. */
  readonly beat?: (now: number) => void
  /** Lets go of it, where it still is ours. Never throws. */
  readonly release: () => void
}

export interface Held {
  readonly _tag: "Held"
  readonly holder?: string | undefined
  readonly ageMillis?: number | undefined
}

export interface Taken {
  readonly _tag: "Taken"
  readonly lock: Lock
  /** It was a dead holder's, and others may be about to take it over as well. */
  readonly isTakenOver: boolean
}

export type Attempt = Taken | Held

export const held = (by: Omit<Held, "_tag"> = {}): Attempt => ({ _tag: "Held", ...by })

export const taken = (lock: Lock, isTakenOver = false): Attempt => ({ _tag: "Taken", lock, isTakenOver })

export const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

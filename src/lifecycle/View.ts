/**
 * What the state machine sees of a stored credential: numbers and names, no secret. Because no secret can enter the
 * machine, none can leave through a trace, a diagram or a counterexample (I10).
 */
import type { Credential, DeadReason, ReuseClass } from "./Credential.ts"
import { effectiveMinValidity, refreshAt, usableUntil } from "./freshness.ts"

/** The ticket as the machine sees it. Instants in epoch milliseconds. */
export interface TicketView {
  readonly id: string
  readonly attempt: 1 | 2
  readonly issuedAt: number
  readonly drainedAt: number
  /** The holder was on this host and is proven dead: its process is gone, or the machine has been restarted. */
  readonly holderGone: boolean
  /** When the first presentation was made, if this is the second. */
  readonly firstIssuedAt: number
}

export interface View {
  readonly generation: number
  readonly obtainedAt: number
  readonly usableUntil: number
  readonly refreshAt: number
  /** The expiry itself, and the longest `minValidity` that is honoured for this token. `Infinity` where unknown. */
  readonly expiresAt: number
  readonly longestMinValidity: number
  readonly canRefresh: boolean
  readonly verdict: DeadReason | undefined
  readonly ticket: TicketView | undefined
  readonly pauseUntil: number
  readonly failures: number
  readonly forced: number
  readonly reuse: ReuseClass
  readonly graceMillis: number
}

/** The view of `credential` on a host with this `jitter` in [0, 1); `holderGone` is asked about the ticket's holder. */
export const viewOf = (credential: Credential, jitter: number, holderGone: boolean): View => {
  const { ticket, tokens } = credential
  return {
    generation: credential.generation,
    obtainedAt: tokens.obtainedAt,
    usableUntil: usableUntil(tokens),
    refreshAt: refreshAt(tokens, jitter),
    expiresAt: tokens.expiry._tag === "Known" ? tokens.expiry.at : Infinity,
    longestMinValidity: effectiveMinValidity(tokens, Infinity),
    canRefresh: tokens.refreshToken !== undefined,
    verdict: credential.verdict?.reason,
    ticket: ticket && {
      id: ticket.id,
      attempt: ticket.attempt,
      issuedAt: ticket.issuedAt,
      drainedAt: ticket.drainedAt,
      holderGone,
      firstIssuedAt: ticket.first?.issuedAt ?? ticket.issuedAt,
    },
    pauseUntil: credential.pause?.until ?? 0,
    failures: credential.pause?.failures ?? 0,
    forced: credential.forced,
    reuse: credential.reuse.class,
    graceMillis: credential.reuse.graceMillis,
  }
}

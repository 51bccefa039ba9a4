/**
 * What the state machine sees of a stored credential: numbers and names, no secret. Because no secret can enter the
 * machine, none can leave through a trace, a diagram or a counterexample (I10).
 */
import { canRefresh, type Credential, type DeadReason, type ReuseClass, type Ticket } from "./Credential.ts"
import { effectiveMinValidity, refreshAt, usableUntil } from "./freshness.ts"
import * as Pace from "./pace.ts"

/** The ticket as the machine sees it. Instants in epoch milliseconds. */
export interface TicketView {
  readonly id: string
  readonly attempt: 1 | 2
  readonly issuedAt: number
  /** Since when this process knows of it, and when no answer can arrive any more, both by its own clock. */
  readonly since: number
  readonly drainedAt: number
  /** The holder has said that no answer came: nobody is at work on it, and it is no sign of a crash. */
  readonly vanished: boolean
  /** The server's answer is written down beside it, and not yet acted on. */
  readonly answered: boolean
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

/** What a process knows of an open ticket beyond what is stored. */
export interface Sighting {
  readonly holderGone: boolean
  readonly since: number
  readonly drainedAt: number
  /** The ticket's instants were read off the same clock as ours. */
  readonly sameClock: boolean
}

/** The view of `credential` on a host with this `jitter` in [0, 1); the sighting is asked for when there is a ticket. */
export const viewOf = (credential: Credential, jitter: number, sight: (ticket: Ticket) => Sighting): View => {
  const { ticket, tokens } = credential
  const sighting = ticket && sight(ticket)
  return {
    generation: credential.generation,
    obtainedAt: tokens.obtainedAt,
    usableUntil: usableUntil(tokens),
    refreshAt: refreshAt(tokens, jitter),
    expiresAt: tokens.expiry._tag === "Known" ? tokens.expiry.at : Infinity,
    longestMinValidity: effectiveMinValidity(tokens, Infinity),
    canRefresh: canRefresh(credential),
    verdict: credential.verdict?.reason,
    ticket: ticket &&
      sighting && {
        id: ticket.id,
        attempt: ticket.attempt,
        issuedAt: ticket.issuedAt,
        since: sighting.since,
        drainedAt: sighting.drainedAt,
        vanished: ticket.vanishedAt !== undefined,
        answered: ticket.answer !== undefined,
        holderGone: sighting.holderGone,
        firstIssuedAt: ticket.first?.issuedAt ?? ticket.issuedAt,
      },
    pauseUntil: Math.max(credential.pause?.until ?? 0, Pace.openAt(credential)),
    failures: credential.pause?.failures ?? 0,
    forced: credential.forced,
    reuse: credential.reuse.class,
    // By another host's clock nobody knows how much of a grace window is left.
    graceMillis: sighting?.sameClock === false ? 0 : credential.reuse.graceMillis,
  }
}

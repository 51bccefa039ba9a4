/**
 * The rules of the refresh protocol as predicates over what is known at one instant. The statechart names them; here
 * they are decided. Everything is a pure function of the context, so each can be read, tested and explored alone.
 */
import { type DeadReason, forgivesReuse } from "./Credential.ts"
import type { TicketView, View } from "./View.ts"

export interface Context {
  readonly view: View
  /** The newest generation whose access token a resource server refused in this process; 0 when none was. */
  readonly refused: number
  /** Somebody waits for an answer, and the longest validity they asked for. */
  readonly waiting: boolean
  readonly minValidity: number
  /** Refresh without being asked, as a process that stays alive does. A short command waits to be asked. */
  readonly background: boolean
  /** This process's own pause, after a failure that could not be shared through the store or a token refused at once. */
  readonly pauseUntil: number
  /** The pause and the verdict that are being written; they are facts only once the store has them. */
  readonly outcome: {
    readonly pauseUntil: number
    readonly failures: number
    readonly reason: DeadReason | undefined
    /** Not a pause or a verdict is to be written, but that nobody knows. */
    readonly unknown: boolean
    /** The ticket that the verdict is about. */
    readonly ticketId: string | undefined
  }
}

/** More than this between winning the ticket and sending means the process was paused: look again before sending. */
export const longestHesitationMillis = 2_000

/** How long until a write that the store did not take is tried again. */
export const storeRetryMillis = 1_000

/**
 * How often a process that waits for another's exchange looks at the store by itself, when no change is announced: soon,
 * and less often the longer it takes.
 */
const followMillis = (waited: number): number => Math.min(5_000, Math.max(25, Math.ceil(waited / 2)))

/** How long after a vanished answer the second and last presentation waits, where a reuse can cost the login. */
const calmMillis = 300_000

/** Before a grace window closes, so that the second presentation arrives inside it. */
const graceReserveMillis = 2_000

export const nothingToWrite = { pauseUntil: 0, failures: 0, reason: undefined, unknown: false, ticketId: undefined }

const refusedNow = ({ refused, view }: Context): boolean => view.generation > 0 && refused >= view.generation

/** The token may be handed out. A verdict on the refresh token does not take a working access token away (I5). */
export const usable = (context: Context, now: number): boolean => now < context.view.usableUntil && !refusedNow(context)

/** Usable for as long as the callers want it, as far as the server grants so much at all. */
export const enough = (context: Context, now: number): boolean =>
  usable(context, now) && context.view.expiresAt - now >= Math.min(context.minValidity, context.view.longestMinValidity)

/** Outside the window, nobody refused it, and long enough for whoever asks: no reason to spend a refresh token. */
export const fresh = (context: Context, now: number): boolean =>
  enough(context, now) && now < context.view.refreshAt && context.view.verdict === undefined

export const hopeless = ({ view }: Context): boolean => view.verdict !== undefined || !view.canRefresh

export const deadReason = ({ view }: Context): DeadReason => view.verdict ?? "noRefreshToken"

/** Somebody, perhaps this process earlier, presented the refresh token and the store does not know the outcome. */
const openTicket = ({ view }: Context): TicketView | undefined => view.ticket

/** No answer to the presentation can arrive any more. */
const drained = (ticket: TicketView, now: number): boolean => now >= overAt(ticket)

/**
 * When a presentation is over for others: at once when its holder is proven dead in the middle of it. A holder that ended
 * in good order has said that its answer vanished, and then the request may still be under way.
 */
const overAt = (ticket: TicketView): number =>
  ticket.holderGone && !ticket.vanished ? ticket.issuedAt : ticket.drainedAt

/** A live holder is at work and its answer can still come: wait for it, never race it. */
export const following = (context: Context, now: number): boolean => {
  const ticket = openTicket(context)
  return ticket !== undefined && !ticket.vanished && !ticket.holderGone && now < ticket.drainedAt
}

/** The server's answer is written down, and whoever was to act on it is gone or stands still: anybody can. */
export const answered = (context: Context, now: number): boolean =>
  openTicket(context)?.answered === true && !following(context, now)

/**
 * When the refresh token in doubt may be presented a second time; `Infinity` for never. Facts: refresh-protocol §4.8.
 *
 * While the access token works there is nothing to gain from a gamble, so a strict server is not asked. A known grace
 * window is used while it is open. Once no usable token is left a second presentation has nothing to lose.
 */
const secondTryAt = (context: Context, now: number): number => {
  const ticket = openTicket(context)
  const { view } = context
  if (ticket === undefined || (ticket.attempt === 2 && !forgivesReuse(view.reuse))) return Infinity
  const over = overAt(ticket)
  // Silence and a gateway's error mostly mean an outage, and the last presentation must not be spent inside it.
  const calm = ticket.vanished ? ticket.since + calmMillis : over
  const atTheEnd = refusedNow(context) ? Math.max(over, calm) : Math.max(over, calm, view.usableUntil)
  switch (view.reuse) {
    case "notRotating":
    case "untilSuccessorUsed":
      return over
    case "idempotent":
    case "fork":
      // The window counts from the server's first use, which was no earlier than our ticket.
      return Math.max(over, now) < ticket.issuedAt + view.graceMillis - graceReserveMillis ? over : atTheEnd
    case "rejectOnly":
    case "strict":
      return atTheEnd
  }
}

/** In doubt, and the moment for the second presentation has not come. */
export const doubting = (context: Context, now: number): boolean =>
  openTicket(context)?.answered === false && now < secondTryAt(context, now) && !lost(context, now)

/** Both presentations went unanswered and nothing usable is left: the rotation is lost, and only a person helps. */
export const lost = (context: Context, now: number): boolean => {
  const ticket = openTicket(context)
  if (ticket?.attempt !== 2 || ticket.answered || forgivesReuse(context.view.reuse)) return false
  return drained(ticket, now) && !usable(context, now)
}

/** Nobody holds the token for being refused right after it was minted: that is the resource server's trouble. */
const forcedPause = (context: Context): number =>
  refusedNow(context) && context.view.forced > 0
    ? context.view.obtainedAt + Math.min(600_000, 10_000 * 2 ** (context.view.forced - 1))
    : 0

export const pausedUntil = (context: Context): number =>
  Math.max(context.view.pauseUntil, context.pauseUntil, forcedPause(context))

export const pausing = (context: Context, now: number): boolean => now < pausedUntil(context)

/** A refresh is due and somebody wants it: a caller waits, or this process keeps tokens fresh on its own. */
export const wanted = (context: Context, now: number): boolean =>
  context.background || (context.waiting && !enough(context, now))

/** The forced-refresh count that the successor will carry. A refusal long after minting starts a new count. */
export const forcedNext = (context: Context, now: number): number =>
  refusedNow(context) ? (now - context.view.obtainedAt < 600_000 ? context.view.forced + 1 : 1) : 0

/** While another process exchanges: soon, and less often the longer it takes. */
export const followAt = (context: Context, now: number): number =>
  now + followMillis(now - (openTicket(context)?.since ?? now))

/** The next instant at which a doubt may look different: a second try, the token's end, or the last answer's end. */
export const doubtAt = (context: Context, now: number): number => {
  const ticket = openTicket(context)
  const last = ticket?.attempt === 2 && now < ticket.drainedAt ? ticket.drainedAt : Infinity
  return Math.min(secondTryAt(context, now), usable(context, now) ? context.view.usableUntil : Infinity, last)
}

/** The end of the pause, or of the token, whichever comes first. */
export const pauseAt = (context: Context, now: number): number =>
  usable(context, now) ? Math.min(pausedUntil(context), context.view.usableUntil) : pausedUntil(context)

/**
 * What is written after an answer vanished: where a reuse costs nothing, a pause until no late request can arrive any
 * more, and otherwise the doubt.
 */
export const afterSilence = (context: Context, now: number, jitter: number) => {
  if (!forgivesReuse(context.view.reuse)) return { unknown: true }
  const { failures } = context.view
  const drainedAt = openTicket(context)?.drainedAt ?? now
  return { pauseUntil: backoffUntil(now, failures, drainedAt, jitter), failures: failures + 1 }
}

/** Exponential from one second to five minutes, with half of it jittered; a server's `Retry-After` is a lower bound. */
export const backoffUntil = (now: number, failures: number, retryAt: number, jitter: number): number => {
  const pause = Math.min(300_000, 1_000 * 2 ** Math.min(failures, 20))
  return Math.max(retryAt, now + pause * (0.5 + jitter / 2))
}

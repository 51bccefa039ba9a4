/** What an event says about the credential, taken in before anybody weighs what to do about it. */
import type { Event } from "./protocol.ts"
import * as Rules from "./rules.ts"
import type { Context } from "./rules.ts"

/** What the context becomes once the event is taken in. Guards and actions both look through this, so they agree. */
export const absorb = (context: Context, event: Event): Context => {
  switch (event.type) {
    case "Asked":
      return { ...context, waiting: true, minValidity: Math.max(context.minValidity, event.minValidity) }
    case "Refused":
      return { ...context, waiting: true, refused: Math.max(context.refused, event.generation) }
    case "Looked":
    case "Superseded":
    case "Stored":
      // A store that answers with an older generation than one already seen was read before the newer one was written.
      return event.view.generation < context.view.generation
        ? context
        : {
            ...context,
            view: event.view,
            pauseUntil: event.view.generation > context.view.generation ? 0 : context.pauseUntil,
          }
    case "Claimed":
      return { ...context, view: event.view, outcome: Rules.nothingToWrite }
    case "Granted":
      return { ...context, view: event.view }
    case "Unavailable":
      return {
        ...context,
        outcome: {
          pauseUntil: Rules.backoffUntil(event.now, context.view.failures, event.retryAt, event.jitter),
          failures: context.view.failures + 1,
          reason: undefined,
          unknown: false,
          ticketId: undefined,
        },
      }
    case "Denied":
      return {
        ...context,
        // A second presentation that is refused means that the first one was consumed and its answer lost.
        outcome: {
          ...Rules.nothingToWrite,
          ticketId: context.view.ticket?.id,
          reason:
            context.view.ticket?.attempt === 2 && event.reason !== "clientRejected" ? "lostInRotation" : event.reason,
        },
      }
    case "StoreFailed":
    case "Unreadable":
      return { ...context, pauseUntil: event.now + 1_000 }
    case "Vanished":
      return {
        ...context,
        outcome: { ...Rules.nothingToWrite, ...Rules.afterSilence(context, event.now, event.jitter) },
      }
    case "Woke":
      return context
  }
}

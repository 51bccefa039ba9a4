/**
 * A stored credential as this process sees it: its own jitter, and what it knows of an open ticket.
 *
 * Another host's clock may be wrong by minutes. Of its tickets it counts how long we have seen them, or else that even a
 * wrong clock could not make them so old.
 */
import type { Credential, Holder, Ticket } from "../lifecycle/Credential.ts"
import { jitterOf } from "../lifecycle/freshness.ts"
import { type Sighting, type View, viewOf } from "../lifecycle/View.ts"
import type { Entry } from "./Entry.ts"

/** How far two hosts' clocks may be apart before a ticket's age says nothing. */
const longestSkewMillis = 300_000

interface Witness {
  readonly self: Pick<Holder, "host">
  readonly isGone: (holder: Holder) => boolean
}

/** `entry` remembers since when a foreign ticket has been seen; without one it is seen for the first time. */
export const makeView = ({ isGone, self }: Witness, now: () => number) => {
  const sight = ({ drainedAt, holder, id, issuedAt }: Ticket, entry: Entry | undefined): Sighting => {
    const holderGone = isGone(holder)
    if (holder.host === self.host) return { sameClock: true, holderGone, since: issuedAt, drainedAt }
    if (entry !== undefined && entry.sighted?.id !== id) entry.sighted = { id, at: now() }
    const since = Math.min(entry?.sighted?.at ?? now(), issuedAt + longestSkewMillis)
    return { sameClock: false, holderGone, since, drainedAt: since + drainedAt - issuedAt }
  }
  return (credential: Credential, entry?: Entry): View =>
    viewOf(credential, jitterOf(`${self.host} ${credential.name}`), (ticket) => sight(ticket, entry))
}

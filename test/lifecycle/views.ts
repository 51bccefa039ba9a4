/** Views of made-up credentials, and every event, for tests of the machine. One unit of time is one second. */
import type { Event } from "../../src/lifecycle/protocol.ts"
import type { View } from "../../src/lifecycle/View.ts"

/** A token minted at 0 that lives an hour: the window opens at 2880 s, and it is handed out until 3590 s. */
export const view = (over: Partial<View> = {}): View => ({
  generation: 1,
  obtainedAt: 0,
  usableUntil: 3_590_000,
  refreshAt: 2_880_000,
  expiresAt: 3_600_000,
  longestMinValidity: 1_800_000,
  canRefresh: true,
  verdict: undefined,
  ticket: undefined,
  pauseUntil: 0,
  failures: 0,
  forced: 0,
  reuse: "strict",
  graceMillis: 0,
  ...over,
})

export const fresh = 1_000
export const inWindow = 3_000_000
export const ended = 3_700_000

export const ticket = (over: Partial<NonNullable<View["ticket"]>> = {}): NonNullable<View["ticket"]> => ({
  id: "other.1",
  attempt: 1,
  issuedAt: inWindow,
  since: inWindow,
  vanished: false,
  answered: false,
  drainedAt: inWindow + 30_000,
  holderGone: false,
  firstIssuedAt: inWindow,
  ...over,
})

const views: ReadonlyArray<View> = [
  view(),
  view({ canRefresh: false }),
  view({ verdict: "rejected" }),
  view({ ticket: ticket() }),
  view({ ticket: ticket({ holderGone: true }) }),
  view({ ticket: ticket({ attempt: 2 }) }),
  view({ ticket: ticket({ answered: true, holderGone: true }) }),
  view({ reuse: "notRotating", ticket: ticket({ answered: true, holderGone: true }) }),
  view({ ticket: ticket({ attempt: 2, holderGone: true }) }),
  view({ pauseUntil: ended + 60_000, failures: 1 }),
  view({ generation: 2, usableUntil: 7_190_000, refreshAt: 6_480_000, expiresAt: 7_200_000, obtainedAt: 3_600_000 }),
]

const instants = [fresh, inWindow, ended]

/** A small alphabet in which every question of the machine can be answered either way. */
export const alphabet: ReadonlyArray<Event> = instants.flatMap((now): ReadonlyArray<Event> => [
  { type: "Asked", now, minValidity: 0 },
  { type: "Asked", now, minValidity: 900_000 },
  { type: "Refused", now, generation: 0 },
  { type: "Refused", now, generation: 1 },
  ...views.map((view): Event => ({ type: "Looked", now, view })),
  { type: "Superseded", now, view: views.at(-1)! },
  { type: "Stored", now, view: views[0]! },
  { type: "Woke", now },
  { type: "Claimed", now, generation: 1, elapsed: 1, view: view({ ticket: ticket({ id: "mine.1" }) }) },
  {
    type: "Claimed",
    now,
    generation: 1,
    elapsed: 1,
    view: view({ ticket: ticket({ id: "mine.2", attempt: 2 }) }),
  },
  {
    type: "Claimed",
    now,
    generation: 1,
    elapsed: 1,
    view: view({ reuse: "notRotating", ticket: ticket({ id: "mine.3" }) }),
  },
  { type: "Claimed", now, generation: 1, elapsed: 60_000, view: view({ ticket: ticket({ id: "mine.1" }) }) },
  { type: "Claimed", now, generation: 7, elapsed: 1, view: view({ generation: 7 }) },
  { type: "Granted", now, generation: 1, view: views.at(-1)! },
  { type: "Granted", now, generation: 7, view: view({ generation: 8 }) },
  { type: "Denied", now, generation: 1, reason: "rejected" },
  { type: "Denied", now, generation: 7, reason: "rejected" },
  { type: "Unavailable", now, generation: 1, retryAt: 0, jitter: 0.5 },
  { type: "Unavailable", now, generation: 7, retryAt: 0, jitter: 0.5 },
  { type: "Vanished", now, generation: 1, jitter: 0.5 },
  { type: "Vanished", now, generation: 7, jitter: 0.5 },
  { type: "StoreFailed", now },
  { type: "Unreadable", now },
])

/**
 * Why some of the machine's transitions are taken in no exploration and no random life. Reviewed by people, shown in
 * `models/lifecycle.md`, and kept honest by `transitions.test.ts`: a transition that is neither taken nor explained here
 * fails, and so does an explanation that speaks of nothing, or that calls impossible what has happened.
 */
import type { Explanation } from "../../src/lifecycle/transitions.ts"

/** Where no write of this process is under way. */
const idle = [
  "valid",
  "due",
  "lapsed",
  "pausing",
  "ending",
  "exchanging",
  "replaying",
  "holding",
  "unrecorded",
  "following",
  "backingOff",
  "doubting",
  "dead",
]

export const untaken: ReadonlyArray<Explanation> = [
  {
    from: ["valid", "dead"],
    events: ["Superseded", "StoreFailed"],
    isRare: true,
    why: "A person signed in or out while a write was under way, and its answer meets a machine that has begun anew.",
  },
  {
    from: ["weigh"],
    events: ["StoreFailed"],
    guards: ["no way on"],
    isRare: true,
    why: "The same: signed out in the middle of a write, which then fails.",
  },
  {
    from: idle,
    events: ["Superseded", "Stored", "StoreFailed"],
    why: "These answer a write, and none is under way here.",
  },
  { from: ["claiming"], events: ["Stored"], why: "A claim that applies is answered with `Claimed`." },
  {
    from: ["weigh"],
    events: ["StoreFailed"],
    guards: [
      "fresh",
      "no way on, usable",
      "another is exchanging, enough",
      "another is exchanging",
      "lost",
      "in doubt, usable",
      "in doubt",
    ],
    why: "Only a failed claim gets here, and who claims has been through these questions: time alone answers none anew.",
  },
  {
    from: ["weigh"],
    events: ["StoreFailed", "Unreadable"],
    guards: ["an answer is kept, enough", "an answer is kept", "wanted, enough", "wanted", "usable", "else"],
    why: "A store that fails is left alone for a second, so the questions about pausing come first.",
  },
  {
    from: ["weigh"],
    events: ["Unreadable"],
    isRare: true,
    why: "The store fails in the moment in which a caller makes a process look at it, in a state that it seldom is in.",
  },
  {
    from: ["lapsed", "dead", "due"],
    events: ["Woke"],
    why: "Nothing was to be waited for: no wake was wished for, or one that never comes.",
  },
  {
    from: ["weigh"],
    events: ["Woke"],
    guards: ["fresh", "no way on, usable", "another is exchanging, enough", "another is exchanging"],
    why: "Time alone makes no token fresh and nobody begin; who follows somebody else answers `Woke` by looking.",
  },
  {
    from: ["weigh"],
    events: ["Woke"],
    guards: ["usable", "else"],
    why: "At rest only a process that refreshes in the background wakes, and that wants the refresh.",
  },
  {
    from: ["weigh"],
    events: ["Woke"],
    guards: ["pausing, usable", "pausing", "an answer is kept, enough", "an answer is kept"],
    isRare: true,
    why: "A pause outlives the token or begins anew in the instant in which it ends, or the holder died meanwhile.",
  },
  {
    from: ["weigh"],
    events: ["Asked"],
    guards: ["an answer is kept, enough", "wanted, enough"],
    isRare: true,
    why: "Whom the token at hand is enough for is served without a word to the machine.",
  },
  { from: ["weigh"], events: ["Asked", "Refused"], guards: ["else"], why: "Somebody waits now, so a token is wanted." },
  {
    from: ["weigh", "claiming", "exchanging", "recording", "pausing", "ending", "due", "dead"],
    events: ["Refused"],
    isRare: true,
    why: "A straggler hears of an older token's 401 in a state that lasts for moments, or just then.",
  },
  {
    from: ["weigh"],
    events: ["Superseded", "Stored"],
    guards: ["usable", "else"],
    isRare: true,
    why: "Who wanted the token was served or went away while the write was under way.",
  },
  {
    from: ["weigh"],
    events: ["Stored"],
    guards: ["another is exchanging, enough", "another is exchanging"],
    why: "What this process has just written holds no ticket of somebody else.",
  },
  {
    from: ["weigh"],
    events: ["Stored"],
    guards: ["an answer is kept, enough", "an answer is kept"],
    isRare: true,
    why: "What this process has just written holds an answer that it has read already.",
  },
  {
    from: ["replaying"],
    events: ["Asked", "Refused", "Looked", "Woke", "Unreadable"],
    isRare: true,
    why: "It lasts for an instant: the answer is at hand.",
  },
  {
    from: ["replaying"],
    events: ["Vanished"],
    isRare: true,
    why: "An answer that was written down, grants nothing and is no refusal: a gateway's, or half of one.",
  },
  {
    from: ["lapsed", "due"],
    events: ["Looked", "Unreadable"],
    isRare: true,
    why: "A process that acts when asked does not look at the store between two requests.",
  },
  {
    from: ["pausing", "ending", "doubting", "committing", "recording", "holding", "unrecorded"],
    events: ["Asked", "Refused", "Looked", "Unreadable"],
    isRare: true,
    why: "A caller comes, or the store changes, in the second for which a store that fails is left alone.",
  },
]

/** Events that a state does not hear, and that reach it all the same. */
export const late: ReadonlyArray<Explanation> = [
  {
    from: ["dead"],
    events: ["Claimed", "Granted", "Denied", "Unavailable", "Vanished"],
    isRare: true,
    why: "A person signed out while it was under way: nothing is left that it could be about.",
  },
]

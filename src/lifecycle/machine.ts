/**
 * The token lifecycle as a statechart: the one module that imports XState.
 *
 * It is used only as a pure function, `decide`. There is no actor, no clock and no timer in it: time arrives in events,
 * and what should be done leaves as named commands. The context is static and restored with `resolveState`, because
 * XState calls a context factory without input on every transition (statelyai/xstate#4774).
 *
 * **How to read it.** Whatever a resting state hears is weighed by the same list of questions, top to bottom, in
 * `weigh`. The states under `refreshing.busy` have something under way and listen to its answer only.
 *
 * **Invariants**
 *
 * - `exchange` follows only a `Claimed` of the same generation (I1), and `claim` only an answer of `weigh` (A1, I7).
 * - No answer to another generation moves the machine (I3).
 * - Every way into a state where callers cannot be served ends their wait, or has an answer under way that will (I9).
 */
import { assign, setup, transition } from "xstate"
import type { Command, Event, ParamsOf } from "./protocol.ts"
import { forgivesReuse } from "./Credential.ts"
import { absorb } from "./absorb.ts"
import * as Rules from "./rules.ts"
import type { Context } from "./rules.ts"

/** What a process knows of a credential it has not looked at. */
const unseen: Context = {
  view: {
    generation: 0,
    obtainedAt: 0,
    usableUntil: 0,
    refreshAt: 0,
    expiresAt: 0,
    longestMinValidity: 0,
    canRefresh: false,
    verdict: undefined,
    ticket: undefined,
    pauseUntil: 0,
    failures: 0,
    forced: 0,
    reuse: "strict",
    graceMillis: 0,
  },
  refused: 0,
  waiting: false,
  minValidity: 0,
  background: false,
  pauseUntil: 0,
  outcome: Rules.nothingToWrite,
}

type Args = { readonly context: Context; readonly event: Event }

/** A question about the context as it will be once the event is taken in. */
const ask =
  (question: (context: Context, now: number) => boolean) =>
  ({ context, event }: Args): boolean =>
    question(absorb(context, event), event.now)

const ours = ({ context, event }: Args): boolean =>
  "generation" in event && event.generation === context.view.generation

/** A named command: nothing happens here, the name and the parameters leave the machine as data. */
const command =
  <Type extends Command["type"]>() =>
  (_: Args, _params: ParamsOf<Type>): void => {}

const kit = setup({
  types: { context: {} as Context, events: {} as Event },
  guards: {
    fresh: ask(Rules.fresh),
    usable: ask(Rules.usable),
    "no way on, usable": ask((c, now) => Rules.hopeless(c) && Rules.usable(c, now)),
    "no way on": ask(Rules.hopeless),
    "another is exchanging, enough": ask((c, now) => Rules.following(c, now) && Rules.enough(c, now)),
    "another is exchanging": ask(Rules.following),
    lost: ask(Rules.lost),
    "in doubt, usable": ask((c, now) => Rules.doubting(c, now) && Rules.usable(c, now)),
    "in doubt": ask(Rules.doubting),
    "pausing, usable": ask((c, now) => Rules.pausing(c, now) && Rules.usable(c, now)),
    pausing: ask(Rules.pausing),
    "an answer is kept, enough": ask((c, now) => Rules.answered(c, now) && Rules.enough(c, now)),
    "an answer is kept": ask(Rules.answered),
    "wanted, enough": ask((c, now) => Rules.wanted(c, now) && Rules.enough(c, now)),
    wanted: ask(Rules.wanted),
    enough: ask(Rules.enough),
    ours,
    "ours, but late": (args) =>
      ours(args) && args.event.type === "Claimed" && args.event.elapsed > Rules.longestHesitationMillis,
    "ours, and forgiven": (args) => ours(args) && forgivesReuse(args.context.view.reuse),
    "a verdict is owed": ({ context }) => context.outcome.reason !== undefined,
    "a doubt is owed": ({ context }) => context.outcome.unknown,
  },
  actions: {
    absorb: assign(({ context, event }) => absorb(context, event)),
    /** Everybody who waited has an answer; the next caller's wish starts anew. */
    answered: assign({ waiting: false, minValidity: 0 }),
    despair: assign(({ context }) => ({
      outcome: { ...Rules.nothingToWrite, reason: "lostInRotation" as const, ticketId: context.view.ticket?.id },
    })),
    look: command<"look">(),
    claim: command<"claim">(),
    exchange: command<"exchange">(),
    replay: command<"replay">(),
    commit: command<"commit">(),
    release: command<"release">(),
    doubt: command<"doubt">(),
    condemn: command<"condemn">(),
    wake: command<"wake">(),
    serve: command<"serve">(),
    refuse: command<"refuse">(),
    postpone: command<"postpone">(),
  },
})

const generation = ({ context }: Args) => ({ generation: context.view.generation })
const look = { type: "look", params: generation } as const
const serve = { type: "serve", params: generation } as const
const doubt = { type: "doubt", params: generation } as const
const commit = { type: "commit", params: ({ context }: Args) => ({ generation: context.view.generation - 1 }) } as const
const exchange = {
  type: "exchange",
  params: ({ context, event }: Args) => ({
    generation: context.view.generation,
    forced: Rules.forcedNext(context, event.now),
  }),
} as const
const replay = { ...exchange, type: "replay" } as const
const claim = {
  type: "claim",
  params: ({ context: { view } }: Args): ParamsOf<"claim"> => ({
    generation: view.generation,
    attempt: view.ticket === undefined ? 1 : 2,
    after: view.ticket?.id,
  }),
} as const
const release = {
  type: "release",
  params: ({ context: { outcome, view } }: Args) => ({
    generation: view.generation,
    pauseUntil: outcome.pauseUntil,
    failures: outcome.failures,
  }),
} as const
const condemn = {
  type: "condemn",
  params: ({ context }: Args) => ({
    generation: context.view.generation,
    reason: context.outcome.reason ?? Rules.deadReason(context),
    ticketId: context.outcome.ticketId,
  }),
} as const
const refuse = { type: "refuse", params: ({ context }: Args) => ({ reason: Rules.deadReason(context) }) } as const
const postpone = (at: (context: Context, now: number) => number) =>
  ({ type: "postpone", params: ({ context, event }: Args) => ({ retryAt: at(context, event.now) }) }) as const
const wake = (at: (context: Context, now: number) => number) =>
  ({ type: "wake", params: ({ context, event }: Args) => ({ at: at(context, event.now) }) }) as const

/** A process that acts only when asked has no use for waking while nobody asks. */
const wakeAtRest = (at: (context: Context, now: number) => number) =>
  wake((context, now) => (context.background ? at(context, now) : Infinity))

const atWindow = wakeAtRest(({ view }) => view.refreshAt)
const atEnd = wakeAtRest(({ view }) => view.usableUntil)
const atFollow = wake(Rules.followAt)
const atPause = wakeAtRest(Rules.pauseAt)
const atDoubt = wakeAtRest(Rules.doubtAt)
const soon = wake((_, now) => now + Rules.storeRetryMillis)
const never = { type: "wake", params: { at: Infinity } } as const

/** The questions that a resting credential answers, in this order, whatever it has just heard. */
const weigh = [
  { guard: "fresh", target: "#valid", actions: ["absorb", serve, "answered", atWindow] },
  { guard: "no way on, usable", target: "#ending", actions: ["absorb", serve, "answered", atEnd] },
  { guard: "no way on", target: "#dead", actions: ["absorb", refuse, "answered", never] },
  { guard: "another is exchanging, enough", target: "#following", actions: ["absorb", serve, "answered", atFollow] },
  { guard: "another is exchanging", target: "#following", actions: ["absorb", atFollow] },
  { guard: "lost", target: "#recording", actions: ["absorb", "despair", condemn] },
  { guard: "in doubt, usable", target: "#doubting", actions: ["absorb", serve, "answered", atDoubt] },
  { guard: "in doubt", target: "#doubting", actions: ["absorb", postpone(Rules.doubtAt), "answered", atDoubt] },
  { guard: "pausing, usable", target: "#pausing", actions: ["absorb", serve, "answered", atPause] },
  { guard: "pausing", target: "#backingOff", actions: ["absorb", postpone(Rules.pausedUntil), "answered", atPause] },
  { guard: "an answer is kept, enough", target: "#replaying", actions: ["absorb", serve, "answered", replay] },
  { guard: "an answer is kept", target: "#replaying", actions: ["absorb", replay] },
  { guard: "wanted, enough", target: "#claiming", actions: ["absorb", serve, "answered", claim] },
  { guard: "wanted", target: "#claiming", actions: ["absorb", claim] },
  { guard: "usable", target: "#due", actions: ["absorb", serve, "answered", atEnd] },
  { target: "#lapsed", actions: ["absorb", never] },
] as const

const ignored = {} as const

/** What can become of a presentation, whether its answer has just arrived or was found written down. */
const outcomes = {
  Granted: { guard: "ours", target: "#committing", actions: ["absorb", commit] },
  Denied: { guard: "ours", target: "#recording", actions: ["absorb", condemn] },
  Unavailable: { guard: "ours", target: "#recording", actions: ["absorb", release] },
  Vanished: [
    { guard: "ours, and forgiven", target: "#recording", actions: ["absorb", release] },
    { guard: "ours", target: "#recording", actions: ["absorb", doubt] },
  ],
  Superseded: ignored,
  Stored: ignored,
  StoreFailed: ignored,
} as const

export const machine = kit.createMachine({
  id: "credential",
  context: unseen,
  initial: "dead",
  on: {
    Asked: weigh,
    Refused: weigh,
    Looked: weigh,
    Woke: weigh,
    Superseded: weigh,
    Stored: weigh,
    StoreFailed: weigh,
    Unreadable: weigh,
  },
  states: {
    valid: { id: "valid", description: "Outside the refresh window: the token, with no network, no lock and no disk." },
    expiring: {
      initial: "due",
      description: "A refresh is wanted and nobody waits for it.",
      states: {
        due: { id: "due", description: "Inside the window, in a process that refreshes only for a caller." },
        lapsed: { id: "lapsed", description: "The token has ended, and nobody has asked since." },
        pausing: { id: "pausing", description: "A refresh failed for a passing reason; the token still works." },
        ending: { id: "ending", description: "The token works to its end, and no other will follow without a person." },
      },
    },
    refreshing: {
      initial: "busy",
      description:
        "Somebody is exchanging, or nobody can yet. The token while it still works, else callers wait or are told when.",
      states: {
        busy: {
          initial: "claiming",
          description: "This process has something under way and listens to its answer.",
          on: {
            Asked: [{ guard: "enough", actions: ["absorb", serve, "answered"] }, { actions: "absorb" }],
            Refused: [{ guard: "enough", actions: ["absorb", serve, "answered"] }, { actions: "absorb" }],
            Looked: ignored,
            Unreadable: ignored,
            Woke: ignored,
          },
          states: {
            claiming: {
              id: "claiming",
              description: "Asking the store for the right to present this generation's refresh token.",
              on: {
                Claimed: [
                  // The process was paused after it won the ticket: its turn may be over, so it sends nothing.
                  { guard: "ours, but late", target: "recording", actions: ["absorb", release] },
                  { guard: "ours", target: "exchanging", actions: ["absorb", exchange] },
                ],
              },
            },
            exchanging: {
              id: "exchanging",
              description:
                "The refresh token has been handed to the network, once. Its answer is written down before it is read.",
              on: outcomes,
            },
            replaying: {
              id: "replaying",
              description: "An answer that somebody else wrote down and did not act on is read in his place.",
              on: outcomes,
            },
            committing: {
              id: "committing",
              description: "The new token is in memory and not yet stored: no caller sees it before it is.",
              on: {
                Asked: { actions: "absorb" },
                Refused: { actions: "absorb" },
                StoreFailed: { target: "#holding", actions: [serve, "answered", soon] },
              },
            },
            recording: {
              id: "recording",
              description: "The outcome of an exchange that brought no token is being written down.",
              on: {
                StoreFailed: [
                  { guard: "usable", target: "#unrecorded", actions: ["absorb", serve, "answered", soon] },
                  { target: "#unrecorded", actions: ["absorb", postpone(Rules.pausedUntil), "answered", soon] },
                ],
              },
            },
          },
        },
        holding: {
          id: "holding",
          description: "The store does not take the new token: it is served from memory until the store does.",
          on: {
            Asked: { actions: ["absorb", serve, "answered"] },
            Refused: { actions: ["absorb", serve, "answered"] },
            Looked: ignored,
            Unreadable: ignored,
            Woke: { target: "#committing", actions: commit },
          },
        },
        unrecorded: {
          id: "unrecorded",
          description: "The store does not take the outcome: it is written as soon as it can be.",
          on: {
            Asked: [
              { guard: "usable", actions: ["absorb", serve, "answered"] },
              { actions: ["absorb", postpone(Rules.pausedUntil), "answered"] },
            ],
            Refused: { actions: ["absorb", postpone(Rules.pausedUntil), "answered"] },
            Looked: ignored,
            Unreadable: ignored,
            Woke: [
              { guard: "a verdict is owed", target: "#recording", actions: condemn },
              { guard: "a doubt is owed", target: "#recording", actions: doubt },
              { target: "#recording", actions: release },
            ],
          },
        },
        following: {
          id: "following",
          description: "Another process holds the ticket and is at work.",
          on: { Woke: { actions: [look, atFollow] } },
        },
        backingOff: { id: "backingOff", description: "No usable token, and the server or the network said: later." },
        doubting: { id: "doubting", description: "The refresh token was sent and nobody knows what became of it." },
      },
    },
    dead: { id: "dead", description: "No usable token and no way to one without a person." },
  },
})

/** Where the machine is, and all it knows. Immutable. */
export interface State {
  readonly value: StateValue
  readonly context: Context
}
export type StateValue = ReturnType<typeof machine.resolveState>["value"]

const unseenInBackground: State = { value: "dead", context: { ...unseen, background: true } }
const unseenOnDemand: State = { value: "dead", context: unseen }

/** A credential that this process has not looked at yet. */
export const initial = (background: boolean): State => (background ? unseenInBackground : unseenOnDemand)

/** The pure step: the next state and the commands, in the order in which they are to be carried out. */
export const decide = (state: State, event: Event): readonly [State, ReadonlyArray<Command>] => {
  const [next, actions] = transition(machine, machine.resolveState(state), event)
  return [
    { value: next.value, context: next.context },
    actions.map(({ params, type }) => ({ type, params }) as Command),
  ]
}

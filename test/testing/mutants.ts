/**
 * Bugs that real token clients have had, each as a switch: what is put in the place of which part, the smallest scenario
 * in which it shows, and the invariant that notices. Facts: refresh-protocol §10, exploration §4.
 *
 * **Details**
 *
 * - A mutant is a believable mistake and no crash: every one of them keeps tokens alive on a quiet day.
 * - The same scenario without the mutant holds, in every interleaving: what is found is the mutant's doing.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Outcome, TokenEndpoint } from "../../src/exchange/TokenEndpoint.ts"
import type { Access, Handle } from "../../src/keeper/Keeper.ts"
import * as Change from "../../src/lifecycle/Change.ts"
import type { Credential, Ticket } from "../../src/lifecycle/Credential.ts"
import type { State } from "../../src/lifecycle/machine.ts"
import type { Command, Event } from "../../src/lifecycle/protocol.ts"
import type { View } from "../../src/lifecycle/View.ts"
import type { CredentialStore } from "../../src/store/CredentialStore.ts"
import { alike } from "../../src/testing/Scenario.ts"
import type { Process } from "../../src/testing/Simulation.ts"
import { type Clocks, type Parts, realParts } from "../../src/testing/Parts.ts"
import { type Mutant, mutant } from "./mutant.ts"
import { ownerMutants } from "./ownerMutants.ts"

type Store = CredentialStore["Service"]
type Endpoint = TokenEndpoint["Service"]
type Of<Tag extends Change.Change["_tag"]> = Extract<Change.Change, { readonly _tag: Tag }>

// ---------------------------------------------------------------------- what a mutant may change

/** The machine hears another event than the one that happened. */
const hearing = (event: (event: Event, state: State) => Event): Partial<Parts> => ({
  decide: (state, heard) => realParts.decide(state, event(heard, state)),
})

/** The machine sees another record than the one that is stored. */
const seeing = (view: (view: View) => View): Partial<Parts> =>
  hearing((event) => ("view" in event ? { ...event, view: view(event.view) } : event))

/** Of what the machine wishes, only some is done. */
const wishing = (keep: (command: Command, event: Event, before: State) => boolean): Partial<Parts> => ({
  decide: (state, event) => {
    const [next, commands] = realParts.decide(state, event)
    return [next, commands.filter((command) => keep(command, event, state))]
  },
})

/** The store has another rule for one kind of change. */
const ruling = <Tag extends Change.Change["_tag"]>(
  tag: Tag,
  rule: (current: Credential, change: Of<Tag>, newest: number) => Credential | undefined,
): Partial<Parts> => ({
  apply: (current, newest, change) =>
    change._tag === tag && current !== undefined
      ? rule(current, change as Of<Tag>, newest)
      : Change.apply(current, newest, change),
})

/** The server's answer is misread. */
const reading = (outcome: (outcome: Outcome) => Outcome): Partial<Parts> => ({
  endpoint: (endpoint) => ({
    exchange: (credential, deadline, witness) => Effect.map(endpoint.exchange(credential, deadline, witness), outcome),
  }),
})

/** A process deals with its store in another way; `memory` is its own, from its start. */
const storing = (
  store: (store: Store, memory: { read?: Credential; ticket?: Ticket }, process: Process) => Partial<Store>,
): Partial<Parts> => ({
  store: (real, process) => {
    const memory: { read?: Credential; ticket?: Ticket } = {}
    const noted: Store = {
      ...real,
      read: (name) =>
        Effect.map(real.read(name), (credential) => {
          if (credential !== undefined) memory.read = credential
          return credential
        }),
      compareAndSwap: (name, change) => {
        if (change._tag === "Claim") memory.ticket = change.ticket
        return real.compareAndSwap(name, change)
      },
    }
    return { ...noted, ...store(noted, memory, process) }
  },
})

// ---------------------------------------------------------------------- and what it takes

const seconds = (view: View): View => ({
  ...view,
  usableUntil: view.usableUntil / 1_000,
  refreshAt: view.refreshAt / 1_000,
  expiresAt: view.expiresAt / 1_000,
})

const withoutRefreshToken = ({ refreshToken: _, ...tokens }: Credential["tokens"]): Credential["tokens"] => tokens

/** Who has been told 401 and not yet been answered. */
const refused = new WeakSet<Process>()

const noting = (keeper: Handle, _: unknown, process: Process): Handle => ({
  ...keeper,
  refused: (token) =>
    Effect.suspend(() => {
      refused.add(process)
      return Effect.ensuring(
        keeper.refused(token),
        Effect.sync(() => refused.delete(process)),
      )
    }),
})

/** What ends the request of a process when its caller goes away. */
const aborts = new WeakMap<Process, Deferred.Deferred<void>>()

const abortOf = (process: Process): Deferred.Deferred<void> => {
  const known = aborts.get(process) ?? Deferred.makeUnsafe<void>()
  aborts.set(process, known)
  return known
}

/** A token at hand, with a timer in the place of its expiry. */
const countingDown = (keeper: Handle, { now, uptime }: Clocks): Handle => {
  let kept: Access | undefined
  let end = 0
  return {
    ...keeper,
    access: (options) =>
      Effect.suspend(() =>
        kept !== undefined && uptime() < end
          ? Effect.succeed(kept)
          : Effect.map(keeper.access(options), (access) => {
              kept = access
              end = uptime() + ((access.expiresAt ?? now()) - now())
              return access
            }),
      ),
  }
}

const oneCaller = alike(1, "token")
const twoCallers = alike(2, "token")
const oneFault = { faults: 1, stalls: 0 }
const inWindow = { token: "inWindow", background: true } as const

export const mutants: ReadonlyArray<Mutant> = [
  mutant(
    "refresh although valid",
    "The stored expiry is read as seconds where it is milliseconds, so that every token has long ended.",
    hearing((event) => (event.type === "Looked" ? { ...event, view: seconds(event.view) } : event)),
    "no refresh without need",
    { processes: oneCaller, token: "fresh" },
  ),
  mutant(
    "no re-read after the claim",
    "The ticket is a lock on the name: whoever wins it presents the refresh token it had read before.",
    {
      ...ruling("Claim", (current, { ticket }) => (current.ticket === undefined ? { ...current, ticket } : undefined)),
      ...storing((store, memory) => ({
        compareAndSwap: (name, change) =>
          Effect.map(store.compareAndSwap(name, change), (swapped) =>
            change._tag === "Claim" && swapped.applied
              ? { applied: true, credential: { ...memory.read!, ticket: change.ticket } }
              : swapped,
          ),
      })),
    },
    "no refresh without need",
    { processes: twoCallers },
  ),
  mutant(
    "no claim",
    "Single flight within the process is thought to be enough: nobody asks the store before presenting.",
    storing((store, memory) => ({
      compareAndSwap: (name, change) =>
        change._tag === "Claim"
          ? Effect.succeed({ applied: true, credential: { ...memory.read!, ticket: change.ticket } })
          : store.compareAndSwap(name, change),
    })),
    "I1 presented at most once",
    { processes: twoCallers },
  ),
  mutant(
    "claim without compare-and-swap",
    "Whether the ticket is free is asked in one step, and in the next it is taken.",
    {
      ...ruling("Claim", (current, { generation, ticket }) =>
        current.generation === generation ? { ...current, ticket } : undefined,
      ),
      ...storing((store) => ({
        compareAndSwap: (name, change) =>
          change._tag === "Claim"
            ? Effect.flatMap(store.read(name), (credential) =>
                Change.apply(credential, 0, change) === undefined
                  ? Effect.succeed({ applied: false, credential })
                  : store.compareAndSwap(name, change),
              )
            : store.compareAndSwap(name, change),
      })),
    },
    "I1 presented at most once",
    { processes: twoCallers },
  ),
  mutant(
    "commit guarded by the lease",
    "Classical fencing: who does not hold the ticket any more may not store what the server has granted.",
    {
      ...ruling("Commit", (current, change) =>
        current.ticket?.id === (change as { readonly fence?: string }).fence
          ? Change.apply(current, current.generation, change)
          : undefined,
      ),
      ...storing((store, memory) => ({
        compareAndSwap: (name, change) =>
          store.compareAndSwap(
            name,
            change._tag === "Commit" ? ({ ...change, fence: memory.ticket?.id } as Change.Change) : change,
          ),
      })),
    },
    "I4 what was granted is stored",
    { processes: twoCallers, faults: ["pause"], bounds: oneFault },
  ),
  mutant(
    "commit after release",
    "The lock is let go as soon as the answer is there, and then the answer is stored.",
    storing((store, memory) => ({
      compareAndSwap: (name, change) =>
        change._tag === "Commit"
          ? Effect.andThen(
              store.compareAndSwap(name, {
                _tag: "Release",
                generation: change.generation,
                ticketId: memory.ticket!.id,
                pause: undefined,
              }),
              store.compareAndSwap(name, change),
            )
          : store.compareAndSwap(name, change),
    })),
    "I1 presented at most once",
    { processes: twoCallers },
  ),
  mutant(
    "blind write",
    "The new tokens are written over whatever is stored by then.",
    ruling("Commit", (current, change, newest) => {
      const next = Change.apply(current, newest, { ...change, generation: current.generation })
      return next && { ...next, generation: newest + 1 }
    }),
    "I3 nothing older replaces",
    { processes: oneCaller, faults: ["signIn"], bounds: oneFault },
  ),
  mutant(
    "verdict without generation",
    "A refusal condemns whatever is stored when it is written down.",
    ruling("Condemn", (current, change, newest) =>
      Change.apply(current, newest, {
        ...change,
        generation: current.generation,
        ticketId: current.ticket?.id,
      }),
    ),
    "I3 nothing older replaces",
    { processes: oneCaller, faults: ["revoke", "signIn"], bounds: { faults: 2, stalls: 0 } },
  ),
  mutant(
    "verdict without ticket",
    "Whoever is refused writes the verdict, although somebody else has presented the token since.",
    ruling("Condemn", (current, change, newest) =>
      Change.apply(current, newest, { ...change, ticketId: current.ticket?.id }),
    ),
    "I4 what was granted is stored",
    { processes: twoCallers, faults: ["pause", "crash"], bounds: { faults: 2, stalls: 0 }, memory: "written" },
  ),
  mutant(
    "verdict deletes",
    "A refresh token that was refused is thrown away, and with it all that could be tried or told later.",
    ruling("Condemn", (current, change, newest) => {
      const next = Change.apply(current, newest, change)
      return next && { ...next, tokens: withoutRefreshToken(next.tokens) }
    }),
    "I3 nothing older replaces",
    { processes: oneCaller, faults: ["revoke"], bounds: oneFault },
  ),
  mutant(
    "older 401 forces",
    "A 401 is taken to be about the newest token, whichever token was refused.",
    hearing((event, { context }) =>
      event.type === "Refused" ? { ...event, generation: context.view.generation } : event,
    ),
    "I6 one forced refresh",
    { processes: [{ calls: ["token", "refused"] }] },
  ),
  mutant(
    "force without the gate",
    "A refresh that a 401 demands passes by the ticket.",
    {
      keeper: noting,
      ...storing((store, memory, process) => ({
        compareAndSwap: (name, change) =>
          change._tag === "Claim" && refused.has(process)
            ? Effect.succeed({ applied: true, credential: { ...memory.read!, ticket: change.ticket } })
            : store.compareAndSwap(name, change),
      })),
    },
    "I1 presented at most once",
    { processes: alike(2, "refused"), token: "fresh" },
  ),
  mutant(
    "passing failure as death",
    "Whatever is not a token is a refusal, a 503 too.",
    reading((outcome) =>
      outcome._tag === "Rejected" && outcome.dead === undefined
        ? { ...outcome, dead: { reason: "rejected", code: "error" } }
        : outcome,
    ),
    "I8 no false death",
    { processes: oneCaller, faults: ["busyBefore", "rateLimited"], bounds: oneFault },
  ),
  mutant(
    "death as passing failure",
    "Every refusal may be a passing one, and is tried again.",
    reading((outcome) => (outcome._tag === "Rejected" ? { ...outcome, dead: undefined } : outcome)),
    "I7 dead costs nothing",
    { processes: oneCaller, faults: ["revoke"], bounds: oneFault },
  ),
  mutant(
    "retry of the POST",
    "The HTTP client repeats a request that brought no answer.",
    {
      endpoint: (endpoint) => ({
        exchange: (credential, deadline, witness) =>
          Effect.flatMap(endpoint.exchange(credential, deadline, witness), (outcome) =>
            outcome._tag === "Ambiguous" ? endpoint.exchange(credential, deadline, witness) : Effect.succeed(outcome),
          ),
      }),
    },
    "I1 presented at most once",
    { processes: oneCaller, faults: ["lostAnswer", "busyAfter"], bounds: oneFault },
  ),
  mutant(
    "retry of an unknown outcome on a strict server",
    "The server is thought to honour a consumed refresh token until its successor is used.",
    seeing((view) => ({ ...view, reuse: "untilSuccessorUsed" })),
    "I1 presented at most once",
    { processes: oneCaller, ...inWindow, faults: ["lostAnswer"], bounds: oneFault },
  ),
  mutant(
    "caller's cancel kills the flight",
    "The request carries the signal of the caller who happened to cause it.",
    {
      keeper: (keeper, _, process) => ({
        ...keeper,
        access: (options) =>
          Effect.onInterrupt(keeper.access(options), () => Deferred.succeed(abortOf(process), undefined)),
      }),
      endpoint: (endpoint: Endpoint, process) => ({
        exchange: (credential, deadline, witness) =>
          Effect.interruptible(
            Effect.raceFirst(
              endpoint.exchange(credential, deadline, witness),
              Effect.as(Deferred.await(abortOf(process)), { _tag: "Ambiguous", cause: "aborted" } as const),
            ),
          ),
      }),
    },
    "I4 what was granted is stored",
    { processes: oneCaller, faults: ["cancel"], bounds: oneFault },
  ),
  mutant(
    "waiters not settled on failure",
    "Who waits is told about tokens only.",
    wishing(({ type }) => type !== "postpone"),
    "I9 every waiter ends",
    { processes: oneCaller, faults: ["busyBefore"], bounds: oneFault },
  ),
  mutant(
    "old refresh token overwritten first",
    "A fence takes the refresh token out of the store while it is being presented, so that nobody else can.",
    {
      ...ruling("Claim", (current, change, newest) => {
        const next = Change.apply(current, newest, change)
        return next && { ...next, tokens: withoutRefreshToken(next.tokens) }
      }),
      ...storing((store, memory) => ({
        compareAndSwap: (name, change) =>
          Effect.map(store.compareAndSwap(name, change), ({ applied, credential }) => ({
            applied,
            credential:
              change._tag === "Claim" && applied ? { ...credential!, tokens: memory.read!.tokens } : credential,
          })),
      })),
    },
    "I3 nothing older replaces",
    { processes: oneCaller },
  ),
  mutant(
    "lease shorter than the deadline",
    "Others wait for five seconds, and an exchange may take twenty.",
    storing((store) => ({
      compareAndSwap: (name, change) =>
        store.compareAndSwap(
          name,
          change._tag === "Claim"
            ? { ...change, ticket: { ...change.ticket, drainedAt: change.ticket.issuedAt + 5_000 } }
            : change,
        ),
    })),
    "I1 presented at most once",
    { processes: twoCallers, options: { callerDeadlineMillis: 10_000 }, bounds: { faults: 0, stalls: 1 } },
  ),
  mutant(
    "expiry by a clock that jumps",
    "How long a token lives is counted down by a clock that stands still while the machine sleeps.",
    { keeper: countingDown },
    "the token works",
    {
      processes: alike(1, "token", "token"),
      token: "fresh",
      server: { reuse: "strict", accessLifetimeMillis: 300_000 },
      faults: ["pause"],
      bounds: oneFault,
    },
  ),

  // -------------------------------------------------------------------- beyond the twenty
  mutant(
    "second claim without compare-and-swap",
    "Whoever is in doubt may try a second time, and does not ask whether another is at it.",
    ruling("Claim", (current, change, newest) =>
      change.ticket.attempt === 2 && current.ticket !== undefined
        ? { ...current, ticket: { ...change.ticket, first: current.ticket } }
        : Change.apply(current, newest, change),
    ),
    "I7 dead costs nothing",
    { processes: twoCallers, faults: ["crash"], restart: 1, bounds: oneFault },
  ),
  mutant(
    "a third presentation",
    "A doubt is always the first doubt, so there is no end to second tries.",
    {
      ...seeing((view) => (view.ticket === undefined ? view : { ...view, ticket: { ...view.ticket, attempt: 1 } })),
      ...ruling("Claim", (current, change, newest) =>
        current.ticket !== undefined && current.ticket.id === change.after
          ? { ...current, ticket: { ...change.ticket, first: current.ticket } }
          : Change.apply(current, newest, change),
      ),
    },
    "I1 presented at most once",
    {
      processes: oneCaller,
      faults: ["crash"],
      server: { reuse: "rejectOnly" },
      restart: 1,
      bounds: { faults: 2, stalls: 0 },
    },
  ),
  mutant(
    "sends after standing still",
    "Between winning the ticket and presenting nobody looks at the clock.",
    hearing((event) => (event.type === "Claimed" ? { ...event, elapsed: 0 } : event)),
    "I1 presented at most once",
    { processes: twoCallers, faults: ["pause"], bounds: oneFault },
  ),
  mutant(
    "a failed early refresh is told to the caller",
    "The refresh window is taken off the token's life, so that a refresh that fails takes a working token away.",
    seeing((view) => ({ ...view, usableUntil: view.refreshAt })),
    "I5 no error while a token works",
    { processes: oneCaller, token: "inWindow", faults: ["busyBefore"], bounds: oneFault },
  ),
  mutant(
    "a store that failed is not tried again",
    "The new token is served from memory, and never stored.",
    wishing(
      ({ type }, event, { value }) =>
        !(type === "wake" && event.type === "StoreFailed" && JSON.stringify(value).includes("committing")),
    ),
    "I4 what was granted is stored",
    { processes: oneCaller, faults: ["storeFails"], bounds: oneFault },
  ),
  mutant(
    "write-behind",
    "The new token goes out while it is still being written.",
    storing((store, memory) => ({
      compareAndSwap: (name, change) =>
        change._tag === "Commit"
          ? Effect.as(Effect.forkDetach(store.compareAndSwap(name, change)), {
              applied: true,
              credential: Change.apply(memory.read, 0, change),
            })
          : store.compareAndSwap(name, change),
    })),
    "I4 what was granted is stored",
    { processes: oneCaller },
  ),
  mutant(
    "a dead holder's ticket is never taken over",
    "A lock that nobody breaks: when the process that holds it is killed, everybody is told to try again later, for ever.",
    seeing((view) =>
      view.ticket === undefined
        ? view
        : { ...view, ticket: { ...view.ticket, vanished: true, holderGone: false, drainedAt: Infinity } },
    ),
    "I9 every waiter ends",
    { processes: oneCaller, faults: ["crash"], bounds: oneFault },
  ),
  mutant(
    "a pause binds its author only",
    "The server has asked to be left alone, and only the process that it told so obeys.",
    {
      ...seeing((view) => ({ ...view, pauseUntil: 0 })),
      ...ruling("Claim", ({ pause: _, ...current }, change, newest) => Change.apply(current, newest, change)),
    },
    "no refresh without need",
    { processes: twoCallers, faults: ["rateLimited"], bounds: oneFault },
  ),
  mutant(
    "tokens without a new generation",
    "The generation counts sign-ins and not rotations.",
    ruling("Commit", (current, change, newest) => {
      const next = Change.apply(current, newest, change)
      return next && { ...next, generation: current.generation }
    }),
    "I2 generations grow",
    { processes: oneCaller },
  ),
  mutant(
    "the request in the error",
    "What went wrong is told with the body of the request, so that it can be looked into.",
    {
      endpoint: (endpoint) => ({
        exchange: (credential, deadline, witness) =>
          Effect.map(endpoint.exchange(credential, deadline, witness), (outcome) => {
            const body = `refresh_token=${Redacted.value(credential.tokens.refreshToken!)}`
            return outcome._tag === "Rotated" ? outcome : { ...outcome, cause: `${outcome.cause} (${body})` }
          }),
      }),
    },
    "I10 no secret",
    { processes: oneCaller, faults: ["busyBefore"], bounds: oneFault },
  ),
  mutant(
    "answer read before it is written down",
    "The answer goes from the wire into the commit, since nothing can happen in between.",
    storing((store) => ({
      compareAndSwap: (name, change) =>
        change._tag === "Journal"
          ? Effect.succeed({ applied: true, credential: undefined })
          : store.compareAndSwap(name, change),
    })),
    "I4 what was granted is stored",
    { processes: oneCaller },
  ),
  mutant(
    "a written answer that nobody reads",
    "The journal is for people to look into: a process that finds an answer in it takes it for a doubt.",
    {
      ...seeing((view) => ({ ...view, ticket: view.ticket && { ...view.ticket, answered: false } })),
      ...ruling("Claim", ({ ticket, ...rest }, change, newest) => {
        const { answer: _, ...unread } = ticket ?? {}
        return Change.apply({ ...rest, ...(ticket && { ticket: unread as Ticket }) }, newest, change)
      }),
    },
    "I1 presented at most once",
    { processes: oneCaller, faults: ["crash"], bounds: oneFault, restart: 1 },
  ),
  mutant(
    "the later of two answers thrown away",
    "Whose commit comes second has lost, although the server has let the other answer's tokens die.",
    ruling("Commit", (current, change, newest) =>
      current.generation === change.generation ? Change.apply(current, newest, change) : undefined,
    ),
    "the session is kept",
    {
      processes: twoCallers,
      server: { reuse: "untilSuccessorUsed", replacesSuccessor: true },
      faults: ["pause"],
      bounds: oneFault,
    },
  ),
  ...ownerMutants,
]

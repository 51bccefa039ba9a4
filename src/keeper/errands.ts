/**
 * The Keeper's errands: every command that goes to the store or to the server, and the event that comes of it.
 *
 * An errand ends with one event for the machine and decides nothing. Whoever runs it sees to it that it runs to its end.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { read } from "../exchange/read.ts"
import type { Outcome, TokenEndpoint } from "../exchange/TokenEndpoint.ts"
import { apply, type Change } from "../lifecycle/Change.ts"
import { type Answer, type Credential, type Holder, processOf } from "../lifecycle/Credential.ts"
import type { Line } from "../lifecycle/History.ts"
import * as Pace from "../lifecycle/pace.ts"
import type { Event, ParamsOf } from "../lifecycle/protocol.ts"
import type { View } from "../lifecycle/View.ts"
import type { Profiles } from "../provider/Profiles.ts"
import type { CredentialStore, StoreUnavailable, Swapped } from "../store/CredentialStore.ts"
import { cellOf, type Entry, type Landed } from "./Entry.ts"
import type { TokenError } from "./errors.ts"
import { ahead, isShared, type Owners, type Present } from "./Owners.ts"
import * as Recorder from "./recorder.ts"
import * as Sharing from "./sharing.ts"
import * as Wording from "./wording.ts"

/** After the deadline a packet may still be under way: so long until no answer to a presentation can arrive any more. */
export const networkLifetimeMillis = 10_000

export interface Surroundings {
  readonly store: CredentialStore["Service"]
  readonly endpoint: TokenEndpoint["Service"]
  readonly clock: Clock.Clock
  readonly profiles: typeof Profiles.Service
  readonly owners: typeof Owners.Service
  /** Who we are, as a ticket's holder. */
  readonly holder: () => Holder
  readonly exchangeDeadlineMillis: number
  /** Another credential with tokens that work, from which one may be minted. */
  readonly parentOf: (name: string) => Effect.Effect<Credential, TokenError>
  readonly view: (credential: Credential, entry?: Entry) => View
  readonly dispatch: (entry: Entry, event: Event) => Effect.Effect<void>
  /** The store has nothing under this name any more. */
  readonly forget: (entry: Entry) => void
  /** Runs in a fiber of the Keeper to its end. */
  readonly work: (task: Effect.Effect<void>) => Effect.Effect<void>
  /** Tells a line to whoever wants to hear it, and to the history. */
  readonly told: (entry: Entry, line: Line) => void
  /** A credential has come into view that its owner uses too. */
  readonly shared: (entry: Entry) => void
}

export const make = (surroundings: Surroundings) => {
  const {
    clock,
    dispatch,
    endpoint,
    exchangeDeadlineMillis,
    forget,
    holder,
    owners,
    parentOf,
    profiles,
    shared,
    store,
    told,
    view,
    work,
  } = surroundings
  const now = () => clock.currentTimeMillisUnsafe()
  let tickets = 0

  const seen = (entry: Entry, credential: Credential, view: View): void => {
    // A read that was overtaken by a newer one must not bring the older token back (I2).
    if (entry.known && credential.generation < entry.state.context.view.generation) return
    entry.known = true
    entry.origin = Wording.originOf(credential)
    if (isShared(credential.foreign)) shared(entry)
    entry.verdict = credential.verdict
    entry.kept = credential.ticket?.answer && credential
    if (credential.pause) entry.trouble = credential.pause.cause
    else if (Pace.openAt(credential) > now()) entry.trouble = Wording.paceTrouble
    if (credential.ticket?.vanishedAt !== undefined) entry.trouble ??= Wording.vanishedTrouble(credential.ticket)
    entry.cell = cellOf(credential, view)
  }

  /** Hands what a store operation found to the machine; a failure of the store is a fact like any other. */
  const answer = <A>(
    entry: Entry,
    operation: Effect.Effect<A, StoreUnavailable>,
    toEvent: (found: A) => Event | undefined,
    failed: "StoreFailed" | "Unreadable" = "StoreFailed",
  ): Effect.Effect<void> =>
    Effect.matchEffect(operation, {
      onFailure: (trouble) => {
        entry.storeTrouble = trouble
        return dispatch(entry, { type: failed, now: now() })
      },
      onSuccess: (found) => {
        entry.storeTrouble = undefined
        const event = toEvent(found)
        return event === undefined ? Effect.sync(() => forget(entry)) : dispatch(entry, event)
      },
    })

  const looked = (entry: Entry, credential: Credential | undefined, type: "Looked" | "Superseded" | "Stored") => {
    if (credential === undefined) return undefined
    const found = view(credential, entry)
    seen(entry, credential, found)
    return { type, now: now(), view: found } as const
  }

  /** A line about something that was no step of the machine. */
  const noted = (entry: Entry, event: string, generation: number, tokens: Credential["tokens"]): void =>
    told(entry, Recorder.deedOf(holder(), now(), event, generation, { tokens }))

  const look = (entry: Entry): Effect.Effect<void> =>
    answer(entry, sharing.read(entry), (credential) => looked(entry, credential, "Looked"), "Unreadable")

  const claim = Effect.fnUntraced(function* (entry: Entry, { after, attempt, generation }: ParamsOf<"claim">) {
    const issuedAt = now()
    const monotonic = clock.monotonicTimeNanosUnsafe()
    const ticket = {
      id: `${holder().instance}.${++tickets}`,
      attempt,
      holder: holder(),
      issuedAt,
      drainedAt: issuedAt + exchangeDeadlineMillis + networkLifetimeMillis,
    }
    yield* answer(entry, swap(entry, { _tag: "Claim", generation, ticket, after }), ({ applied, credential }) => {
      if (!applied || credential === undefined) return looked(entry, credential, "Superseded")
      entry.flight = { credential, successor: undefined }
      // Two clocks, because each alone can miss a pause: one stops while the machine sleeps, the other can be set back.
      const elapsed = Math.max(now() - issuedAt, Number(clock.monotonicTimeNanosUnsafe() - monotonic) / 1e6)
      return { type: "Claimed", now: now(), generation, elapsed, view: view(credential, entry) }
    })
  })

  /** The history travels with the change; where the change does not apply, with the next one. */
  const swap = (entry: Entry, change: Change): Effect.Effect<Swapped, StoreUnavailable> =>
    Effect.suspend(() => {
      const lines = Recorder.take(entry)
      const keepLines = Effect.sync(() => (entry.lines = [...lines, ...Recorder.take(entry)]))
      return store.compareAndSwap(entry.name, change, lines).pipe(
        Effect.tap(({ applied }) => (applied ? Effect.void : keepLines)),
        Effect.tapError(() => keepLines),
      )
    })

  const sharing = Sharing.make({ store, owners, swap, noted, work })

  const commitOf = ({ generation, seed }: Credential, tokens: Credential["tokens"], forced: number) =>
    ({ _tag: "Commit", generation, seed, tokens, forced }) as const

  /**
   * Where a store does not take the answer, it is read and kept in memory all the same. Once somebody else has written,
   * the commit finds out.
   */
  const journal = (entry: Entry, { generation, ticket }: Credential, answer: Answer): Effect.Effect<void> =>
    Effect.ignore(swap(entry, { _tag: "Journal", generation, ticketId: ticket!.id, answer }))

  const exchange = Effect.fnUntraced(function* (entry: Entry, { forced }: ParamsOf<"exchange">) {
    const { credential } = entry.flight!
    entry.parameters = undefined
    const present: Present = (deadlineMillis) =>
      endpoint.exchange(credential, deadlineMillis, {
        parent: parentOf,
        sent: (parameters) => void (entry.parameters = parameters),
        answered: (answer) => journal(entry, credential, answer),
      })
    const outcome = yield* isShared(credential.foreign)
      ? owners.exchange(credential, exchangeDeadlineMillis, present)
      : present(exchangeDeadlineMillis)
    yield* tell(entry, credential, outcome, forced)
  })

  const replay = Effect.fnUntraced(function* (entry: Entry, { forced }: ParamsOf<"replay">) {
    const credential = entry.kept!
    entry.flight = { credential, successor: undefined }
    const known = yield* profiles
    yield* tell(entry, credential, read(credential, credential.ticket!.answer!, known.profiles), forced)
  })

  /** Hands the outcome of a presentation to the machine. */
  const tell = Effect.fnUntraced(function* (entry: Entry, credential: Credential, outcome: Outcome, forced: number) {
    const { generation } = credential
    const jitter = yield* Random.next
    const at = now()
    const unavailable = (retryAt: number): Event => ({ type: "Unavailable", now: at, generation, retryAt, jitter })
    if (outcome._tag === "Rotated") {
      const tokens = ahead(outcome.tokens, credential.foreign)
      const successor = apply(credential, generation, commitOf(credential, tokens, forced))!
      entry.flight = { credential, successor }
      entry.trouble = undefined
      return yield* dispatch(entry, { type: "Granted", now: at, generation, view: view(successor) })
    }
    entry.trouble = outcome.cause
    if (outcome._tag === "Ambiguous") return yield* dispatch(entry, { type: "Vanished", now: at, generation, jitter })
    if (outcome._tag === "NotSent") return yield* dispatch(entry, unavailable(0))
    if (outcome.dead === undefined) return yield* dispatch(entry, unavailable(outcome.retryAt))
    const { code, reason } = outcome.dead
    entry.verdict = { reason, at, ...(code !== undefined && { code }), by: holder().label }
    return yield* dispatch(entry, { type: "Denied", now: at, generation, reason })
  })

  const commit = (entry: Entry): Effect.Effect<void> => {
    const { credential: before, successor } = entry.flight as Landed
    return answer(
      entry,
      swap(entry, commitOf(before, successor.tokens, successor.forced)).pipe(
        Effect.tapError(() =>
          // The store does not take it and the server has no other: it is served from memory, and stored when it can be.
          Effect.sync(() => seen(entry, successor, view(successor))),
        ),
      ),
      ({ applied, credential }) => {
        entry.flight = undefined
        return looked(entry, credential, applied ? "Stored" : "Superseded")
      },
    ).pipe(
      // Whoever went on from somebody else's answer owes it to the owner; whoever had it himself finds it there already.
      Effect.andThen(isShared(before.foreign) ? Effect.suspend(() => look(entry)) : Effect.void),
    )
  }

  /** Writes down what came of an exchange that brought no token. */
  const record = (entry: Entry, change: Change): Effect.Effect<void> =>
    answer(entry, swap(entry, change), ({ applied, credential }) =>
      looked(entry, credential, applied ? "Stored" : "Superseded"),
    )

  const release = (entry: Entry, { failures, generation, pauseUntil }: ParamsOf<"release">): Effect.Effect<void> => {
    const ticketId = entry.flight!.credential.ticket!.id
    const cause = entry.trouble ?? "the refresh failed"
    const pause = pauseUntil > 0 ? { until: pauseUntil, failures, cause } : undefined
    return record(entry, { _tag: "Release", generation, ticketId, pause })
  }

  const doubt = (entry: Entry, { generation }: ParamsOf<"doubt">): Effect.Effect<void> =>
    record(entry, { _tag: "Doubt", generation, ticketId: entry.flight!.credential.ticket!.id, at: now() })

  const condemn = (entry: Entry, { generation, reason, ticketId }: ParamsOf<"condemn">): Effect.Effect<void> => {
    const verdict = { ...entry.verdict, by: processOf(holder()), at: now(), reason }
    return record(entry, { _tag: "Condemn", generation, verdict, ticketId })
  }

  return { look, claim, exchange, replay, commit, release, doubt, condemn }
}

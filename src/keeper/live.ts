/**
 * The interpreter: carries out the machine's commands through store, token endpoint and clock, and feeds back the answers.
 *
 * **Details**
 *
 * - `dispatch` is the only place where a credential's state changes, synchronously. Everything that takes time runs in
 *   fibers of the Keeper, never of a caller: a caller that goes away cancels nothing.
 * - The new token is put where callers see it (`publish`) only after the store has answered; the one exception is a store
 *   that does not take it, when it is served from memory and stored as soon as it can be.
 * - Closing the scope starts nothing new and waits for what is on the wire, for as long as one exchange may take.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TokenEndpoint } from "../exchange/TokenEndpoint.ts"
import { apply, type Change } from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import * as Expiry from "../lifecycle/Expiry.ts"
import { initial } from "../lifecycle/machine.ts"
import type { Command, Event, ParamsOf } from "../lifecycle/protocol.ts"
import type { View } from "../lifecycle/View.ts"
import { CredentialStore, type StoreUnavailable } from "../store/CredentialStore.ts"
import { accessOf, cellOf, type Entry, make as makeEntry, offers } from "./Entry.ts"
import { type Access, type Handle, Keeper, type Status, type TokenOptions } from "./Keeper.ts"
import * as Alarm from "./Alarm.ts"
import { Processes } from "./Processes.ts"
import { Decide, Observer } from "./hooks.ts"
import { makeView } from "./sighting.ts"
import * as Standing from "./standing.ts"
import type { TokenError } from "./errors.ts"
import * as Wording from "./wording.ts"

export interface KeeperOptions {
  /** Refresh in the window without being asked, as a process that stays does. `false` for a short command. Default true. */
  readonly background?: boolean | undefined
  /** Who asks, as it appears in tickets and verdicts: a program's name. Default "tokenkeep". */
  readonly label?: string | undefined
  /** How long one caller waits at most. Default 30,000. */
  readonly callerDeadlineMillis?: number | undefined
  /** How long one exchange may take in all, from connecting to the last byte. Default 20,000. */
  readonly exchangeDeadlineMillis?: number | undefined
  /** How often a timer looks at the wall clock, which sleep and corrections move under it. Default 30,000. */
  readonly clockCheckMillis?: number | undefined
}

/** After the deadline a packet may still be under way: so long until no answer to a presentation can arrive any more. */
const networkLifetimeMillis = 10_000

/** Where nobody can say when a token will come, asking again after this long is soon enough. */
const longestPostponementMillis = 3_600_000

export const make = Effect.fnUntraced(function* (
  options: KeeperOptions = {},
): Effect.fn.Return<Keeper["Service"], never, CredentialStore | TokenEndpoint | Scope.Scope> {
  const store = yield* CredentialStore
  const endpoint = yield* TokenEndpoint
  const clock = yield* Clock.Clock
  const processes = yield* Processes
  const decide = yield* Decide
  const observe = yield* Observer
  const background = options.background ?? true
  const label = options.label ?? "tokenkeep"
  const callerDeadlineMillis = options.callerDeadlineMillis ?? 30_000
  const exchangeDeadlineMillis = options.exchangeDeadlineMillis ?? 20_000
  const clockCheckMillis = options.clockCheckMillis ?? 30_000

  const entries = new Map<string, Entry>()
  const atWork = new Set<Fiber.Fiber<void>>()
  let tickets = 0
  let closing = false

  const now = () => clock.currentTimeMillisUnsafe()

  const view = makeView(processes, now)

  // ------------------------------------------------------------------ callers

  const settle = (entry: Entry, answer: () => Effect.Effect<Access, TokenError>): void => {
    const waiters = entry.waiters
    if (waiters === undefined) return
    entry.waiters = undefined
    const answered = answer()
    for (const waiter of waiters) Deferred.doneUnsafe(waiter, answered)
  }

  const forget = (entry: Entry): void => {
    entry.state = initial(background)
    entry.known = false
    entry.cell = undefined
    entry.flight = undefined
    alarm.set(entry, Infinity)
    settle(entry, () => Effect.fail(Wording.notFound(entry.name)))
  }

  // ------------------------------------------------------------------ the step

  const seen = (entry: Entry, credential: Credential, view: View): void => {
    // A read that was overtaken by a newer one must not bring the older token back (I2).
    if (entry.known && credential.generation < entry.state.context.view.generation) return
    entry.known = true
    entry.verdict = credential.verdict
    if (credential.pause) entry.trouble = credential.pause.cause
    if (credential.ticket?.vanishedAt !== undefined) entry.trouble ??= Wording.vanishedTrouble(credential.ticket)
    entry.cell = cellOf(credential, view)
  }

  /** A token that a resource server refused is not at hand any more. */
  const publish = (entry: Entry): void => {
    if (entry.cell !== undefined && entry.state.context.refused >= entry.cell.view.generation) entry.cell = undefined
  }

  const dispatch = (entry: Entry, event: Event): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (entry.inbox !== undefined) {
        entry.inbox.push(event)
        return Effect.void
      }
      const inbox = (entry.inbox = [event])
      return Effect.whileLoop({
        while: () => inbox.length > 0,
        body: () => step(entry, inbox.shift()!),
        step: () => {},
      }).pipe(Effect.ensuring(Effect.sync(() => (entry.inbox = undefined))))
    }).pipe(Effect.uninterruptible)

  const step = (entry: Entry, event: Event): Effect.Effect<void> => {
    const before = entry.state
    const [after, commands] = decide(before, event)
    entry.state = after
    publish(entry)
    observe(entry.name, before, event, after, commands)
    return Effect.forEach(commands, (command) => carryOut(entry, command), { discard: true })
  }

  /** Runs in a fiber of the Keeper, from here to its end, whatever becomes of the caller who happened to cause it. */
  const work = (task: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.map(Effect.forkDetach(task, { uninterruptible: true }), (fiber) => {
      atWork.add(fiber)
      fiber.addObserver(() => atWork.delete(fiber))
    })

  const carryOut = (entry: Entry, command: Command): Effect.Effect<void> => {
    switch (command.type) {
      case "look":
        return work(look(entry))
      case "claim":
        return work(closing ? dispatch(entry, { type: "StoreFailed", now: now() }) : claim(entry, command.params))
      case "exchange":
        return work(exchange(entry, command.params))
      case "commit":
        return work(commit(entry, command.params))
      case "release":
        return work(release(entry, command.params))
      case "doubt":
        return work(doubt(entry, command.params))
      case "condemn":
        return work(condemn(entry, command.params))
      case "wake":
        return Effect.sync(() => alarm.set(entry, command.params.at))
      case "serve":
        return Effect.sync(() =>
          settle(entry, () =>
            entry.cell === undefined
              ? Effect.fail(Wording.temporarilyUnavailable(entry.name, now(), entry.trouble))
              : Effect.succeed(accessOf(entry.cell, Standing.noteOf(entry))),
          ),
        )
      case "refuse":
        return Effect.sync(() =>
          settle(entry, () => {
            const since = entry.verdict?.at ?? Math.min(now(), entry.state.context.view.usableUntil)
            return Effect.fail(Wording.signInRequired(entry.name, command.params.reason, since, entry.verdict))
          }),
        )
      case "postpone":
        return Effect.sync(() =>
          settle(entry, () => {
            const retryAt = Math.min(command.params.retryAt, now() + longestPostponementMillis)
            const { refused, view } = entry.state.context
            const trouble = entry.trouble ?? (refused >= view.generation ? Wording.refusedTrouble : undefined)
            return Effect.fail(entry.storeTrouble ?? Wording.temporarilyUnavailable(entry.name, retryAt, trouble))
          }),
        )
    }
  }

  // ------------------------------------------------------------------ store and server

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

  const look = (entry: Entry): Effect.Effect<void> =>
    answer(entry, store.read(entry.name), (credential) => looked(entry, credential, "Looked"), "Unreadable")

  const claim = Effect.fnUntraced(function* (entry: Entry, { after, attempt, generation }: ParamsOf<"claim">) {
    const issuedAt = now()
    const monotonic = clock.monotonicTimeNanosUnsafe()
    const ticket = {
      id: `${processes.self.instance}.${++tickets}`,
      attempt,
      holder: { ...processes.self, label },
      issuedAt,
      drainedAt: issuedAt + exchangeDeadlineMillis + networkLifetimeMillis,
    }
    yield* answer(
      entry,
      store.compareAndSwap(entry.name, { _tag: "Claim", generation, ticket, after }),
      ({ applied, credential }) => {
        if (!applied || credential === undefined) return looked(entry, credential, "Superseded")
        entry.flight = { credential, successor: undefined }
        // Two clocks, because each alone can miss a pause: one stops while the machine sleeps, the other can be set back.
        const elapsed = Math.max(now() - issuedAt, Number(clock.monotonicTimeNanosUnsafe() - monotonic) / 1e6)
        return { type: "Claimed", now: now(), generation, elapsed, view: view(credential, entry) }
      },
    )
  })

  const exchange = Effect.fnUntraced(function* (entry: Entry, { forced, generation }: ParamsOf<"exchange">) {
    const { credential } = entry.flight!
    const sentAt = now()
    const outcome = yield* endpoint.exchange(credential, exchangeDeadlineMillis)
    const jitter = yield* Random.next
    const at = now()
    const unavailable = (retryAt: number): Event => ({ type: "Unavailable", now: at, generation, retryAt, jitter })
    if (outcome._tag === "Rotated") {
      const tokens = Expiry.sooner(outcome.tokens, at - sentAt)
      const successor = apply(credential, generation, { _tag: "Commit", generation, tokens, forced })!
      entry.flight = { credential, successor }
      entry.trouble = undefined
      return yield* dispatch(entry, { type: "Granted", now: at, generation, view: view(successor) })
    }
    entry.trouble = outcome.cause
    if (outcome._tag === "Ambiguous") return yield* dispatch(entry, { type: "Vanished", now: at, generation, jitter })
    if (outcome._tag === "NotSent") return yield* dispatch(entry, unavailable(0))
    if (outcome.dead === undefined) return yield* dispatch(entry, unavailable(outcome.retryAt))
    entry.verdict = { reason: outcome.dead.reason, at, code: outcome.dead.code, by: label }
    return yield* dispatch(entry, { type: "Denied", now: at, generation, reason: outcome.dead.reason })
  })

  const commit = (entry: Entry, { generation }: ParamsOf<"commit">): Effect.Effect<void> => {
    const successor = entry.flight!.successor!
    return answer(
      entry,
      store
        .compareAndSwap(entry.name, { _tag: "Commit", generation, tokens: successor.tokens, forced: successor.forced })
        .pipe(
          Effect.tapError(() =>
            // The store does not take it and the server has no other: it is served from memory, and stored when it can be.
            Effect.sync(() => seen(entry, successor, view(successor))),
          ),
        ),
      ({ applied, credential }) => {
        entry.flight = undefined
        return looked(entry, credential, applied ? "Stored" : "Superseded")
      },
    )
  }

  /** Writes down what came of an exchange that brought no token. */
  const record = (entry: Entry, change: Change): Effect.Effect<void> =>
    answer(entry, store.compareAndSwap(entry.name, change), ({ applied, credential }) =>
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

  const condemn = (entry: Entry, { doubt: ticketId, generation, reason }: ParamsOf<"condemn">): Effect.Effect<void> => {
    const verdict = { ...entry.verdict, by: `${label} (pid ${processes.self.pid})`, at: now(), reason }
    return record(entry, { _tag: "Condemn", generation, verdict, doubt: ticketId })
  }

  // ------------------------------------------------------------------ time

  const alarm = Alarm.make<Entry>(now, clockCheckMillis, (entry, at) => dispatch(entry, { type: "Woke", now: at }))

  const listener = store.changes.pipe(
    Stream.runForEach((name) => {
      const entry = entries.get(name)
      return entry?.known === true || entry?.waiters !== undefined ? look(entry) : Effect.void
    }),
    // A store that cannot be watched just now is still read at every decision; its hints come back when it does.
    Effect.retry(Schedule.spaced("5 seconds")),
    Effect.ignore,
  )

  const holding = () => [...entries.values()].filter((entry) => Standing.detailOf(entry.state) === "holding")

  /** Ends what is on the wire and stores what is only in memory; starts nothing new. */
  const drain = Effect.gen(function* () {
    closing = true
    const deadline = now() + exchangeDeadlineMillis + networkLifetimeMillis
    while (now() < deadline && (atWork.size > 0 || holding().length > 0)) {
      yield* Effect.timeoutOption(Fiber.joinAll([...atWork]), deadline - now())
      for (const entry of holding()) {
        yield* Effect.sleep(250)
        yield* dispatch(entry, { type: "Woke", now: now() })
      }
    }
    for (const entry of holding()) {
      if (entry.storeTrouble) yield* Effect.logError(Wording.unstoredNote(entry.name, entry.storeTrouble))
    }
  })

  yield* Effect.forkScoped(alarm.run)
  yield* Effect.forkScoped(listener)
  yield* Effect.addFinalizer(() => drain)

  // ------------------------------------------------------------------ the service

  const entryOf = (name: string): Entry => {
    const known = entries.get(name)
    if (known !== undefined) return known
    const entry = makeEntry(name, background)
    entries.set(name, entry)
    return entry
  }

  /** Joins the callers who wait for this credential, tells the machine why, and leaves quietly when time is up. */
  const wait = (entry: Entry, event: () => Event): Effect.Effect<Access, TokenError> =>
    Effect.gen(function* () {
      // Before an error is told from memory: what has been stored meanwhile? A hint may be on its way (I5).
      if (!entry.known || Standing.wouldBeTurnedAway(entry.state)) yield* look(entry)
      if (!entry.known) return yield* entry.storeTrouble ?? Wording.notFound(entry.name)
      const waiter = Deferred.makeUnsafe<Access, TokenError>()
      ;(entry.waiters ??= new Set()).add(waiter)
      const leave = Effect.sync(() => entry.waiters?.delete(waiter))
      yield* dispatch(entry, event())
      const answered = yield* Deferred.await(waiter).pipe(
        Effect.timeoutOption(callerDeadlineMillis),
        Effect.ensuring(leave),
      )
      if (Option.isSome(answered)) return answered.value
      // This process may have stood still meanwhile: what others have stored by now is better than an error (I5).
      yield* look(entry)
      if (entry.cell !== undefined && offers(entry.cell, now(), 0)) return accessOf(entry.cell, Standing.noteOf(entry))
      const trouble = entry.trouble ?? `the refresh has not come to an end within ${callerDeadlineMillis / 1000} s`
      return yield* Wording.temporarilyUnavailable(entry.name, now() + 1_000, trouble)
    })

  const handle = (name: string): Handle => {
    const entry = entryOf(name)
    const ready = (minValidity: number): Access | undefined =>
      entry.cell !== undefined && offers(entry.cell, now(), minValidity)
        ? accessOf(entry.cell, Standing.noteOf(entry))
        : undefined
    return {
      name,
      access: ({ minValidity = 0 }: TokenOptions = {}) =>
        Effect.suspend(() => {
          const access = ready(minValidity)
          return access === undefined
            ? wait(entry, () => ({ type: "Asked", now: now(), minValidity }))
            : Effect.succeed(access)
        }),
      peek: (minValidity = 0) =>
        entry.cell !== undefined && offers(entry.cell, now(), minValidity) ? entry.cell.token : undefined,
      refused: (token) =>
        Effect.suspend(() =>
          wait(entry, () => ({ type: "Refused", now: now(), generation: Standing.refusedGeneration(entry, token) })),
        ),
    }
  }

  const statusOf = (credential: Credential): Status => Standing.statusOf(credential, view(credential), now())

  return Keeper.of({
    credential: handle,
    put: Effect.fnUntraced(function* (credential) {
      const { credential: stored } = yield* store.compareAndSwap(credential.name, { _tag: "Put", credential })
      const entry = entries.get(credential.name)
      if (entry !== undefined) yield* look(entry)
      return stored!
    }),
    status: (name) =>
      Effect.flatMap(store.read(name), (credential) =>
        credential === undefined ? Effect.fail(Wording.notFound(name)) : Effect.succeed(statusOf(credential)),
      ),
    list: Effect.map(store.list, (credentials) => credentials.map(statusOf)),
    remove: Effect.fnUntraced(function* (name) {
      if (!(yield* store.remove(name))) return yield* Wording.notFound(name)
      const entry = entries.get(name)
      if (entry !== undefined) forget(entry)
    }),
  })
})

export const layer = (options?: KeeperOptions) => Layer.effect(Keeper, make(options))

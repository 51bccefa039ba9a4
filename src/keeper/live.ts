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
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TokenEndpoint } from "../exchange/TokenEndpoint.ts"
import { canRefresh, type Credential } from "../lifecycle/Credential.ts"
import { jitterOf } from "../lifecycle/freshness.ts"
import { initial } from "../lifecycle/machine.ts"
import type { Command, Event } from "../lifecycle/protocol.ts"
import type { Line } from "../lifecycle/History.ts"
import { Profiles } from "../provider/Profiles.ts"
import { CredentialStore } from "../store/CredentialStore.ts"
import { accessOf, type Entry, make as makeEntry, offers } from "./Entry.ts"
import { type Access, type Handle, Keeper, type Status, type TokenOptions } from "./Keeper.ts"
import * as Alarm from "./Alarm.ts"
import * as Errands from "./errands.ts"
import { Processes } from "./Processes.ts"
import { Decide, Listener, Observer } from "./hooks.ts"
import * as Following from "./following.ts"
import { isShared, Owners } from "./Owners.ts"
import { makeView } from "./sighting.ts"
import * as Recorder from "./recorder.ts"
import * as Standing from "./standing.ts"
import * as Telemetry from "./telemetry.ts"
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
  /** Write down what happens to each credential, for `history` and `tokenkeep explain`. Default true. */
  readonly history?: boolean | undefined
  /** Spans and metrics (`keeper/telemetry.ts`). Default true. */
  readonly telemetry?: boolean | undefined
  /** How often a timer looks at the wall clock, which sleep and corrections move under it. Default 30,000. */
  readonly clockCheckMillis?: number | undefined
}

/** Over so long the refreshes are spread that a machine finds overdue when it wakes. */
const spreadMillis = 30_000

/** Where nobody can say when a token will come, asking again after this long is soon enough. */
const longestPostponementMillis = 3_600_000

export const make = Effect.fnUntraced(function* (
  options: KeeperOptions = {},
): Effect.fn.Return<Keeper["Service"], never, CredentialStore | TokenEndpoint | Scope.Scope> {
  const store = yield* CredentialStore
  const endpoint = yield* TokenEndpoint
  const profiles = yield* Profiles
  const clock = yield* Clock.Clock
  const processes = yield* Processes
  const decide = yield* Decide
  const observe = yield* Observer
  const listener = yield* Listener
  const owners = yield* Owners
  const background = options.background ?? true
  const label = options.label ?? "tokenkeep"
  const callerDeadlineMillis = options.callerDeadlineMillis ?? 30_000
  const exchangeDeadlineMillis = options.exchangeDeadlineMillis ?? 20_000
  const keepsHistory = options.history ?? true
  const hasTelemetry = options.telemetry ?? true
  const tellsLines = keepsHistory || hasTelemetry || listener !== undefined
  const clockCheckMillis = options.clockCheckMillis ?? 30_000

  const entries = new Map<string, Entry>()
  const atWork = new Set<Fiber.Fiber<void>>()
  let closing = false

  const now = () => clock.currentTimeMillisUnsafe()

  const view = makeView(processes, now)

  const holder = () => ({ ...processes.self, label })

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
    entry.kept = undefined
    alarm.set(entry, Infinity)
    settle(entry, () => Effect.fail(Wording.notFound(entry.name)))
  }

  // ------------------------------------------------------------------ the step

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
      }).pipe(
        Effect.ensuring(Effect.sync(() => (entry.inbox = undefined))),
        Effect.andThen(() =>
          entry.lines === undefined || Standing.isBusy(entry.state) ? Effect.void : work(append(entry)),
        ),
      )
    }).pipe(Effect.uninterruptible)

  /** What no change took along. A store that does not take it now gets it with the next one. */
  const append = (entry: Entry): Effect.Effect<void> =>
    Effect.suspend(() => {
      const lines = Recorder.take(entry)
      if (lines.length === 0) return Effect.void
      return Effect.ignore(store.append(entry.name, lines))
    })

  const told = (entry: Entry, line: Line): void => {
    if (keepsHistory) Recorder.note(entry, line)
    listener?.(entry.name, line)
  }

  const step = (entry: Entry, event: Event): Effect.Effect<void> => {
    const before = entry.state
    const [after, commands] = decide(before, event)
    entry.state = after
    const line = tellsLines ? Recorder.lineOf(entry, holder(), before, event, after) : undefined
    publish(entry)
    observe(entry.name, before, event, after, commands)
    if (line !== undefined) told(entry, line)
    const consequences = Effect.forEach(commands, (command) => carryOut(entry, command), { discard: true })
    if (!hasTelemetry) return consequences
    return Effect.andThen(
      Telemetry.counted(before, event, after, commands),
      line === undefined ? consequences : Telemetry.traced(entry.name, line, consequences),
    )
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
        return work(errands.look(entry))
      case "claim":
        return work(
          closing ? dispatch(entry, { type: "StoreFailed", now: now() }) : errands.claim(entry, command.params),
        )
      case "exchange":
        return work(errands.exchange(entry, command.params))
      case "replay":
        return work(errands.replay(entry, command.params))
      case "commit":
        return work(errands.commit(entry))
      case "release":
        return work(errands.release(entry, command.params))
      case "doubt":
        return work(errands.doubt(entry, command.params))
      case "condemn":
        return work(errands.condemn(entry, command.params))
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
            const { name, verdict } = entry
            return Effect.fail(Wording.signInRequired(name, command.params.reason, since, verdict, entry.origin))
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

  const errands = Errands.make({
    store,
    endpoint,
    profiles,
    owners,
    clock,
    holder,
    exchangeDeadlineMillis,
    parentOf: (name) => Effect.andThen(handle(name).access(), readable(name)),
    view,
    dispatch,
    forget,
    told,
    work,
    shared: (entry) => following.follow(entry),
  })

  // ------------------------------------------------------------------ time

  const alarm = Alarm.make<Entry>(
    now,
    clockCheckMillis,
    (entry, at) => dispatch(entry, { type: "Woke", now: at }),
    // Whoever is waited for has no time to spread.
    (entry) => (entry.waiters === undefined ? spreadMillis * jitterOf(`${processes.self.host} ${entry.name}`) : 0),
  )

  const watching = store.changes.pipe(
    Stream.runForEach((name) => {
      const entry = entries.get(name)
      return entry?.known === true || entry?.waiters !== undefined ? errands.look(entry) : Effect.void
    }),
    // A store that cannot be watched just now is still read at every decision; its hints come back when it does.
    Effect.retry(Schedule.spaced("5 seconds")),
    Effect.ignore,
  )

  const following = Following.make(owners, errands.look)

  const holding = () => [...entries.values()].filter((entry) => Standing.detailOf(entry.state) === "holding")

  /** Ends what is on the wire and stores what is only in memory; starts nothing new. */
  const drain = Effect.gen(function* () {
    closing = true
    const deadline = now() + exchangeDeadlineMillis + Errands.networkLifetimeMillis
    while (now() < deadline && (atWork.size > 0 || holding().length > 0)) {
      yield* Effect.timeoutOption(Fiber.joinAll([...atWork]), deadline - now())
      for (const entry of holding()) {
        yield* Effect.sleep(250)
        yield* dispatch(entry, { type: "Woke", now: now() })
      }
    }
    for (const { flight, name, owed, storeTrouble } of entries.values()) {
      if (owed !== undefined) yield* Effect.logError(Wording.owedNote(name, owed))
      // Whether it waits for another try or one is just being made.
      const isUnstored = flight?.successor !== undefined
      if (isUnstored && storeTrouble) yield* Effect.logError(Wording.unstoredNote(name, storeTrouble))
    }
  })

  yield* Effect.forkScoped(alarm.run)
  yield* Effect.forkScoped(watching)
  if (background) yield* Effect.forkScoped(following.run)
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
  const wait = (entry: Entry, caller: string | undefined, event: () => Event): Effect.Effect<Access, TokenError> =>
    Effect.gen(function* () {
      // Before an error is told from memory: what has been stored meanwhile? A hint may be on its way (I5).
      if (!entry.known || Standing.wouldBeTurnedAway(entry.state)) yield* errands.look(entry)
      if (!entry.known) return yield* entry.storeTrouble ?? Wording.notFound(entry.name)
      if (hasTelemetry) yield* Telemetry.waited
      const waiter = Deferred.makeUnsafe<Access, TokenError>()
      ;(entry.waiters ??= new Set()).add(waiter)
      const leave = Effect.sync(() => entry.waiters?.delete(waiter))
      // Others may have asked while we looked.
      entry.asker = caller
      yield* dispatch(entry, event())
      const answered = yield* Deferred.await(waiter).pipe(
        Effect.timeoutOption(callerDeadlineMillis),
        Effect.ensuring(leave),
        Effect.result,
      )
      if (Result.isSuccess(answered) && Option.isSome(answered.success)) return answered.success.value
      if (Result.isFailure(answered) && !isShared(entry.origin.foreign)) return yield* answered.failure
      // What others have stored by now is better than an error (I5): this process may have stood still, and the owner of a
      // shared login tells nobody when it refreshes.
      yield* errands.look(entry)
      if (entry.cell !== undefined && offers(entry.cell, now(), 0)) return accessOf(entry.cell, Standing.noteOf(entry))
      if (Result.isFailure(answered)) return yield* answered.failure
      const trouble = entry.trouble ?? `the refresh has not come to an end within ${callerDeadlineMillis / 1000} s`
      return yield* Wording.temporarilyUnavailable(entry.name, now() + 1_000, trouble)
    })

  /** What a person did to a credential, as a line of its history. */
  const deed = (event: string, generation: number, credential?: Pick<Credential, "tokens">): ReadonlyArray<Line> =>
    keepsHistory ? [Recorder.deedOf(holder(), now(), event, generation, credential)] : []

  /** Takes a verdict away, if there is one, so that the grant is tried once more. */
  const pardon = Effect.fnUntraced(function* (entry: Entry) {
    const stored = yield* store.read(entry.name)
    if (stored?.verdict === undefined || !canRefresh(stored)) return
    const { generation } = stored
    yield* store.compareAndSwap(entry.name, { _tag: "Pardon", generation }, deed("Pardoned", generation))
  })

  const handle = (name: string): Handle => {
    const entry = entryOf(name)
    const ready = (minValidity: number): Access | undefined =>
      entry.cell !== undefined && offers(entry.cell, now(), minValidity)
        ? accessOf(entry.cell, Standing.noteOf(entry))
        : undefined
    return {
      name,
      access: ({ caller, minValidity: wished = 0, retryDead = false }: TokenOptions = {}) =>
        Effect.suspend(() => {
          // A co-owned login has to be refreshed before its owner would do it, also by those who refresh only when asked.
          const minValidity = () => Math.max(wished, entry.origin.foreign?.aheadMillis ?? 0)
          const access = ready(minValidity())
          if (access !== undefined) return Effect.succeed(access)
          const asked = wait(entry, caller, () => ({ type: "Asked", now: now(), minValidity: minValidity() }))
          return retryDead ? Effect.andThen(pardon(entry), asked) : asked
        }),
      peek: (minValidity = 0) =>
        entry.cell !== undefined && offers(entry.cell, now(), minValidity) ? entry.cell.token : undefined,
      refused: (token, { caller } = {}) =>
        Effect.suspend(() => {
          return wait(entry, caller, () => ({
            type: "Refused",
            now: now(),
            generation: Standing.refusedGeneration(entry, token),
          }))
        }),
    }
  }

  const readable = (name: string) =>
    Effect.flatMap(store.read(name), (credential) =>
      credential === undefined ? Effect.fail(Wording.notFound(name)) : Effect.succeed(credential),
    )

  const statusOf = (credential: Credential): Effect.Effect<Status> =>
    Effect.map(isShared(credential.foreign) ? owners.look(credential) : Effect.undefined, (sight) =>
      Standing.statusOf(credential, view(credential), now(), sight),
    )

  return Keeper.of({
    credential: handle,
    put: Effect.fnUntraced(function* (credential) {
      const { applied, credential: stored } = yield* store.compareAndSwap(credential.name, { _tag: "Put", credential })
      if (applied) yield* Effect.ignore(store.append(credential.name, deed("GrantStored", stored!.generation, stored)))
      const entry = entries.get(credential.name)
      if (entry !== undefined) yield* errands.look(entry)
      return stored!
    }),
    status: (name) => Effect.flatMap(readable(name), statusOf),
    history: store.history,
    list: Effect.flatMap(store.list, (credentials) => Effect.forEach(credentials, statusOf)),
    remove: Effect.fnUntraced(function* (name) {
      if (!(yield* store.remove(name))) return yield* Wording.notFound(name)
      yield* Effect.ignore(store.append(name, deed("Removed", 0)))
      const entry = entries.get(name)
      if (entry !== undefined) forget(entry)
    }),
  })
})

export const layer = (options?: KeeperOptions) => Layer.effect(Keeper, make(options))

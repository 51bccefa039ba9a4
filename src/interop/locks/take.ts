/**
 * Takes the locks that keep another program out of its own login, and gives them back.
 *
 * **Invariants**
 *
 * - All or none: a lock that cannot be had gives back those before it. They are given back in reverse order, when the
 *   scope closes or the process ends; only `kill -9` leaves one, which ends by its owner's own rule.
 * - None is taken over before its owner would take it over itself, and none is removed that is not ours.
 *
 * **Gotchas**
 *
 * - Any of these locks can be lost: to a program that is less patient than ours, after a machine's sleep, or to a process
 *   that clears away whatever it finds. So a lock only saves doing something twice. Ask `stillOurs` right before a write,
 *   and compare what is written over in any case.
 * - Who takes the same lock twice waits for himself.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { LockPlan } from "../ForeignStore.ts"
import * as file from "./file.ts"
import * as flock from "./flock.ts"
import * as folder from "./folder.ts"
import { type Attempt, codeOf, type Lock } from "./Lock.ts"
import { broken, busy, LockTrouble } from "./LockTrouble.ts"

export interface Locks {
  /** Whether all of them are ours at this moment: then they were since they were taken. */
  readonly stillOurs: Effect.Effect<boolean>
}

/** Between two attempts. What Codex waits, too. */
const pollMillis = 50

/** Longer than another that saw the same dead lock takes from its look to its removal. */
const settleMillis = 100

const synchronously =
  (attempt: (plan: LockPlan, now: number) => Attempt) =>
  (plan: LockPlan, now: number): Effect.Effect<Attempt, LockTrouble> =>
    Effect.try({
      try: () => attempt(plan, now),
      catch: (error) => (error instanceof LockTrouble ? error : broken(plan.place, codeOf(error))),
    })

const attempts = {
  file: synchronously(file.attempt),
  folder: synchronously(folder.attempt),
  flock: (plan: LockPlan) => flock.attempt(plan),
}

/** Those of this process, for when it ends in a hurry. */
const ours = new Set<Lock>()

const releaseAll = (): void => {
  for (const lock of [...ours].toReversed()) lock.release()
  ours.clear()
}

const keep = (lock: Lock): void => {
  if (ours.size === 0) process.once("exit", releaseAll)
  ours.add(lock)
}

const letGo = (lock: Lock): void => {
  if (!ours.delete(lock)) return
  if (ours.size === 0) process.off("exit", releaseAll)
  lock.release()
}

const beating = (lock: Lock, heartbeatMillis: number): Effect.Effect<never> =>
  Effect.sleep(heartbeatMillis).pipe(
    Effect.andThen(Clock.currentTimeMillis),
    // A disk that does not answer now may at the next beat; meanwhile the lock grows old.
    Effect.flatMap((now) => Effect.ignore(Effect.try(() => lock.beat?.(now)))),
    Effect.forever,
  )

/** Waits for the lock until `deadline`, and takes it for as long as the scope is open. */
const takeOne = (plan: LockPlan, deadline: number): Effect.Effect<Lock, LockTrouble, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const kept = Effect.fnUntraced(function* (lock: Lock) {
        yield* Scope.addFinalizer(
          scope,
          Effect.sync(() => letGo(lock)),
        )
        if (plan.heartbeatMillis === undefined || lock.beat === undefined) return lock
        yield* Effect.forkIn(Effect.interruptible(beating(lock, plan.heartbeatMillis)), scope)
        return lock
      })
      while (true) {
        const now = yield* Clock.currentTimeMillis
        const result = yield* attempts[plan.kind](plan, now)
        if (result._tag === "Taken") {
          const { isTakenOver, lock } = result
          keep(lock)
          if (!isTakenOver) return yield* kept(lock)
          yield* Effect.onInterrupt(restore(Effect.sleep(settleMillis)), () => Effect.sync(() => letGo(lock)))
          if (lock.isOurs(yield* Clock.currentTimeMillis)) return yield* kept(lock)
          letGo(lock)
        } else if (now >= deadline) {
          return yield* busy(plan.place, result, plan.staleMillis)
        }
        yield* restore(Effect.sleep(Math.min(pollMillis, Math.max(1, deadline - now))))
      }
    }),
  )

/**
 * Takes the locks in their order and holds them until the scope closes, showing life meanwhile. `waitMillis` is for all of
 * them together; with 0 each is tried once.
 */
export const take = Effect.fnUntraced(function* (
  plans: ReadonlyArray<LockPlan>,
  { waitMillis }: { readonly waitMillis: number },
): Effect.fn.Return<Locks, LockTrouble, Scope.Scope> {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const deadline = (yield* Clock.currentTimeMillis) + waitMillis
  const locks = yield* Effect.forEach(plans, (plan) => takeOne(plan, deadline)).pipe(
    Scope.provide(scope),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
  )
  return { stillOurs: Effect.map(Clock.currentTimeMillis, (now) => locks.every((lock) => lock.isOurs(now))) }
})

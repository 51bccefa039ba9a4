/**
 * One timer for any number of sleepers, by the wall clock: it looks at the clock again at least every `checkMillis`,
 * because a machine that slept, or whose clock was set, wakes with timers that know nothing of it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as WakeQueue from "./WakeQueue.ts"

export interface Alarm<A extends WakeQueue.Sleeper> {
  /** Wakes the sleeper at `at` (epoch milliseconds) in place of any earlier wish; `Infinity` for never. */
  readonly set: (sleeper: A, at: number) => void
  /** Runs for ever. */
  readonly run: Effect.Effect<never>
}

/** Nobody oversleeps by so much whose machine has not slept: a busy event loop takes seconds. */
const overslept = 60_000

/**
 * `wake` is told who and when. After the machine has slept, everything is due at once; `delayMillis` says how much longer
 * each may rest then, so that they do not all call at the same moment.
 */
export const make = <A extends WakeQueue.Sleeper>(
  now: () => number,
  checkMillis: number,
  wake: (sleeper: A, at: number) => Effect.Effect<void>,
  delayMillis: (sleeper: A) => number,
): Alarm<A> => {
  const queue = WakeQueue.make<A>()
  /** Until when the timer sleeps, and how to make it look again sooner. */
  let armedAt = Infinity
  let nudge = Deferred.makeUnsafe<void>()

  return {
    set: (sleeper, at) => {
      // Whole milliseconds, as the clock counts: woken a fraction early, the same wish would stand again at once.
      queue.set(sleeper, Math.ceil(at))
      if (queue.earliest() < armedAt) Deferred.doneUnsafe(nudge, Effect.void)
    },
    run: Effect.gen(function* () {
      for (;;) {
        const at = now()
        for (let due = queue.due(at); due !== undefined; due = queue.due(at)) {
          const rest = at - due.wakeAt > overslept ? Math.ceil(delayMillis(due)) : 0
          if (rest > 0) queue.set(due, at + rest)
          else yield* wake(due, at)
        }
        nudge = Deferred.makeUnsafe<void>()
        const earliest = queue.earliest()
        armedAt = earliest === Infinity ? Infinity : Math.min(earliest, at + checkMillis)
        const nudged = Deferred.await(nudge)
        yield* armedAt === Infinity ? nudged : Effect.raceFirst(Effect.sleep(Math.max(0, armedAt - at)), nudged)
      }
    }),
  }
}

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Alarm from "../../src/keeper/Alarm.ts"
import { settle } from "./world.ts"

interface Sleeper {
  readonly share: number
  wakeAt: number
  slot: number
}

/** Sleepers who are all due in an hour, on a machine whose clock can be set while its timers stand still. */
const overnight = Effect.fnUntraced(function* (sleptMillis: number) {
  let offset = 0
  const clock = yield* TestClock.testClockWith(Effect.succeed)
  const now = () => clock.currentTimeMillisUnsafe() + offset
  const woken: Array<number> = []
  const alarm = Alarm.make<Sleeper>(
    now,
    30_000,
    (_, at) => Effect.sync(() => void woken.push(at)),
    ({ share }) => share * 30_000,
  )
  for (let i = 0; i < 100; i++) alarm.set({ share: i / 100, wakeAt: Infinity, slot: -1 }, 3_600_000)
  yield* Effect.forkScoped(alarm.run)
  yield* settle
  offset = sleptMillis
  for (let i = 0; i < 60; i++) {
    yield* TestClock.adjust(1_000)
    yield* settle
  }
  return woken
})

describe("the alarm", () => {
  it.effect("spreads what is overdue after the machine has slept", () =>
    Effect.gen(function* () {
      const woken = yield* overnight(8 * 3_600_000)
      assert.lengthOf(woken, 100)
      assert.isAtMost(Math.max(...woken.map((at) => woken.filter((other) => other === at).length)), 5)
      assert.isAtMost(Math.max(...woken) - Math.min(...woken), 31_000)
    }),
  )

  it.effect("wakes at once who is late by no more than a busy machine makes it", () =>
    Effect.gen(function* () {
      const woken = yield* overnight(3_600_000)
      assert.lengthOf(woken, 100)
      assert.lengthOf(new Set(woken), 1)
    }),
  )
})

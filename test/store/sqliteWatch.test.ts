import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { watch } from "../../src/store/sqliteWatch.ts"
import { fileOf, freshHome } from "./support.ts"

const watched = Effect.gen(function* () {
  const home = yield* freshHome
  fs.mkdirSync(home)
  let looks = 0
  const end = yield* Effect.acquireRelease(
    Effect.sync(() => watch(fileOf(home), () => looks++)),
    (end) => Effect.sync(end),
  )
  return { home, end, looks: () => looks }
})

describe("sqliteWatch", () => {
  it.effect("looks a few times at first, then now and then, and not at all once it was ended", () =>
    Effect.gen(function* () {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] })
      yield* Effect.addFinalizer(() => Effect.sync(() => vi.useRealTimers()))
      const { end, looks } = yield* watched
      vi.advanceTimersByTime(1_000)
      assert.strictEqual(looks(), 4)
      vi.advanceTimersByTime(9_000)
      assert.strictEqual(looks(), 4 + 5)
      end()
      vi.advanceTimersByTime(10_000)
      assert.strictEqual(looks(), 4 + 5)
    }),
  )

  it.live("looks again after an alarm, because the commit follows the write", () =>
    Effect.gen(function* () {
      const { home, looks } = yield* watched
      yield* Effect.sleep("500 millis")
      const before = looks()
      fs.writeFileSync(`${fileOf(home)}-wal`, "x")
      yield* Effect.sleep("600 millis")
      assert.isAtLeast(looks() - before, 4)
    }),
  )

  it.live("does not mind other files", () =>
    Effect.gen(function* () {
      const { home, looks } = yield* watched
      yield* Effect.sleep("500 millis")
      const before = looks()
      fs.writeFileSync(`${home}/notes`, "x")
      yield* Effect.sleep("200 millis")
      assert.strictEqual(looks(), before)
    }),
  )
})

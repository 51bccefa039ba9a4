import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as fs from "node:fs"
import * as path from "node:path"
import { take } from "../../../src/interop/locks/take.ts"
import { counted, counting, freshPlace, longEnough, holder, now, plan, setAge } from "./support.ts"

const atNow = TestClock.setTime(now)

const took = (place: string, waitMillis = 0) => take([plan("file", place)], { waitMillis })

const others = (place: string): ReadonlyArray<string> =>
  fs.readdirSync(path.dirname(place)).filter((name) => name !== path.basename(place))

describe("a lock of Qwen Code", () => {
  it.effect("is a file with its holder's id that shows life, and is gone afterwards", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stillOurs } = yield* took(place)
          assert.match(
            fs.readFileSync(place, "utf8"),
            /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/,
          )
          assert.strictEqual(fs.statSync(place).mode & 0o777, 0o600)
          yield* TestClock.adjust(3_000)
          assert.strictEqual(fs.statSync(place).mtimeMs, now + 3_000)
          assert.isTrue(yield* stillOurs)
        }),
      )
      assert.isFalse(fs.existsSync(place))
    }),
  )

  it.effect("of another is left alone, until it is as old as its owner waits", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      fs.writeFileSync(place, "another's")
      setAge(place, 30_000)
      assert.strictEqual((yield* Effect.flip(took(place))).reason, "busy")
      assert.strictEqual(fs.readFileSync(place, "utf8"), "another's")
      setAge(place, 30_001)
      const taking = yield* Effect.forkChild(took(place))
      yield* TestClock.adjust(100)
      assert.isTrue(yield* (yield* Fiber.join(taking)).stillOurs)
      assert.deepStrictEqual(others(place), [])
    }),
  )

  it.effect("that a process of its owner cleared away is lost, and another's is not removed", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stillOurs } = yield* took(place)
          fs.unlinkSync(place)
          assert.isFalse(yield* stillOurs)
          fs.writeFileSync(place, "another's")
          yield* TestClock.adjust(3_000)
          assert.isFalse(yield* stillOurs)
        }),
      )
      assert.strictEqual(fs.readFileSync(place, "utf8"), "another's")
    }),
  )

  it.effect("with another's id in it is another's, whatever else is the same", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stillOurs } = yield* took(place)
          fs.writeFileSync(place, "another's")
          setAge(place, 0)
          assert.isFalse(yield* stillOurs)
        }),
      )
      assert.strictEqual(fs.readFileSync(place, "utf8"), "another's")
    }),
  )

  it.effect("has no folder in its place", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      fs.mkdirSync(place)
      const trouble = yield* Effect.flip(took(place))
      assert.strictEqual(trouble.reason, "blocked")
      assert.include(trouble.message, "it is a folder where its owner makes a file")
    }),
  )

  it.live(
    "processes count without a mistake, even from a lock that was left over",
    () =>
      Effect.gen(function* () {
        const place = freshPlace()
        const killed = yield* holder("file", place)
        yield* killed.kill
        yield* killed.ended
        setAge(place, 60_000, fs.statSync(place).mtimeMs)
        const rounds = 10
        const { count, expected } = yield* counted(
          place,
          rounds,
          [1, 2, 3].map(() => counting("file", place, rounds)),
        )
        assert.strictEqual(count, expected)
        assert.deepStrictEqual(others(place), [`${path.basename(place)}.counter`])
      }),
    longEnough,
  )
})

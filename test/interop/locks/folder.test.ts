import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import builtin, * as fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as path from "node:path"
import { check, lock } from "proper-lockfile"
import * as folder from "../../../src/interop/locks/folder.ts"
import { take } from "../../../src/interop/locks/take.ts"
import { counted, counting, freshPlace, longEnough, holder, now, plan, setAge, worker } from "./support.ts"

const atNow = TestClock.setTime(now)

const theirs = (place: string) => ({ lockfilePath: place, realpath: false, stale: 30_000 })

const mtime = (place: string): number => Math.round(fs.statSync(place).mtimeMs)

/** Ours until the scope closes. */
const took = (place: string, waitMillis = 0) => take([plan("folder", place)], { waitMillis })

describe("a lock of proper-lockfile", () => {
  it.effect("is an empty folder that shows life, and is gone afterwards", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stillOurs } = yield* took(place)
          assert.deepStrictEqual(fs.readdirSync(place), [])
          assert.strictEqual(mtime(place), now)
          yield* TestClock.adjust(3_000)
          assert.strictEqual(mtime(place), now + 3_000)
          yield* TestClock.adjust(60_000)
          assert.strictEqual(mtime(place), now + 63_000)
          assert.isTrue(yield* stillOurs)
        }),
      )
      assert.isFalse(fs.existsSync(place))
      // Nor is there anything left that would make it again.
      yield* TestClock.adjust(60_000)
      assert.isFalse(fs.existsSync(place))
    }),
  )

  it.effect("of another is waited for", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      fs.mkdirSync(place)
      setAge(place, 1_000)
      const waiting = yield* Effect.forkChild(took(place, 10_000))
      yield* TestClock.adjust(5_000)
      assert.isUndefined(waiting.pollUnsafe())
      fs.rmdirSync(place)
      yield* TestClock.adjust(50)
      assert.isTrue(yield* (yield* Fiber.join(waiting)).stillOurs)
    }),
  )

  it.effect("of another that stays is reported with its age", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      fs.mkdirSync(place)
      setAge(place, 1_000)
      const waiting = yield* Effect.forkChild(Effect.flip(took(place, 2_000)))
      yield* TestClock.adjust(2_000)
      const trouble = yield* Fiber.join(waiting)
      assert.deepInclude({ ...trouble }, { reason: "busy", place, ageMillis: 3_000, staleInMillis: 27_000 })
      assert.include(trouble.message, "last showed life 3 s ago")
      assert.isTrue(fs.existsSync(place))
    }),
  )

  it.effect("is taken over by its owner's rule and no sooner", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      fs.mkdirSync(place)
      setAge(place, 30_000)
      assert.strictEqual((yield* Effect.flip(took(place))).reason, "busy")
      setAge(place, 30_001)
      const taking = yield* Effect.forkChild(took(place))
      // Somebody who saw the dead lock too may remove what has just been made.
      yield* TestClock.adjust(99)
      assert.isUndefined(taking.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.isTrue(yield* (yield* Fiber.join(taking)).stillOurs)
    }),
  )

  it.effect("that two take over at once is of one of them", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      fs.mkdirSync(place)
      setAge(place, 40_000)
      const taking = yield* Effect.forkChild(Effect.flip(took(place)))
      yield* TestClock.adjust(50)
      // What the other does that looked before we took it.
      fs.rmdirSync(place)
      fs.mkdirSync(place)
      setAge(place, 0)
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(taking)).reason, "busy")
      assert.isTrue(fs.existsSync(place))
    }),
  )

  it.effect("that was lost is no longer ours, and is not removed", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stillOurs } = yield* took(place)
          fs.rmdirSync(place)
          assert.isFalse(yield* stillOurs)
          fs.mkdirSync(place)
          setAge(place, 0)
          assert.isFalse(yield* stillOurs)
          yield* TestClock.adjust(3_000)
          assert.strictEqual(mtime(place), now)
        }),
      )
      assert.isTrue(fs.existsSync(place))
    }),
  )

  it.effect("that somebody else shows life of is somebody else's", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stillOurs } = yield* took(place)
          setAge(place, -1)
          assert.isFalse(yield* stillOurs)
        }),
      )
      assert.isTrue(fs.existsSync(place))
    }),
  )

  it("of which no life was shown may be about to be taken away", () => {
    const place = freshPlace()
    const attempt = folder.attempt(plan("folder", place), now)
    assert.strictEqual(attempt._tag, "Taken")
    if (attempt._tag === "Held") return
    const { lock } = attempt
    assert.isTrue(lock.isOurs(now + 8_999))
    assert.isFalse(lock.isOurs(now + 9_000))
    lock.beat?.(now + 9_000)
    assert.isTrue(lock.isOurs(now + 9_000))
    lock.release()
    assert.isFalse(fs.existsSync(place))
  })

  it.effect("has no file in its place, nothing in it, and a folder to be in", () =>
    Effect.gen(function* () {
      yield* atNow
      const place = freshPlace()
      fs.writeFileSync(place, "")
      const file = yield* Effect.flip(took(place))
      assert.strictEqual(file.reason, "blocked")
      assert.include(file.message, "it is a file where its owner makes a folder")
      fs.rmSync(place)

      fs.mkdirSync(path.join(place, "inside"), { recursive: true })
      setAge(place, 40_000)
      const full = yield* Effect.flip(took(place))
      assert.strictEqual(full.reason, "blocked")
      assert.include(full.message, "not empty")

      const nowhere = yield* Effect.flip(took(path.join(place, "nowhere", "x.lock")))
      assert.strictEqual(nowhere.reason, "broken")
      assert.include(nowhere.message, "is not there")
    }),
  )

  it.effect("comes with all others or not at all, and they go in reverse order", () =>
    Effect.gen(function* () {
      yield* atNow
      const places = [freshPlace(), freshPlace(), freshPlace()]
      const plans = places.map((place) => plan("folder", place))
      fs.mkdirSync(places[2]!)
      setAge(places[2]!, 0)
      const trouble = yield* Effect.flip(take(plans, { waitMillis: 0 }))
      assert.strictEqual(trouble.place, places[2])
      assert.deepStrictEqual(
        places.map((place) => fs.existsSync(place)),
        [false, false, true],
      )
      fs.rmdirSync(places[2]!)

      const scope = yield* Scope.make()
      yield* Scope.provide(take(plans, { waitMillis: 0 }), scope)
      const watched: Array<ReadonlyArray<boolean>> = []
      const { rmdirSync } = builtin
      builtin.rmdirSync = (place) => {
        watched.push(places.map((place) => fs.existsSync(place)))
        rmdirSync(place)
      }
      syncBuiltinESMExports()
      yield* Scope.close(scope, Exit.void)
      builtin.rmdirSync = rmdirSync
      syncBuiltinESMExports()
      assert.deepStrictEqual(watched, [
        [true, true, true],
        [true, true, false],
        [true, false, false],
      ])
    }),
  )

  it.effect("whose waiting is interrupted is left alone", () =>
    Effect.gen(function* () {
      yield* atNow
      const [mine, other] = [freshPlace(), freshPlace()]
      fs.mkdirSync(other)
      setAge(other, 0)
      const waiting = yield* Effect.forkChild(
        Effect.scoped(take([plan("folder", mine), plan("folder", other)], { waitMillis: 10_000 })),
      )
      yield* TestClock.adjust(1_000)
      assert.isTrue(fs.existsSync(mine))
      yield* Fiber.interrupt(waiting)
      assert.isFalse(fs.existsSync(mine))
      assert.isTrue(fs.existsSync(other))
    }),
  )

  it.live("goes with a process that ends in the middle", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const { code } = yield* (yield* worker("leave", "folder", place)).ended
      assert.strictEqual(code, 3)
      assert.isFalse(fs.existsSync(place))
    }),
  )
})

describe("together with proper-lockfile itself", () => {
  it.live("each waits for the other", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const release = yield* Effect.promise(() => lock(place, theirs(place)))
      assert.strictEqual((yield* Effect.flip(took(place))).reason, "busy")
      yield* Effect.promise(() => release())
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* took(place)
          assert.isTrue(yield* Effect.promise(() => check(place, theirs(place))))
          const refused = yield* Effect.promise(() =>
            lock(place, theirs(place)).then(
              () => undefined,
              (error: NodeJS.ErrnoException) => error.code,
            ),
          )
          assert.strictEqual(refused, "ELOCKED")
        }),
      )
      yield* Effect.promise(() => lock(place, theirs(place)).then((release) => release()))
    }),
  )

  it.live("each takes over what the other left when it was killed", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      for (const kind of ["proper-lockfile", "folder"]) {
        const child = yield* holder(kind, place)
        yield* child.kill
        yield* child.ended
        assert.isTrue(fs.existsSync(place))
        assert.strictEqual((yield* Effect.flip(took(place))).reason, "busy")
        // As if that had been a minute ago.
        setAge(place, 60_000, fs.statSync(place).mtimeMs)
        if (kind === "folder") yield* Effect.promise(() => lock(place, theirs(place)).then((release) => release()))
        else yield* Effect.scoped(took(place))
        assert.isFalse(fs.existsSync(place))
      }
    }),
  )

  it.live("each notices that the other took its lock", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const lost = Promise.withResolvers<NodeJS.ErrnoException>()
      yield* Effect.promise(() =>
        lock(place, { ...theirs(place), update: 1_000, onCompromised: (error) => lost.resolve(error) }),
      )
      // It knows its lock by the millisecond, and nobody takes one over in the same.
      const began = fs.statSync(place).mtimeMs
      while (Date.now() <= began + 1) yield* Effect.yieldNow
      setAge(place, 60_000, began)
      const { stillOurs } = yield* took(place)
      assert.strictEqual((yield* Effect.promise(() => lost.promise)).code, "ECOMPROMISED")
      assert.isTrue(yield* stillOurs)

      setAge(place, 60_000, fs.statSync(place).mtimeMs)
      const release = yield* Effect.promise(() => lock(place, theirs(place)))
      assert.isFalse(yield* stillOurs)
      yield* Effect.promise(() => release())
    }),
  )

  it.live(
    "processes of both count without a mistake",
    () =>
      Effect.gen(function* () {
        const place = freshPlace()
        const rounds = 10
        const kinds = ["folder", "proper-lockfile", "folder", "proper-lockfile"]
        const { count, expected } = yield* counted(
          place,
          rounds,
          kinds.map((kind) => counting(kind, place, rounds)),
        )
        assert.strictEqual(count, expected)
        assert.isFalse(fs.existsSync(place))
      }),
    longEnough,
  )
})

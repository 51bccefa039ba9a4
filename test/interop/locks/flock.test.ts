import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as flock from "../../../src/interop/locks/flock.ts"
import { take } from "../../../src/interop/locks/take.ts"
import { start } from "../../store/support.ts"
import { counted, counting, freshPlace, longEnough, holder } from "./support.ts"

const hasFlock = childProcess.spawnSync("flock", ["--version"]).status === 0

const took = (place: string, waitMillis = 0) => take([{ kind: "flock", place }], { waitMillis })

/** Whether somebody else would get the lock now. */
const isFree = (place: string): boolean => childProcess.spawnSync("flock", ["-n", place, "true"]).status === 0

/** A shell that holds the lock until it is told to end. */
const shell = Effect.fnUntraced(function* (place: string) {
  const child = yield* start(() =>
    childProcess.spawn("flock", [place, "bash", "-c", "echo 1; read"], { stdio: "pipe" }),
  )
  yield* child.line
  return child
})

describe.runIf(hasFlock)("a lock of the kernel", () => {
  it.live("keeps the program flock out for as long as it is held, and its file stays", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stillOurs } = yield* took(place)
          assert.isFalse(isFree(place))
          assert.isTrue(yield* stillOurs)
          // Not through a program that was started meanwhile either.
          assert.strictEqual((yield* Effect.flip(took(place))).reason, "busy")
        }),
      )
      assert.isTrue(isFree(place))
      assert.strictEqual(fs.statSync(place).mode & 0o777, 0o600)
    }),
  )

  it.live("waits for the program flock, and says who holds it", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const other = yield* shell(place)
      const trouble = yield* Effect.flip(took(place, 120))
      assert.strictEqual(trouble.reason, "busy")
      assert.match(trouble.holder ?? "", /^flock \(pid \d+\)$/)
      const waiting = yield* Effect.forkChild(took(place, 10_000))
      yield* other.say("end")
      yield* other.ended
      assert.isTrue(yield* (yield* Fiber.join(waiting)).stillOurs)
    }),
  )

  it.live("is free as soon as its holder is killed", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const other = yield* holder("flock", place)
      assert.isFalse(isFree(place))
      yield* other.kill
      yield* other.ended
      assert.isTrue(isFree(place))
      yield* Effect.scoped(
        Effect.andThen(
          took(place),
          Effect.sync(() => assert.isFalse(isFree(place))),
        ),
      )
    }),
  )

  it.live("is not handed on to what its holder starts", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const start = Effect.acquireRelease(
        Effect.sync(() => childProcess.spawn("sleep", ["60"], { stdio: "ignore" })),
        (child) => Effect.sync(() => child.kill("SIGKILL")),
      )
      const scope = yield* Scope.make()
      yield* Scope.provide(took(place), scope)
      yield* start
      assert.isFalse(isFree(place))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(isFree(place))
    }),
  )

  it.live("on a file that was removed meanwhile is lost", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const { stillOurs } = yield* took(place)
      fs.rmSync(place)
      assert.isFalse(yield* stillOurs)
      fs.writeFileSync(place, "")
      assert.isFalse(yield* stillOurs)
    }),
  )

  it.live("is in a folder of its own where its owner makes one, and with the owner's mode", () =>
    Effect.gen(function* () {
      const place = path.join(path.dirname(freshPlace()), "mcp-oauth-locks", "file-store.lock")
      yield* take([{ kind: "flock", place, mode: 0o640 }], { waitMillis: 0 })
      assert.strictEqual(fs.statSync(path.dirname(place)).mode & 0o777, 0o700)
      assert.strictEqual(fs.statSync(place).mode & 0o777, 0o640)
    }),
  )

  it.live("has no folder in its place", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      fs.mkdirSync(place)
      const trouble = yield* Effect.flip(took(place))
      assert.strictEqual(trouble.reason, "blocked")
      assert.include(trouble.message, "it is a folder where its owner makes a file")
    }),
  )

  it.live(
    "processes count without a mistake, the program flock among them",
    () =>
      Effect.gen(function* () {
        const place = freshPlace()
        const rounds = 10
        const script =
          'echo 0; read; for ((i = 0; i < $3; i++)); do flock "$1" bash -c "n=\\$(<\\"$2\\"); echo \\$((n + 1)) >\\"$2\\""; done'
        const theirs = (counter: string) =>
          start(() => childProcess.spawn("bash", ["-c", script, "_", place, counter, `${rounds}`], { stdio: "pipe" }))
        const { count, expected } = yield* counted(place, rounds, [
          counting("flock", place, rounds),
          theirs,
          counting("flock", place, rounds),
          theirs,
        ])
        assert.strictEqual(count, expected)
      }),
    longEnough,
  )
})

describe("where there is no way to lock a file", () => {
  it.live("without the program flock, it says how to get it", () =>
    Effect.gen(function* () {
      const before = process.env["PATH"]
      const attempt = Effect.flip(flock.attempt({ kind: "flock", place: freshPlace() }, "linux"))
      process.env["PATH"] = path.dirname(freshPlace())
      const trouble = yield* Effect.ensuring(
        attempt,
        Effect.sync(() => void (process.env["PATH"] = before)),
      )
      assert.strictEqual(trouble.reason, "unsupported")
      assert.include(trouble.message, "util-linux")
    }),
  )

  it.effect("on Windows, it says what to do instead", () =>
    Effect.gen(function* () {
      const place = freshPlace()
      const trouble = yield* Effect.flip(flock.attempt({ kind: "flock", place }, "win32"))
      assert.strictEqual(trouble.reason, "unsupported")
      assert.include(trouble.message, "borrow")
      assert.isFalse(fs.existsSync(place))
    }),
  )
})

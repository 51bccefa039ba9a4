import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Sqlite from "../../src/store/sqlite.ts"
import { commit, put } from "./changes.ts"
import { contents, fileOf, freshHome, raw, shell, worker, workerCommand } from "./support.ts"

interface Failure {
  readonly reason: string
  readonly path: string
  readonly message: string
}

const somebody = 12345
const asRoot = process.geteuid?.() === 0

/** A file system of its own, gone when the process ends. A container may forbid it. */
const canMount = childProcess.spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0

const canRead = (home: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* Sqlite.make({ home })
      const database = yield* raw(fileOf(home), { readOnly: true })
      assert.deepStrictEqual({ ...database.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" })
      return yield* store.list
    }),
  )

/** A home with credential `a` that belongs to somebody who is not root, if only root can arrange that. */
const homeOfSomebody = Effect.gen(function* () {
  const home = yield* freshHome
  yield* Effect.scoped(Effect.flatMap(Sqlite.make({ home }), (store) => store.compareAndSwap("a", put("a"))))
  if (asRoot) for (const place of [home, fileOf(home)]) fs.chownSync(place, somebody, somebody)
  return home
})

const asSomebody = (command: string, home: string, prefix = "") =>
  shell(`${prefix}${asRoot ? `export WORKER_USER=${somebody}; ` : ""}exec ${workerCommand(command, home)}`)

describe("sqlite: several processes", () => {
  it.live("have exactly one winner for each generation", () =>
    Effect.gen(function* () {
      const generations = 60
      const home = yield* freshHome
      const store = yield* Sqlite.make({ home })
      yield* store.compareAndSwap("a", put("a"))
      const workers = yield* Effect.all(Array.from({ length: 4 }, () => worker("race", home, `${generations}`)))
      for (const { line } of workers) assert.strictEqual(yield* line, "ready")
      for (const { say } of workers) yield* say("go")
      const won = yield* Effect.all(workers.map(({ line }) => line as Effect.Effect<ReadonlyArray<number>>))
      assert.deepStrictEqual(
        won.flat().toSorted((a, b) => a - b),
        Array.from({ length: generations }, (_, index) => index + 1),
      )
      // Or it was no race.
      assert.isAtLeast(won.filter((generations) => generations.length > 0).length, 2)
      assert.strictEqual((yield* store.read("a"))?.generation, generations + 1)
    }),
  )

  it.live("may create the same file at the same time", () =>
    Effect.gen(function* () {
      const names = ["a", "b", "c", "d"]
      const workers = yield* Effect.all(names.map((name) => worker("create", "-", name)))
      for (const { line } of workers) assert.strictEqual(yield* line, "ready")
      for (let round = 0; round < 30; round++) {
        const home = yield* freshHome
        for (const { say } of workers) yield* say(home)
        for (const { line } of workers) assert.strictEqual(yield* line, "done")
        assert.deepStrictEqual(
          (yield* canRead(home)).map(({ name }) => name),
          names,
        )
      }
    }),
  )

  it.live("hear of each other's changes within a moment", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const store = yield* Sqlite.make({ home })
      const listener = yield* worker("listen", home)
      assert.strictEqual(yield* listener.line, "listening")
      const [waited] = yield* Effect.timed(
        Effect.gen(function* () {
          for (let serial = 0; serial < 10; serial++) {
            yield* store.compareAndSwap(`n${serial}`, put(`n${serial}`))
            assert.strictEqual(yield* listener.line, `n${serial}`)
          }
        }),
      )
      // The slow look alone would take up to twenty seconds.
      assert.isBelow(Duration.toMillis(waited), 5_000)
    }),
  )

  it.live("leave a whole file behind when they are killed in the middle of a write", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      yield* Effect.scoped(Effect.flatMap(Sqlite.make({ home }), (store) => store.compareAndSwap("a", put("a"))))
      let stored = 1
      for (let round = 0; round < 6; round++) {
        const writer = yield* worker("write", home)
        yield* writer.line
        yield* Effect.sleep(`${10 + round * 7} millis`)
        yield* writer.kill
        const acknowledged = (yield* writer.rest) as ReadonlyArray<number>
        const [credential] = yield* canRead(home)
        // The last commit may be stored and not yet acknowledged; the other way around it would be lost.
        assert.isAtLeast(credential!.generation, acknowledged.at(-1) ?? stored + 1)
        assert.isAtMost(credential!.generation, (acknowledged.at(-1) ?? stored + 1) + 1)
        stored = credential!.generation
      }
      assert.isAbove(stored, 20)
    }),
  )

  it.live("are not kept alive by listening, and print no warning", () =>
    Effect.gen(function* () {
      const idle = yield* worker("idle", yield* freshHome)
      assert.strictEqual(yield* idle.line, "idle")
      const { code, stderr } = yield* Effect.timeout(idle.ended, "10 seconds")
      // 13: Node's word for a program that still awaits something when nothing is left that could happen.
      assert.include([0, 13], code)
      assert.notMatch(stderr, /sqlite/i)
    }),
  )
})

describe("sqlite: no room", () => {
  const overwritesNothing = Effect.fnUntraced(function* (home: string, lines: ReadonlyArray<unknown>) {
    const failure = lines.at(-1) as Failure
    assert.strictEqual(failure.reason, "full", failure.message)
    assert.include(failure.message, "df -h")
    assert.include(failure.message, failure.path)
    assert.isAbove(lines.length, 1)
    assert.strictEqual((yield* canRead(home)).length, lines.length - 1)
  })

  it.live("stops at a limit of the file's size, and keeps what it has", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const full = yield* shell(`ulimit -f 200; exec ${workerCommand("fill", home)}`)
      yield* overwritesNothing(home, yield* full.rest)
    }),
  )

  it.live.skipIf(!canMount)("stops at a full disk, and keeps what it has (needs the right to mount)", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      // The folder is copied out of the mount before that vanishes with its process.
      const disk = `${home}-disk`
      fs.mkdirSync(disk)
      const full = yield* shell(
        `exec unshare -m bash -c "mount -t tmpfs -o size=300k tmpfs '${disk}' && ` +
          `${workerCommand("fill", path.join(disk, "home"))}; cp -a '${disk}/home' '${home}'"`,
      )
      yield* overwritesNothing(home, yield* full.rest)
    }),
  )

  it.live("leaves the folder alone when not even the file can be created", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      const full = yield* shell(`ulimit -f 0; exec ${workerCommand("use", home)}`)
      const failure = (yield* full.line) as Failure
      assert.strictEqual(failure.reason, "full", failure.message)
    }),
  )
})

describe("sqlite: no right to write", () => {
  it.live("reads a read-only file and refuses to write it", () =>
    Effect.gen(function* () {
      const home = yield* homeOfSomebody
      fs.chmodSync(fileOf(home), 0o400)
      const before = contents(home)["keep.db"]
      const user = yield* asSomebody("use", home)
      const [read, failure] = (yield* user.rest) as [unknown, Failure]
      assert.deepStrictEqual(read, { generation: 1 })
      assert.strictEqual(failure.reason, "readOnly", failure.message)
      assert.include(failure.message, "chmod 600")
      assert.strictEqual(contents(home)["keep.db"], before)
    }),
  )

  it.live("says so when the folder is read-only", () =>
    Effect.gen(function* () {
      const home = yield* homeOfSomebody
      fs.chmodSync(home, 0o500)
      const before = contents(home)
      const user = yield* asSomebody("use", home)
      const failure = (yield* user.rest).at(-1) as Failure
      assert.strictEqual(failure.reason, "readOnly", failure.message)
      assert.include(failure.message, "chmod 700")
      assert.deepStrictEqual(contents(home), before)
      fs.chmodSync(home, 0o700)
      fs.rmSync(fileOf(home))
      fs.chmodSync(home, 0o500)
      const creator = yield* asSomebody("use", home)
      assert.strictEqual(((yield* creator.line) as Failure).reason, "readOnly")
    }),
  )

  it.live("says so when a home cannot be created", () =>
    Effect.gen(function* () {
      const home = yield* homeOfSomebody
      fs.chmodSync(home, 0o500)
      const user = yield* asSomebody("use", path.join(home, "below"))
      const failure = (yield* user.line) as Failure
      assert.strictEqual(failure.reason, "missing", failure.message)
      assert.include(failure.message, "cannot be created (EACCES)")
    }),
  )

  it.live("says so when somebody else owns the folder", () =>
    Effect.gen(function* () {
      const home = asRoot ? yield* freshHome : "/"
      if (asRoot) yield* Effect.scoped(Sqlite.make({ home }))
      if (asRoot) fs.chmodSync(home, 0o755)
      const user = yield* asSomebody("use", home)
      const failure = (yield* user.line) as Failure
      assert.strictEqual(failure.reason, "notOurs", failure.message)
      assert.include(failure.message, "belongs to user 0")
    }),
  )

  it.live.skipIf(!canMount)("says so when the file system is read-only (needs the right to mount)", () =>
    Effect.gen(function* () {
      const home = yield* freshHome
      yield* Effect.scoped(Effect.flatMap(Sqlite.make({ home }), (store) => store.compareAndSwap("a", commit(0))))
      const user = yield* shell(
        `exec unshare -m bash -c "mount --bind '${home}' '${home}' && mount -o remount,ro,bind '${home}' && ` +
          `exec ${workerCommand("use", home)}"`,
      )
      const failure = (yield* user.rest).at(-1) as Failure
      assert.strictEqual(failure.reason, "readOnly", failure.message)
      assert.include(failure.message, "findmnt")
    }),
  )
})

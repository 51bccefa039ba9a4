/** The store stops taking anything in the middle of a rotation: the only copy of the new refresh token is in one process. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Fault from "../../src/testing/Fault.ts"
import { temporaryFolder } from "../run.ts"
import type { Worker } from "./processes.ts"
import { assertEnded, minted, simulated, type SimulatedWorld, until } from "./support.ts"

/** A file system of its own, gone when the process ends. A container may forbid it. */
const canMount = ChildProcess.spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0

const immutable = (files: ReadonlyArray<string>, is: boolean) => {
  const { status } = ChildProcess.spawnSync("chattr", [is ? "+i" : "-i", ...files])
  return status === 0
}

/** Only root can, and not on every file system. */
const canFreeze = (() => {
  const file = Path.join(temporaryFolder("frozen"), "file")
  Fs.writeFileSync(file, "")
  return immutable([file], true) && immutable([file], false)
})()

/** A program that refreshes an ended token, once its request has arrived. */
const refreshing = Effect.fnUntraced(function* (world: SimulatedWorld, options: object = {}) {
  yield* world.bringIn("github", -1_000)
  world.server.script(Fault.slow(0, 1_000))
  const program = yield* world.worker("github", options)
  yield* program.wish({ wish: "token", times: 3 })
  yield* until("the request", () => world.presentations().length === 1)
  return program
})

/** It has the new token, again and again, and asks nobody again. */
const assertServed = Effect.fnUntraced(function* (world: SimulatedWorld, program: Worker) {
  assert.deepStrictEqual(yield* program.answer, { got: { [minted(world)]: 3 }, errors: [] })
  const again = yield* program.ask({ wish: "token", times: 2, minValidity: 60_000 })
  assert.deepStrictEqual(again, { got: { [minted(world)]: 2 }, errors: [] })
})

/** What commands of other processes exit with, and that each of them says so. */
const assertSaid = Effect.fnUntraced(function* (world: SimulatedWorld, codes: ReadonlyArray<number>, said: RegExp) {
  const commands = [
    ["status"],
    ["status", "github"],
    ["list"],
    ["explain", "github"],
    ["token", "github", "--timeout", "1s"],
  ]
  const told = yield* Effect.forEach(commands, (args) => world.run(args))
  for (const { result, stderr } of told) assert.match(stderr, said, result)
  assert.deepStrictEqual(
    told.map(({ code }) => code),
    [...codes],
  )
})

const generation = (world: SimulatedWorld) =>
  Effect.map(world.run(["status", "github", "--json"]), ({ code, result }) =>
    code === 0 ? (JSON.parse(result) as { readonly generation: number }).generation : 0,
  )

/** The rotation is stored without anybody's doing, and is everybody's. */
const assertStored = Effect.fnUntraced(function* (world: SimulatedWorld) {
  const stored = Effect.repeat(generation(world), { until: (found) => found === 2 })
  assert.strictEqual(yield* Effect.timeout(stored, "20 seconds"), 2)
  const next = yield* world.run(["token", "github"])
  assertEnded(next, 0)
  assert.deepStrictEqual([next.result, next.stderr], [minted(world), ""])
  assert.lengthOf(world.presentations(), 1)
})

/** A small disk that only the processes with this prefix see, and `outside` the way to it for the test. */
const smallDisk = Effect.acquireRelease(
  Effect.callback<{
    readonly home: string
    readonly prefix: ReadonlyArray<string>
    readonly outside: string
    readonly end: () => void
  }>((resume) => {
    const disk = temporaryFolder("disk")
    const script = `mount -t tmpfs -o size=4m tmpfs '${disk}' && echo ready && exec sleep 600`
    const child = ChildProcess.spawn("unshare", ["-m", "bash", "-c", script])
    const outside = `/proc/${child.pid}/root${disk}`
    child.stdout.once("data", () =>
      resume(
        Effect.succeed({
          home: Path.join(disk, "home"),
          prefix: ["nsenter", `--target=${child.pid}`, "--mount", "--"],
          outside,
          end: () => {
            // What was written there is searched with the rest.
            Fs.cpSync(outside, temporaryFolder("disk"), { recursive: true })
            child.kill("SIGKILL")
          },
        }),
      ),
    )
  }),
  ({ end }) => Effect.sync(end),
)

const fill = (folder: string): void => {
  try {
    for (;;) Fs.appendFileSync(Path.join(folder, "filler"), Buffer.alloc(65_536))
  } catch (error) {
    assert.strictEqual((error as NodeJS.ErrnoException).code, "ENOSPC")
  }
}

/** What keeps a process from writing, and how it is told. */
interface Trouble {
  readonly what: string
  readonly can: boolean
  readonly set: (world: SimulatedWorld, pid: number, is: boolean) => unknown
  readonly said: RegExp
  /** What commands of others exit with, if it is their trouble too. */
  readonly others: ReadonlyArray<number> | undefined
}

describe("a rotation that the store does not take is served from memory, and stored once it can be", () => {
  it.live.skipIf(!canMount)("a full disk (needs the right to mount)", () =>
    Effect.scoped(
      Effect.flatMap(smallDisk, ({ outside, ...place }) =>
        simulated(
          (world) =>
            Effect.gen(function* () {
              const program = yield* refreshing(world)
              fill(outside)
              yield* assertServed(world, program)
              yield* assertSaid(world, [0, 0, 0, 0, 4], /keep\.db cannot grow \(ENOSPC\).* Make room: df -h /)
              Fs.rmSync(Path.join(outside, "filler"))
              yield* assertStored(world)
            }),
          {},
          place,
        ),
      ),
    ),
  )

  const troubles: ReadonlyArray<Trouble> = [
    {
      what: "a limit of the size of files",
      can: true,
      set: (_, pid, is) => ChildProcess.execFileSync("prlimit", [`--pid=${pid}`, `--fsize=${is ? 0 : "unlimited"}:`]),
      said: /keep\.db cannot grow .* Make room: df -h /,
      // Nothing stands in their own way.
      others: undefined,
    },
    {
      what: "files that became read-only (needs the right to make them)",
      can: canFreeze,
      set: ({ home }, _, is) =>
        assert.isTrue(
          immutable(
            ["keep.db", "keep.db-wal"].map((file) => Path.join(home, file)),
            is,
          ),
        ),
      said: /keep\.db cannot be opened or written .* Make it writable: /,
      others: [0, 0, 0, 0, 4],
    },
  ]
  for (const { can, others, said, set, what } of troubles) {
    /** Until the scope ends, or sooner. */
    const during = Effect.fnUntraced(function* (world: SimulatedWorld, pid: number) {
      let is = true
      const end = Effect.sync(() => {
        if (is) set(world, pid, false)
        is = false
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => set(world, pid, true)),
        () => end,
      )
      return end
    })

    it.live.skipIf(!can)(`${what}, met by a program`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          const program = yield* refreshing(world)
          const end = yield* during(world, program.pid)
          yield* assertServed(world, program)
          if (others) yield* assertSaid(world, others, said)
          else assert.strictEqual(yield* generation(world), 1)
          yield* end
          yield* assertStored(world)
        }),
      ),
    )

    it.live.skipIf(!can)(`${what}, met by a command: it prints the token, says so, and stays until it is stored`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          yield* world.bringIn("github", -1_000)
          world.server.script(Fault.slow(0, 1_000))
          const command = yield* world.start(["token", "github"])
          yield* until("the request", () => world.presentations().length === 1)
          const end = yield* during(world, command.pid)
          yield* until("the note", command.told)
          assert.strictEqual(yield* generation(world), 1)
          yield* end
          const finished = yield* command.finished
          assertEnded(finished, 0)
          assert.strictEqual(finished.result, minted(world))
          assert.match(finished.stderr, /github: the new token is only in this process's memory/)
          assert.match(finished.stderr, said)
          yield* assertStored(world)
        }),
      ),
    )
  }

  it.live("a folder that was moved away, and comes back: nobody makes another in its place", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const program = yield* refreshing(world)
        Fs.renameSync(world.home, `${world.home}-away`)
        yield* assertServed(world, program)
        yield* assertSaid(world, [0, 2, 0, 2, 2], /nothing is kept in \/.*\/home yet/)
        assert.isFalse(Fs.existsSync(world.home))
        Fs.renameSync(`${world.home}-away`, world.home)
        yield* assertStored(world)
      }),
    ),
  )

  it.live("a folder that was removed for good: a program that ends says what is lost with it", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const program = yield* refreshing(world, { exchangeDeadlineMillis: 2_000 })
        Fs.rmSync(world.home, { recursive: true })
        yield* assertServed(world, program)
        yield* program.kill("SIGTERM")
        const finished = yield* program.finished
        assert.strictEqual(finished.signal, "SIGTERM")
        assert.match(
          finished.stderr,
          /github: the new token is only in this process's memory, because .* was removed or replaced/,
        )
      }),
    ),
  )
})

/**
 * A login that is kept fresh together, and one of the two is killed with `kill -9` in the middle of a refresh, or slow at
 * its write. The server gives an answer twice within its grace, so whatever is lost then was lost by a client.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assertAgreed, locks, reached, runnable } from "./together.ts"
import { assertEnded, hour, type OwnerName, seedOf, world } from "./world.ts"

const forgiving = { reuse: "idempotent", graceMillis: hour } as const

/** One of each kind: the others lock and write as one of these does. */
const kinds = runnable.filter((name) => ["codex", "codexMcp", "pi", "qwen", "claude"].includes(name))

/** Written beside the file and renamed: nobody ever sees half of it. */
const renames: ReadonlyArray<OwnerName> = ["codex", "qwen", "claude"]

const pastStale = (name: OwnerName): number => (seedOf(name).staleMillis ?? 0) + 2_000

describe.each(kinds)("%s", (name) => {
  it.live("we are killed with the request on its way: the owner goes on, and we follow", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000, forgiving)
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name)
        const hold = world.hold("after")
        const victim = yield* world.start(["token", "login"])
        yield* hold.reached
        yield* victim.kill("SIGKILL")
        assertEnded(yield* victim.finished, "SIGKILL")
        yield* hold.release
        world.age(name, pastStale(name))
        const used = yield* owner.use
        assert.strictEqual(used.step, "used")
        const ours = yield* world.run("token", "login")
        assertEnded(ours, 0)
        assert.strictEqual(ours.result, used["access"])
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 2)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )

  it.live("the owner is killed before it has sent anything: we refresh, where its lock is old enough", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        yield* world.keep(name, "co-own")
        const victim = yield* world.owner(name, { stopAt: ["presenting"] })
        yield* victim.order("use")
        yield* victim.reached("presenting")
        yield* victim.kill("SIGKILL")
        yield* victim.finished
        world.age(name, pastStale(name))
        const ours = yield* world.run("token", "login")
        assertEnded(ours, 0)
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 1)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )

  it.live("the owner is killed with the answer in its hands: the server gives it to us once more", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000, forgiving)
        yield* world.keep(name, "co-own")
        const victim = yield* world.owner(name, { stopAt: ["granted"] })
        yield* victim.order("use")
        yield* victim.reached("granted")
        yield* victim.kill("SIGKILL")
        yield* victim.finished
        world.age(name, pastStale(name))
        const ours = yield* world.run("token", "login")
        assertEnded(ours, 0)
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 2)
        assert.include(yield* (yield* world.owner(name)).use, { step: "used", access: ours.result })
      }),
    ),
  )

  it.live("the owner is slow at its write: we neither touch half a file nor send anything", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000, forgiving)
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name, { stopAt: ["writing"] })
        yield* owner.order("use")
        yield* owner.reached("writing")
        const half = Fs.readFileSync(held.path)
        if (!renames.includes(name)) {
          assertEnded(yield* world.run("token", "login"), 4)
          assert.isTrue(half.equals(Fs.readFileSync(held.path)))
          yield* owner.order("free")
        } else {
          const ours = yield* world.start(["token", "login"])
          yield* reached(world, "ticket")
          yield* owner.order("free")
          assertEnded(yield* ours.finished, 0)
        }
        const used = yield* owner.reached("used")
        const after = yield* world.run("token", "login")
        assertEnded(after, 0)
        assert.strictEqual(after.result, used["access"])
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

describe.each(kinds.filter((name) => !renames.includes(name)))("%s, which writes in place", (name) => {
  it.live("the owner is killed in its write: half a file is left alone", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        const before = held.tokens()!
        yield* world.keep(name, "co-own")
        const victim = yield* world.owner(name, { stopAt: ["writing"] })
        yield* victim.order("use")
        yield* victim.reached("writing")
        yield* victim.kill("SIGKILL")
        yield* victim.finished
        world.age(name, pastStale(name))
        const half = Fs.readFileSync(held.path)
        const ours = yield* world.run("token", "login")
        assertEnded(ours, 4)
        assert.isTrue(half.equals(Fs.readFileSync(held.path)))
        assert.strictEqual((yield* world.kept)!.refresh, before.refresh)
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

describe.each(kinds.filter(locks))("%s, which locks while it refreshes", (name) => {
  it.live("we are killed with the request on its way: we go on, and the owner follows", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000, forgiving)
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name)
        const hold = world.hold("after")
        const victim = yield* world.start(["token", "login"])
        yield* hold.reached
        yield* victim.kill("SIGKILL")
        yield* victim.finished
        yield* hold.release
        world.age(name, pastStale(name))
        const ours = yield* world.run("token", "login")
        assertEnded(ours, 0)
        assert.include(yield* owner.use, { step: "used", access: ours.result })
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 2)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )

  it.live("both are killed before anything was sent: our ticket is in doubt, and nothing is lost", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name, { stopAt: ["presenting"] })
        yield* owner.order("use")
        yield* owner.reached("presenting")
        const ours = yield* world.start(["token", "login"])
        yield* reached(world, "ticket")
        for (const victim of [ours, owner]) {
          yield* victim.kill("SIGKILL")
          yield* victim.finished
        }
        world.age(name, pastStale(name))
        const next = yield* world.run("token", "login")
        assertEnded(next, 0)
        yield* assertAgreed(world, held)
        assert.include(yield* (yield* world.owner(name)).use, { step: "used", access: next.result })
        assert.lengthOf(world.presentations(), 1)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )
})

/** Takes the lock of a write as somebody else would, until it is let go. */
const writeLocks: Partial<Record<OwnerName, (folder: string) => () => void>> = {
  codex: (folder) => flocked(Path.join(folder, "auth.lock")),
  codexMcp: (folder) => flocked(Path.join(folder, "mcp-oauth-locks/file-store.lock")),
  claude: (folder) => {
    const lock = Path.join(folder, ".storage-write.lock")
    Fs.mkdirSync(lock)
    return () => Fs.rmdirSync(lock)
  },
}

const flocked = (path: string): (() => void) => {
  Fs.mkdirSync(Path.dirname(path), { recursive: true })
  const fd = Fs.openSync(path, "a")
  const { status } = ChildProcess.spawnSync("flock", ["-x", "-n", "3"], { stdio: ["ignore", "ignore", "ignore", fd] })
  assert.strictEqual(status, 0)
  return () => Fs.closeSync(fd)
}

describe.each(runnable.filter((name) => name in writeLocks))("%s, whose file is locked for a write", (name) => {
  it.live("we are killed with the answer in our hands: it is not lost, and stands in the file in the end", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        yield* world.keep(name, "co-own")
        const release = writeLocks[name]!(Path.dirname(held.path))
        const victim = yield* world.start(["token", "login"])
        yield* reached(world, "answer")
        yield* victim.kill("SIGKILL")
        assertEnded(yield* victim.finished, "SIGKILL")
        release()
        world.age(name, pastStale(name))
        const ours = yield* world.run("token", "login")
        assertEnded(ours, 0)
        yield* assertAgreed(world, held)
        assert.include(yield* (yield* world.owner(name)).use, { step: "used", access: ours.result })
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

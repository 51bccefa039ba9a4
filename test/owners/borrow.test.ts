/** A login that its owner keeps fresh, borrowed by the command line: every presentation is the owner's. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runnable } from "./together.ts"
import { assertEnded, hour, world } from "./world.ts"

describe.each(runnable)("%s", (name) => {
  it.live("what the owner keeps fresh is served, and while it writes nobody is signed out", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        yield* world.keep(name, "borrow")
        const stale = yield* world.run("token", "login")
        assertEnded(stale, 4)
        assert.include(stale.stderr, "has not refreshed it yet")
        assert.strictEqual((yield* world.kept)!.refresh, undefined)

        const owner = yield* world.owner(name, { stopAt: ["writing"] })
        yield* owner.order("use")
        yield* owner.reached("writing")
        assertEnded(yield* world.run("token", "login"), 4)
        yield* owner.order("free")
        const used = yield* owner.reached("used")
        const fresh = yield* world.run("token", "login")
        assertEnded(fresh, 0)
        assert.strictEqual(fresh.result, used["access"])
        assert.strictEqual(held.tokens()!.access, used["access"])
        assert.lengthOf(world.presentations(), 1)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )
})

/** One that writes beside its file, and one that writes in it. */
describe.each(runnable.filter((name) => name === "codex" || name === "pi"))("%s", (name) => {
  it.live("an owner that died in its write costs nobody the token that lives", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, hour)
        const { access } = held.tokens()!
        yield* world.keep(name, "borrow")
        yield* world.later(hour - 60_000)
        const owner = yield* world.owner(name, { stopAt: ["writing"] })
        yield* world.later(60_000)
        yield* owner.order("use")
        yield* owner.reached("writing")
        yield* owner.kill("SIGKILL")
        yield* owner.finished
        // By its own clock the token lives.
        const served = yield* world.run("token", "login")
        assertEnded(served, 0)
        assert.strictEqual(served.result, access)
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

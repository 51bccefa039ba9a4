/**
 * A login that is kept fresh together with an owner who does not lock while it refreshes: both ask at expiry. On a server
 * where that costs the winner nothing, nobody is signed out.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertAgreed, runnable } from "./together.ts"
import { assertEnded, world } from "./world.ts"

/** The others write as the second of these does. */
const names = runnable.filter((name) => name === "codex" || name === "opencode")

describe.concurrent.each(names)("%s, which does not lock while it refreshes", (name) => {
  it.live("both ask at expiry, although the owner had its turn, and it was first: we take what it got", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000, { reuse: "rejectOnly" })
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name)
        const hold = world.hold("before")
        const ours = yield* world.start(["token", "login"])
        yield* hold.reached
        const used = yield* owner.use
        yield* hold.release
        const finished = yield* ours.finished
        assertEnded(finished, 0)
        assert.strictEqual(finished.result, used["access"])
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 2)
      }),
    ),
  )

  it.live("both ask at expiry, and we were first: the owner has what we got", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000, { reuse: "rejectOnly" })
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name, { stopAt: ["presenting"] })
        yield* owner.order("use")
        yield* owner.reached("presenting")
        const ours = yield* world.run("token", "login")
        assertEnded(ours, 0)
        yield* owner.order("free")
        const used = yield* owner.reached("used", "failed")
        assert.strictEqual(used.step, name === "codex" ? "used" : "failed")
        assert.include(yield* owner.use, { step: "used", access: ours.result })
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 2)
      }),
    ),
  )
})

describe.concurrent("geminiMcp, which deletes its login when it comes too late", () => {
  it.live("ours lives on, and nobody writes it back", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("geminiMcp", -1_000, { reuse: "rejectOnly" })
        yield* world.keep("geminiMcp", "co-own")
        const owner = yield* world.owner("geminiMcp", { stopAt: ["presenting"] })
        yield* owner.order("use")
        yield* owner.reached("presenting")
        const first = yield* world.run("token", "login")
        assertEnded(first, 0)
        yield* owner.order("free")
        yield* owner.reached("failed")
        assert.isUndefined(held.tokens())
        const second = yield* world.run("token", "login")
        assertEnded(second, 0)
        assert.strictEqual(second.result, first.result)
        assert.isUndefined(held.tokens())
      }),
    ),
  )
})

/**
 * A lock of ours that an owner takes away while we refresh, as the facts say of two of them. Then both ask the server, and
 * it is the answer that counts: nobody's lock is removed but one's own, and both sides end with the same login.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertAgreed } from "./together.ts"
import { assertEnded, hour, type Owner, type OwnerName, type World, world } from "./world.ts"

/** How each of them comes to it. */
const thefts = {
  pi: (world) =>
    Effect.andThen(
      // We have been stopped for so long: a pi that starts takes the lock for stale.
      Effect.sync(() => world.age("pi", 12_000)),
      Effect.asVoid(world.owner("pi")),
    ),
  // Whichever one ends removes the lock.
  qwen: (world) => Effect.scoped(Effect.flatMap(world.owner("qwen"), ({ exit }) => Effect.asVoid(exit))),
} satisfies Partial<Record<OwnerName, (world: World) => Effect.Effect<void, never, unknown>>>

const names = ["pi", "qwen"] as const

describe.each(names)("%s", (name) => {
  it.live("takes our lock and then its own: we leave that one alone, and agree in the end", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000, { reuse: "idempotent", graceMillis: hour })
        yield* world.keep(name, "co-own")
        const thief: Owner = yield* world.owner(name, { stopAt: ["presenting"] })
        const hold = world.hold("after")
        const ours = yield* world.start(["token", "login"])
        yield* hold.reached
        assert.lengthOf(world.locks(name), 1)
        yield* ours.kill("SIGSTOP")
        yield* thefts[name](world)
        assert.deepStrictEqual(world.locks(name), [])
        yield* thief.order("use")
        yield* thief.reached("presenting")
        yield* ours.kill("SIGCONT")
        yield* hold.release
        const finished = yield* ours.finished
        assertEnded(finished, 0)
        assert.lengthOf(world.locks(name), 1)
        yield* thief.order("free")
        assert.include(yield* thief.reached("used", "failed"), { step: "used", access: finished.result })
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 2)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )
})

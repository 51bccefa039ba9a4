/** Each fake owner by itself keeps its login alive, as its program does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runnable } from "./together.ts"
import { hour, steps, world } from "./world.ts"

describe.each(runnable)("%s", (name) => {
  it.live("refreshes its login over three lifetimes", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, hour)
        const owner = yield* world.owner(name)
        const first = held.tokens()!
        assert.include(yield* owner.use, { step: "used", access: first.access, status: 200 })
        assert.notInclude(steps(owner), "presenting")
        for (const lifetime of [1, 2, 3]) {
          const before = held.tokens()!
          yield* world.later(hour + 1_000)
          const used = yield* owner.use
          const after = held.tokens()!
          assert.include(used, { step: "used", access: after.access, status: 200 })
          assert.lengthOf(world.presentations(), lifetime)
          assert.include(world.presentations().at(-1), {
            fingerprint: before.refresh,
            outcome: "granted",
            was: "current",
          })
          assert.strictEqual(world.presentations().at(-1)!.granted!.accessToken, after.access)
        }
        // Another process of it finds what the first one has written.
        const next = yield* world.owner(name)
        assert.include(yield* next.use, { step: "used", access: held.tokens()!.access, status: 200 })
        assert.lengthOf(world.presentations(), 3)
        assert.strictEqual((yield* next.exit).code, 0)
        assert.strictEqual((yield* owner.exit).code, 0)
      }),
    ),
  )
})

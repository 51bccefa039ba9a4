/** What befalls each program's login without Tokenkeep: two of them at expiry, and one killed at each step. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runnable } from "./together.ts"
import { type OwnerName, seedOf, steps, world } from "./world.ts"

/**
 * How it is when two want the login at the same moment, what is in the file of one that dies in its write, and how many
 * locks one leaves that dies while it refreshes.
 */
const contract = {
  codex: { presents: 2, torn: false, leaves: 0 },
  codexMcp: { presents: 1, torn: true, leaves: 0 },
  pi: { presents: 1, torn: true, leaves: 1 },
  piMcp: { presents: 1, torn: true, leaves: 1 },
  opencode: { presents: 2, torn: true, leaves: 0 },
  opencodeMcp: { presents: 2, torn: true, leaves: 0 },
  gemini: { presents: 2, torn: true, leaves: 0 },
  geminiMcp: { presents: 2, torn: true, leaves: 0 },
  qwen: { presents: 1, torn: false, leaves: 1 },
  claude: { presents: 1, torn: false, leaves: 2 },
} as const satisfies Record<OwnerName, object>

/** Where no refresh token ends with its use, none is lost. */
const rotates = (name: OwnerName): boolean => seedOf(name).policy?.reuse !== "notRotating"

describe.each(runnable)("%s", (name) => {
  const { leaves, presents, torn } = contract[name]

  it.live(`two at expiry present the refresh token ${presents === 1 ? "once" : "twice"}`, () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        const before = held.tokens()!
        const one = yield* world.owner(name, { stopAt: ["presenting"] })
        const two = yield* world.owner(name, { stopAt: ["presenting"] })
        yield* one.order("use")
        yield* one.reached("presenting")
        yield* two.order("use")
        assert.strictEqual(
          (yield* two.reached("waiting", "presenting")).step,
          presents === 1 ? "waiting" : "presenting",
        )
        yield* one.order("free")
        const first = yield* one.reached("used", "failed")
        yield* two.order("free")
        const second = yield* two.reached("used", "failed")
        assert.strictEqual(first.step, "used")
        assert.lengthOf(
          world.presentations().filter(({ fingerprint }) => fingerprint === before.refresh),
          presents,
        )
        if (presents === 1) {
          assert.include(second, { step: "used", access: first["access"], status: 200 })
          assert.include(steps(two), "adopted")
        } else if (rotates(name)) {
          // The family has died of it, and with it what the first one got.
          assert.strictEqual(world.presentations()[1]!.was, "reuse")
          assert.strictEqual(second.step, "failed")
          assert.strictEqual((yield* one.use).step, "failed")
        }
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )

  it.live("killed with the answer in its hands, it has lost the login", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        const before = held.tokens()!
        const victim = yield* world.owner(name, { stopAt: ["granted"] })
        yield* victim.order("use")
        yield* victim.reached("granted")
        yield* victim.kill("SIGKILL")
        assert.strictEqual((yield* victim.finished).signal, "SIGKILL")
        assert.deepStrictEqual(held.tokens(), before)
        assert.lengthOf(world.locks(name), leaves)
        world.age(name, (seedOf(name).staleMillis ?? 0) + 2_000)
        const next = yield* world.owner(name)
        const used = yield* next.use
        assert.lengthOf(world.presentations(), 2)
        assert.strictEqual(world.presentations()[1]!.was, rotates(name) ? "reuse" : "current")
        assert.strictEqual(used.step, rotates(name) ? "failed" : "used")
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )

  it.live(`killed in the middle of its write, it leaves ${torn ? "half a file" : "the file as it was"}`, () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        const before = held.tokens()!
        const victim = yield* world.owner(name, { stopAt: ["writing"] })
        yield* victim.order("use")
        yield* victim.reached("writing")
        yield* victim.kill("SIGKILL")
        yield* victim.finished
        assert.deepStrictEqual(held.tokens(), torn ? undefined : before)
        assert.strictEqual(held.content() === undefined, torn)
      }),
    ),
  )
})

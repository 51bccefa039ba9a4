/**
 * A login that its owner and Tokenkeep keep fresh together: the command line, built and in processes of its own, beside
 * the fake owners. No refresh token is presented twice where the owner's locks allow it, nothing is lost, and in the end
 * both hold the same.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assertAgreed, locks, reached, runnable } from "./together.ts"
import { assertEnded, steps, world } from "./world.ts"

/** What is in the file apart from what a refresh changes, in its order. */
const shape = (content: unknown): unknown =>
  JSON.stringify(content, (key, value: unknown) =>
    /^(?:access|refresh|access_token|refresh_token|accessToken|refreshToken|expir\w*|last_refresh|updatedAt|tokensExpireAt|refreshTokenExpiresAt)$/.test(
      key,
    )
      ? "…"
      : value,
  )

describe.each(runnable)("%s", (name) => {
  it.live("we refresh ahead of the owner, who finds it, and all else in its file stays as it was", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, 6 * 60_000)
        const before = held.content()
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name)
        const ours = yield* world.run("token", "login", "--min-ttl", "10m")
        assertEnded(ours, 0)
        assert.strictEqual(shape(held.content()) === shape(before), true)
        yield* assertAgreed(world, held)
        assert.deepStrictEqual(world.locks(name), [])
        yield* world.later(2 * 60_000)
        const used = yield* owner.use
        assert.include(used, { step: "used", status: 200 })
        // Gemini CLI does not look into its file again.
        if (name !== "gemini") assert.strictEqual(used["access"], ours.result)
        assert.lengthOf(world.presentations(), name === "gemini" ? 2 : 1)
      }),
    ),
  )
})

// Google's refresh tokens are good for any number of refreshes, so nobody waits for anybody.
describe.each(runnable.filter((name) => name !== "gemini"))("%s, which refreshes by itself too", (name) => {
  it.live("the owner refreshes at expiry: we wait for its locks, or give it its turn, and take what it got", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        yield* world.keep(name, "co-own")
        const owner = yield* world.owner(name, { stopAt: ["granted"] })
        yield* owner.order("use")
        yield* owner.reached("granted")
        const ours = yield* world.start(["token", "login"])
        yield* reached(world, "ticket")
        // Another one starts meanwhile, which leaves us the time to do what is wrong.
        yield* world.owner(name)
        yield* owner.order("free")
        const used = yield* owner.reached("used")
        const finished = yield* ours.finished
        assertEnded(finished, 0)
        assert.strictEqual(finished.result, used["access"])
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 1)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )
})

describe.each(runnable.filter(locks))("%s, which locks while it refreshes", (name) => {
  it.live("we refresh at expiry: two owners and another of us wait, and take what we got", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed(name, -1_000)
        yield* world.keep(name, "co-own")
        const [one, two] = [yield* world.owner(name), yield* world.owner(name)]
        const hold = world.hold("after")
        const ours = yield* world.start(["token", "login"])
        yield* hold.reached
        const other = yield* world.start(["token", "login"])
        for (const owner of [one, two]) {
          yield* owner.order("use")
          yield* owner.reached("waiting")
        }
        yield* hold.release
        const finished = yield* ours.finished
        assertEnded(finished, 0)
        assert.strictEqual((yield* other.finished).result, finished.result)
        for (const owner of [one, two]) {
          assert.include(yield* owner.reached("used", "failed"), { step: "used", access: finished.result })
          assert.include(steps(owner), "adopted")
        }
        yield* assertAgreed(world, held)
        assert.lengthOf(world.presentations(), 1)
        assert.deepStrictEqual(world.locks(name), [])
      }),
    ),
  )
})

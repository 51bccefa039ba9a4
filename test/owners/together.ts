/** What the tests of logins that are kept fresh together ask of both sides. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Held, hasFlock, type Kept, type OwnerName, owners, type World } from "./world.ts"

/** Those whose fakes run here. */
export const runnable = owners.filter((name) => hasFlock || !name.startsWith("codex"))

const lockers: ReadonlyArray<OwnerName> = ["codexMcp", "pi", "piMcp", "qwen", "claude"]

/** Holds a lock while it refreshes. */
export const locks = (name: OwnerName): boolean => lockers.includes(name)

/** Both hold the tokens that the server gave last. */
export const assertAgreed = Effect.fnUntraced(function* (world: World, held: Held) {
  const kept = (yield* world.kept)!
  assert.deepStrictEqual(held.tokens(), { access: kept.access, refresh: kept.refresh })
  const last = world.presentations().findLast(({ granted }) => granted)
  assert.strictEqual(kept.access, last!.granted!.accessToken)
  assert.isFalse(kept.ticket)
})

/** Until the store says so of a refresh of ours. */
export const reached = (world: World, step: "ticket" | "answer"): Effect.Effect<void> => {
  let kept: Kept | undefined
  const look = Effect.map(world.kept, (found) => (kept = found))
  return Effect.gen(function* () {
    while (!kept?.[step]) {
      yield* look
      yield* Effect.sleep(5)
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: "15 seconds",
      orElse: () => Effect.die(new Error(`Waited in vain for the ${step} of a refresh of ours`)),
    }),
  )
}

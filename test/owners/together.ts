/** What the tests of owners have in common. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { type Held, hasFlock, type OwnerName, owners, type World } from "./world.ts"

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

export type Json = Readonly<Record<string, unknown>>

/** Somebody changes a file by hand. */
export const rewrite = (path: string, change: (content: Json) => unknown): void =>
  Fs.writeFileSync(path, JSON.stringify(change(JSON.parse(Fs.readFileSync(path, "utf8")) as Json)))

/** Until the store says so of a refresh of ours. */
export const reached = (world: World, step: "ticket" | "answer"): Effect.Effect<void> => {
  const look: Effect.Effect<void> = Effect.flatMap(world.kept, (kept) =>
    kept?.[step] ? Effect.void : Effect.andThen(Effect.sleep(5), look),
  )
  return Effect.timeoutOrElse(look, {
    duration: "15 seconds",
    orElse: () => Effect.die(new Error(`Waited in vain for the ${step} of a refresh of ours`)),
  })
}

/** Follows the files of logins that are other programs' too: what an owner does to its file, no store hints at. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Entry } from "./Entry.ts"
import { isShared, type Owners } from "./Owners.ts"

const checkMillis = 2_000

/** `look` reads a credential again, its owner's file first. */
export const make = ({ revision }: typeof Owners.Service, look: (entry: Entry) => Effect.Effect<void>) => {
  /** With what was last seen of each file. A Keeper without such logins never wakes for them. */
  const shared = new Map<Entry, string | undefined>()
  const isAnyShared = Deferred.makeUnsafe<void>()

  const run: Effect.Effect<never> = Effect.gen(function* () {
    yield* Deferred.await(isAnyShared)
    while (true) {
      yield* Effect.sleep(checkMillis)
      for (const [entry, seen] of shared) {
        const { foreign } = entry.origin
        if (!isShared(foreign)) continue
        const found = revision(foreign)
        shared.set(entry, found)
        if ((seen !== undefined && seen !== found) || entry.owed !== undefined) yield* look(entry)
      }
    }
  })

  return {
    run,
    /** From now on its file is followed. */
    follow: (entry: Entry): void => {
      if (shared.has(entry)) return
      shared.set(entry, undefined)
      Deferred.doneUnsafe(isAnyShared, Effect.void)
    },
  }
}

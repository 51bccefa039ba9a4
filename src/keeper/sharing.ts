/**
 * A login that is another program's too, as the Keeper deals with it: what has become of it in its owner's file is found out
 * before anything is decided, and an owner whose file has fallen behind is told.
 */
import * as Effect from "effect/Effect"
import type { Change } from "../lifecycle/Change.ts"
import type { Credential, Tokens } from "../lifecycle/Credential.ts"
import type { CredentialStore, StoreUnavailable, Swapped } from "../store/CredentialStore.ts"
import type { Entry } from "./Entry.ts"
import { ahead, isShared, type Owners, type Sight } from "./Owners.ts"
import * as Recorder from "./recorder.ts"
import * as Standing from "./standing.ts"

export interface Surroundings {
  readonly store: CredentialStore["Service"]
  readonly owners: typeof Owners.Service
  readonly swap: (entry: Entry, change: Change) => Effect.Effect<Swapped, StoreUnavailable>
  /** Writes down what was no step of the machine. */
  readonly noted: (entry: Entry, event: string, generation: number, tokens: Tokens) => void
  /** Runs in a fiber of the Keeper to its end. */
  readonly work: (task: Effect.Effect<void>) => Effect.Effect<void>
}

export const make = ({ noted, owners, store, swap, work }: Surroundings) => {
  const telling = new Set<Entry>()

  /** Nobody who wants a token waits for that: the owner may be writing itself. */
  const tellOwner = (entry: Entry, credential: Credential): Effect.Effect<void> => {
    if (telling.has(entry)) return Effect.void
    telling.add(entry)
    return work(
      Effect.flatMap(owners.catchUp(credential), (trouble) => {
        telling.delete(entry)
        entry.owed = trouble
        if (trouble !== undefined) return Effect.void
        noted(entry, "OwnerTold", credential.generation, credential.tokens)
        return Effect.ignore(store.append(entry.name, Recorder.take(entry)))
      }),
    )
  }

  const followed = Effect.fnUntraced(function* (entry: Entry, credential: Credential, sight: Sight) {
    const { foreign, generation, seed } = credential
    switch (sight._tag) {
      case "Moved": {
        const tokens = ahead(sight.tokens, foreign)
        noted(entry, "OwnerRefreshed", generation + 1, tokens)
        return (yield* swap(entry, { _tag: "Commit", generation, seed, tokens, forced: 0 })).credential
      }
      case "Behind":
        yield* tellOwner(entry, credential)
        return credential
      case "InStep": {
        entry.owed = undefined
        // It was signed out there, and the same login is back.
        if (credential.verdict?.reason !== "signedOut") return credential
        return (yield* swap(entry, { _tag: "Pardon", generation })).credential
      }
      case "Apart":
      case "SignedOut":
      case "Unclear":
        entry.owed = undefined
        return credential
    }
  })

  /** What is stored, once the owner's news are in it. */
  const read = Effect.fnUntraced(function* (entry: Entry) {
    const stored = yield* store.read(entry.name)
    // While an exchange of ours is under way, it is that which deals with the owner.
    if (stored === undefined || !isShared(stored.foreign) || Standing.isBusy(entry.state)) return stored
    const found = yield* followed(entry, stored, yield* owners.look(stored))
    // What was stored while the owner's file was read is newer than what it was compared with.
    return found === stored ? yield* store.read(entry.name) : found
  })

  return { read }
}

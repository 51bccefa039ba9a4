/**
 * Where the logins stand that are kept together with their owners: this machine's disk and keyring, and in a simulated
 * world a file of its own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Home from "../store/home.ts"
import * as ForeignFiles from "./foreignFiles.ts"
import type { Owner, Spot, StoreFile } from "./ForeignStore.ts"
import * as ForeignText from "./foreignText.ts"
import * as Locks from "./locks/take.ts"

interface Shape {
  /** What `owner` keeps at `place`. */
  readonly at: (owner: Owner, place: string) => Effect.Effect<ForeignFiles.ForeignFile>
  /** Where the entry `key` of what is at `place` stands. */
  readonly spotOf: (place: string, key: string) => Effect.Effect<Spot, ForeignText.Trouble>
  /** The text that stands there, to be replaced. */
  readonly open: (file: StoreFile, spot: Spot) => Effect.Effect<ForeignText.ForeignText, ForeignText.Trouble>
  readonly lock: typeof Locks.take
}

export const ForeignDisk = Context.Reference<Shape>("tokenkeep/interop/ForeignDisk", {
  defaultValue: () => ({
    at: (owner, place) => Effect.sync(() => ForeignFiles.at(owner, place, Home.current())),
    spotOf: (place, key) =>
      Effect.try({
        try: () => ForeignFiles.spotOf(place, key, Home.current()),
        catch: (error) => ({ message: ForeignFiles.why(error) }),
      }),
    open: ForeignText.open,
    lock: Locks.take,
  }),
})

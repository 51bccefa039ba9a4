/**
 * Where credentials are kept: the seam between the Keeper and a disk, a database or a simulated world.
 *
 * **Contract** (one suite, `test/store/CredentialStoreContract.ts`, runs against every store)
 *
 * - `compareAndSwap` runs `Change.apply` on the stored record in one atomic, durable step. It answers whether it applied
 *   and what is stored after it, so a loser needs no second read.
 * - A record is durable before the answer, and a removed name keeps its newest generation, so numbers never shrink (I2).
 * - A store that cannot be read is never written: what it holds may be somebody's only login.
 * - `changes` names credentials that *somebody else* may have changed. It may say too much, and never too little for
 *   longer than a few seconds; it costs a reader nothing per call.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { Change } from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import type { Line } from "../lifecycle/History.ts"

/** What a conditional write came to. `credential` is what is stored now; `undefined` when the name is not there. */
export interface Swapped {
  readonly applied: boolean
  readonly credential: Credential | undefined
}

/** The store cannot be used. Nothing was overwritten. `message` says in which file and what to do. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  reason: Schema.Literals([
    "missing",
    "notOurs",
    "readOnly",
    "full",
    "corrupt",
    "newerSchema",
    "sealed",
    "busy",
    "other",
  ]),
  path: Schema.String,
  message: Schema.String,
}) {}

export class CredentialStore extends Context.Service<
  CredentialStore,
  {
    readonly read: (name: string) => Effect.Effect<Credential | undefined, StoreUnavailable>
    /** `lines` go into the history in the same step, if the change applies. */
    readonly compareAndSwap: (
      name: string,
      change: Change,
      lines?: ReadonlyArray<Line>,
    ) => Effect.Effect<Swapped, StoreUnavailable>
    /** All credentials, ordered by name. */
    readonly list: Effect.Effect<ReadonlyArray<Credential>, StoreUnavailable>
    /** Forgets tokens and all, keeps the generation. `false` when there was nothing under the name. */
    readonly remove: (name: string) => Effect.Effect<boolean, StoreUnavailable>
    /** Appends to the history of a name, which keeps its last `History.longest` lines and outlives the credential. */
    readonly append: (name: string, lines: ReadonlyArray<Line>) => Effect.Effect<void, StoreUnavailable>
    /** What is kept of the history, oldest first. */
    readonly history: (name: string) => Effect.Effect<ReadonlyArray<Line>, StoreUnavailable>
    /** Names that another process, or another user of this store, may have changed. */
    readonly changes: Stream.Stream<string, StoreUnavailable>
  }
>()("tokenkeep/store/CredentialStore") {}

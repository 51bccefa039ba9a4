/**
 * The owners of logins that stand in other programs' files: what `keeper/Owners` asks, answered from those files.
 *
 * **Invariants**
 *
 * - A borrowed login's file is only read, and nothing of it is ever sent to a token endpoint.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import type { Outcome } from "../exchange/TokenEndpoint.ts"
import { ahead, Owners, type Sight } from "../keeper/Owners.ts"
import type { Credential, Foreign } from "../lifecycle/Credential.ts"
import * as Home from "../store/home.ts"
import * as CoOwn from "./coOwn.ts"
import * as ForeignFiles from "./foreignFiles.ts"
import type { CoOwning } from "./ForeignStore.ts"
import type { Grant } from "./GrantDocument.ts"
import { look, ownerOf, withoutRefreshToken } from "./sight.ts"

/** How a login of `owner` at `place` is kept fresh together with it, where that can be done. */
export const coOwningOf = (owner: string, place: string): CoOwning | undefined => {
  const found = ownerOf({ owner })
  const coOwning = found && ForeignFiles.kindOf(found, place, Home.current()).coOwning
  return typeof coOwning === "string" ? undefined : coOwning
}

const aheadMillis = ({ mode, owner, place }: Foreign): number =>
  mode === "co-own" ? (coOwningOf(owner, place)?.aheadMillis ?? 0) : 0

/** A grant out of an owner's file, as it is kept in the mode of `foreign`. */
export const inMode = (grant: Grant, foreign: Foreign): Grant => {
  const { seed: _, ...unseeded } = grant
  return foreign.mode === "borrow"
    ? {
        ...unseeded,
        foreign,
        tokens: withoutRefreshToken(grant.tokens),
        reuse: { class: "notRotating", graceMillis: 0 },
      }
    : { ...grant, foreign, tokens: ahead(grant.tokens, aheadMillis(foreign)) }
}

/** A borrowed login has no other tokens than those in the file. */
const borrowed = ({ foreign }: Credential, sight: Sight): Outcome => {
  const { program } = foreign!
  switch (sight._tag) {
    case "Moved":
      return { _tag: "Rotated", tokens: sight.tokens }
    case "SignedOut":
      return { _tag: "Rejected", cause: sight.cause, dead: { reason: "signedOut", code: undefined }, retryAt: 0 }
    case "InStep":
    case "Behind":
      return {
        _tag: "Rejected",
        cause: `it is borrowed, and ${program} has not refreshed it yet: use ${program} once, which refreshes it`,
        dead: undefined,
        retryAt: 0,
      }
    case "Apart":
    case "Unclear":
      return { _tag: "Rejected", cause: sight.cause, dead: undefined, retryAt: 0 }
  }
}

const revision = ({ place }: Foreign): string => {
  // A database's newest pages are in the log beside it.
  const stats = [place, `${place}-wal`].map((each) => fs.statSync(each, { throwIfNoEntry: false }))
  return stats.map((each) => (each === undefined ? "" : `${each.ino}.${each.size}.${each.mtimeMs}`)).join(" ")
}

export const layer = Layer.succeed(Owners, {
  look,
  exchange: (credential, deadlineMillis, present) =>
    credential.foreign?.mode === "borrow"
      ? Effect.map(look(credential), (sight) => borrowed(credential, sight))
      : CoOwn.exchange(credential, deadlineMillis, present),
  catchUp: CoOwn.catchUp,
  aheadMillis,
  revision,
})

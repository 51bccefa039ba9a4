/** A grant out of another program's file, as it is kept in each of the three modes. */
import { ahead } from "../keeper/Owners.ts"
import type { Foreign } from "../lifecycle/Credential.ts"
import type { CoOwning } from "./ForeignStore.ts"
import type { Grant } from "./GrantDocument.ts"
import { storeFileOf, withoutRefreshToken } from "./sight.ts"

/** How the login is kept fresh together with its owner, where that can be done. */
export const coOwningOf = (foreign: Foreign): CoOwning | undefined => {
  const coOwning = storeFileOf(foreign)?.coOwning
  return typeof coOwning === "string" ? undefined : coOwning
}

/** `grant`, to be kept in the mode of `foreign`. */
export const inMode = (grant: Grant, foreign: Foreign): Grant => {
  const { seed: _, ...unseeded } = grant
  switch (foreign.mode) {
    case "import":
      return { ...grant, foreign }
    case "borrow": {
      const tokens = withoutRefreshToken(grant.tokens)
      return { ...unseeded, foreign, tokens, reuse: { class: "notRotating", graceMillis: 0 } }
    }
    case "co-own": {
      const { aheadMillis } = coOwningOf(foreign) ?? {}
      const shared = { ...foreign, ...(aheadMillis !== undefined && { aheadMillis }) }
      return { ...grant, foreign: shared, tokens: ahead(grant.tokens, shared) }
    }
  }
}

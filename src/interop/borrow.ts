/** A login that its owner keeps fresh: nothing of it is ever sent to a token endpoint, and its file is only read. */
import * as Effect from "effect/Effect"
import type { Outcome } from "../exchange/TokenEndpoint.ts"
import type { Sight } from "../keeper/Owners.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import { look } from "./sight.ts"

const outcomeOf = (sight: Sight, program: string): Outcome => {
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

/** What its owner has by now, as if a server had answered. */
export const exchange = (credential: Credential): Effect.Effect<Outcome> =>
  Effect.map(look(credential), (sight) => outcomeOf(sight, credential.foreign!.program))

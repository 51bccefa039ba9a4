/**
 * One presentation of a refresh token, and what is known of its outcome from evidence on the wire.
 *
 * | outcome | evidence | the refresh token |
 * |---|---|---|
 * | NotSent | no byte of the request left: DNS, refused, TLS, proxy | untouched |
 * | Rejected | the server answered and granted nothing | untouched, or dead by the code table |
 * | Ambiguous | it was sent, and no usable answer came back | nobody knows |
 * | Rotated | 2xx with an access token | consumed, its successor is here |
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Answer, Credential, DeadReason, Tokens } from "../lifecycle/Credential.ts"

export type Outcome =
  | { readonly _tag: "NotSent"; readonly cause: string }
  /**
   * `dead` is there when the code table says so, or the owner of a login that is only borrowed; otherwise the failure passes,
   * no earlier than `retryAt` (epoch ms).
   */
  | {
      readonly _tag: "Rejected"
      readonly cause: string
      readonly dead: { readonly reason: DeadReason; readonly code: string | undefined } | undefined
      readonly retryAt: number
    }
  | { readonly _tag: "Ambiguous"; readonly cause: string }
  | { readonly _tag: "Rotated"; readonly tokens: Tokens }

/** What the one who presents a refresh token wants to know while it happens. */
export interface Witness {
  /** The request leaves now; the names of its parameters, for whoever has to find out later what was asked. */
  readonly sent?: (parameters: ReadonlyArray<string>) => void
  /** The credential of that name with tokens that work, for one that is minted from it; else why not, for people. */
  readonly parent?: (name: string) => Effect.Effect<Credential, { readonly message: string }>
  /** An answer has arrived and nobody has read it: the moment to write it down. */
  readonly answered?: (answer: Answer) => Effect.Effect<void>
}

export class TokenEndpoint extends Context.Service<
  TokenEndpoint,
  {
    /**
     * Presents the credential's refresh token once: no retry, no redirect. Answers within `deadlineMillis` whatever the
     * network does and however long the witness takes beyond that; interruption ends the request. `cause` is said to
     * people and never contains a secret.
     */
    readonly exchange: (credential: Credential, deadlineMillis: number, witness?: Witness) => Effect.Effect<Outcome>
  }
>()("tokenkeep/exchange/TokenEndpoint") {}

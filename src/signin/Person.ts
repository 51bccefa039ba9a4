/**
 * The human at the other end of a sign-in: who is told things, whose browser is opened, who types a code. A terminal, a
 * desktop program or a test implements it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** RFC 8628 §3.2. `completeUri` holds the code already. */
export interface DeviceCode {
  readonly userCode: string
  readonly verificationUri: string
  readonly completeUri: string | undefined
  readonly lifetimeMillis: number
}

export interface Visit {
  readonly url: string
  /** Whether the browser comes back to us by itself, if it runs on this machine. Otherwise only `pasted` ends the sign-in. */
  readonly returns: boolean
}

export class Person extends Context.Service<
  Person,
  {
    /** Something worth knowing that asks for nothing. One sentence, no secret. */
    readonly tell: (text: string) => Effect.Effect<void>
    /** The person has to sign in at this URL: open it, or show it. */
    readonly visit: (visit: Visit) => Effect.Effect<void>
    readonly enterCode: (code: DeviceCode) => Effect.Effect<void>
    /** The next line that the person types: the URL that a browser on another machine was sent to. Never, if there is none. */
    readonly pasted: Effect.Effect<string>
  }
>()("tokenkeep/signin/Person") {}

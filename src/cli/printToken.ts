/** What `tokenkeep token` does once it is understood: one token on stdout, and what is to be said about it on stderr. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Keeper } from "../keeper/Keeper.ts"
import type { CommandError } from "./report.ts"
import { format } from "./format.ts"
import { withKeeper } from "./keeper.ts"
import type { TokenRequest } from "./request.ts"
import { advise, whileSlow } from "./terminal.ts"
import { write } from "./write.ts"

export const defaultTimeoutMillis = 30_000

export interface FullTokenRequest extends TokenRequest {
  /** A token, or the fingerprint of one, that a resource server answered 401 to. */
  readonly refused: Redacted.Redacted | undefined
  readonly timeoutMillis: number
  /** Try a dead grant once more. */
  readonly retryDead: boolean
}

/** Whose command this is: what a person looks for who finds it in the history. */
const caller = "tokenkeep token"

export const printToken = (request: FullTokenRequest): Effect.Effect<void, CommandError> =>
  Effect.gen(function* () {
    const handle = (yield* Keeper).credential(request.name)
    const asked =
      request.refused === undefined
        ? handle.access({ minValidity: request.minTtlMillis, retryDead: request.retryDead, caller })
        : handle.refused(Redacted.value(request.refused), { caller })
    const access = yield* whileSlow(`waiting for a token of ${request.name} …`)(asked)
    // At once, and not when the Keeper is closed: whoever waits for the token need not wait for anything else.
    yield* Effect.sync(() => write(1, format({ ...access, token: Redacted.value(access.token) }, request.format)))
    if (access.note !== undefined) yield* advise(access.note)
  }).pipe(withKeeper({ reading: true, callerDeadlineMillis: request.timeoutMillis }))

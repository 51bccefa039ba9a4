/**
 * From what went wrong to what is said about it and the exit code. The words of the Keeper's errors stand in
 * `keeper/wording.ts`; here only the time of the next try is added, as a person on this machine reads it.
 */
import * as Cause from "effect/Cause"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { InvalidDocument } from "../interop/GrantDocument.ts"
import type { TokenError } from "../keeper/errors.ts"
import type { InvalidProfile } from "../provider/ProfileFile.ts"
import type { SignInFailed, SignInReason } from "../signin/errors.ts"
import { type ExitCode, exitCodes } from "./exitCodes.ts"
import { localTime, span } from "./times.ts"
import type { Usage } from "./Usage.ts"

/** Everything has been said already; only the exit code is left. */
export class Reported extends Schema.TaggedError<Reported>()("Reported", {
  code: Schema.Literals(Object.values(exitCodes)),
}) {}

/** `ShowHelp` has been presented by the parser. */
export type CommandError =
  | TokenError
  | SignInFailed
  | InvalidDocument
  | InvalidProfile
  | Usage
  | Reported
  | { readonly _tag: "ShowHelp" }

export interface Report {
  readonly text: string | undefined
  readonly code: ExitCode
}

const signInCodes: Record<SignInReason, ExitCode> = {
  unavailable: exitCodes.tryAgainLater,
  denied: exitCodes.signInRequired,
  expired: exitCodes.signInRequired,
  untrusted: exitCodes.usage,
  unsupported: exitCodes.usage,
  refused: exitCodes.usage,
  invalid: exitCodes.usage,
}

const ofError = (error: CommandError, now: number): Report => {
  switch (error._tag) {
    case "SignInRequired":
      return { text: error.message, code: exitCodes.signInRequired }
    case "SignInFailed": {
      const { message, reason, retryAt } = error
      const later =
        retryAt === undefined ? "" : `\nThat passes: try again${retryAt > now ? ` at ${localTime(retryAt, now)}` : ""}.`
      return { text: `not signed in: ${message}${later}`, code: signInCodes[reason] }
    }
    case "TemporarilyUnavailable": {
      const seconds = span(Math.max(1_000, error.retryAt - now))
      return {
        text: `${error.message}\nThat is at ${localTime(error.retryAt, now)} here, in ${seconds}.`,
        code: exitCodes.tryAgainLater,
      }
    }
    case "StoreUnavailable":
      return { text: error.message, code: exitCodes.storeUnavailable }
    case "CredentialNotFound":
    case "InvalidDocument":
    case "InvalidProfile":
    case "Usage":
      return { text: error.message, code: exitCodes.usage }
    case "Reported":
      return { text: undefined, code: error.code }
    case "ShowHelp":
      return { text: undefined, code: exitCodes.usage }
  }
}

/** The places in the code, and nothing of the message: nobody knows what a defect quotes. */
export const ofDefect = (defect: unknown) => {
  const { name, stack } = defect instanceof Error ? defect : { name: typeof defect, stack: "" }
  const places = (stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 4)
  return {
    text: [
      `this is a defect in tokenkeep (${name}). Please report it with these lines; no secret is in them.`,
      ...places,
    ].join("\n"),
    code: exitCodes.defect,
  }
}

/** `undefined` for an interruption: the signal decides then. */
export const reportOf = (cause: Cause.Cause<CommandError>, now: number): Report | undefined => {
  const error = Cause.findError(cause)
  if (Result.isSuccess(error)) return ofError(error.success, now)
  return Cause.hasDies(cause) ? ofDefect(Cause.squash(cause)) : undefined
}

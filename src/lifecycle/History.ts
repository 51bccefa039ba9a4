/**
 * What happened to a credential, a line for each step of its machine: who, when, why, and what came of it. Kept beside
 * the record, so that "why did it die" has an answer when nobody was watching. No secret is in it, only fingerprints.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export const Line = Schema.Struct({
  /** Epoch milliseconds, by the clock of whoever wrote it. */
  at: Schema.Finite,
  /** The program and its process, such as `tokenkeep (pid 4711)`, and the host. */
  by: Schema.String,
  host: Schema.String,
  /** Who asked that program, where somebody did and said so. */
  caller: Schema.optionalKey(Schema.String),
  /** The machine's event, or what a person did: `GrantStored`, `Removed`, `Pardoned`. */
  event: Schema.String,
  /** The machine's states, outermost first, such as `refreshing.claiming`; absent where a person did it. */
  from: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String),
  generation: Schema.Int,
  /** Fingerprints of the tokens of that generation. */
  access: Schema.optionalKey(Schema.String),
  refresh: Schema.optionalKey(Schema.String),
  /** The names of the parameters of the request, in order. Their values are nobody's business. */
  parameters: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The server's own code, and what went wrong in words for a person. */
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.String),
})
export interface Line extends Schema.Schema.Type<typeof Line> {}

/** As many lines are kept of one credential. A refresh takes about five. */
export const longest = 500

const Stored = Schema.fromJsonString(Line)
export const encode = Schema.encodeSync(Stored)

/** A line that cannot be understood, by a newer or a broken program, is left out: it is no reason to fail. */
export const decode = (text: string): ReadonlyArray<Line> => {
  const decoded = Schema.decodeUnknownResult(Stored)(text)
  return Result.isSuccess(decoded) ? [decoded.success] : []
}

/**
 * Why a sign-in came to nothing. One class, and `reason` says what kind of thing has to happen next. No message ever
 * contains a secret, a code or a state.
 */
import * as Schema from "effect/Schema"

export const SignInReason = Schema.Literals([
  /** The network or the server has trouble that passes: try the same again, from `retryAt` on. */
  "unavailable",
  /** A URL, an issuer or an answer that must not be trusted. */
  "untrusted",
  /** The server does not offer what this way of signing in needs. */
  "unsupported",
  /** The server does not accept the client or what was asked of it. */
  "refused",
  /** The person, or the server on their behalf, said no. */
  "denied",
  /** Nobody finished the sign-in in time. */
  "expired",
  /** The request contradicts itself or what is kept under the name. */
  "invalid",
])
export type SignInReason = typeof SignInReason.Type

/** `retryAt` in epoch milliseconds, for "unavailable" only. `code` is the server's own, such as `invalid_client`. */
export class SignInFailed extends Schema.TaggedError<SignInFailed>()("SignInFailed", {
  reason: SignInReason,
  message: Schema.String,
  code: Schema.optionalKey(Schema.String),
  retryAt: Schema.optionalKey(Schema.Finite),
}) {}

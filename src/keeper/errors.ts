/**
 * What a caller can be told instead of a token. Permanence is the type: only `SignInRequired` needs a person, and only
 * `TemporarilyUnavailable` and `StoreUnavailable` get better by themselves. No message ever contains a secret.
 *
 * `credential` is the credential's name; `name` is what every Error has under it, the name of the error.
 */
import * as Schema from "effect/Schema"
import { DeadReason } from "../lifecycle/Credential.ts"
import type { StoreUnavailable } from "../store/CredentialStore.ts"

/**
 * No usable token, and no way to one without a person. `since` in epoch milliseconds. `notSignedIn` is said where a name
 * that holds nothing means a sign-in that is due (MCP), with the moment when that was found; elsewhere such a name is
 * `CredentialNotFound`.
 */
export class SignInRequired extends Schema.TaggedError<SignInRequired>()("SignInRequired", {
  credential: Schema.String,
  reason: Schema.Union([DeadReason, Schema.Literal("notSignedIn")]),
  since: Schema.Finite,
  /** The command that brings it back. */
  advice: Schema.String,
  message: Schema.String,
}) {}

/** No usable token now, for a reason that passes. `retryAt` in epoch milliseconds. */
export class TemporarilyUnavailable extends Schema.TaggedError<TemporarilyUnavailable>()("TemporarilyUnavailable", {
  credential: Schema.String,
  retryAt: Schema.Finite,
  message: Schema.String,
}) {}

export class CredentialNotFound extends Schema.TaggedError<CredentialNotFound>()("CredentialNotFound", {
  credential: Schema.String,
  message: Schema.String,
}) {}

export type TokenError = SignInRequired | TemporarilyUnavailable | StoreUnavailable | CredentialNotFound

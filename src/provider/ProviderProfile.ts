/**
 * What is known about one authorization server, as data: no code changes when a provider does.
 *
 * An unknown server is treated as the strictest there is: single use, no grace, reuse revokes the whole family.
 */
import type { DeadReason, ReuseClass } from "../lifecycle/Credential.ts"

/** One way in which a server says that a refresh token is dead. Whole codes or verdict phrases, never substrings of them. */
export interface DeadSpelling {
  /** Compared without case against `error`, `error.code`, `code`, `error_code` and `status`. */
  readonly code: string
  /** Where the code alone says too little, the whole description has to match as well. */
  readonly description?: RegExp
  readonly reason: DeadReason
}

export interface ProviderProfile {
  readonly id: string
  readonly reuse: { readonly class: ReuseClass; readonly graceMillis: number }
  /** RFC 8707: whether `resource` is sent with a refresh. */
  readonly sendResource: boolean
  /** Spellings beyond those that every server may use. */
  readonly dead: ReadonlyArray<DeadSpelling>
  /** Where the expiry comes from when the answer leaves a choice. */
  readonly expirySource: "expires_in" | "jwt" | "milliseconds"
}

export const generic: ProviderProfile = {
  id: "generic",
  reuse: { class: "strict", graceMillis: 0 },
  sendResource: true,
  dead: [],
  expirySource: "expires_in",
}

const profiles: ReadonlyArray<ProviderProfile> = [generic]

export const ids: ReadonlyArray<string> = profiles.map((profile) => profile.id)

export const find = (id: string): ProviderProfile | undefined => profiles.find((profile) => profile.id === id)

/**
 * The Keeper hands out access tokens that work, and is the only thing that refreshes them.
 *
 * It carries out what the state machine wishes and feeds it the answers: single flight, tickets, commits and timers are
 * consequences of that, one credential at a time. A caller that goes away cancels nothing, because no exchange belongs
 * to a caller.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Credential } from "../lifecycle/Credential.ts"
import type { Line } from "../lifecycle/History.ts"
import type { StoreUnavailable } from "../store/CredentialStore.ts"
import type { CredentialNotFound, TokenError } from "./errors.ts"
import type { Sight } from "./Owners.ts"

/** An access token, and what is worth saying about it. `expiresAt` in epoch milliseconds, absent when unknown. */
export interface Access {
  readonly token: Redacted.Redacted
  readonly tokenType: string
  readonly expiresAt: number | undefined
  readonly generation: number
  readonly scope: string | undefined
  /** RFC 8707: the resource the token is for, when the credential is bound to one. */
  readonly resource: string | undefined
  /** The key that the token is bound to (RFC 9449): each request needs a proof made with it. Absent for bearer tokens. */
  readonly dpopKey: Redacted.Redacted | undefined
  /** Why this is not a fresh one although one was wanted, in one sentence for a person; absent when all is well. */
  readonly note: string | undefined
}

export interface TokenOptions {
  /** How much longer the token should live, in milliseconds; at most half of its lifetime is honoured. Default 0. */
  readonly minValidity?: number | undefined
  /** Who asks, for the history: a job, a request, a part of the program. Never a secret. */
  readonly caller?: string | undefined
  /** A person wants a dead grant tried once more: servers do say `invalid_grant` in an outage. Default false. */
  readonly retryDead?: boolean | undefined
}

/** Where a credential stands, without its secrets. Instants in epoch milliseconds. */
export interface Status {
  readonly credential: Credential
  /** The top-level state and its sub-state, such as `["expiring", "pausing"]`. */
  readonly state: readonly [state: "valid" | "expiring" | "refreshing" | "dead", detail: string | undefined]
  readonly usable: boolean
  /** When something happens by itself next, if anything does; and what a person can do, if anything is to be done. */
  readonly refreshAt: number | undefined
  readonly advice: string | undefined
  /** What the file of another program says, where the login is its too (`credential.foreign`). */
  readonly owner: Sight | undefined
}

/** One credential of a Keeper. Cheap to make and to keep; it reads nothing until it is asked. */
export interface Handle {
  readonly name: string
  /** A token that works now, refreshed first when it has to be. */
  readonly access: (options?: TokenOptions) => Effect.Effect<Access, TokenError>
  /**
   * The token if one is at hand that lives `minValidity` milliseconds longer (default 0): synchronous and without any
   * I/O, so it is `undefined` before the first `access`.
   */
  readonly peek: (minValidity?: number) => string | undefined
  /** A resource server answered 401 to `token` (or to the token with this fingerprint). Another token that may work: a newer one, or a refreshed one. */
  readonly refused: (token: string, options?: Pick<TokenOptions, "caller">) => Effect.Effect<Access, TokenError>
}

export class Keeper extends Context.Service<
  Keeper,
  {
    readonly credential: (name: string) => Handle
    /** Stores a grant under its name in place of whatever was there, and answers with what is stored. */
    readonly put: (credential: Omit<Credential, "generation">) => Effect.Effect<Credential, StoreUnavailable>
    readonly status: (name: string) => Effect.Effect<Status, CredentialNotFound | StoreUnavailable>
    readonly list: Effect.Effect<ReadonlyArray<Status>, StoreUnavailable>
    /** What happened to a credential, oldest first. Empty for a name nobody ever used. */
    readonly history: (name: string) => Effect.Effect<ReadonlyArray<Line>, StoreUnavailable>
    /** Forgets the credential on this machine. The grant lives on at the server. */
    readonly remove: (name: string) => Effect.Effect<void, CredentialNotFound | StoreUnavailable>
  }
>()("tokenkeep/keeper/Keeper") {}

/**
 * What one Keeper holds in memory of one credential: small while the token is valid, because a process may hold a
 * million of them. The stored record is kept only while an exchange is under way.
 */
import type * as Deferred from "effect/Deferred"
import * as Redacted from "effect/Redacted"
import type { Credential, Verdict } from "../lifecycle/Credential.ts"
import type { Line } from "../lifecycle/History.ts"
import { initial, type State } from "../lifecycle/machine.ts"
import type { Event } from "../lifecycle/protocol.ts"
import type { View } from "../lifecycle/View.ts"
import type { StoreUnavailable } from "../store/CredentialStore.ts"
import type { Access } from "./Keeper.ts"
import type { TokenError } from "./errors.ts"
import type { Sleeper } from "./WakeQueue.ts"
import { imported, type Origin } from "./wording.ts"

/**
 * A token at hand, immutable, so that the hot path is two comparisons. Its instants are those of `view`, which the state
 * machine keeps anyway.
 */
export interface Cell {
  readonly token: string
  readonly tokenType: string
  readonly scope: string | undefined
  readonly resource: string | undefined
  readonly dpopKey: Redacted.Redacted | undefined
  readonly view: View
}

export const cellOf = ({ dpopKey, resource, tokens }: Credential, view: View): Cell => ({
  token: Redacted.value(tokens.accessToken),
  tokenType: tokens.tokenType,
  scope: tokens.scope,
  resource,
  dpopKey,
  view,
})

/** The cell's answer to a caller: the token if it lives as long as they want. The same rule as `freshness.satisfies`. */
export const offers = ({ view }: Cell, now: number, minValidity: number): boolean =>
  now < view.usableUntil && view.expiresAt - now >= Math.min(minValidity, view.longestMinValidity)

export const accessOf = (cell: Cell, note: string | undefined): Access => ({
  token: Redacted.make(cell.token, { label: "access token" }),
  tokenType: cell.tokenType,
  expiresAt: Number.isFinite(cell.view.expiresAt) ? cell.view.expiresAt : undefined,
  generation: cell.view.generation,
  scope: cell.scope,
  resource: cell.resource,
  dpopKey: cell.tokenType === "DPoP" ? cell.dpopKey : undefined,
  note,
})

/** An exchange under way: the record that holds our ticket, and then its successor until the store has it. */
export interface Flight {
  readonly credential: Credential
  readonly successor: Credential | undefined
}

/** The tokens are here. */
export interface Landed extends Flight {
  readonly successor: Credential
}

export interface Entry extends Sleeper {
  readonly name: string
  state: State
  /** The token of the stored generation, or of its successor while the store does not take it. */
  cell: Cell | undefined
  /** The store has been read, and it has this name. */
  known: boolean
  /** How it came here. */
  origin: Origin
  /** Why the file of the program whose login it is too is behind. */
  owed: string | undefined
  flight: Flight | undefined
  /** The record as it was last seen, while an answer is written down in it that nobody has acted on. */
  kept: Credential | undefined
  verdict: Verdict | undefined
  /** The ticket of another host that is open now, and when this process first saw it. */
  sighted: { readonly id: string; readonly at: number } | undefined
  /** What went wrong last, for people. Never contains a secret. */
  trouble: string | undefined
  storeTrouble: StoreUnavailable | undefined
  /** Who asked last, and the names of the parameters of the last request: for the history. */
  asker: string | undefined
  parameters: ReadonlyArray<string> | undefined
  /** Lines of the history that are not written yet. */
  lines: Array<Line> | undefined
  waiters: Set<Deferred.Deferred<Access, TokenError>> | undefined
  /** Events that arrived while one was being carried out, in order. */
  inbox: Array<Event> | undefined
}

export const make = (name: string, background: boolean): Entry => ({
  name,
  state: initial(background),
  cell: undefined,
  known: false,
  origin: imported,
  owed: undefined,
  flight: undefined,
  kept: undefined,
  verdict: undefined,
  sighted: undefined,
  trouble: undefined,
  storeTrouble: undefined,
  asker: undefined,
  parameters: undefined,
  lines: undefined,
  waiters: undefined,
  inbox: undefined,
  wakeAt: Infinity,
  slot: -1,
})

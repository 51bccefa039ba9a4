/**
 * A token client that is not ours, as a simulated world meets it: something that takes a `fetch` and a storage and makes
 * calls. Nothing in it knows of Effect, and nothing in it has to be changed.
 *
 * ```ts
 * const naive: ForeignClient = ({ fetch, storage }) => async () => {
 *   const tokens = JSON.parse((await storage.get("tokens"))!)
 *   …
 *   return tokens.access_token
 * }
 * ```
 *
 * **Gotchas**
 *
 * - Everything that is shared between processes goes through `fetch` and `storage`. A variable of a module would be shared
 *   by processes that share nothing in real life, and by one execution with the next: build the client anew each time.
 * - While a step of the client runs, `Date`, the timers, `performance.now`, `Math.random`, `AbortSignal.timeout`, the Web
 *   Crypto API and `globalThis.fetch` are the world's. What a module took from there when it was loaded, or takes from
 *   `node:timers` and `node:crypto`, is not. Modules should be loaded before: a dynamic import is not waited for.
 */
import type { KeeperOptions } from "../keeper/live.ts"
import type { PromiseCredential } from "../promise.ts"
import type { Grant } from "./AuthorizationServer.ts"
import type { Invariant } from "./Monitor.ts"
import type { Overrides } from "./Policy.ts"
import type { Bounds, Fault } from "./Scenario.ts"

export const issuer = "https://as.example"
/** What the access tokens are for. */
export const resource = `${issuer}/resource`
export const tokenEndpoint = `${issuer}/token`

/**
 * A file or a database as foreign clients use it: blind reads and writes, shared by all processes. Every operation is
 * atomic, and between any two of them anything can happen.
 */
export interface ForeignStorage {
  readonly get: (key: string) => Promise<string | undefined>
  readonly set: (key: string, value: string) => Promise<void>
  readonly delete: (key: string) => Promise<void>
}

/** What a client finds around it in one process. */
export interface Surroundings {
  /** Reaches the simulated server at `https://as.example`: token endpoint, metadata, and the protected `/resource`. */
  readonly fetch: typeof globalThis.fetch
  readonly storage: ForeignStorage
  readonly process: { readonly name: string }
  /**
   * The same grant in the hands of a real Keeper in this process, over a simulated store with compare-and-swap. It is
   * made when it is first looked at.
   */
  readonly tokenkeep: Omit<PromiseCredential, "interceptor" | "wrapFetch">
}

/** One call: gives the access token that it would use, or what the resource answered. It fails by rejecting. */
export type ForeignCall = () => Promise<string | Response>

/** Makes the client of one process. */
export type ForeignClient = (surroundings: Surroundings) => ForeignCall | Promise<ForeignCall>

export type ForeignFault =
  | Extract<Fault, "crash" | "lostRequest" | "lostAnswer" | "busyBefore" | "busyAfter" | "rateLimited" | "revoke">
  /** The server has done its work and never says so: the request hangs until its sender gives up. */
  | "silence"

export interface ForeignScenario {
  readonly name: string
  /** One sentence for the reader of the table. */
  readonly about?: string
  /** `calls` of one process may all be under way at the same time. */
  readonly processes: ReadonlyArray<{ readonly client: ForeignClient; readonly calls: number }>
  /** What the sign-in has left in the storage. Default: nothing. */
  readonly storage?: (grant: Grant) => Readonly<Record<string, string>>
  /** How old the access token is; `refused` is one that the resource turns away before its time. Default `ended`. */
  readonly token?: "fresh" | "inWindow" | "ended" | "refused"
  /** Default: strict, a reuse revokes the family. */
  readonly server?: Overrides
  readonly faults?: ReadonlyArray<ForeignFault>
  readonly bounds?: Bounds
  /** How often every process makes its calls, each time after the last access token's end. Default 1. */
  readonly rounds?: number
  /** Calls that the successor of a killed process makes. Default 0: it has none. */
  readonly restart?: number
  /** Ask once more when all is quiet, in a new process of the first kind and after the token's end. Default true. */
  readonly epilogue?: boolean
  /** For the Keeper behind `tokenkeep`. */
  readonly keeper?: KeeperOptions
  /** Only these are watched; all when absent. */
  readonly watched?: ReadonlyArray<Invariant>
}

/** `count` processes that each make `calls` calls. */
export const copies = (count: number, client: ForeignClient, calls = 1): ForeignScenario["processes"] =>
  Array.from({ length: count }, () => ({ client, calls }))

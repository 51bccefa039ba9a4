/**
 * A scenario: who runs where, what the server is like, what may go wrong, and how far the exploration goes.
 */
import type { KeeperOptions } from "../keeper/live.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import type { Invariant } from "./Monitor.ts"
import type { Habit } from "./ownerProgram.ts"
import type { Policy } from "./Policy.ts"

/** What can go wrong, each at every moment at which it could. One costs one of the budget. */
export type Fault =
  /** A process is killed (SIGKILL), at any step; `restart` says what its successor does. */
  | "crash"
  /** A caller goes away. */
  | "cancel"
  | "lostRequest"
  | "lostAnswer"
  /** A request whose sender has given up still arrives, later. */
  | "late"
  /** The network delivers a request twice. */
  | "twice"
  /** 503 before the server did anything, and 502 after it did. */
  | "busyBefore"
  | "busyAfter"
  | "rateLimited"
  /** The store takes nothing for 2.5 seconds. */
  | "storeFails"
  /** Everything stands still for ten minutes. */
  | "pause"
  /** A person signs in again, or out, in the middle. */
  | "signIn"
  | "signOut"
  /** The grant is revoked at the server. */
  | "revoke"
  | OwnerFault

/** Where the login is another program's too. */
export type OwnerFault =
  /** Of the owner's file: half of it is there for 2.5 seconds, or it cannot be written for so long. */
  | "fileTorn"
  | "fileStuck"
  /** A person signs in again, or out, in the owner's program. */
  | "ownerSignIn"
  | "ownerSignOut"

/** `refused`: a resource server has answered 401 to the first access token. */
export type Call = "token" | "refused"

export interface Bounds {
  readonly faults: number
  readonly stalls: number
}

export interface Scenario {
  readonly name: string
  /** One sentence for the reader of the table. */
  readonly about: string
  readonly processes: ReadonlyArray<{
    readonly calls: ReadonlyArray<Call>
    readonly host?: string
    /** How far this host's clock is ahead. */
    readonly skewMillis?: number
  }>
  /**
   * The login stands in the file of another program too, which keeps it fresh by this habit; `calls`: of each of its
   * processes, how often it wants a token.
   */
  readonly owner?: {
    readonly habit: Habit
    readonly mode: "borrow" | "co-own"
    readonly calls: ReadonlyArray<number>
  }
  /** How old the first access token is when the story begins. */
  readonly token: "fresh" | "inWindow" | "ended"
  readonly server: Partial<Policy>
  /** The provider profile by which the client reads the server's answers; `generic` when absent. */
  readonly provider?: string
  /** What the client believes of the server, when that is not the truth. */
  readonly believed?: Credential["reuse"]
  readonly faults: ReadonlyArray<Fault>
  readonly bounds: Bounds
  /** Calls that the successor of a killed process makes; 0: it has none. */
  readonly restart: number
  /** Ask once more when all is quiet, after the token's end. */
  readonly epilogue: boolean
  readonly background?: boolean
  readonly options?: KeeperOptions
  /**
   * How a process's memory enters the name of a state: written out (default), or as the history of all it has observed,
   * which needs no knowledge of the program and tells more states apart.
   */
  readonly memory?: "written" | "history"
  /** Only these are watched; all when absent. */
  readonly watched?: ReadonlyArray<Invariant>
}

/** `count` processes that each make these calls. */
export const alike = (count: number, ...calls: ReadonlyArray<Call>): Scenario["processes"] =>
  Array.from({ length: count }, () => ({ calls }))

export const scenario = (over: Partial<Scenario> & Pick<Scenario, "name" | "about" | "processes">): Scenario => ({
  token: "ended",
  server: { reuse: "strict" },
  faults: [],
  bounds: { faults: 0, stalls: 0 },
  restart: 0,
  epilogue: true,
  ...over,
})

/** What is known of a file in which a program keeps a login. */
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import type { Client } from "../../src/testing/clientAuth.ts"
import type { Overrides } from "../../src/testing/Policy.ts"

export type Json = Readonly<Record<string, unknown>>

export interface Addresses {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly resourceUrl: string
}

export interface Seed {
  /** The program beside this file, in `programs`. */
  readonly program: string
  /** How Tokenkeep calls its owner, and the login in the file. */
  readonly id: string
  readonly entry: string
  /** Below the user's own folder. */
  readonly folder: string
  readonly file: string
  readonly client: Client
  readonly policy?: Overrides
  /** Whether a grant of it is for the resource (RFC 8707). */
  readonly isForResource?: boolean
  /** Which of the logins in the file is meant. */
  readonly login?: (addresses: Addresses) => string
  readonly content: (grant: Grant, addresses: Addresses) => unknown
  /** Default: JSON, indented by two. */
  readonly isCompact?: boolean
  /** The part of the file that holds the tokens; `undefined` when it is not there. */
  readonly tokensIn: (content: unknown) => Json | undefined
  /** What stays behind of a program that was killed while it refreshed, below the user's own folder. */
  readonly locks?: ReadonlyArray<string> | ((addresses: Addresses) => ReadonlyArray<string>)
  /** From which age on its program takes such a lock over. */
  readonly staleMillis?: number
  /** What the access token and the refresh token are called in it. */
  readonly names: readonly [access: string, refresh: string]
}

/** Changes for tests of stores, and digests to compare credentials by: a failing test prints no token. */
import * as Redacted from "effect/Redacted"
import * as crypto from "node:crypto"
import type * as Change from "../../src/lifecycle/Change.ts"
import * as Credential from "../../src/lifecycle/Credential.ts"

type Put = Extract<Change.Change, { _tag: "Put" }>

const tokens = (serial: number): Credential.Tokens => ({
  accessToken: Redacted.make(`secret-access-${serial}`),
  refreshToken: Redacted.make(`secret-refresh-${serial}`),
  tokenType: "Bearer",
  scope: "a b",
  expiry: { _tag: "Known", at: 1_800_000_000_000 + serial, lifetimeMillis: 3_600_000 },
  obtainedAt: 1_700_000_000_000 + serial,
})

export const put = (name: string, serial = 0): Put => ({
  _tag: "Put",
  credential: {
    name,
    provider: "generic",
    issuer: "https://as.example",
    tokenEndpoint: "https://as.example/token",
    client: { clientId: "abc", clientSecret: Redacted.make("secret-client"), authMethod: "client_secret_basic" },
    tokens: tokens(serial),
    reuse: { class: "strict", graceMillis: 0 },
    forced: 0,
  },
})

const holder = (label: string): Credential.Holder => ({
  instance: label,
  host: "here",
  bootId: "boot",
  pid: 1,
  startedAt: "1",
  label,
})

export const claim = (generation: number, id: string, after?: string): Change.Change => ({
  _tag: "Claim",
  generation,
  after,
  ticket: {
    id,
    attempt: after === undefined ? 1 : 2,
    holder: holder(id),
    // An hour for each generation, or the pace of presentations would be too fast.
    issuedAt: generation * 3_600_000,
    drainedAt: generation * 3_600_000 + 1,
    ...(after !== undefined && { first: { id: after, holder: holder(after), issuedAt: 1, drainedAt: 2 } }),
  },
})

export const commit = (generation: number, serial = generation + 1): Change.Change => ({
  _tag: "Commit",
  generation,
  seed: undefined,
  tokens: tokens(serial),
  forced: 0,
})

export const condemn = (generation: number, ticketId?: string): Change.Change => ({
  _tag: "Condemn",
  ticketId,
  generation,
  verdict: { reason: "rejected", at: 5, code: "invalid_grant", by: "somebody" },
})

export const release = (generation: number, ticketId: string, pause?: Credential.Pause): Change.Change => ({
  _tag: "Release",
  generation,
  ticketId,
  pause,
})

/** Two credentials are the same when this is: it covers the secrets and shows none. */
export const digest = (credential: Credential.Credential | undefined): string =>
  credential === undefined
    ? "none"
    : `g${credential.generation} ${crypto.hash("sha256", Credential.encode(credential)).slice(0, 12)}`

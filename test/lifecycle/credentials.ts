/** Made-up credentials for tests. */
import * as Redacted from "effect/Redacted"
import type { Credential, Tokens } from "../../src/lifecycle/Credential.ts"

export const tokens = (over: Partial<Tokens> = {}): Tokens => ({
  accessToken: Redacted.make("access-1"),
  refreshToken: Redacted.make("refresh-1"),
  tokenType: "Bearer",
  expiry: { _tag: "Known", at: 3_600_000, lifetimeMillis: 3_600_000 },
  obtainedAt: 0,
  ...over,
})

export const credential = (over: Partial<Credential> = {}): Credential => ({
  name: "github",
  generation: 1,
  provider: "generic",
  tokenEndpoint: "https://as.example/token",
  client: { clientId: "abc", authMethod: "none" },
  tokens: tokens(),
  reuse: { class: "strict", graceMillis: 0 },
  forced: 0,
  ...over,
})

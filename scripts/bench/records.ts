/** Stored credentials of a realistic size, made on the fly, so that a benchmark's own data is not measured. */
import * as Redacted from "effect/Redacted"
import type { Credential } from "../../src/lifecycle/Credential.ts"
import { secret } from "./server.ts"

const lifetimeMillis = 3_600_000

/** An access token of 200 characters and a refresh token of 100; `at` is the expiry in epoch milliseconds. */
export const record = (name: string, generation: number, at: number): Credential => ({
  name,
  generation,
  provider: "generic",
  issuer: "https://as.example",
  tokenEndpoint: "https://as.example/oauth2/token",
  resource: "https://mcp.example/mcp",
  client: { clientId: "abc", authMethod: "none" },
  tokens: {
    accessToken: Redacted.make(secret(`access-${name}-${generation}`, 200)),
    refreshToken: Redacted.make(secret(`refresh-${name}-${generation}`, 100)),
    tokenType: "Bearer",
    scope: "openid offline_access mcp:tools",
    expiry: { _tag: "Known", at, lifetimeMillis },
    obtainedAt: at - lifetimeMillis,
  },
  reuse: { class: "strict", graceMillis: 0 },
  forced: 0,
})

/** The shapes that `tokenkeep/mcp` has written down, against the types of the real SDKs. The compiler is the test. */
import { assert, describe, it } from "@effect/vitest"
import type * as Two from "@modelcontextprotocol/client"
import type * as OneAuth from "@modelcontextprotocol/sdk/client/auth.js"
import type { StreamableHTTPClientTransportOptions } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { McpAuth, WithAuthProvider, WithLogin } from "../../src/client/mcp.ts"

type Fits<Given extends Wanted, Wanted> = Given

/** As long as this compiles, they fit. */
export type All = [
  Fits<Pick<McpAuth, "fetch">, StreamableHTTPClientTransportOptions>,
  Fits<Pick<McpAuth, "fetch">, Two.StreamableHTTPClientTransportOptions>,
  Fits<WithAuthProvider, Two.StreamableHTTPClientTransportOptions>,
  Fits<WithLogin, StreamableHTTPClientTransportOptions>,
  Fits<WithLogin, Two.StreamableHTTPClientTransportOptions>,
  Fits<WithLogin["authProvider"], OneAuth.OAuthClientProvider>,
  Fits<WithLogin["authProvider"], Two.OAuthClientProvider>,
  // @ts-expect-error -- 1.x knows no minimal provider
  Fits<WithAuthProvider, StreamableHTTPClientTransportOptions>,
]

/** The members of `T` that are a provider by themselves. */
type Bare<T> = { [K in keyof T]: T[K] extends OneAuth.OAuthClientProvider | Two.AuthProvider ? K : never }[keyof T]

/** What a provider comes in, for each way to one. */
type Holders = McpAuth["withAuthProvider"] | ReturnType<McpAuth["withLogin"]>

describe("the types of tokenkeep/mcp", () => {
  it("give no provider without its fetch", () => {
    // Other values than these do not compile.
    const nothingBare: [Bare<McpAuth>] extends [never] ? true : false = true
    const together: Holders extends Pick<McpAuth, "fetch"> ? true : false = true
    const isNoticed: Bare<WithLogin> extends "authProvider" ? true : false = true
    assert.isTrue(nothingBare && together && isNoticed)
  })
})

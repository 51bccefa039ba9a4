/** The shapes that `tokenkeep/mcp` has written down, against the types of the real SDKs. The compiler is the test. */
import { assert, describe, it } from "@effect/vitest"
import type * as Two from "@modelcontextprotocol/client"
import type * as OneAuth from "@modelcontextprotocol/sdk/client/auth.js"
import type { StreamableHTTPClientTransportOptions } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { McpAuth, WithAuthProvider, WithLogin } from "../../src/client/mcp.ts"

type Fits<Given extends Wanted, Wanted> = Given

type _Fits = [
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

/** Every way to a provider leads through something that holds its `fetch`. */
type Providers = { [K in keyof McpAuth]: McpAuth[K] extends OneAuth.OAuthClientProvider | Two.AuthProvider ? K : never }

describe("the types of tokenkeep/mcp", () => {
  it("fit both SDK lines, and give no provider without its fetch", () => {
    const alone: Providers[keyof McpAuth] extends never ? true : false = true
    const together: "fetch" extends keyof WithLogin & keyof WithAuthProvider ? true : false = true
    assert.isTrue(alone && together)
    assert.isUndefined(undefined satisfies _Fits[0] | undefined)
  })
})

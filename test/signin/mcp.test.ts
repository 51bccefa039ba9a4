/** Against the MCP SDK's own server: its bearer check, its metadata and its authorization server in front. */
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js"
import {
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
} from "@modelcontextprotocol/sdk/server/auth/router.js"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createRequire } from "node:module"
import type { RequestListener } from "node:http"
import { withToken } from "../../src/client/fetch.ts"
import * as TokenSource from "../../src/client/TokenSource.ts"
import { http } from "../exchange/loopback.ts"
import { browser, listen } from "./oidcProvider.ts"
import { world } from "./world.ts"

interface App {
  readonly use: (...handlers: ReadonlyArray<unknown>) => void
  readonly post: (path: string, ...handlers: ReadonlyArray<unknown>) => void
}
// It comes with the SDK, which brings no types for it.
const express = createRequire(
  createRequire(import.meta.url).resolve("@modelcontextprotocol/sdk/server/auth/router.js"),
)("express") as { (): App; readonly json: () => unknown }

/** An MCP server that knows its tokens by asking who the userinfo belongs to. */
const mcpServer = Effect.fnUntraced(function* (issuer: string) {
  const { port, server } = yield* http(() => undefined)
  const url = new URL(`http://127.0.0.1:${port}/mcp`)
  const metadata: unknown = yield* Effect.promise(() =>
    fetch(`${issuer}/.well-known/openid-configuration`).then((response) => response.json()),
  )
  const app = express()
  app.use(
    mcpAuthMetadataRouter({
      oauthMetadata: metadata as never,
      resourceServerUrl: url,
      scopesSupported: ["mail"],
    }),
  )
  const verifyAccessToken = async (token: string) => {
    const [, payload = ""] = token.split(".")
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"))
    assert.strictEqual(claims.aud, url.href)
    return { token, clientId: claims.client_id, scopes: claims.scope.split(" "), expiresAt: claims.exp }
  }
  const bearer = requireBearerAuth({
    verifier: { verifyAccessToken },
    requiredScopes: ["mail"],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
  })
  app.post("/mcp", bearer, express.json(), (request: never, response: never) => void serve(request, response))
  const serve = async (request: never, response: never) => {
    const mcp = new McpServer({ name: "test", version: "0" })
    mcp.registerTool("whoami", {}, () => ({ content: [{ type: "text", text: "ada" }] }))
    const transport = new StreamableHTTPServerTransport({})
    await mcp.connect(transport as never)
    await transport.handleRequest(request, response, (request as { readonly body: unknown }).body)
  }
  server.removeAllListeners("request").on("request", app as unknown as RequestListener)
  return url
})

describe("an MCP server of the SDK", () => {
  it.live("signs in by its URL alone: found, registered, bound to the resource; and its tools can be called", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen({
        features: {
          resourceIndicators: {
            enabled: true,
            getResourceServerInfo: (_context: unknown, resource: string) => ({
              scope: "mail",
              audience: resource,
              accessTokenFormat: "jwt",
            }),
            useGrantedResource: () => true,
          },
        },
      })
      const url = yield* mcpServer(issuer)
      const { done, keeper, signIn, told } = yield* world({ onVisit: (url) => browser().signIn(url) })
      const { credential, noRefreshToken } = yield* signIn.login({ name: "mcp", target: { mcp: url.href } })
      yield* done
      assert.isUndefined(noRefreshToken)
      assert.strictEqual(credential.resource, url.href)
      assert.strictEqual(credential.issuer, issuer)
      assert.strictEqual(credential.signedIn?.client, "registered")
      assert.isTrue(told.some((text) => text.includes("oauth-protected-resource")))

      const handle = keeper.credential("mcp")
      const call = Effect.fnUntraced(function* () {
        const fetch = withToken(TokenSource.make(handle, Effect.runPromise), globalThis.fetch)
        const client = new Client({ name: "test", version: "0" })
        return yield* Effect.promise(async () => {
          await client.connect(new StreamableHTTPClientTransport(url, { fetch }) as never)
          const { content } = await client.callTool({ name: "whoami" })
          await client.close()
          return content
        })
      })
      assert.deepStrictEqual(yield* call(), [{ type: "text", text: "ada" }])
      // Still after a refresh, which names the resource too.
      const { token } = yield* handle.access()
      yield* handle.refused(Redacted.value(token))
      assert.deepStrictEqual(yield* call(), [{ type: "text", text: "ada" }])
    }).pipe(Effect.scoped),
  )
})

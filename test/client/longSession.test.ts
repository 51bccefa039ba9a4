/** A client that has never heard of OAuth, through the proxy: its session outlives ten tokens. */
import { assert, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import * as Route from "../../src/client/proxy/Route.ts"
import * as Proxy from "../../src/client/proxy/server.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import { bringIn, type Handler, keeper, server, upstream } from "./world.ts"

const lifetimeMillis = 1_200
const lifetimes = 10

/** A real MCP server with one session and one tool. */
const mcpServer = Effect.promise(async (): Promise<{ readonly handler: Handler; readonly sessions: () => number }> => {
  const mcp = new McpServer({ name: "upstream", version: "1" })
  mcp.registerTool("count", {}, () => ({ content: [{ type: "text", text: "counted" }] }))
  let sessions = 0
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => {
      sessions++
      return Crypto.randomUUID()
    },
  })
  await mcp.connect(transport as never)
  return { handler: (request, response) => void transport.handleRequest(request, response), sessions: () => sessions }
})

it.live(
  "an MCP session through the proxy outlives ten tokens",
  () =>
    Effect.gen(function* () {
      const as = yield* server({ policy: { reuse: "strict", accessLifetimeMillis: lifetimeMillis } })
      const kept = yield* keeper
      yield* bringIn(kept, as, "mcp", { lifetimeMillis })
      const { handler, sessions } = yield* mcpServer
      const up = yield* upstream(as, handler)
      const proxy = yield* Effect.provideService(
        Proxy.listen({ routes: [Route.make("mcp", new URL(`${up.url}/mcp`))] }),
        Keeper,
        kept,
      )
      const client = new Client({ name: "no OAuth at all", version: "1" })
      const transport = new StreamableHTTPClientTransport(new URL(`${proxy.url}/mcp`))
      yield* Effect.promise(() => client.connect(transport as never))
      const started = performance.now()
      let calls = 0
      while (performance.now() - started < lifetimes * lifetimeMillis + lifetimeMillis) {
        const { content } = yield* Effect.promise(() => client.callTool({ name: "count", arguments: {} }))
        assert.deepStrictEqual(content, [{ type: "text", text: "counted" }])
        calls++
        yield* Effect.sleep(50)
      }
      yield* Effect.promise(() => client.close())
      assert.isAtLeast(calls, lifetimes)
      assert.strictEqual(sessions(), 1)
      assert.isAtLeast(new Set(up.seen).size, lifetimes + 1)
      // Single-use refresh tokens, each presented once: the family lives.
      assert.isTrue(as.server.presentations().every(({ granted }) => granted !== undefined))
    }).pipe(Effect.scoped),
  40_000,
)

/**
 * The real MCP SDK's server, one tool, behind a bearer check. Its 401s can be spread over time, as they are when requests are in different places on their way.
 */
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type * as Scope from "effect/Scope"

export interface Resource {
  readonly url: string
  /** The next 401s arrive within so many milliseconds, the first of them at once. */
  readonly spread: (millis: number) => void
  /** Turns every GET away, whatever token it carries. */
  readonly refuseStreams: (refuse: boolean) => void
  /** Answers requests of a good token with 403 `insufficient_scope` for this one; `undefined`: no more. */
  readonly wantScope: (scope: string | undefined) => void
  readonly refusals: () => number
  /** Which bearer tokens were seen anywhere else than at the MCP endpoint. */
  readonly strayTokens: () => number
}

const tool = (): McpServer => {
  const server = new McpServer({ name: "resource", version: "1" })
  server.registerTool("ping", { description: "answers" }, () => ({ content: [{ type: "text", text: "pong" }] }))
  return server
}

/** One request, answered by the SDK's server. */
export const handle = async (request: Http.IncomingMessage, response: Http.ServerResponse): Promise<void> => {
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  const server = tool()
  response.on("close", () => void server.close())
  await server.connect(transport)
  await transport.handleRequest(request, response)
}

/** Whom the MCP server trusts. */
export interface Trust {
  readonly issuer: string
  readonly accepts: (token: string) => boolean
}

export const listen = ({ accepts, issuer }: Trust): Effect.Effect<Resource, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen = { spread: 0, refusals: 0, strays: 0, refuseStreams: false, scope: undefined as string | undefined }
    const socket = Http.createServer((request, response) => {
      const [, token] = /^Bearer +(.+)$/.exec(request.headers.authorization ?? "") ?? []
      const metadata = `http://${request.headers.host}/.well-known/oauth-protected-resource/mcp`
      if (request.url !== "/mcp") {
        if (token !== undefined) seen.strays++
        if (request.url !== "/.well-known/oauth-protected-resource/mcp") return void response.writeHead(404).end()
        const resource = `http://${request.headers.host}/mcp`
        response.writeHead(200, { "content-type": "application/json" })
        return void response.end(JSON.stringify({ resource, authorization_servers: [issuer] }))
      }
      const isRefused = seen.refuseStreams && request.method === "GET"
      if (!isRefused && token !== undefined && accepts(token)) {
        if (request.method !== "POST") return void response.writeHead(405).end()
        if (seen.scope !== undefined) {
          request.resume()
          const challenge = `Bearer error="insufficient_scope", scope="${seen.scope}", resource_metadata="${metadata}"`
          return void response.writeHead(403, { "www-authenticate": challenge }).end()
        }
        return void handle(request, response)
      }
      // 37 and 61 have no common divisor, so the delays are all different as long as they can be.
      const delay = seen.spread === 0 ? 0 : ((seen.refusals * 37) % 61) * (seen.spread / 61)
      seen.refusals++
      request.resume()
      setTimeout(() => {
        response.writeHead(401, { "www-authenticate": `Bearer resource_metadata="${metadata}"` }).end()
      }, delay)
    })
    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        socket.close(() => resume(Effect.void))
        socket.closeAllConnections()
      }),
    )
    const port = yield* Effect.callback<number>((resume) => {
      socket.listen(0, "127.0.0.1", () => resume(Effect.succeed((socket.address() as AddressInfo).port)))
    })
    return {
      url: `http://127.0.0.1:${port}/mcp`,
      spread: (millis) => {
        seen.spread = millis
        seen.refusals = 0
      },
      refuseStreams: (refuse) => void (seen.refuseStreams = refuse),
      wantScope: (scope) => void (seen.scope = scope),
      refusals: () => seen.refusals,
      strayTokens: () => seen.strays,
    }
  })

/**
 * What real programs talk to, in the place of the internet: model endpoints that say "pong" and a real MCP server, both on
 * loopback, behind the bearer tokens of a simulated authorization server.
 *
 * Which token came with which request is recorded as a fingerprint. A token that has ended is let in for another while
 * (`leeway`), because the tests ask which token a program brings, and not how busy this machine is; a revoked one never is.
 */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type * as Scope from "effect/Scope"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import type { AuthorizationServer } from "../../src/testing/AuthorizationServer.ts"
import * as Mcp from "../client/mcp/server.ts"

export interface Seen {
  /** The fingerprint, or nothing when no token came. */
  readonly token: string | undefined
  readonly accepted: boolean
  /** Method and path, or `mcp`. */
  readonly what: string
}

export interface Services {
  /** Answers as OpenAI's and Anthropic's servers do below `/v1`. */
  readonly models: string
  readonly mcp: string
  /** Every request that wanted a token, in order. */
  readonly seen: ReadonlyArray<Seen>
  /** From now on ended tokens are turned away at once. */
  readonly strict: () => void
}

type Event = Readonly<Record<string, unknown>> & { readonly type?: string }

/** Server-sent events, named as OpenAI's Responses and Anthropic's Messages have them. */
const events = (all: ReadonlyArray<Event>): string =>
  all.map((event) => `${event.type ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`).join("")

const item = { id: "i", type: "message", role: "assistant", status: "completed" }
const part = { type: "output_text", text: "pong", annotations: [] }
const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 }

const responses = events([
  { type: "response.created", response: { id: "r", status: "in_progress", output: [] } },
  { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress", content: [] } },
  { type: "response.output_text.delta", item_id: "i", output_index: 0, content_index: 0, delta: "pong" },
  { type: "response.output_item.done", output_index: 0, item: { ...item, content: [part] } },
  {
    type: "response.completed",
    response: { id: "r", status: "completed", output: [{ ...item, content: [part] }], usage },
  },
])

const messages = events([
  {
    type: "message_start",
    message: { id: "m", type: "message", role: "assistant", model: "pong", content: [], stop_reason: null, usage },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "pong" } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage },
  { type: "message_stop" },
])

const chunk = (choice: object) => ({ id: "c", object: "chat.completion.chunk", created: 1, model: "pong", ...choice })
const completions = `${events([
  chunk({ choices: [{ index: 0, delta: { role: "assistant", content: "pong" }, finish_reason: null }] }),
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
])}data: [DONE]\n\n`

const answers: ReadonlyArray<readonly [path: RegExp, body: string]> = [
  [/\/responses$/, responses],
  [/\/messages$/, messages],
  [/\/chat\/completions$/, completions],
]

const tokenOf = ({ headers }: Http.IncomingMessage): string | undefined =>
  /^Bearer +(.+)$/i.exec(headers.authorization ?? "")?.[1] ?? headers["x-api-key"]?.toString()

export const open = (server: AuthorizationServer): Effect.Effect<Services, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen: Array<Seen> = []
    let leeway = true
    const accepts = (token: string | undefined, what: string): boolean => {
      const found = token === undefined ? undefined : server.access(token, Date.now())
      const accepted = found !== undefined && (found.active || (leeway && found.why === "expired"))
      seen.push({ token: token && fingerprint(token), accepted, what })
      return accepted
    }
    const mcp = yield* Mcp.listen({ issuer: server.issuer, accepts: (token) => accepts(token, "mcp") })

    const models = Http.createServer((request, response) => {
      const { method, url = "" } = request
      const path = url.split("?")[0]!
      const answer = answers.find(([pattern]) => pattern.test(path))?.[1]
      request.resume()
      request.on("end", () => {
        // Lists of models and the like: programs go on without.
        if (method !== "POST" || answer === undefined) return void response.writeHead(404).end()
        if (!accepts(tokenOf(request), `${method} ${path}`)) {
          response.writeHead(401, { "content-type": "application/json", "www-authenticate": "Bearer" })
          return void response.end(JSON.stringify({ error: { message: "not you", code: "token_expired" } }))
        }
        response.writeHead(200, { "content-type": "text/event-stream" }).end(answer)
      })
    })
    const port = yield* Effect.callback<number>((resume) => {
      models.listen(0, "127.0.0.1", () => resume(Effect.succeed((models.address() as AddressInfo).port)))
    })
    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        models.close(() => resume(Effect.void))
        models.closeAllConnections()
      }),
    )
    return { models: `http://127.0.0.1:${port}/v1`, mcp: mcp.url, seen, strict: () => void (leeway = false) }
  })

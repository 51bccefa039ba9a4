/** Real sockets on loopback, a credential to present there, and an exchange whose every output is searched for secrets. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Util from "node:util"
import { Fetch, type FetchFunction } from "../../src/exchange/Fetch.ts"
import * as HttpTokenEndpoint from "../../src/exchange/http.ts"
import { type Outcome, TokenEndpoint } from "../../src/exchange/TokenEndpoint.ts"
import type { Credential } from "../../src/lifecycle/Credential.ts"

export const secrets = {
  accessToken: "secret-access-Qm3vX9kLwZ7pRtYb",
  refreshToken: "secret-refresh-8dKf2LmNq5Vx0WsJ",
  clientSecret: "cs a:b c%+é/Hn4Tz",
}

/** What a server must grant so that the grep finds it, should it leak. */
export const granted = {
  accessToken: "secret-access-GRANTED-5gHj7Kl1",
  refreshToken: "secret-refresh-GRANTED-9zXc3Vb6",
}

export const grantBody = JSON.stringify({
  access_token: granted.accessToken,
  refresh_token: granted.refreshToken,
  token_type: "Bearer",
  expires_in: 3600,
})

export const credential = (tokenEndpoint: string, over: Partial<Credential> = {}): Credential => ({
  name: "test",
  generation: 1,
  provider: "generic",
  tokenEndpoint,
  client: { clientId: "client-1", authMethod: "none" },
  tokens: {
    accessToken: Redacted.make(secrets.accessToken),
    refreshToken: Redacted.make(secrets.refreshToken),
    tokenType: "Bearer",
    expiry: { _tag: "Unknown" },
    obtainedAt: 0,
  },
  reuse: { class: "strict", graceMillis: 0 },
  forced: 0,
  ...over,
})

const encodings = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  new URLSearchParams([["", secret]]).toString().slice(1),
  Buffer.from(secret).toString("base64"),
]

/** Whether one of `hidden` can be read in `value`, in any form. Says only whether, never what. */
const leaks = (value: unknown, hidden: ReadonlyArray<string>): boolean => {
  const texts = [JSON.stringify(value), String(value), Util.inspect(value, { depth: 10, showHidden: true })]
  const forms = hidden.flatMap(encodings).map((secret) => secret.toLowerCase())
  return texts.some((text) => forms.some((secret) => text.toLowerCase().includes(secret)))
}

const secretsOf = ({ accessToken, refreshToken }: Credential["tokens"]): ReadonlyArray<string> =>
  [accessToken, refreshToken].flatMap((secret) => (secret ? [Redacted.value(secret)] : []))

const layerWith = (fetch?: FetchFunction) =>
  fetch === undefined ? HttpTokenEndpoint.layer : Layer.provide(HttpTokenEndpoint.layer, Layer.succeed(Fetch, fetch))

/** Presents the credential's refresh token once. */
export const exchange = (
  presented: Credential,
  options: { readonly deadlineMillis?: number; readonly fetch?: FetchFunction } = {},
): Effect.Effect<Outcome> =>
  TokenEndpoint.use((endpoint) => endpoint.exchange(presented, options.deadlineMillis ?? 5_000)).pipe(
    Effect.provide(layerWith(options.fetch)),
    Effect.tap((outcome) =>
      Effect.sync(() => {
        const { client, tokens } = presented
        const hidden = [
          ...Object.values(secrets),
          ...Object.values(granted),
          ...secretsOf(tokens),
          ...(client.clientSecret ? [Redacted.value(client.clientSecret)] : []),
          ...(outcome._tag === "Rotated" ? secretsOf(outcome.tokens) : []),
        ]
        assert.isFalse(leaks(outcome, hidden), "the outcome shows a secret")
      }),
    ),
  )

const listening = <S extends Net.Server>(server: S): Effect.Effect<{ server: S; port: number }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ server: S; port: number }>((resume) => {
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({ server, port: (server.address() as Net.AddressInfo).port })),
      )
    }),
    () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void))),
  )

/** A TCP server that does to each connection what it is told. Connections end with the scope. */
export const tcp = Effect.fnUntraced(function* (onConnection: (socket: Net.Socket, count: number) => void) {
  const sockets = new Set<Net.Socket>()
  const server = Net.createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => undefined)
    onConnection(socket, sockets.size)
  })
  const { port } = yield* listening(server)
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  return { port, url: `http://127.0.0.1:${port}/token`, connections: () => sockets.size }
})

/** A TCP server that reads one whole request and then does what it is told. `requests` are the texts it read. */
export const reader = Effect.fnUntraced(function* (answer: (socket: Net.Socket, request: string) => void) {
  const requests: Array<string> = []
  const server = yield* tcp((socket) => {
    let text = ""
    socket.on("data", (chunk) => {
      text += chunk.toString("utf8")
      const [head = "", body] = text.split("\r\n\r\n")
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (body === undefined || Buffer.byteLength(body) < length) return
      requests.push(text)
      answer(socket, text)
      text = ""
    })
  })
  return { ...server, requests }
})

/** Answers every request with the same bytes and closes. */
export const answering = (status: string, headers: ReadonlyArray<string>, body: string) =>
  reader((socket) => {
    const head = [`HTTP/1.1 ${status}`, ...headers, `content-length: ${Buffer.byteLength(body)}`, "connection: close"]
    socket.end(`${head.join("\r\n")}\r\n\r\n${body}`)
  })

export const http = Effect.fnUntraced(function* (handler: Http.RequestListener) {
  const server = Http.createServer(handler)
  const { port } = yield* listening(server)
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  return { server, port, url: `http://127.0.0.1:${port}/token` }
})

/** Sets environment variables until the scope ends. */
export const environment = (variables: Readonly<Record<string, string | undefined>>) => {
  const set = (values: Readonly<Record<string, string | undefined>>) =>
    Effect.sync(() => {
      const before = Object.fromEntries(Object.keys(values).map((name) => [name, process.env[name]]))
      for (const [name, value] of Object.entries(values)) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
      return before
    })
  return Effect.acquireRelease(set(variables), set)
}

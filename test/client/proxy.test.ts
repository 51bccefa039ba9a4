import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Net from "node:net"
import * as V8 from "node:v8"
import * as Vm from "node:vm"
import { WebSocket, WebSocketServer } from "ws"
import { limitBytes } from "../../src/client/proxy/Replay.ts"
import * as Route from "../../src/client/proxy/Route.ts"
import * as Proxy from "../../src/client/proxy/server.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { type Answered, ask, bringIn, type Handler, hour, keeper, server, upstream } from "./world.ts"

/** Answers with what the upstream got. */
const echo: Handler = (request, response) => {
  const hash = Crypto.createHash("sha256")
  let size = 0
  request.on("data", (chunk: Buffer) => {
    hash.update(chunk)
    size += chunk.length
  })
  request.on("end", () => {
    const { authorization: _, ...headers } = request.headers
    const got = { method: request.method, url: request.url, headers, size, hash: hash.digest("hex") }
    response.writeHead(200, [
      "Mcp-Session-Id",
      "s-1",
      "X-Twice",
      "a",
      "X-Twice",
      "b",
      "Content-Type",
      "application/json",
    ])
    response.end(JSON.stringify(got))
  })
}

interface Made {
  readonly path?: string
  readonly leftMillis?: number
  readonly resource?: string
  readonly options?: Partial<Proxy.ProxyOptions>
}

const making = Effect.fnUntraced(function* (handler: Handler, { leftMillis, options, path = "", resource }: Made = {}) {
  const as = yield* server({ policy: { accessLifetimeMillis: hour } })
  const kept = yield* keeper
  const grant = yield* bringIn(kept, as, "mine", {
    ...(leftMillis === undefined ? {} : { leftMillis }),
    ...(resource === undefined ? {} : { resource }),
  })
  const up = yield* upstream(as, handler)
  const context = Context.make(Keeper, kept)
  const proxy = yield* Effect.provide(
    Proxy.listen({ routes: [Route.make("mine", new URL(`${up.url}${path}`))], ...options }),
    context,
  )
  return { as, kept, grant, up, proxy, context, first: fingerprint(grant.accessToken) }
})

/** What buffers take up once all rubbish is gone. */
const heldBytes = Effect.promise(async () => {
  V8.setFlagsFromString("--expose-gc")
  const collect = Vm.runInNewContext("gc") as () => void
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  return process.memoryUsage().arrayBuffers
})

const errorOf = ({ body }: Answered): string => (JSON.parse(body) as { readonly error: string }).error

const live = <E>(name: string, test: Effect.Effect<void, E, Scope.Scope>) => it.live(name, () => Effect.scoped(test))

describe("what passes the proxy", () => {
  live(
    "a request with the token, its headers and its answer's",
    Effect.gen(function* () {
      const { first, proxy, up } = yield* making(echo, { path: "/mcp" })
      const answered = yield* ask(`${proxy.url}/mcp/x?q=1`, {
        method: "POST",
        headers: {
          authorization: "Bearer of-the-client",
          connection: "keep-alive, x-hop",
          "x-hop": "1",
          "x-end": "2",
          "mcp-session-id": "s-1",
        },
        body: "hello",
      })
      const got = JSON.parse(answered.body)
      assert.strictEqual(answered.status, 200)
      assert.strictEqual(got.url, "/mcp/x?q=1")
      assert.strictEqual(got.headers.host, new URL(up.url).host)
      assert.strictEqual(got.headers["x-end"], "2")
      assert.strictEqual(got.headers["mcp-session-id"], "s-1")
      assert.notProperty(got.headers, "x-hop")
      assert.strictEqual(got.size, 5)
      assert.deepStrictEqual(up.seen, [first])
      assert.strictEqual(answered.headers["mcp-session-id"], "s-1")
      assert.strictEqual(answered.headers["x-twice"], "a, b")
    }),
  )

  live(
    "a stream: the first byte arrives before the last is sent, in both directions",
    Effect.gen(function* () {
      const seen = yield* Deferred.make<void>()
      const { proxy } = yield* making((request, response) => {
        // An echo, byte by byte as they come.
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
        request.pipe(response)
      })
      const request = Http.request(proxy.url, { method: "POST", agent: false })
      request.flushHeaders()
      const response = yield* Effect.callback<Http.IncomingMessage>((resume) => {
        request.on("response", (response) => resume(Effect.succeed(response)))
      })
      // The headers are here, and nothing has been sent yet in either direction.
      let text = ""
      response.on("data", (chunk) => {
        text += String(chunk)
        if (text === "data: 1\n\n") Deferred.doneUnsafe(seen, Effect.void)
      })
      request.write("data: 1\n\n")
      yield* Deferred.await(seen)
      request.end("data: 2\n\n")
      yield* Effect.callback<void>((resume) => void response.on("end", () => resume(Effect.void)))
      assert.strictEqual(text, "data: 1\n\ndata: 2\n\n")
    }),
  )

  live(
    "a large upload, whole and without a copy of it",
    Effect.gen(function* () {
      const { proxy } = yield* making(echo)
      const body = Crypto.randomBytes(16 * limitBytes)
      const answered = yield* ask(proxy.url, { method: "PUT", body })
      assert.strictEqual(JSON.parse(answered.body).size, body.length)
      assert.strictEqual(JSON.parse(answered.body).hash, Crypto.createHash("sha256").update(body).digest("hex"))
    }),
  )

  live(
    "a stream whose request had a body, which is not kept while the stream is open",
    Effect.gen(function* () {
      const { proxy } = yield* making((request, response) => {
        request.resume().on("end", () => response.writeHead(200, { "content-type": "text/event-stream" }).write(": \n"))
      })
      const body = Buffer.alloc(limitBytes)
      const agent = new Http.Agent()
      const open = Effect.callback<void>((resume) => {
        const request = Http.request(proxy.url, { agent, method: "POST" }, (response) =>
          response.once("data", () => resume(Effect.void)),
        )
        request.end(body)
      })
      yield* open
      const before = yield* heldBytes
      for (let i = 0; i < 20; i++) yield* open
      assert.isBelow((yield* heldBytes) - before, 10 * limitBytes)
      agent.destroy()
    }),
  )

  live(
    "a WebSocket, after a 401 of its own",
    Effect.gen(function* () {
      const { first, proxy, up } = yield* making(echo)
      const sockets = new WebSocketServer({ noServer: true })
      up.server.on("upgrade", (request, socket, head) => {
        up.seen.push(fingerprint(String(request.headers.authorization).slice("Bearer ".length)))
        if (up.seen.length === 1) return socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
        sockets.handleUpgrade(request, socket, head, (ws) => ws.on("message", (data) => ws.send(`you said ${data}`)))
      })
      const said = yield* Effect.callback<string, Error>((resume) => {
        const ws = new WebSocket(proxy.url.replace("http", "ws"))
        ws.on("open", () => ws.send("hello"))
        ws.on("message", (data) => {
          resume(Effect.succeed(String(data)))
          ws.close()
        })
        ws.on("error", (error) => resume(Effect.fail(error)))
      })
      assert.strictEqual(said, "you said hello")
      assert.strictEqual(up.seen[0], first)
      assert.notStrictEqual(up.seen[1], first)
    }),
  )

  live(
    "an upgrade, with what either side says before it has heard the other",
    Effect.gen(function* () {
      const { proxy, up } = yield* making(echo)
      const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
      up.server.on("upgrade", (_, socket, head) => {
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\nhello, ${String(head)}`)
        socket.pipe(socket)
      })
      const heard = yield* Effect.callback<string>((resume) => {
        let text = ""
        const socket = Net.connect(proxy.port, "127.0.0.1", () =>
          socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\n${upgrade}\r\nyou.`),
        )
        socket.on("data", (chunk) => {
          text += String(chunk)
          if (text.endsWith(".")) socket.end()
        })
        socket.on("end", () => resume(Effect.succeed(text)))
      })
      assert.isTrue(heard.startsWith("HTTP/1.1 101 ") && heard.endsWith("\r\n\r\nhello, you."), heard)
    }),
  )

  live(
    "only upgrades to a WebSocket, and none with a body",
    Effect.gen(function* () {
      const { proxy, up } = yield* making(echo)
      const offer = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQAAP__" }
      const answered = yield* ask(proxy.url, { headers: offer })
      const got = JSON.parse(answered.body).headers
      assert.deepStrictEqual([answered.status, got.upgrade, got["http2-settings"]], [200, undefined, undefined])
      const headers = { connection: "Upgrade", upgrade: "websocket" }
      const refused = yield* ask(proxy.url, { method: "POST", headers, body: "x" })
      assert.deepStrictEqual([refused.status, errorOf(refused)], [501, "upgrade_with_body"])
      assert.lengthOf(up.seen, 1)
    }),
  )

  live(
    "a POST without a body, as one without a body",
    Effect.gen(function* () {
      const { proxy } = yield* making(echo)
      // Node itself announces chunks for it.
      const head = `POST / HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: close\r\n\r\n`
      const answered = yield* Effect.callback<string>((resume) => {
        let text = ""
        const socket = Net.connect(proxy.port, "127.0.0.1", () => socket.write(head))
        socket.on("data", (chunk) => (text += String(chunk)))
        socket.on("end", () => resume(Effect.succeed(text)))
      })
      assert.include(answered, '"content-length":"0"')
      assert.notInclude(answered, '"transfer-encoding"')
    }),
  )

  live(
    "a redirect of the upstream's, as one of the proxy's",
    Effect.gen(function* () {
      const { proxy, up } = yield* making(
        (request, response) => response.writeHead(302, { location: `http://${request.headers.host}/mcp/b` }).end(),
        { path: "/mcp" },
      )
      assert.strictEqual((yield* ask(`${proxy.url}/mcp/a`)).headers.location, "/mcp/b")
      assert.lengthOf(up.seen, 1)
    }),
  )

  it("a path goes to the route that has most of it, in whole segments", () => {
    const upstream = new URL("https://api.example")
    const routes = ["/a/b", "", "/a"].map((path) => Route.make(path, upstream, { path }))
    const found = (path: string) => Route.find(routes, Route.pathOf(path)!)?.name
    assert.deepStrictEqual(["/a/b/c", "/a/b", "/a/bc", "/a/", "/ab", "/"].map(found), [
      "/a/b",
      "/a/b",
      "/a",
      "/a",
      "",
      "",
    ])
    assert.isUndefined(Route.find(routes.slice(2), Route.pathOf("/b")!))
  })

  it("a redirect into the upstream's own folder, back through the proxy", () => {
    const route = Route.make("mine", new URL("https://api.example/v1"), { path: "/github" })
    const asked = new URL("https://api.example/v1/a")
    assert.strictEqual(Route.locationOf(route, "/v1/b?c#d", asked), "/github/b?c#d")
    assert.strictEqual(Route.locationOf(route, "b", asked), "/github/b")
    assert.strictEqual(Route.locationOf(route, "https://else.example/v1/b", asked), "https://else.example/v1/b")
    assert.strictEqual(Route.locationOf(route, "/v2", asked), "/v2")
  })
})

describe("a 401 of the upstream", () => {
  live(
    "is hidden, once, and the body goes again",
    Effect.gen(function* () {
      const { as, first, proxy, up } = yield* making(echo)
      up.refuses.add(first)
      const all = yield* Effect.forEach(
        Array.from({ length: 5 }, (_, i) => i),
        () => ask(proxy.url, { method: "POST", body: "hello" }),
        { concurrency: "unbounded" },
      )
      for (const { body, status } of all) {
        assert.strictEqual(status, 200)
        assert.strictEqual(JSON.parse(body).size, 5)
      }
      assert.lengthOf(as.server.presentations(), 1)
    }),
  )

  live(
    "that a new token does not cure is passed on",
    Effect.gen(function* () {
      const { as, proxy } = yield* making((_, response) => response.writeHead(401).end("never you"))
      const answered = yield* ask(proxy.url)
      assert.deepStrictEqual([answered.status, answered.body], [401, "never you"])
      assert.lengthOf(as.server.presentations(), 1)
    }),
  )

  live(
    "to a body that was not kept is told as such, and the next request has the new token",
    Effect.gen(function* () {
      const { first, proxy, up } = yield* making(echo)
      up.refuses.add(first)
      const body = Buffer.alloc(limitBytes + 1)
      const answered = yield* ask(proxy.url, { method: "POST", body, headers: { "transfer-encoding": "chunked" } })
      assert.deepStrictEqual([answered.status, errorOf(answered)], [503, "send_again"])
      assert.strictEqual(answered.headers["retry-after"], "1")
      assert.strictEqual((yield* ask(proxy.url, { method: "POST", body })).status, 200)
    }),
  )

  live(
    "with 403 insufficient_scope nothing is refreshed",
    Effect.gen(function* () {
      const challenge = 'Bearer error="insufficient_scope", scope="more"'
      const { as, proxy } = yield* making((_, response) =>
        response.writeHead(403, { "www-authenticate": challenge }).end(),
      )
      const answered = yield* ask(proxy.url)
      assert.deepStrictEqual([answered.status, answered.headers["www-authenticate"]], [403, challenge])
      assert.lengthOf(as.server.presentations(), 0)
    }),
  )
})

describe("without a token", () => {
  live(
    "a dead grant is a 401 with the next step, and costs no request",
    Effect.gen(function* () {
      const { as, grant, proxy, up } = yield* making(echo, { leftMillis: -1_000 })
      as.server.revokeToken(String(grant.refreshToken))
      for (let i = 0; i < 3; i++) {
        const answered = yield* ask(proxy.url)
        const body = JSON.parse(answered.body)
        assert.deepStrictEqual([answered.status, body.error, body.credential], [401, "sign_in_required", "mine"])
        assert.include(body.advice, "tokenkeep ")
        assert.notInclude(String(answered.headers["www-authenticate"]), "resource_metadata")
      }
      assert.lengthOf(as.server.presentations(), 1)
      assert.lengthOf(up.seen, 0)
    }),
  )

  live(
    "a server that is busy is a 503 that says when",
    Effect.gen(function* () {
      const { as, proxy } = yield* making(echo, { leftMillis: -1_000 })
      as.server.script({ ...Fault.instead("unavailable"), times: 100 })
      const answered = yield* ask(proxy.url)
      assert.deepStrictEqual([answered.status, errorOf(answered)], [503, "try_again_later"])
      assert.isAtLeast(Number(answered.headers["retry-after"]), 1)
    }),
  )

  live(
    "that is for this upstream: 403, unless it is meant",
    Effect.gen(function* () {
      const { context, proxy, up } = yield* making(echo, { resource: "https://elsewhere.example/mcp" })
      const answered = yield* ask(proxy.url)
      assert.deepStrictEqual([answered.status, errorOf(answered)], [403, "other_resource"])
      assert.lengthOf(up.seen, 0)
      const routes = [Route.make("mine", new URL(up.url), { allowsForeign: true })]
      const meant = yield* Effect.provide(Proxy.listen({ routes }), context)
      assert.strictEqual((yield* ask(meant.url)).status, 200)
    }),
  )
})

describe("who is refused", () => {
  live(
    "pages in a browser: a foreign Host, a foreign Origin, a foreign site",
    Effect.gen(function* () {
      const { proxy, up } = yield* making(echo)
      const own = new URL(proxy.url).host
      const refusals: ReadonlyArray<Record<string, string>> = [
        { host: "rebound.example" },
        { host: `rebound.example:${proxy.port}` },
        { host: `127.0.0.1.example:${proxy.port}` },
        { host: "127.0.0.1:1" },
        { origin: "https://page.example" },
        { origin: "null" },
        { origin: "http://127.0.0.1:1" },
        { "sec-fetch-site": "cross-site" },
      ]
      for (const headers of refusals) {
        assert.strictEqual((yield* ask(proxy.url, { headers })).status, 403, JSON.stringify(headers))
        assert.strictEqual((yield* ask(`${proxy.url}/.tokenkeep/health`, { headers })).status, 403)
      }
      assert.lengthOf(up.seen, 0)
      const welcome: ReadonlyArray<Record<string, string>> = [
        { host: `localhost:${proxy.port}` },
        { host: `[::1]:${proxy.port}` },
        { origin: `http://${own}` },
        { "sec-fetch-site": "none" },
      ]
      for (const headers of welcome) assert.strictEqual((yield* ask(proxy.url, { headers })).status, 200)
    }),
  )

  live(
    "whoever does not have the local key",
    Effect.gen(function* () {
      const key = Redacted.make("local-key")
      const { proxy, up } = yield* making(echo, { options: { key } })
      for (const headers of [{}, { "x-tokenkeep-key": "local-kez" }, { authorization: "Bearer local" }]) {
        const answered = yield* ask(proxy.url, { headers })
        assert.deepStrictEqual([answered.status, errorOf(answered)], [401, "wrong_key"])
      }
      assert.lengthOf(up.seen, 0)
      for (const headers of [{ "x-tokenkeep-key": "local-key" }, { authorization: "Bearer local-key" }]) {
        const answered = yield* ask(proxy.url, { headers })
        assert.strictEqual(answered.status, 200)
        assert.notProperty(JSON.parse(answered.body).headers, "x-tokenkeep-key")
      }
      const health = yield* ask(`${proxy.url}/.tokenkeep/health`)
      assert.deepStrictEqual(JSON.parse(health.body), { status: "ok" })
    }),
  )

  live(
    "paths outside of the upstream's, however they are written",
    Effect.gen(function* () {
      const { proxy, up } = yield* making(echo, { path: "/mcp" })
      for (const path of ["/", "/mcpx", "/mcp/../admin", "/mcp/%2e%2e/admin", "/mcp/.%2E/admin"]) {
        const answered = yield* ask(proxy.url, { path })
        assert.deepStrictEqual([path, answered.status, errorOf(answered)], [path, 404, "no_upstream"])
      }
      assert.strictEqual((yield* ask(proxy.url, { path: "http://else.example/mcp" })).status, 404)
      assert.lengthOf(up.seen, 0)
      assert.strictEqual((yield* ask(`${proxy.url}/mcp`)).status, 200)
    }),
  )
})

describe("the proxy's own life", () => {
  live(
    "an upstream that goes and comes back",
    Effect.gen(function* () {
      const { as, proxy, up } = yield* making(echo)
      const agent = new Http.Agent({ keepAlive: true })
      assert.strictEqual((yield* ask(proxy.url, { agent })).status, 200)
      yield* up.close
      const away = yield* ask(proxy.url, { agent })
      assert.deepStrictEqual([away.status, errorOf(away)], [502, "upstream_unreachable"])
      yield* upstream(as, echo, up.port)
      assert.strictEqual((yield* ask(proxy.url, { agent })).status, 200)
      agent.destroy()
    }),
  )

  live(
    "a connection that the upstream closes while it is idle: asked again where that may be, and nothing is sent twice",
    Effect.gen(function* () {
      let requests = 0
      const { proxy, up } = yield* making((request, response) => {
        if (++requests % 3 === 2) request.socket.destroy()
        else response.end("here")
      })
      assert.strictEqual((yield* ask(proxy.url)).body, "here")
      assert.strictEqual((yield* ask(proxy.url)).body, "here")
      assert.lengthOf(up.seen, 3)
      assert.strictEqual((yield* ask(proxy.url)).body, "here")
      const posted = yield* ask(proxy.url, { method: "POST", body: "x" })
      assert.deepStrictEqual([posted.status, errorOf(posted)], [502, "upstream_unreachable"])
      assert.lengthOf(up.seen, 5)
    }),
  )

  live(
    "a client that goes away takes its request along, and no other",
    Effect.gen(function* () {
      const gone = yield* Deferred.make<void>()
      const { proxy } = yield* making((request, response) => {
        if (request.url === "/other") return response.end("still here")
        response.on("close", () => Deferred.doneUnsafe(gone, Effect.void))
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
      })
      const request = Http.get(proxy.url, { agent: false })
      request.on("error", () => {})
      yield* Effect.callback<void>((resume) => void request.on("response", () => resume(Effect.void)))
      request.destroy()
      yield* Deferred.await(gone)
      assert.strictEqual((yield* ask(`${proxy.url}/other`)).body, "still here")
    }),
  )

  live(
    "an answer that breaks off breaks off for the client too",
    Effect.gen(function* () {
      const { proxy } = yield* making((_, response) => {
        response.writeHead(200, { "content-length": "10" })
        response.write("half", () => response.destroy())
      })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(ask(proxy.url))))
    }),
  )

  live(
    "ending: what is under way is finished, and nothing new is taken",
    Effect.gen(function* () {
      const release = yield* Deferred.make<void>()
      const { context, up } = yield* making((_, response) => {
        Effect.runFork(Effect.map(Deferred.await(release), () => response.end("finished")))
      })
      const scope = yield* Scope.make()
      const ending = yield* Proxy.listen({ routes: [Route.make("mine", new URL(up.url))] }).pipe(
        Effect.provide(context),
        Scope.provide(scope),
      )
      const asked = yield* Effect.forkChild(ask(ending.url))
      while (up.seen.length === 0) yield* Effect.sleep(5)
      const closed = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      let isRefused = false
      while (!isRefused) isRefused = Exit.isFailure(yield* Effect.exit(ask(`${ending.url}/.tokenkeep/health`)))
      yield* Deferred.succeed(release, undefined)

      assert.strictEqual((yield* Fiber.join(asked)).body, "finished")
      yield* Fiber.join(closed)
    }),
  )

  live(
    "ending: what does not end is cut off when its time is up, streams and WebSockets too",
    Effect.gen(function* () {
      const { context, up } = yield* making((_, response) =>
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders(),
      )
      const sockets = new WebSocketServer({ noServer: true })
      up.server.on("upgrade", (request, socket, head) => sockets.handleUpgrade(request, socket, head, () => {}))
      const scope = yield* Scope.make()
      const { url } = yield* Proxy.listen({ routes: [Route.make("mine", new URL(up.url))], drainMillis: 20 }).pipe(
        Effect.provide(context),
        Scope.provide(scope),
      )
      const stream = yield* Effect.callback<Http.IncomingMessage>((resume) => {
        Http.get(url, { agent: false }, (response) => resume(Effect.succeed(response.resume())))
      })
      const socket = new WebSocket(url.replace("http", "ws"))
      const closed = (emitter: NodeJS.EventEmitter) =>
        Effect.callback<void>((resume) => void emitter.on("close", () => resume(Effect.void)))
      yield* Effect.callback<void>((resume) => void socket.on("open", () => resume(Effect.void)))
      stream.on("error", () => {})
      const both = yield* Effect.forkChild(Effect.all([closed(stream), closed(socket)], { concurrency: "unbounded" }))
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(both)
    }),
  )

  live(
    "its health says how the credentials are, and no secret",
    Effect.gen(function* () {
      const { grant, proxy, up } = yield* making(echo)
      const { body, status } = yield* ask(`${proxy.url}/.tokenkeep/health`)
      const [{ credential, upstream: where, usable }] = JSON.parse(body).upstreams
      assert.deepStrictEqual([status, credential, usable, where], [200, "mine", true, `${up.url}/`])
      assert.isFalse(body.includes(grant.accessToken) || body.includes(String(grant.refreshToken)))
    }),
  )
})

/** The built proxy to an upstream with TLS, straight and through a proxy of a company, with what its user has: environment variables. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Path from "node:path"
import { spawn } from "node:child_process"
import { WebSocket, WebSocketServer } from "ws"
import { openKeeper } from "../../src/promise.ts"
import { selfSigned } from "../../src/testing/certificate.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { listen } from "../../src/testing/http.ts"
import { temporaryFolder } from "../run.ts"

const built = Path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

const bound = <S extends Net.Server>(server: S) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: S; readonly port: number }>((resume) => {
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({ server, port: (server.address() as Net.AddressInfo).port })),
      )
    }),
    () => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void))),
  )

/** Ends the connections of a server with the scope, upgraded and tunnelled ones too. */
const ending = (server: Net.Server) =>
  Effect.gen(function* () {
    const sockets = new Set<Net.Socket>()
    server.on("connection", (socket: Net.Socket) => {
      sockets.add(socket)
      socket.on("error", () => undefined)
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  })

/** An authorization server and an upstream with TLS, an echo of WebSockets in the latter, and a grant in a home. */
const stage = Effect.gen(function* () {
  const folder = temporaryFolder("proxy-tls")
  const home = Path.join(folder, "home")
  const as = yield* listen({ tls: "selfSigned" })
  // Authorities of one subject would hide each other from OpenSSL, and the authorization server's is 127.0.0.1.
  const pair = selfSigned(["upstream.example", "127.0.0.1", "localhost"], Date.now())
  const isIn = ({ headers }: Http.IncomingMessage) =>
    as.server.access(String(headers.authorization).replace(/^Bearer /, ""), Date.now()).active
  const { port, server } = yield* bound(Https.createServer(pair))
  yield* ending(server)
  server.on("request", (request, response) => {
    response.writeHead(isIn(request) ? 200 : 401).end(`${request.headers.host}${request.url}`)
  })
  const sockets = new WebSocketServer({ noServer: true })
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))))
  server.on("upgrade", (request, socket, head) => {
    if (!isIn(request)) return void socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
    return sockets.handleUpgrade(request, socket, head, (open) => void sockets.emit("connection", open))
  })
  const grant = as.server.grant({}, Date.now())
  const document = grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
  yield* Effect.promise(async () => {
    await using keeper = await openKeeper({ home, handleSignals: false })
    await keeper.import("work", JSON.parse(JSON.stringify(document)))
  })
  const authorities = Path.join(folder, "authorities.pem")
  Fs.writeFileSync(authorities, `${as.certificate}\n${pair.cert}`)
  return { as, port, grant, env: { HOME: folder, TOKENKEEP_HOME: home, NODE_EXTRA_CA_CERTS: authorities } }
})

interface Ended {
  readonly code: number | null
  readonly stderr: string
}

/** Runs the proxy until the scope ends. Its address, or how it ended without one. */
const proxy = (upstream: string, env: NodeJS.ProcessEnv) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly child: ReturnType<typeof spawn>; readonly url: string | Ended }>((resume) => {
        const child = spawn(process.execPath, [built, "proxy", "work", "--upstream", upstream, "--drain", "0s"], {
          env,
        })
        let stderr = ""
        child.stderr.on("data", (chunk) => (stderr += String(chunk)))
        child.stdout.once("data", (line) => resume(Effect.succeed({ child, url: String(line).trim() })))
        child.on("close", (code) => resume(Effect.succeed({ child, url: { code, stderr } })))
      }),
      ({ child }) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null) return resume(Effect.void)
          child.on("close", () => resume(Effect.void))
          child.kill("SIGTERM")
        }),
    ),
    ({ url }) => url,
  )

const ask = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    return { status: response.status, text: await response.text() }
  })

const echoed = (url: string) =>
  Effect.callback<string>((resume) => {
    const ws = new WebSocket(url.replace("http", "ws"))
    ws.on("open", () => ws.send("hello"))
    ws.on("error", (error) => resume(Effect.die(error)))
    ws.on("message", (data) => {
      ws.close()
      resume(Effect.succeed(String(data)))
    })
  })

/** A proxy that knows `upstream.example` and lets in who has the password, if it wants one. */
const company = Effect.fnUntraced(function* (upstreamPort: number, password?: string, tls?: Https.ServerOptions) {
  const tunnels: Array<string> = []
  let passed = Buffer.alloc(0)
  const { port, server } = yield* bound(tls === undefined ? Http.createServer() : Https.createServer(tls))
  yield* ending(server)
  server.on("connect", (request: Http.IncomingMessage, client: Net.Socket, head: Buffer) => {
    tunnels.push(String(request.url))
    const wanted = `Basic ${Buffer.from(password ?? "").toString("base64")}`
    if (password !== undefined && request.headers["proxy-authorization"] !== wanted)
      return void client.end("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
    const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(String(request.url)) ?? []
    const onward = Net.connect(host === "upstream.example" ? upstreamPort : Number(port), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n")
      onward.write(head)
      client.on("data", (chunk: Buffer) => (passed = Buffer.concat([passed, chunk])))
      client.pipe(onward)
      onward.pipe(client)
    })
    onward.on("error", () => client.destroy())
    client.on("error", () => onward.destroy())
    client.on("close", () => onward.destroy())
    return undefined
  })
  return { port, tunnels, passed: () => passed }
})

const text = (url: string | Ended): string => (typeof url === "string" ? url : assert.fail(url.stderr))

describe("tokenkeep proxy to an upstream with TLS", () => {
  it.live("that NODE_EXTRA_CA_CERTS vouches for: requests, a WebSocket, and a refresh in between", () =>
    Effect.gen(function* () {
      const { as, env, grant, port } = yield* stage
      const url = text(yield* proxy(`https://localhost:${port}`, env))
      assert.deepStrictEqual(yield* ask(`${url}x?q=1`), { status: 200, text: `localhost:${port}/x?q=1` })
      as.server.revokeToken(grant.accessToken)
      assert.strictEqual(yield* echoed(`${url}ws`), "hello")
      assert.strictEqual((yield* ask(url)).status, 200)
      assert.lengthOf(as.server.presentations(), 1)
    }).pipe(Effect.scoped),
  )

  it.live("that nobody vouches for: it says so, and what helps", () =>
    Effect.gen(function* () {
      const { env, port } = yield* stage
      const { NODE_EXTRA_CA_CERTS: _, ...without } = env
      const url = text(yield* proxy(`https://localhost:${port}`, without))
      const answered = yield* ask(url)
      assert.strictEqual(answered.status, 502)
      assert.include(answered.text, `the certificate of localhost:${port} is not trusted`)
      assert.include(answered.text, "NODE_EXTRA_CA_CERTS=FILE")
    }).pipe(Effect.scoped),
  )

  it.live.each([{ scheme: "http" }, { scheme: "https" }])(
    "through a proxy of a company ($scheme), which sees no token",
    ({ scheme }) =>
      Effect.gen(function* () {
        const { env, grant, port } = yield* stage
        const own = selfSigned(["proxy.example", "127.0.0.1"], Date.now())
        Fs.appendFileSync(env.NODE_EXTRA_CA_CERTS, own.cert)
        const between = yield* company(port, "ada:pa ss", scheme === "https" ? own : undefined)
        const HTTPS_PROXY = `${scheme}://ada:pa%20ss@127.0.0.1:${between.port}`
        const url = text(yield* proxy("https://upstream.example", { ...env, HTTPS_PROXY }))
        assert.deepStrictEqual(yield* ask(`${url}x`), { status: 200, text: "upstream.example/x" })
        assert.strictEqual((yield* ask(`${url}y`)).status, 200)
        assert.strictEqual(yield* echoed(`${url}ws`), "hello")
        // One tunnel, that was idle each time.
        assert.deepStrictEqual(between.tunnels, ["upstream.example:443"])
        assert.isAbove(between.passed().length, 0)
        assert.isFalse(between.passed().includes(grant.accessToken))
      }).pipe(Effect.scoped),
  )

  it.live("through a proxy that refuses: the answer names it and its status, and no password", () =>
    Effect.gen(function* () {
      const { env, port } = yield* stage
      const between = yield* company(port, "ada:right")
      const HTTPS_PROXY = `http://ada:wrong@127.0.0.1:${between.port}`
      const url = text(yield* proxy("https://upstream.example", { ...env, HTTPS_PROXY }))
      const answered = yield* ask(url)
      assert.strictEqual(answered.status, 502)
      const expected = `the proxy 127.0.0.1:${between.port} refused to connect to upstream.example (status 407)`
      assert.include(answered.text, expected)
      assert.notInclude(answered.text, "wrong")
    }).pipe(Effect.scoped),
  )

  it.live("around a proxy where NO_PROXY says so, and with none of a kind that cannot be used", () =>
    Effect.gen(function* () {
      const { env, port } = yield* stage
      const between = yield* company(port)
      const HTTPS_PROXY = `http://127.0.0.1:${between.port}`
      const url = text(yield* proxy(`https://localhost:${port}`, { ...env, HTTPS_PROXY, NO_PROXY: "localhost" }))
      assert.strictEqual((yield* ask(url)).status, 200)
      assert.deepStrictEqual(between.tunnels, [])
      const ended = yield* proxy("https://upstream.example", {
        ...env,
        ALL_PROXY: "socks5://ada:secret-word@127.0.0.1:1",
      })
      if (typeof ended === "string") assert.fail("it listens")
      assert.strictEqual(ended.code, 2)
      assert.include(ended.stderr, "NO_PROXY=upstream.example")
      assert.notInclude(ended.stderr, "secret-word")
    }).pipe(Effect.scoped),
  )
})

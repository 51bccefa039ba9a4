/** The TokenEndpoint against real sockets: every way in which a request and its answer can fail, and what is then known. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as Fs from "node:fs"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { userAgent } from "../../src/exchange/userAgent.ts"
import type { Outcome } from "../../src/exchange/TokenEndpoint.ts"
import { selfSigned } from "../../src/testing/certificate.ts"
import {
  answering,
  credential,
  environment,
  exchange,
  grantBody,
  granted,
  http,
  reader,
  secrets,
  tcp,
} from "./loopback.ts"

const noProxy = environment({
  http_proxy: undefined,
  HTTP_PROXY: undefined,
  https_proxy: undefined,
  HTTPS_PROXY: undefined,
  all_proxy: undefined,
  ALL_PROXY: undefined,
  no_proxy: undefined,
  NO_PROXY: undefined,
})

/** A port that nobody listens on. */
const closedPort = Effect.scoped(
  Effect.map(
    tcp(() => undefined),
    ({ port }) => port,
  ),
)

const isGranted = (outcome: Outcome): boolean =>
  outcome._tag === "Rotated" &&
  Redacted.value(outcome.tokens.accessToken) === granted.accessToken &&
  outcome.tokens.refreshToken !== undefined &&
  Redacted.value(outcome.tokens.refreshToken) === granted.refreshToken

/** The tag and what people are told. */
const told = (outcome: Outcome): ReadonlyArray<string> =>
  outcome._tag === "Rotated" ? [outcome._tag] : [outcome._tag, outcome.cause]

const json = ["content-type: application/json"]

describe("nothing was sent", () => {
  it.live("refused", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      const outcome = yield* exchange(credential(`http://127.0.0.1:${port}/token`))
      assert.deepStrictEqual(told(outcome), ["NotSent", `127.0.0.1:${port} refused the connection`])
    }),
  )

  it.live("refused on every address of a name", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      const outcome = yield* exchange(credential(`http://localhost:${port}/token`))
      assert.deepStrictEqual(told(outcome), ["NotSent", `localhost:${port} refused the connection`])
    }),
  )

  it.live("a port that fetch does not allow", () =>
    Effect.gen(function* () {
      const outcome = yield* exchange(credential("http://127.0.0.1:1/token"))
      const cause = "no request to 127.0.0.1:1 was made: its port is one that fetch does not allow"
      assert.deepStrictEqual(told(outcome), ["NotSent", cause])
    }),
  )

  it.live("an unknown name", () =>
    Effect.gen(function* () {
      yield* noProxy
      const [tag, cause] = told(yield* exchange(credential("https://name.invalid/token")))
      assert.strictEqual(tag, "NotSent")
      // The second where no DNS server can be asked at all.
      assert.match(cause!, /^name\.invalid is not known to the DNS$|^the name of name\.invalid could not be looked up$/)
    }),
  )

  it.live("https: to a port that does not speak TLS", () =>
    Effect.gen(function* () {
      const server = yield* http((_request, response) => response.end("plain"))
      const [tag, cause] = told(yield* exchange(credential(`https://127.0.0.1:${server.port}/token`)))
      assert.strictEqual(tag, "NotSent")
      assert.match(cause!, /^no TLS connection to 127\.0\.0\.1:\d+ came about \(ERR_SSL_\w+\)$/)
    }),
  )

  it.live("a certificate that nobody vouches for", () =>
    Effect.gen(function* () {
      let requests = 0
      const server = yield* tlsServer("localhost", () => requests++)
      const outcome = yield* exchange(credential(`https://localhost:${server.port}/token`))
      assert.deepStrictEqual(told(outcome), [
        "NotSent",
        `the certificate of localhost:${server.port} is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)`,
      ])
      assert.strictEqual(requests, 0)
    }),
  )

  it.live("a TLS handshake that never ends", () =>
    Effect.gen(function* () {
      const server = yield* tcp(() => undefined)
      const outcome = yield* exchange(credential(`https://127.0.0.1:${server.port}/token`), { deadlineMillis: 250 })
      const cause = `no connection to 127.0.0.1:${server.port} came about within 0.25 s`
      assert.deepStrictEqual(told(outcome), ["NotSent", cause])
    }),
  )

  it.live("a TLS handshake that is cut off", () =>
    Effect.gen(function* () {
      const server = yield* tcp((socket) => void socket.once("data", () => socket.destroy()))
      const outcome = yield* exchange(credential(`https://127.0.0.1:${server.port}/token`))
      assert.deepStrictEqual(told(outcome), ["NotSent", `127.0.0.1:${server.port} closed the connection`])
    }),
  )

  it.effect.each([
    ["http://as.example/token", "is not encrypted: http: is accepted on loopback only"],
    ["http://127.0.0.1.as.example/token", "is not encrypted: http: is accepted on loopback only"],
    ["ftp://as.example/token", "is not an https: URL"],
    ["not a url", "is not a URL"],
    ["https://user:pass@as.example/token", "contains a user name or password"],
    ["https://as.example/token#a", "contains a fragment"],
  ])("to %s", ([url, problem]) =>
    Effect.gen(function* () {
      const fetch = () => Promise.reject(new Error("must not be called"))
      const outcome = yield* exchange(credential(url!), { fetch })
      assert.deepStrictEqual(told(outcome), ["NotSent", `the token endpoint ${problem}`])
    }),
  )

  it.effect("without a refresh token", () =>
    Effect.gen(function* () {
      const held = credential("https://as.example/token")
      const { refreshToken: _, ...tokens } = held.tokens
      const fetch = () => Promise.reject(new Error("must not be called"))
      assert.strictEqual((yield* exchange({ ...held, tokens }, { fetch }))._tag, "NotSent")
    }),
  )
})

describe("sent, and no usable answer", () => {
  it.live("accepted, then reset before a byte was read", () =>
    Effect.gen(function* () {
      const server = yield* tcp((socket) => socket.resetAndDestroy())
      const outcome = yield* exchange(credential(server.url))
      // Whether the reset or the request came first on this side is chance. Either way it has to be what is said.
      const closed = `127.0.0.1:${server.port} closed the connection`
      assert.deepInclude(
        [
          ["NotSent", closed],
          ["Ambiguous", `${closed} before it answered`],
        ],
        told(outcome),
      )
    }),
  )

  it.live("reset after the request was read", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) => socket.resetAndDestroy())
      const [tag, cause] = told(yield* exchange(credential(server.url)))
      assert.strictEqual(tag, "Ambiguous")
      assert.strictEqual(cause, `127.0.0.1:${server.port} closed the connection before it answered`)
      assert.strictEqual(server.requests.length, 1)
    }),
  )

  it.live("reset in the middle of the request", () =>
    Effect.gen(function* () {
      // More than fits into the buffers between the two: the rest is still on this side when the connection breaks.
      const refreshToken = Redacted.make(`${secrets.refreshToken}-${"x".repeat(16 * 1_048_576)}`)
      const server = yield* tcp((socket) => void socket.once("data", () => socket.resetAndDestroy()))
      const held = credential(server.url)
      const outcome = yield* exchange({ ...held, tokens: { ...held.tokens, refreshToken } }, { deadlineMillis: 15_000 })
      const closed = `127.0.0.1:${server.port} closed the connection before it answered`
      assert.deepStrictEqual(told(outcome), ["Ambiguous", closed])
      assert.strictEqual(server.connections(), 1)
    }),
  )

  it.live("closed in the middle of the headers", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-ty"))
      assert.strictEqual((yield* exchange(credential(server.url)))._tag, "Ambiguous")
    }),
  )

  it.live("closed in the middle of the body", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) =>
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${grantBody.length}\r\n\r\n${grantBody.slice(0, 60)}`),
      )
      const [tag, cause] = told(yield* exchange(credential(server.url)))
      assert.strictEqual(tag, "Ambiguous")
      assert.match(cause!, /^the server answered 200, without .* \(then 127\.0\.0\.1:\d+ closed the connection\)$/)
    }),
  )

  it.live("not HTTP", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) => socket.end("SSH-2.0-OpenSSH_9.9\r\n"))
      const [tag, cause] = told(yield* exchange(credential(server.url)))
      assert.strictEqual(tag, "Ambiguous")
      assert.match(cause!, /^127\.0\.0\.1:\d+ answered with something that is not HTTP \(HPE_\w+\) before it answered$/)
    }),
  )

  it.live("no answer within the deadline, and the request ends with it", () =>
    Effect.gen(function* () {
      const closed = Promise.withResolvers<void>()
      const server = yield* reader((socket) => void socket.once("close", () => closed.resolve()))
      const outcome = yield* exchange(credential(server.url), { deadlineMillis: 150 })
      assert.deepStrictEqual(told(outcome), ["Ambiguous", `127.0.0.1:${server.port} did not answer within 0.15 s`])
      yield* Effect.promise(() => closed.promise)
    }),
  )

  it.live("a body that drips beyond the deadline", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        const timer = setInterval(() => socket.write("1\r\n \r\n"), 20)
        socket.once("close", () => clearInterval(timer))
      })
      const [tag, cause] = told(yield* exchange(credential(server.url), { deadlineMillis: 200 }))
      assert.strictEqual(tag, "Ambiguous")
      assert.match(cause!, /\(and did not finish within 0\.2 s\)$/)
    }),
  )

  it.live("the deadline holds where nothing may be interrupted", () =>
    Effect.gen(function* () {
      const server = yield* reader(() => undefined)
      const outcome = yield* Effect.uninterruptible(exchange(credential(server.url), { deadlineMillis: 150 }))
      assert.strictEqual(outcome._tag, "Ambiguous")
    }),
  )

  it.live("interruption ends the request", () =>
    Effect.gen(function* () {
      const read = Promise.withResolvers<void>()
      const closed = Promise.withResolvers<void>()
      const server = yield* reader((socket) => {
        socket.once("close", () => closed.resolve())
        read.resolve()
      })
      const fiber = yield* Effect.forkChild(exchange(credential(server.url)))
      yield* Effect.promise(() => read.promise)
      yield* Fiber.interrupt(fiber)
      yield* Effect.promise(() => closed.promise)
    }),
  )

  it.live.each([
    ["200 HTML", "200 OK", ["content-type: text/html"], "<html>sign in to the WiFi</html>"],
    ["200 truncated", "200 OK", json, grantBody.slice(0, -1)],
    ["200 empty", "200 OK", json, ""],
    ["200 without an access token", "200 OK", json, JSON.stringify({ token_type: "Bearer", expires_in: 3600 })],
    ["502 HTML", "502 Bad Gateway", ["content-type: text/html"], "<html>502</html>"],
    ["504", "504 Gateway Timeout", [], ""],
    ["10 MiB under a 200", "200 OK", json, `${" ".repeat(10 * 1_048_576)}${grantBody}`],
    ["our refresh token as the access token", "200 OK", json, JSON.stringify({ access_token: secrets.refreshToken })],
  ] as const)("%s", ([_what, status, headers, body]) =>
    Effect.gen(function* () {
      const server = yield* answering(status, headers, body)
      assert.strictEqual((yield* exchange(credential(server.url)))._tag, "Ambiguous")
      assert.strictEqual(server.requests.length, 1)
    }),
  )

  it.live("a repetition that fetch starts by itself is stopped", () =>
    Effect.gen(function* () {
      const server = yield* answering("421 Misdirected Request", [], "")
      const outcome = yield* exchange(credential(server.url))
      assert.strictEqual(outcome._tag, "Ambiguous")
      // Time for the second request to arrive, if it had been sent.
      yield* Effect.sleep("100 millis")
      assert.strictEqual(server.requests.length, 1)
    }),
  )

  it.effect("the deadline is Effect's, and a transport that shows no evidence is not trusted", () =>
    Effect.gen(function* () {
      let signal: AbortSignal | null | undefined
      const called = Promise.withResolvers<void>()
      const fetch = (_url: string, init: RequestInit) => {
        signal = init.signal
        called.resolve()
        return new Promise<Response>(() => undefined)
      }
      const fiber = yield* Effect.forkChild(
        exchange(credential("https://as.example/token"), { deadlineMillis: 20_000, fetch }),
      )
      yield* Effect.promise(() => called.promise)
      yield* TestClock.adjust("19 seconds")
      assert.isFalse(signal?.aborted)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told(yield* Fiber.join(fiber)), ["Ambiguous", "as.example did not answer within 20 s"])
      assert.isTrue(signal?.aborted)
    }),
  )

  it.effect("a failure without evidence, whose message quotes the request", () =>
    Effect.gen(function* () {
      const error = Object.assign(new TypeError(`cannot send ${Object.values(secrets).join()}`), {
        code: "ECONNREFUSED",
      })
      const outcome = yield* exchange(credential("https://as.example/token"), { fetch: () => Promise.reject(error) })
      const cause = "as.example refused the connection before it answered"
      assert.deepStrictEqual(told(outcome), ["Ambiguous", cause])
    }),
  )
})

describe("answered", () => {
  it.live("granted", () =>
    Effect.gen(function* () {
      const server = yield* answering("200 OK", json, grantBody)
      assert.isTrue(isGranted(yield* exchange(credential(server.url))))
    }),
  )

  it.live("granted, though the connection ends before the announced length", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) =>
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n${grantBody}`),
      )
      assert.isTrue(isGranted(yield* exchange(credential(server.url))))
    }),
  )

  it.live("granted, though it comes a byte at a time", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) => {
        const bytes = [...Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${grantBody.length}\r\n\r\n${grantBody}`)]
        const timer = setInterval(() => {
          const byte = bytes.shift()
          if (byte === undefined) clearInterval(timer)
          else socket.write(Buffer.of(byte))
        }, 1)
        socket.once("close", () => clearInterval(timer))
      })
      assert.isTrue(isGranted(yield* exchange(credential(server.url))))
    }),
  )

  it.live("granted, with the refresh token that was presented", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ ...JSON.parse(grantBody), refresh_token: secrets.refreshToken })
      const server = yield* answering("200 OK", json, body)
      const outcome = yield* exchange(credential(server.url))
      const { refreshToken } = outcome._tag === "Rotated" ? outcome.tokens : {}
      assert.isTrue(refreshToken !== undefined && Redacted.value(refreshToken) === secrets.refreshToken)
    }),
  )

  it.live("granted, though the connection never ends", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) => void socket.write(`HTTP/1.1 200 OK\r\n\r\n${grantBody}`))
      assert.isTrue(isGranted(yield* exchange(credential(server.url), { deadlineMillis: 200 })))
    }),
  )

  it.live("refused for good", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({
        error: "invalid_grant",
        error_description: `Unknown token ${secrets.refreshToken}`,
      })
      const server = yield* answering("403 Forbidden", json, body)
      const outcome = yield* exchange(credential(server.url))
      assert.deepStrictEqual(outcome._tag === "Rejected" && outcome.dead, { reason: "rejected", code: "invalid_grant" })
      assert.strictEqual(told(outcome)[1], 'the server answered 403 invalid_grant: "Unknown token <redacted>"')
    }),
  )

  it.live("refused for good by an error under a 200", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ error: "invalid_grant", error_description: `No ${secrets.refreshToken} here` })
      const server = yield* answering("200 OK", json, body)
      const outcome = yield* exchange(credential(server.url))
      assert.deepStrictEqual(outcome._tag === "Rejected" && outcome.dead, { reason: "rejected", code: "invalid_grant" })
    }),
  )

  it.live("refused for now", () =>
    Effect.gen(function* () {
      const server = yield* answering("429 Too Many Requests", ["retry-after: 120", ...json], `{"error":"slow_down"}`)
      const outcome = yield* exchange(credential(server.url))
      assert.strictEqual(told(outcome)[1], "the server answered 429 slow_down")
      const pause = outcome._tag === "Rejected" && outcome.dead === undefined ? outcome.retryAt - Date.now() : 0
      assert.isTrue(pause > 110_000 && pause <= 120_000)
    }),
  )

  it.live.each([
    ["403 HTML", "403 Forbidden", "<html>invalid_grant</html>"],
    ["10 MiB under a 400", "400 Bad Request", `{"error":"invalid_grant","x":"${"x".repeat(10 * 1_048_576)}"}`],
    ["500", "500 Internal Server Error", ""],
  ] as const)("%s passes", ([_what, status, body]) =>
    Effect.gen(function* () {
      const server = yield* answering(status, ["content-type: text/html"], body)
      const outcome = yield* exchange(credential(server.url))
      assert.isTrue(outcome._tag === "Rejected" && outcome.dead === undefined)
    }),
  )

  it.live("a form that breaks off: the rest of it may have been the refresh token, so nobody knows", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) =>
        socket.end(
          "HTTP/1.1 200 OK\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 99\r\n\r\naccess_token=abcdefgh",
        ),
      )
      const outcome = yield* exchange(credential(server.url))
      assert.strictEqual(outcome._tag, "Ambiguous")
    }),
  )

  it.live("a refusal that breaks off passes", () =>
    Effect.gen(function* () {
      const server = yield* reader((socket) =>
        socket.end('HTTP/1.1 400 Bad\r\ncontent-length: 99\r\n\r\n{"error":"inva'),
      )
      const outcome = yield* exchange(credential(server.url))
      assert.isTrue(outcome._tag === "Rejected" && outcome.dead === undefined)
    }),
  )

  it.live.each([301, 302, 303, 307, 308])("a redirect (%i) is not followed", (status) =>
    Effect.gen(function* () {
      const target = yield* answering("200 OK", json, grantBody)
      const location = `location: http://localhost:${target.port}/steal?token=${secrets.refreshToken}`
      const server = yield* answering(`${status} Elsewhere`, [location], "")
      const outcome = yield* exchange(credential(server.url))
      assert.isTrue(outcome._tag === "Rejected" && outcome.dead === undefined)
      assert.strictEqual(
        told(outcome)[1],
        `the server answered ${status}, a redirect to localhost:${target.port}, and a refresh token is not sent elsewhere`,
      )
      assert.strictEqual(target.requests.length, 0)
    }),
  )

  it.live("a redirect to a host that is named like the token", () =>
    Effect.gen(function* () {
      const server = yield* answering("302 Found", [`location: https://${secrets.refreshToken}.example/`], "")
      const [tag, cause] = told(yield* exchange(credential(server.url)))
      assert.strictEqual(tag, "Rejected")
      assert.include(cause!, "a redirect to <redacted>.example, ")
    }),
  )
})

describe("on the wire", () => {
  const parts = (request: string) => {
    const [head = "", body = ""] = request.split("\r\n\r\n")
    const [line = "", ...lines] = head.split("\r\n")
    const headers = Object.fromEntries(lines.map((line) => [line.split(": ")[0]!.toLowerCase(), line.split(": ")[1]!]))
    return { line, headers, body }
  }

  const sent = Effect.fnUntraced(function* (over: Parameters<typeof credential>[1], path = "") {
    const server = yield* answering("200 OK", json, grantBody)
    assert.isTrue(isGranted(yield* exchange(credential(`${server.url}${path}`, over))))
    assert.strictEqual(server.requests.length, 1)
    return { ...parts(server.requests[0]!), port: server.port }
  })

  it.live("a public client", () =>
    Effect.gen(function* () {
      const { body, headers, line, port } = yield* sent({})
      assert.strictEqual(line, "POST /token HTTP/1.1")
      assert.isTrue(body === `refresh_token=${secrets.refreshToken}&grant_type=refresh_token&client_id=client-1`)
      assert.strictEqual(headers["host"], `127.0.0.1:${port}`)
      assert.strictEqual(headers["content-type"], "application/x-www-form-urlencoded;charset=UTF-8")
      assert.strictEqual(headers["accept"], "application/json")
      assert.strictEqual(headers["user-agent"], userAgent)
      assert.strictEqual(headers["connection"], "close")
      assert.notProperty(headers, "authorization")
    }),
  )

  it.live("client_secret_basic, form-encoded before base64 (RFC 6749 §2.3.1)", () =>
    Effect.gen(function* () {
      const client = {
        clientId: "a:b c%+é-_.1",
        clientSecret: Redacted.make(secrets.clientSecret),
        authMethod: "client_secret_basic" as const,
      }
      const { body, headers } = yield* sent({ client })
      const basic = Buffer.from(headers["authorization"]!.replace(/^Basic /, ""), "base64").toString("latin1")
      assert.isTrue(basic === "a%3Ab+c%25%2B%C3%A9-_.1:cs+a%3Ab+c%25%2B%C3%A9%2FHn4Tz")
      assert.isTrue(body === `refresh_token=${secrets.refreshToken}&grant_type=refresh_token`)
    }),
  )

  it.live("client_secret_post", () =>
    Effect.gen(function* () {
      const client = {
        clientId: "a:b c",
        clientSecret: Redacted.make(secrets.clientSecret),
        authMethod: "client_secret_post" as const,
      }
      const { body, headers } = yield* sent({ client })
      const fields = Object.fromEntries(new URLSearchParams(body))
      assert.sameMembers(Object.keys(fields), ["grant_type", "refresh_token", "client_id", "client_secret"])
      assert.isTrue(fields["client_id"] === "a:b c" && fields["client_secret"] === secrets.clientSecret)
      assert.notProperty(headers, "authorization")
    }),
  )

  it.live("the resource (RFC 8707) and the endpoint's own query", () =>
    Effect.gen(function* () {
      const { body, line } = yield* sent({ resource: "https://mcp.example/mcp?a=b" }, "?tenant=a%20b")
      assert.strictEqual(line, "POST /token?tenant=a%20b HTTP/1.1")
      assert.strictEqual(new URLSearchParams(body).get("resource"), "https://mcp.example/mcp?a=b")
    }),
  )

  it("names the version that is installed", () => {
    const { version } = JSON.parse(Fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    assert.strictEqual(userAgent, `tokenkeep/${version}`)
  })

  it.live("a connection of its own, though an idle one is at hand", () =>
    Effect.gen(function* () {
      let connections = 0
      const server = yield* http((request, response) => {
        request.resume()
        request.once("end", () => response.end(request.method === "GET" ? "idle" : grantBody))
      })
      server.server.on("connection", () => connections++)
      const plain = Effect.promise(() => fetch(server.url).then((response) => response.text()))
      yield* plain
      // The connection becomes idle a little after its answer was read.
      yield* Effect.sleep("50 millis")
      yield* plain
      yield* Effect.sleep("50 millis")
      assert.strictEqual(connections, 1)
      assert.isTrue(isGranted(yield* exchange(credential(server.url))))
      assert.strictEqual(connections, 2)
    }),
  )

  it.live("evidence of many exchanges at once is not mixed up", () =>
    Effect.gen(function* () {
      const refusing = `http://127.0.0.1:${yield* closedPort}/token`
      const resetting = yield* reader((socket) => socket.resetAndDestroy())
      const good = yield* answering("200 OK", json, grantBody)
      const urls = Array.from({ length: 30 }, (_, i) => [refusing, resetting.url, good.url][i % 3]!)
      const outcomes = yield* Effect.all(
        urls.map((url) => exchange(credential(url))),
        { concurrency: "unbounded" },
      )
      const tags = outcomes.map((outcome) => outcome._tag)
      assert.deepStrictEqual(
        tags,
        urls.map((_, i) => (["NotSent", "Ambiguous", "Rotated"] as const)[i % 3]!),
      )
    }),
  )

  it.live("requests of others in the same process count for nothing", () =>
    Effect.gen(function* () {
      const other = yield* answering("200 OK", [], "")
      const port = yield* closedPort
      const noise = Effect.promise(() => fetch(other.url, { method: "POST", body: "x" }).then((r) => r.text()))
      const [outcome] = yield* Effect.all(
        [exchange(credential(`http://127.0.0.1:${port}/token`)), ...Array.from({ length: 10 }, () => noise)],
        { concurrency: "unbounded" },
      )
      assert.strictEqual(outcome._tag, "NotSent")
    }),
  )
})

describe("through a proxy", () => {
  const name = "as.tokenkeep.test"

  /** A real proxy. It opens tunnels to `target` whatever the name, and forwards what comes without a tunnel. */
  const proxying = Effect.fnUntraced(function* (target: number, status = 200) {
    const connects: Array<string> = []
    const forwarded: Array<string> = []
    const proxy = yield* http((request, response) => {
      forwarded.push(`${request.method} ${request.url}`)
      request.resume()
      request.once("end", () => response.end(grantBody))
    })
    proxy.server.on("connect", (request, socket: Net.Socket) => {
      connects.push(`${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim())
      socket.on("error", () => undefined)
      if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
      const upstream = Net.connect(target, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n")
        upstream.pipe(socket).pipe(upstream)
      })
      upstream.on("error", () => socket.destroy())
      socket.once("close", () => upstream.destroy())
    })
    return { port: proxy.port, connects, forwarded }
  })

  const trusting = (cert: string) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const before = Tls.getCACertificates("default")
        Tls.setDefaultCACertificates([...before, cert])
        return before
      }),
      (before) => Effect.sync(() => Tls.setDefaultCACertificates(before)),
    )

  for (const variable of ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"]) {
    it.live(`a tunnel, by ${variable}`, () =>
      Effect.gen(function* () {
        const requests: Array<string> = []
        const server = yield* tlsServer(name, (request) => requests.push(request))
        yield* trusting(server.cert)
        const proxy = yield* proxying(server.port)
        yield* noProxy
        yield* environment({ [variable]: `http://user:p%40ss@127.0.0.1:${proxy.port}` })
        assert.isTrue(isGranted(yield* exchange(credential(`https://${name}/token`))))
        assert.deepStrictEqual(proxy.connects, [`${name}:443 Basic ${btoa("user:p@ss")}`])
        assert.strictEqual(requests.length, 1)
        assert.isTrue(requests[0]!.startsWith(`POST /token ${name}\n`) && requests[0]!.includes(secrets.refreshToken))
      }),
    )
  }

  it.live("a request without a tunnel, to a loopback address by a loopback proxy", () =>
    Effect.gen(function* () {
      const proxy = yield* proxying(0)
      yield* noProxy
      yield* environment({ HTTP_PROXY: `127.0.0.1:${proxy.port}` })
      assert.isTrue(isGranted(yield* exchange(credential("http://localhost:12345/token"))))
      assert.deepStrictEqual(proxy.forwarded, ["POST http://localhost:12345/token"])
    }),
  )

  it.live("not for what NO_PROXY names", () =>
    Effect.gen(function* () {
      const proxy = yield* proxying(0)
      const server = yield* answering("200 OK", json, grantBody)
      yield* noProxy
      yield* environment({ HTTP_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: "example.com,127.0.0.1" })
      assert.isTrue(isGranted(yield* exchange(credential(server.url))))
      assert.deepStrictEqual([...proxy.forwarded, ...proxy.connects], [])
    }),
  )

  it.live("one that is not there: nothing was sent", () =>
    Effect.gen(function* () {
      const port = yield* closedPort
      yield* noProxy
      yield* environment({ HTTPS_PROXY: `http://user:secret@127.0.0.1:${port}` })
      const outcome = yield* exchange(credential(`https://${name}/token`))
      const cause = `the proxy 127.0.0.1:${port} (on the way to ${name}) refused the connection`
      assert.deepStrictEqual(told(outcome), ["NotSent", cause])
    }),
  )

  it.live.each([403, 407, 502])("one that refuses the tunnel with %i: nothing was sent", (status) =>
    Effect.gen(function* () {
      const proxy = yield* proxying(0, status)
      yield* noProxy
      yield* environment({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
      const outcome = yield* exchange(credential(`https://${name}/token`))
      const cause = `the proxy 127.0.0.1:${proxy.port} refused to connect to ${name} (status ${status})`
      assert.deepStrictEqual(told(outcome), ["NotSent", cause])
    }),
  )

  it.live("one whose tunnel leads to a server that nobody vouches for: nothing was sent", () =>
    Effect.gen(function* () {
      const requests: Array<string> = []
      const server = yield* tlsServer(name, (request) => requests.push(request))
      const proxy = yield* proxying(server.port)
      yield* noProxy
      yield* environment({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
      const outcome = yield* exchange(credential(`https://${name}/token`))
      assert.strictEqual(outcome._tag, "NotSent")
      assert.include(told(outcome)[1]!, "DEPTH_ZERO_SELF_SIGNED_CERT")
      assert.strictEqual(requests.length, 0)
    }),
  )

  it.live("one that never answers: nothing was sent", () =>
    Effect.gen(function* () {
      const proxy = yield* tcp(() => undefined)
      yield* noProxy
      yield* environment({ HTTPS_PROXY: proxy.url.replace("/token", "") })
      const outcome = yield* exchange(credential(`https://${name}/token`), { deadlineMillis: 300 })
      assert.deepStrictEqual(told(outcome), ["NotSent", `no connection to ${name} came about within 0.3 s`])
    }),
  )

  it.live("one that drops the connection after the request went through: nobody knows", () =>
    Effect.gen(function* () {
      const proxy = yield* reader((socket) => socket.resetAndDestroy())
      yield* noProxy
      yield* environment({ HTTP_PROXY: proxy.url.replace("/token", "") })
      assert.strictEqual((yield* exchange(credential("http://127.0.0.1:12345/token")))._tag, "Ambiguous")
      assert.strictEqual(proxy.requests.length, 1)
    }),
  )

  it.live.each(["ftp://127.0.0.1:1", "http://", "https4://user:pass@x"])("a setting that is none: %s", (setting) =>
    Effect.gen(function* () {
      yield* noProxy
      yield* environment({ HTTPS_PROXY: setting })
      const outcome = yield* exchange(credential(`https://${name}/token`))
      const cause = `no request to ${name} was made: the proxy that the environment names is not an http:, https: or socks5: URL`
      assert.deepStrictEqual(told(outcome), ["NotSent", cause])
    }),
  )
})

/** Answers every request with a grant, over TLS with a certificate that is its own authority. */
const tlsServer = Effect.fnUntraced(function* (host: string, onRequest: (request: string) => void) {
  const { cert, key } = selfSigned([host], Date.now())
  const server = Https.createServer({ cert, key }, (request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.once("end", () => {
      onRequest(`${request.method} ${request.url} ${request.headers.host}\n${body}`)
      response.setHeader("content-type", "application/json").end(grantBody)
    })
  })
  server.on("tlsClientError", () => undefined)
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as { port: number }).port)))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )
  return { port, cert }
})

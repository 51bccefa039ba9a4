/** A token bound to a key (RFC 9449) from every client, to a server that checks each proof. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { WebSocket, WebSocketServer } from "ws"
import { limitBytes } from "../../src/client/proxy/Replay.ts"
import { mcpAuth } from "../../src/client/mcp.ts"
import * as HttpTokenEndpoint from "../../src/exchange/http.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import * as Live from "../../src/keeper/live.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { openKeeper } from "../../src/promise.ts"
import * as Sqlite from "../../src/store/sqlite.ts"
import { temporaryFolder } from "../run.ts"
import { signedIn } from "./boundServer.ts"
import { clientWith, type Line } from "./mcp/clients.ts"
import { handle } from "./mcp/server.ts"
import { byFetch, byFetchInEffect, byProxy, clients } from "./clients.ts"
import type { Handler } from "./world.ts"

const handler: Handler = (request, response) => {
  if (request.url === "/api/inside") return response.writeHead(307, { location: "/api/there" }).end()
  if (request.url === "/api/outside") return response.writeHead(307, { location: "/other" }).end()
  let text = ""
  request.on("data", (chunk) => (text += String(chunk)))
  request.on("end", () => response.end(`got ${text.length > 100 ? text.length : text}`))
}

const got = (text: string) => ({ status: 200, text: `got ${text}` })

describe.each(clients)("a token bound to a key: %s", (name, make) => {
  it.live("goes with a proof; the server's nonce costs one more attempt and no refresh", () =>
    Effect.gen(function* () {
      const stage = yield* signedIn(handler)
      const { nonce, refreshes, refuses, seen } = stage
      const client = yield* make(stage)
      /** What the server said to the attempts of one request. */
      const attempts = Effect.fnUntraced(function* (body: string) {
        seen.length = 0
        assert.deepStrictEqual(yield* client.post("/x?secret=1", body), got(body))
        return [...seen]
      })
      assert.deepStrictEqual(yield* attempts("a"), ["ok"])
      Object.assign(nonce, { wanted: "n-1", told: "n-1" })
      assert.deepStrictEqual(yield* attempts("b"), ["nonce", "ok"])
      assert.deepStrictEqual(yield* attempts("c"), ["ok"])
      // With an answer that is none of refusal the next nonce comes too (RFC 9449 §8.2).
      nonce.next = "n-2"
      assert.deepStrictEqual(yield* attempts("d"), ["ok"])
      Object.assign(nonce, { wanted: "n-2", told: "n-2", next: "n-2" })
      assert.deepStrictEqual(yield* attempts("e"), ["ok"])
      assert.strictEqual(refreshes(), 0)
      // Another nonce and another token, in one request.
      refuses.add(fingerprint((yield* Effect.promise(stage.source.token)).token))
      Object.assign(nonce, { wanted: "n-3", told: "n-3", next: "n-3" })
      assert.deepStrictEqual(yield* attempts("f"), ["nonce", "refused", "ok"])
      assert.strictEqual(refreshes(), 1)
    }).pipe(Effect.scoped),
  )

  it.live("a nonce that is never right is an answer like any other, and refreshes nothing", () =>
    Effect.gen(function* () {
      const stage = yield* signedIn(handler)
      const { nonce, refreshes, seen } = stage
      const client = yield* make(stage)
      Object.assign(nonce, { wanted: "n-1", told: "n-0" })
      assert.strictEqual((yield* client.post("/x", "a")).status, 401)
      assert.deepStrictEqual([seen, refreshes()], [["nonce", "nonce"], 0])
    }).pipe(Effect.scoped),
  )

  it.live("a body that goes by once is not sent twice for a nonce, and the next request has it", () =>
    Effect.gen(function* () {
      const stage = yield* signedIn(handler)
      const { nonce, refreshes, resource, seen } = stage
      const client = yield* make(stage)
      Object.assign(nonce, { wanted: "n-1", told: "n-1" })
      // What the proxy keeps is kept by its length.
      const body = name === "the proxy" ? "x".repeat(limitBytes + 1) : "x"
      const first = yield* client.stream("/x", body)
      if (name === "the proxy")
        assert.deepStrictEqual([first.status, JSON.parse(first.text).error], [503, "send_again"])
      else {
        assert.strictEqual(first.status, 401)
        assert.deepStrictEqual(client.events, [{ type: "NotReplayed", url: `${resource}/x` }])
      }
      assert.strictEqual((yield* client.stream("/x", body)).status, 200)
      assert.deepStrictEqual([seen, refreshes()], [["nonce", "ok"], 0])
    }).pipe(Effect.scoped),
  )
})

describe("a token bound to a key, elsewhere", () => {
  it.live.each([
    { name: "fetch", make: byFetch },
    { name: "Effect's HttpClient on fetch", make: byFetchInEffect },
  ])("behind a redirect it goes with a proof for the new place, or not at all: $name", ({ make }) =>
    Effect.gen(function* () {
      const stage = yield* signedIn(handler)
      const { nonce, refreshes, seen, strays } = stage
      const client = yield* make(stage)
      assert.deepStrictEqual(yield* client.post("/inside", "a"), got("a"))
      assert.deepStrictEqual(seen, ["ok", "ok"])
      Object.assign(nonce, { wanted: "n-1", told: "n-1" })
      assert.deepStrictEqual(yield* client.post("/inside", "b"), got("b"))
      assert.deepStrictEqual(seen, ["ok", "ok", "nonce", "ok", "ok"])
      assert.deepStrictEqual(yield* client.post("/outside", "c"), { status: 401, text: "outside" })
      assert.deepStrictEqual([strays, refreshes()], [[], 0])
    }).pipe(Effect.scoped),
  )

  it.live("the nonce that comes with a redirect is in the next proof", () =>
    Effect.gen(function* () {
      const stage: Effect.Success<ReturnType<typeof signedIn>> = yield* signedIn((request, response) => {
        if (request.url === "/api/there") return response.end("here")
        Object.assign(stage.nonce, { wanted: "n-1", told: "n-1" })
        return response.writeHead(307, { location: "/api/there" }).end()
      })
      stage.nonce.next = "n-1"
      const { post } = yield* byFetch(stage)
      assert.deepStrictEqual(yield* post("/x", "a"), { status: 200, text: "here" })
      assert.deepStrictEqual(stage.seen, ["ok", "ok"])
    }).pipe(Effect.scoped),
  )

  it.live("a WebSocket through the proxy is opened with a proof of its GET, and the server's nonce", () =>
    Effect.gen(function* () {
      const stage = yield* signedIn(handler)
      const { admit, nonce, seen, server } = stage
      const sockets = new WebSocketServer({ noServer: true })
      sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`got ${String(data)}`)))
      server.on("upgrade", (request, socket, head) => {
        void admit(request).then((refusal) => {
          if (refusal === undefined)
            return sockets.handleUpgrade(request, socket, head, (open) => void sockets.emit("connection", open))
          const lines = Object.entries(refusal).map(([name, value]) => `${name}: ${value}`)
          return socket.end(`HTTP/1.1 401 Unauthorized\r\n${lines.join("\r\n")}\r\ncontent-length: 0\r\n\r\n`)
        })
      })
      Object.assign(nonce, { wanted: "n-1", told: "n-1" })
      const { url } = yield* byProxy(stage)
      const answer = yield* Effect.callback<string>((resume) => {
        const ws = new WebSocket(`${url.replace("http", "ws")}/api/ws?q=1`)
        ws.on("open", () => ws.send("hello"))
        ws.on("error", (error) => resume(Effect.die(error)))
        ws.on("message", (data) => {
          ws.close()
          resume(Effect.succeed(String(data)))
        })
      })
      assert.strictEqual(answer, "got hello")
      assert.deepStrictEqual(seen, ["nonce", "ok"])
    }).pipe(Effect.scoped),
  )

  it.live.each<Line>(["1.x", "2.x"])("an MCP client of the SDK %s has it by its fetch", (line) =>
    Effect.gen(function* () {
      const { credential, nonce, refreshes, refuses, resource, seen } = yield* signedIn(
        (request, response) => void handle(request, response),
      )
      const home = temporaryFolder("mcp-dpop")
      const layer = Live.layer({ background: false }).pipe(
        Layer.provide([Sqlite.layer({ home }), HttpTokenEndpoint.layer]),
      )
      yield* Effect.provide(
        Keeper.use((keeper) => keeper.put(credential)),
        layer,
      )
      Object.assign(nonce, { wanted: "n-1", told: "n-1", next: "n-1" })
      yield* Effect.promise(async () => {
        await using keeper = await openKeeper({ home, handleSignals: false, background: false })
        const { fetch } = mcpAuth(keeper, { credential: "bound", server: resource })
        const client = await clientWith(line, resource, { fetch })
        await client.call()
        refuses.add(fingerprint(await keeper.credential("bound").token()))
        await Promise.all([client.call(), client.call(), client.call()])
        await client.close()
      })
      assert.strictEqual(refreshes(), 1)
      // The stream that the SDK asks for beside its calls is refused too, or not, as it comes.
      assert.deepStrictEqual([...new Set(seen)].toSorted(), ["nonce", "ok", "refused"])
      assert.lengthOf(
        seen.filter((said) => said === "nonce"),
        1,
      )
    }).pipe(Effect.scoped),
  )
})

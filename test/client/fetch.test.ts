import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as undici from "undici"
import { withToken } from "../../src/client/fetch.ts"
import type { FetchEvent } from "../../src/client/FetchEvent.ts"
import * as TokenSource from "../../src/client/TokenSource.ts"
import { interceptor } from "../../src/client/undici.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { bringIn, type Handler, keeper, server, upstream } from "./world.ts"

const body: Handler = (request, response) => {
  let text = ""
  request.on("data", (chunk) => (text += String(chunk)))
  request.on("end", () => response.end(`got ${text}`))
}

const making = Effect.fnUntraced(function* (handler: Handler, path?: string) {
  const as = yield* server()
  const kept = yield* keeper
  const up = yield* upstream(as, handler)
  const grant = yield* bringIn(kept, as, "mine", path === undefined ? {} : { resource: `${up.url}${path}` })
  const handle = kept.credential("mine")
  const source = TokenSource.make(handle, Effect.runPromise)
  const events: Array<FetchEvent> = []
  const fetch = withToken(source, globalThis.fetch, (event) => events.push(event))
  return { as, kept, up, handle, source, fetch, events, first: fingerprint(grant.accessToken), none: fingerprint("") }
})

const live = <E>(name: string, test: Effect.Effect<void, E, Scope.Scope>) => it.live(name, () => Effect.scoped(test))
const text = (response: Promise<Response>) => Effect.promise(async () => (await response).text())

describe("fetch with a token", () => {
  live(
    "the token stays with its resource, also behind redirects on the same origin",
    Effect.gen(function* () {
      const { fetch, first, none, up } = yield* making((request, response) => {
        if (request.url === "/mcp/inside") return response.writeHead(307, { location: "/mcp/there" }).end()
        if (request.url === "/mcp/outside") return response.writeHead(302, { location: "/other" }).end()
        return response.end(request.url)
      }, "/mcp")
      assert.strictEqual(yield* text(fetch(`${up.url}/mcp/inside`)), "/mcp/there")
      const outside = yield* Effect.promise(() => fetch(`${up.url}/mcp/outside`))
      // It asks without a token there, and that it is refused there is not taken for a refusal of ours.
      assert.deepStrictEqual([outside.status, outside.redirected], [401, true])
      assert.deepStrictEqual(up.seen, [first, first, first, none])
      const manual = yield* Effect.promise(() => fetch(`${up.url}/mcp/outside`, { redirect: "manual" }))
      assert.strictEqual(manual.status, 302)
    }),
  )

  live(
    "a token that is for no resource in particular stays with the origin it was sent to",
    Effect.gen(function* () {
      const { as, fetch, first, none, up } = yield* making((_, response) =>
        response.writeHead(307, { location: other.url }).end(),
      )
      const other = yield* upstream(as, body)
      assert.strictEqual((yield* Effect.promise(() => fetch(up.url))).status, 401)
      assert.deepStrictEqual([up.seen, other.seen], [[first], [none]])
      assert.lengthOf(as.server.presentations(), 0)
    }),
  )

  live(
    "a body is sent again after a 401 and after a redirect that keeps the method",
    Effect.gen(function* () {
      const { as, fetch, first, up } = yield* making((request, response) => {
        if (request.url === "/a") return response.writeHead(308, { location: "/b" }).end()
        if (request.url === "/c") return response.writeHead(303, { location: "/b" }).end()
        return body(request, response)
      })
      assert.strictEqual(yield* text(fetch(`${up.url}/a`, { method: "POST", body: "x" })), "got x")
      assert.strictEqual(yield* text(fetch(`${up.url}/c`, { method: "POST", body: "x" })), "got ")
      up.refuses.add(first)
      assert.strictEqual(yield* text(fetch(`${up.url}/b`, { method: "POST", body: "y" })), "got y")
      assert.lengthOf(as.server.presentations(), 1)
    }),
  )

  live(
    "a stream is sent once: the 401 stands, an event says so, and the next request works",
    Effect.gen(function* () {
      const { events, fetch, first, up } = yield* making(body)
      up.refuses.add(first)
      const stream = () => new Blob(["z"]).stream()
      const init = () => ({ method: "POST", body: stream(), duplex: "half" }) as RequestInit
      assert.strictEqual((yield* Effect.promise(() => fetch(`${up.url}/`, init()))).status, 401)
      assert.deepStrictEqual(events, [{ type: "NotReplayed", url: `${up.url}/` }])
      assert.strictEqual(yield* text(fetch(`${up.url}/`, init())), "got z")
    }),
  )

  live(
    "a `Request`, the platform's or that of the fetch below",
    Effect.gen(function* () {
      const { as, source, up } = yield* making(body)
      const npm = withToken(source, undici.fetch as unknown as typeof globalThis.fetch)
      const get = new undici.Request(up.url, { headers: { "x-own": "1" } }) as unknown as Request
      const post = new undici.Request(up.url, { method: "POST", body: "x" }) as unknown as Request
      assert.strictEqual(yield* text(npm(get)), "got ")
      assert.strictEqual(yield* text(npm(post)), "got x")
      const own = withToken(source, globalThis.fetch)
      assert.strictEqual(yield* text(own(new Request(up.url, { method: "POST", body: "y" }))), "got y")
      assert.lengthOf(as.server.presentations(), 0)
    }),
  )

  live(
    "403 insufficient_scope is told, and refreshes nothing",
    Effect.gen(function* () {
      const { as, events, fetch, up } = yield* making((_, response) =>
        response.writeHead(403, { "www-authenticate": 'Bearer error="insufficient_scope", scope="a b"' }).end(),
      )
      yield* text(fetch(`${up.url}/x?secret=1`))
      assert.deepStrictEqual(events, [{ type: "InsufficientScope", url: `${up.url}/x`, scope: "a b" }])
      assert.lengthOf(as.server.presentations(), 0)
    }),
  )

  live(
    "an abort ends the wait for a token, and not the refresh",
    Effect.gen(function* () {
      const { as, fetch, first, handle, up } = yield* making(body)
      up.refuses.add(first)
      as.server.script(Fault.slow(0, 200))
      const aborting = new AbortController()
      const asked = fetch(up.url, { signal: aborting.signal }).then(
        () => "answered",
        (error: Error) => error.name,
      )
      while (as.server.presentations().length === 0) yield* Effect.sleep(5)
      aborting.abort()
      assert.strictEqual(yield* Effect.promise(() => asked), "AbortError")
      const access = yield* handle.access()
      assert.strictEqual(access.generation, 2)
      assert.lengthOf(as.server.presentations(), 1)
    }),
  )
})

describe("an abort", () => {
  const never = () => new Promise<never>(() => {})
  const asking = (asked: Array<string>): TokenSource.TokenSource => ({
    token: () => {
      asked.push("token")
      return never()
    },
    refused: never,
  })
  const byFetch = (source: TokenSource.TokenSource, signal: AbortSignal) =>
    withToken(source, never)("http://127.0.0.1:1", { signal })
  const byUndici = (source: TokenSource.TokenSource, signal: AbortSignal) =>
    undici.request("http://127.0.0.1:1", {
      signal,
      dispatcher: new undici.Agent().compose(interceptor(source)),
    })

  it.each([
    { name: "fetch", send: byFetch },
    { name: "undici", send: byUndici },
  ])("is not kept waiting for a token, and one that came first asks for none: $name", async ({ send }) => {
    const asked: Array<string> = []
    const aborting = new AbortController()
    const nameOf = (sent: Promise<unknown>) => sent.then(String, (error: Error) => error.name)
    const first = nameOf(send(asking(asked), aborting.signal))
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
    aborting.abort()
    assert.strictEqual(await first, "AbortError")
    assert.strictEqual(await nameOf(send(asking(asked), aborting.signal)), "AbortError")
    assert.deepStrictEqual(asked, ["token"])
  })
})

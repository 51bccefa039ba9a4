import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as undici from "undici"
import { withToken } from "../../src/client/fetch.ts"
import type { FetchEvent } from "../../src/client/FetchEvent.ts"
import * as HttpClientToken from "../../src/client/httpClient.ts"
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

describe("the same elsewhere", () => {
  live(
    "as an interceptor of undici",
    Effect.gen(function* () {
      const { as, events, first, source, up } = yield* making(body, "/mcp")
      const dispatcher = new undici.Agent().compose(interceptor(source, (event) => events.push(event)))
      const post = (path: string, body: string | AsyncIterable<Uint8Array>) =>
        Effect.promise(async () => {
          const headers = { authorization: "Bearer other", "x-own": "1" }
          const options = { method: "POST", body, headers, dispatcher } as never
          const response = await undici.request(`${up.url}${path}`, options)
          return [response.statusCode, await response.body.text()]
        })
      up.refuses.add(first)
      const both = yield* Effect.all([post("/mcp", "x"), post("/mcp", "y")], { concurrency: "unbounded" })
      assert.deepStrictEqual(both, [
        [200, "got x"],
        [200, "got y"],
      ])
      assert.lengthOf(as.server.presentations(), 1)
      const outside = yield* Effect.exit(post("/other", "x"))
      assert.include(String(outside), "ForeignResource")
      yield* Effect.promise(() => dispatcher.close())
    }),
  )

  live(
    "as a transform of Effect's HttpClient",
    Effect.gen(function* () {
      const { as, events, first, handle, up } = yield* making(body)
      const plain = yield* Effect.provide(HttpClient.HttpClient, FetchHttpClient.layer)
      const client = HttpClientToken.withToken(handle, { onEvent: (event) => events.push(event) })(plain)
      up.refuses.add(first)
      const request = HttpClientRequest.bodyText(HttpClientRequest.post(up.url), "x")
      const response = yield* client.execute(request)
      assert.strictEqual(yield* response.text, "got x")
      assert.lengthOf(as.server.presentations(), 1)
      const foreign = yield* Effect.flip(client.get("http://example.com/"))
      assert.strictEqual(foreign.name, "ForeignResource")
    }),
  )
})

describe("what a Keeper tells of itself", () => {
  live(
    "spans that lead from the caller to what came of it, and counters",
    Effect.gen(function* () {
      const { handle, first, up } = yield* making(body)
      assert.strictEqual(first.length, 12)
      const { token } = yield* handle.access()
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        },
      })
      yield* handle
        .refused(Redacted.value(token), { caller: "the nightly job" })
        .pipe(Effect.withSpan("the nightly job"), Effect.withTracer(tracer))
      assert.lengthOf(up.seen, 0)
      const named = new Map(spans.map((span) => [span.name, span]))
      const refused = named.get("tokenkeep.Refused")!
      const granted = named.get("tokenkeep.Granted")!
      assert.strictEqual(refused.attributes.get("tokenkeep.caller"), "the nightly job")
      assert.strictEqual(granted.attributes.get("tokenkeep.generation"), 2)
      const above: Array<string> = []
      for (let span: Tracer.AnySpan | undefined = granted; span?._tag === "Span";) {
        above.push(span.name)
        span = span.parent._tag === "Some" ? span.parent.value : undefined
      }
      assert.deepStrictEqual(above, ["tokenkeep.Granted", "tokenkeep.Claimed", "tokenkeep.Refused", "the nightly job"])
      const counts = (yield* Metric.snapshot).filter(({ id }) => id.startsWith("tokenkeep_"))
      const names = new Set(counts.map(({ id }) => id))
      for (const name of ["presentations", "refusals", "waits"]) assert.isTrue(names.has(`tokenkeep_${name}_total`))
      const everything = JSON.stringify([spans.map(({ attributes }) => [...attributes]), counts], (_, value) =>
        typeof value === "bigint" ? String(value) : (value as unknown),
      )
      assert.isFalse(everything.includes(Redacted.value(token)))
    }),
  )
})

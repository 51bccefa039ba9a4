/** The rules that every client of a token keeps, with a bearer token; with one that is bound to a key: `dpop.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as undici from "undici"
import * as HttpClientToken from "../../src/client/httpClient.ts"
import { limitBytes } from "../../src/client/proxy/Replay.ts"
import * as TokenSource from "../../src/client/TokenSource.ts"
import { interceptor } from "../../src/client/undici.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { clients, type Stage } from "./clients.ts"
import { bringIn, type Handler, keeper, server, upstream } from "./world.ts"

const handler: Handler = (request, response) => {
  if (request.url?.startsWith("/api/more"))
    return response.writeHead(403, { "www-authenticate": 'Bearer error="insufficient_scope", scope="a b"' }).end()
  let size = 0
  request.on("data", (chunk: Buffer) => (size += chunk.length))
  request.on("end", () => response.end(`got ${size}`))
}

const making = Effect.gen(function* () {
  const as = yield* server()
  const kept = yield* keeper
  const up = yield* upstream(as, handler)
  const resource = `${up.url}/api`
  const grant = yield* bringIn(kept, as, "mine", { resource })
  const handle = kept.credential("mine")
  const stage: Stage = {
    name: "mine",
    resource,
    keeper: kept,
    handle,
    source: TokenSource.make(handle, Effect.runPromise),
  }
  return { as, up, stage, first: fingerprint(grant.accessToken) }
})

describe.each(clients)("a token by %s", (name, make) => {
  const isProxy = name === "the proxy"

  it.live("another one after a 401, once for all who met it", () =>
    Effect.gen(function* () {
      const { as, first, stage, up } = yield* making
      const { post } = yield* make(stage)
      up.refuses.add(first)
      const all = yield* Effect.all([post("/x", "abc"), post("/y", "abcd")], { concurrency: "unbounded" })
      assert.deepStrictEqual(all, [
        { status: 200, text: "got 3" },
        { status: 200, text: "got 4" },
      ])
      assert.lengthOf(as.server.presentations(), 1)
    }).pipe(Effect.scoped),
  )

  it.live("for a body that goes by once the refusal is told, and the next request has another token", () =>
    Effect.gen(function* () {
      const { as, first, stage, up } = yield* making
      const { events, stream } = yield* make(stage)
      up.refuses.add(first)
      // What the proxy keeps is kept by its length.
      const body = isProxy ? "x".repeat(limitBytes + 1) : "x"
      assert.strictEqual((yield* stream("/x", body)).status, isProxy ? 503 : 401)
      assert.deepStrictEqual(events, isProxy ? [] : [{ type: "NotReplayed", url: `${stage.resource}/x` }])
      // Nobody waits for it here, and it is under way all the same.
      while (as.server.presentations().length === 0) yield* Effect.sleep(5)
      assert.deepStrictEqual(yield* stream("/x", body), { status: 200, text: `got ${body.length}` })
      assert.lengthOf(as.server.presentations(), 1)
    }).pipe(Effect.scoped),
  )

  it.live("403 insufficient_scope is passed on and told, without the query, and refreshes nothing", () =>
    Effect.gen(function* () {
      const { as, stage } = yield* making
      const { events, post } = yield* make(stage)
      assert.strictEqual((yield* post("/more?secret=1", "x")).status, 403)
      const event = { type: "InsufficientScope", url: `${stage.resource}/more`, scope: "a b" }
      assert.deepStrictEqual(events as unknown, isProxy ? [] : [event])
      assert.lengthOf(as.server.presentations(), 0)
    }).pipe(Effect.scoped),
  )
})

it.live("undici: no other token of the caller's goes along, and none to another resource", () =>
  Effect.gen(function* () {
    const { first, stage, up } = yield* making
    const dispatcher = new undici.Agent().compose(interceptor(stage.source))
    const send = (url: string) =>
      Effect.tryPromise(async () => {
        const { body, statusCode } = await undici.request(url, {
          headers: { authorization: "Bearer other" },
          dispatcher,
        })
        await body.dump()
        return statusCode
      })
    assert.strictEqual(yield* send(`${stage.resource}/x`), 200)
    assert.include(String(yield* Effect.exit(send(`${up.url}/other`))), "ForeignResource")
    assert.deepStrictEqual(up.seen, [first])
    yield* Effect.promise(() => dispatcher.close())
  }).pipe(Effect.scoped),
)

it.live("Effect's HttpClient: a URL that others can read is an error in its channel", () =>
  Effect.gen(function* () {
    const { stage } = yield* making
    const plain = yield* Effect.provide(HttpClient.HttpClient, FetchHttpClient.layer)
    const error = yield* Effect.flip(HttpClientToken.withToken(stage.handle)(plain).get("http://example.com/"))
    assert.strictEqual(error.name, "ForeignResource")
  }).pipe(Effect.scoped),
)

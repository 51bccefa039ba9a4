/** Where the token goes, and where not, when a client of Effect follows redirects: itself, or by `HttpClient.followRedirects`. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as HttpClientToken from "../../src/client/httpClient.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { bringIn, keeper, server, upstream } from "./world.ts"

const none = fingerprint("")

const making = Effect.gen(function* () {
  const as = yield* server()
  const kept = yield* keeper
  const other = yield* upstream(as, (_, response) => response.end("another origin"))
  const up = yield* upstream(as, (request, response) => {
    const targets: Record<string, string> = {
      "/mcp/inside": "/mcp/there",
      "/mcp/outside": "/other",
      "/mcp/away": other.url,
    }
    const location = targets[request.url ?? ""]
    return location === undefined ? response.end(request.url) : response.writeHead(307, { location }).end()
  })
  const grant = yield* bringIn(kept, as, "mine", { resource: `${up.url}/mcp` })
  const withToken = HttpClientToken.withToken(kept.credential("mine"))
  return { as, up, other, withToken, first: fingerprint(grant.accessToken) }
})

const clientOf = (layer: Layer.Layer<HttpClient.HttpClient>) => Effect.provide(HttpClient.HttpClient, layer)

const manual = Layer.succeed(FetchHttpClient.RequestInit, { redirect: "manual" })

describe("the token and a redirect, in Effect's HttpClient", () => {
  it.live("fetch follows it: the token stays with its resource, and nothing is taken for its refusal", () =>
    Effect.gen(function* () {
      const { as, first, other, up, withToken } = yield* making
      const client = withToken(yield* clientOf(FetchHttpClient.layer))
      const post = (path: string) =>
        client.execute(HttpClientRequest.bodyText(HttpClientRequest.post(`${up.url}${path}`), "x"))
      assert.strictEqual(yield* (yield* post("/mcp/inside")).text, "/mcp/there")
      assert.strictEqual((yield* post("/mcp/outside")).status, 401)
      assert.strictEqual((yield* post("/mcp/away")).status, 401)
      assert.deepStrictEqual([up.seen, other.seen], [[first, first, first, none, first], [none]])
      assert.lengthOf(as.server.presentations(), 0)
    }).pipe(Effect.scoped),
  )

  it.live("fetch does not follow it where the program says so, and what else it says holds", () =>
    Effect.gen(function* () {
      const { first, up, withToken } = yield* making
      let calls = 0
      const counting: typeof globalThis.fetch = (input, init) => {
        calls++
        return globalThis.fetch(input, init)
      }
      const layer = FetchHttpClient.layer.pipe(
        Layer.provide(Layer.succeed(FetchHttpClient.Fetch, counting)),
        Layer.provide(manual),
      )
      const client = withToken(yield* clientOf(layer))
      assert.strictEqual((yield* client.get(`${up.url}/mcp/outside`)).status, 307)
      assert.deepStrictEqual([calls, up.seen], [1, [first]])
    }).pipe(Effect.scoped),
  )

  it.live.each([
    { name: "fetch", layer: Layer.provide(FetchHttpClient.layer, manual) },
    { name: "node:http", layer: NodeHttpClient.layerNodeHttp },
  ])("followRedirects below the token is told off, and goes to another origin without it: $name", ({ layer }) =>
    Effect.gen(function* () {
      const { as, first, other, up, withToken } = yield* making
      const client = withToken(HttpClient.followRedirects(yield* clientOf(layer)))
      assert.strictEqual(yield* (yield* client.get(`${up.url}/mcp/inside`)).text, "/mcp/there")
      assert.strictEqual((yield* client.get(`${up.url}/mcp/away`)).status, 401)
      const error = yield* Effect.flip(client.get(`${up.url}/mcp/outside`))
      assert.strictEqual(error.name, "ForeignResource")
      assert.include(error.message, "put followRedirects around withToken")
      assert.deepStrictEqual([up.seen.slice(0, 3), other.seen], [[first, first, first], [none]])
      assert.lengthOf(as.server.presentations(), 0)
    }).pipe(Effect.scoped),
  )

  it.live("followRedirects around the token, on any client: it is judged at each hop", () =>
    Effect.gen(function* () {
      const { first, other, up, withToken } = yield* making
      const client = HttpClient.followRedirects(withToken(yield* clientOf(NodeHttpClient.layerNodeHttp)))
      assert.strictEqual(yield* (yield* client.get(`${up.url}/mcp/inside`)).text, "/mcp/there")
      for (const path of ["/mcp/outside", "/mcp/away"])
        assert.strictEqual((yield* Effect.flip(client.get(`${up.url}${path}`))).name, "ForeignResource")
      assert.deepStrictEqual([up.seen, other.seen], [[first, first, first, first], []])
    }).pipe(Effect.scoped),
  )
})

it.live.each([
  { name: "node:http", layer: NodeHttpClient.layerNodeHttpOptions({ maxSockets: 1 }) },
  { name: "undici", layer: NodeHttpClient.layerUndiciOptions({ connections: 1 }) },
])("a 401 that is cured is let go of, though its body never ends: $name", ({ layer }) =>
  Effect.gen(function* () {
    const as = yield* server()
    const kept = yield* keeper
    let requests = 0
    const up = yield* upstream(as, (_, response) => {
      if (++requests === 1) response.writeHead(401).write("not you, and")
      else response.end("you")
    })
    yield* bringIn(kept, as, "mine")
    const plain = Context.get(yield* Layer.build(layer), HttpClient.HttpClient)
    const client = HttpClientToken.withToken(kept.credential("mine"))(plain)
    assert.strictEqual(yield* (yield* client.get(up.url)).text, "you")
  }).pipe(Effect.scoped),
)

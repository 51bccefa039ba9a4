/** From a URL to the authorization server, on a web where every server may lie. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { discover, type Target } from "../../src/signin/discovery.ts"
import { locations, pkceProblem } from "../../src/signin/metadata.ts"
import { type Host, publicAddress, web } from "./web.ts"

const metadata = (issuer: string, over: object = {}) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  code_challenge_methods_supported: ["S256"],
  ...over,
})

const host = (pages: Host["pages"], address = publicAddress): Host => ({ addresses: [address], pages })

const status =
  (status: number, headers: Record<string, string> = {}) =>
  () =>
    new Response(null, { status, headers })

const unauthorized = (challenge: string) => status(401, { "www-authenticate": challenge })

const wellKnown = "/.well-known/oauth-authorization-server"
const protectedResource = "/.well-known/oauth-protected-resource"

/** What came of it, and the requests in order. */
const run = (hosts: Readonly<Record<string, Host>>, target: Target, known?: string) => {
  const { layer, requests } = web(hosts)
  return Effect.map(Effect.result(discover(target, known)), (result) => ({ result, requests })).pipe(
    Effect.provide(layer),
  )
}

const failure = Effect.fnUntraced(function* (hosts: Readonly<Record<string, Host>>, target: Target) {
  const { result } = yield* run(hosts, target)
  assert.strictEqual(result._tag, "Failure")
  return result._tag === "Failure" ? result.failure : assert.fail()
})

const found = Effect.fnUntraced(function* (hosts: Readonly<Record<string, Host>>, target: Target, known?: string) {
  const { requests, result } = yield* run(hosts, target, known)
  if (result._tag === "Failure") assert.fail(result.failure.message)
  return { ...(result._tag === "Success" ? result.success : assert.fail()), requests }
})

describe("authorization server metadata", () => {
  it("is looked for in the order of the MCP specification", () => {
    assert.deepStrictEqual(locations(new URL("https://as.example")), [
      "https://as.example/.well-known/oauth-authorization-server",
      "https://as.example/.well-known/openid-configuration",
    ])
    assert.deepStrictEqual(locations(new URL("https://as.example/t/")), [
      "https://as.example/.well-known/oauth-authorization-server/t",
      "https://as.example/.well-known/openid-configuration/t",
      "https://as.example/t/.well-known/openid-configuration",
    ])
  })

  it.effect("each place counts, and a start page at a place before it does not", () =>
    Effect.gen(function* () {
      for (const [at, location] of locations(new URL("https://as.example/t")).entries()) {
        const pages = { [new URL(location).pathname]: metadata("https://as.example/t") }
        const { requests, server } = yield* found({ "as.example": host(pages) }, { issuer: "https://as.example/t" })
        assert.strictEqual(server.metadata.issuer, "https://as.example/t")
        assert.lengthOf(requests, at + 1)
      }
      const start = () => new Response("<html>", { headers: { "content-type": "text/html" } })
      const pages = { [wellKnown]: start, "/.well-known/openid-configuration": metadata("https://as.example") }
      yield* found({ "as.example": host(pages) }, { issuer: "https://as.example/" })
    }),
  )

  it.effect.each([500, 502, 503, 429, 408])("%s is trouble that passes, and never that there is none", (code) =>
    Effect.gen(function* () {
      const pages = {
        [wellKnown]: status(code, { "retry-after": "30" }),
        "/.well-known/openid-configuration": metadata("https://as.example"),
      }
      const error = yield* failure({ "as.example": host(pages) }, { issuer: "https://as.example" })
      assert.strictEqual(error.reason, "unavailable")
      assert.strictEqual(error.retryAt, 30_000)
    }),
  )

  it.effect("of another issuer is not used, and no other place is asked", () =>
    Effect.gen(function* () {
      const pages = {
        [wellKnown]: metadata("https://evil.example"),
        "/.well-known/openid-configuration": metadata("https://as.example"),
      }
      const { requests, result } = yield* run({ "as.example": host(pages) }, { issuer: "https://as.example" })
      assert.strictEqual(result._tag === "Failure" && result.failure.reason, "untrusted")
      assert.lengthOf(requests, 1)
    }),
  )

  it.effect("none anywhere: says where it looked, and what helps", () =>
    Effect.gen(function* () {
      const error = yield* failure({ "as.example": host({}) }, { issuer: "https://as.example/t" })
      assert.strictEqual(error.reason, "unsupported")
      for (const location of locations(new URL("https://as.example/t"))) assert.include(error.message, location)
      assert.include(error.message, "--token-endpoint")
    }),
  )

  it("says whether PKCE is checked there", () => {
    const problem = (methods: Array<string> | undefined, from: "metadata" | "person" = "metadata") =>
      pkceProblem({
        from,
        source: "public",
        metadata: { issuer: "https://a.example", ...(methods && { code_challenge_methods_supported: methods }) },
      })
    assert.isUndefined(problem(["plain", "S256"]))
    assert.isUndefined(problem(undefined, "person"))
    assert.include(problem(undefined), "does not say")
    assert.include(problem(["plain"]), "does not list S256")
  })
})

const as = host({ [wellKnown]: metadata("https://as.example") })
const prm = (over: object = {}) => ({
  resource: "https://mcp.example/mcp",
  authorization_servers: ["https://as.example"],
  scopes_supported: ["a", "b"],
  ...over,
})
const target = { mcp: "https://mcp.example/mcp" }

describe("an MCP server", () => {
  it.effect("names its metadata in the challenge, and its scopes there count", () =>
    Effect.gen(function* () {
      const challenge = 'Basic realm="x", Bearer resource_metadata="https://mcp.example/here", scope="c"'
      const pages = { "/mcp": unauthorized(challenge), "/here": prm() }
      const { requests, resource, scopes, server } = yield* found(
        { "mcp.example": host(pages), "as.example": as },
        target,
      )
      assert.strictEqual(resource, "https://mcp.example/mcp")
      assert.deepStrictEqual(scopes, ["c"])
      assert.strictEqual(server.metadata.token_endpoint, "https://as.example/token")
      assert.deepStrictEqual(requests.slice(0, 2), ["GET https://mcp.example/mcp", "GET https://mcp.example/here"])
    }),
  )

  it.effect("that is asked by POST only is asked so", () =>
    Effect.gen(function* () {
      const pages = {
        "/mcp": ({ method }: { method: string }) =>
          method === "POST" ? unauthorized('Bearer resource_metadata="https://mcp.example/here"')() : status(405)(),
        "/here": prm(),
      }
      const { scopes } = yield* found({ "mcp.example": host(pages), "as.example": as }, target)
      assert.deepStrictEqual(scopes, ["a", "b"])
    }),
  )

  it.effect.each([`${protectedResource}/mcp`, protectedResource])("has its metadata at %s", (path) =>
    Effect.gen(function* () {
      const pages = { "/mcp": unauthorized("Bearer"), [path]: prm({ resource: "https://mcp.example" }) }
      const { resource } = yield* found({ "mcp.example": host(pages), "as.example": as }, target)
      assert.strictEqual(resource, "https://mcp.example")
    }),
  )

  it.effect("of 2025-03-26 is its own authorization server, and its URL is the resource", () =>
    Effect.gen(function* () {
      const pages = { "/mcp": unauthorized("Bearer"), [wellKnown]: metadata("https://mcp.example") }
      const { resource, server, steps } = yield* found(
        { "mcp.example": host(pages) },
        { mcp: "https://MCP.example/mcp#x" },
      )
      assert.strictEqual(resource, "https://mcp.example/mcp")
      assert.strictEqual(server.metadata.issuer, "https://mcp.example")
      assert.include(steps[0], "2025-03-26")
    }),
  )

  it.effect.each(["https://mcp.example/mc", "https://evil.example/mcp", "http://mcp.example/mcp", undefined])(
    "whose metadata is for %s is not believed",
    (resource) =>
      Effect.gen(function* () {
        const pages = { "/mcp": unauthorized("Bearer"), [`${protectedResource}/mcp`]: prm({ resource }) }
        const error = yield* failure({ "mcp.example": host(pages), "as.example": as }, target)
        assert.strictEqual(error.reason, "untrusted")
      }),
  )

  it.effect("with several authorization servers: the bound one, else the named one, else the first", () =>
    Effect.gen(function* () {
      const issuers = ["https://other.example", "https://as.example"]
      const hosts = {
        "mcp.example": host({ "/mcp": status(401), [protectedResource]: prm({ authorization_servers: issuers }) }),
        "as.example": as,
        "other.example": host({ [wellKnown]: metadata("https://other.example") }),
      }
      assert.strictEqual((yield* found(hosts, target)).server.metadata.issuer, "https://other.example")
      assert.strictEqual(
        (yield* found(hosts, target, "https://as.example")).server.metadata.issuer,
        "https://as.example",
      )
      const named = { ...target, issuer: "https://as.example/" }
      assert.strictEqual((yield* found(hosts, named)).server.metadata.issuer, "https://as.example")
      assert.strictEqual((yield* failure(hosts, { ...target, issuer: "https://x.example" })).reason, "untrusted")
    }),
  )
})

describe("a hostile URL", () => {
  const internal = { "/secret": prm(), [wellKnown]: metadata("http://10.0.0.1") }
  it.effect.each<[string, string, Readonly<Record<string, Host>>]>([
    ["a private address", "https://10.0.0.1/secret", { "10.0.0.1": host(internal, "10.0.0.1") }],
    ["this machine", "http://127.0.0.1:9/secret", { "127.0.0.1:9": host(internal, "127.0.0.1") }],
    ["this machine by name", "https://localhost/secret", { localhost: host(internal, "127.0.0.1") }],
    ["the cloud's own", "https://169.254.169.254/secret", { "169.254.169.254": host(internal, "169.254.169.254") }],
    ["a name that leads inside", "https://inside.example/secret", { "inside.example": host(internal, "192.168.0.7") }],
    [
      "a name that leads inside as well",
      "https://both.example/secret",
      { "both.example": { addresses: [publicAddress, "::ffff:127.0.0.1"], pages: internal } },
    ],
    [
      "a redirect inside",
      "https://mcp.example/away",
      { "10.0.0.1": host(internal, "10.0.0.1"), "mcp.example": host({}) },
    ],
    ["no encryption", "http://mcp.example/secret", { "mcp.example": host(internal) }],
    ["another scheme", "file:///etc/passwd", {}],
    ["endless redirects", "https://mcp.example/round", {}],
  ])("%s is not asked", ([_what, url, hosts]) =>
    Effect.gen(function* () {
      const { requests, result } = yield* run(
        {
          "as.example": as,
          ...hosts,
          "mcp.example": host({
            "/mcp": unauthorized(`Bearer resource_metadata="${url}"`),
            "/away": status(302, { location: "https://10.0.0.1/secret" }),
            "/round": status(302, { location: "/round" }),
          }),
        },
        target,
      )
      assert.strictEqual(result._tag === "Failure" && result.failure.reason, "untrusted")
      assert.isFalse(requests.some((request) => request.endsWith("/secret")))
    }),
  )

  it.effect("endpoints of a public server inside are not asked either, but a private server may name them", () =>
    Effect.gen(function* () {
      const hosts = (address: string) => ({
        "mcp.example": host({ "/mcp": status(401), [protectedResource]: prm() }, address),
        "as.example": host({ [wellKnown]: metadata("https://as.example") }, "10.1.2.3"),
      })
      assert.strictEqual((yield* failure(hosts(publicAddress), target)).reason, "untrusted")
      assert.strictEqual((yield* found(hosts("10.0.0.9"), target)).server.source, "private")
    }),
  )

  it.effect("that a person typed is theirs", () =>
    Effect.gen(function* () {
      const hosts = { "10.0.0.1": host({ [wellKnown]: metadata("https://10.0.0.1") }, "10.0.0.1") }
      assert.strictEqual((yield* found(hosts, { issuer: "https://10.0.0.1" })).server.source, "private")
    }),
  )

  it.effect("an answer without end is given up", () =>
    Effect.gen(function* () {
      const flood = () =>
        new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }))
      const error = yield* failure({ "as.example": host({ [wellKnown]: flood }) }, { issuer: "https://as.example" })
      assert.include(error.message, "1 MiB")
    }),
  )
})

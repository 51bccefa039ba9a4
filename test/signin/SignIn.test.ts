/** What a sign-in does with what it finds, over a web that does as the test says. The browser's way back is a real one. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import type { Request } from "../../src/signin/SignIn.ts"
import { type Host, publicAddress, web } from "./web.ts"
import { type Script, world } from "./world.ts"

const issuer = "https://as.example"

interface Server {
  readonly metadata?: object
  /** The answer of the token endpoint to one request. */
  readonly token?: (body: URLSearchParams) => object | Response
  readonly pages?: Host["pages"]
}

const grant = (over: object = {}) => ({ access_token: "at-1", refresh_token: "rt-1", token_type: "Bearer", ...over })

const server = ({ metadata, pages, token }: Server = {}): Host => ({
  addresses: [publicAddress],
  pages: {
    "/.well-known/oauth-authorization-server": {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      device_authorization_endpoint: `${issuer}/device`,
      code_challenge_methods_supported: ["S256"],
      ...metadata,
    },
    "/token": ({ body }) => {
      const answer = token?.(body) ?? grant()
      return answer instanceof Response ? answer : Response.json(answer)
    },
    ...pages,
  },
})

const oauthError = (error: string, status = 400) => Response.json({ error }, { status })

/** Comes back with a code, as a browser does whose person agrees to everything. */
const comeBack = (url: string, over: Record<string, string> = {}) => {
  const { searchParams } = new URL(url)
  const answer = new URLSearchParams({ code: "code-1", state: searchParams.get("state")!, ...over })
  return fetch(`${searchParams.get("redirect_uri")}?${answer}`)
}

const client = { clientId: "abc", authMethod: "none" } as const
const request: Request = { name: "a", target: { issuer }, client, scopes: ["mail"] }

const signingIn = (hosts: Readonly<Record<string, Host>>, script: Script = {}) => {
  const { layer, requests } = web(hosts)
  return Effect.map(world({ network: layer, onVisit: (url) => comeBack(url), ...script }), (made) => ({
    ...made,
    requests,
  }))
}

const failed = <A>(login: Effect.Effect<A, unknown>) =>
  Effect.map(Effect.flip(login), (error) => error as { readonly reason: string; readonly message: string })

describe("after the browser", () => {
  it.live("no refresh token: says so, why, and how to ask again", () =>
    Effect.gen(function* () {
      const { signIn } = yield* signingIn({
        "as.example": server({ token: () => ({ access_token: "at-1", token_type: "Bearer" }) }),
      })
      const { credential, noRefreshToken } = yield* signIn.login(request)
      assert.strictEqual(credential.generation, 1)
      assert.match(noRefreshToken?.again ?? "", /^tokenkeep login a --add-scope offline_access$/)
      assert.notStrictEqual(noRefreshToken?.why, "")
    }).pipe(Effect.scoped),
  )

  it.live("a server like Google: its profile gets a refresh token, the generic one warns", () =>
    Effect.gen(function* () {
      let asked = new URLSearchParams()
      const google = server({
        token: () => {
          const both = asked.get("access_type") === "offline" && asked.get("prompt") === "consent"
          return both ? grant() : { access_token: "at-1", token_type: "Bearer", expires_in: 3600 }
        },
        metadata: { scopes_supported: ["openid", "email", "mail"] },
      })
      const script: Script = {
        onVisit: (url) => {
          asked = new URL(url).searchParams
          return comeBack(url)
        },
      }
      const { signIn } = yield* signingIn({ "as.example": google }, script)
      const generic = yield* signIn.login({ ...request, name: "generic" })
      assert.isDefined(generic.noRefreshToken)
      const known = yield* signIn.login({ ...request, name: "google", provider: "google" })
      assert.isUndefined(known.noRefreshToken)
      assert.notInclude(asked.get("scope"), "offline_access")
      // The person's word wins, and then the warning names what was left out.
      const params = { prompt: "none" }
      const own = yield* signIn.login({ ...request, name: "own", provider: "google", authorizeParams: params })
      assert.include(own.noRefreshToken?.again, "--authorize-param prompt=consent")
    }).pipe(Effect.scoped),
  )

  it.live("a refresh token that still works is not given up for none", () =>
    Effect.gen(function* () {
      let gives = true
      const token = () => (gives ? grant() : { access_token: "at-2", token_type: "Bearer" })
      const { keeper, signIn } = yield* signingIn({ "as.example": server({ token }) })
      yield* signIn.login(request)
      gives = false
      const error = yield* failed(signIn.login({ name: "a" }))
      assert.strictEqual(error.reason, "refused")
      assert.include(error.message, "tokenkeep logout a")
      assert.strictEqual((yield* keeper.status("a")).credential.generation, 1)
    }).pipe(Effect.scoped),
  )

  it.live("tells which scopes were withheld and which nobody asked for", () =>
    Effect.gen(function* () {
      const token = () => grant({ scope: "mail extra" })
      const { signIn } = yield* signingIn({ "as.example": server({ token }) })
      const { credential, unasked, withheld } = yield* signIn.login({ ...request, scopes: ["mail", "files"] })
      assert.deepStrictEqual([withheld, unasked], [["files"], ["extra"]])
      assert.strictEqual(credential.tokens.scope, "mail extra")
    }).pipe(Effect.scoped),
  )

  it.live("what was kept stays when the sign-in fails", () =>
    Effect.gen(function* () {
      let answer: () => object | Response = () => grant()
      const { keeper, requests, signIn } = yield* signingIn({ "as.example": server({ token: () => answer() }) })
      yield* signIn.login(request)
      for (const [next, reason] of [
        [() => oauthError("invalid_grant"), "refused"],
        [() => new Response("busy", { status: 503 }), "unavailable"],
        [() => new Response("<html>"), "refused"],
      ] as const) {
        answer = next
        assert.strictEqual((yield* failed(signIn.login({ name: "a" }))).reason, reason)
        assert.strictEqual((yield* keeper.status("a")).credential.generation, 1)
      }
      assert.isFalse(requests.some((each) => each.includes("revoke")))
    }).pipe(Effect.scoped),
  )

  it.live("others join the sign-in that is under way", () =>
    Effect.gen(function* () {
      let visits = 0
      const { signIn } = yield* signingIn(
        { "as.example": server() },
        {
          onVisit: (url) => {
            visits++
            return comeBack(url)
          },
        },
      )
      const outcomes = yield* Effect.all([signIn.login(request), signIn.login(request), signIn.login(request)], {
        concurrency: "unbounded",
      })
      assert.strictEqual(visits, 1)
      assert.deepStrictEqual(
        outcomes.map(({ credential }) => credential.generation),
        [1, 1, 1],
      )
    }).pipe(Effect.scoped),
  )

  it.live("a person who joins a sign-in that is given up hears of it", () =>
    Effect.gen(function* () {
      const { signIn, visited } = yield* signingIn({ "as.example": server() }, { onVisit: async () => undefined })
      const first = yield* Effect.forkChild(signIn.login(request))
      yield* visited
      const second = yield* Effect.forkChild(Effect.flip(signIn.login(request)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* Fiber.join(second))._tag, "SignInFailed")
    }).pipe(Effect.scoped),
  )
})

describe("whom it trusts", () => {
  const mcp = (as: string): Host => ({
    addresses: [publicAddress],
    pages: {
      "/mcp": () => new Response(null, { status: 401 }),
      "/.well-known/oauth-protected-resource/mcp": {
        resource: "https://mcp.example/mcp",
        authorization_servers: [as],
        scopes_supported: ["read"],
      },
    },
  })

  it.live("an MCP server: its resource is named everywhere, and its scopes are asked for", () =>
    Effect.gen(function* () {
      const bodies: Array<URLSearchParams> = []
      const token = (body: URLSearchParams) => {
        bodies.push(body)
        return grant({ refresh_token: `rt-${bodies.length}` })
      }
      const { keeper, signIn, visited } = yield* signingIn({
        "as.example": server({ token, metadata: { scopes_supported: ["read", "offline_access"] } }),
        "mcp.example": mcp(issuer),
      })
      yield* signIn.login({ name: "a", target: { mcp: "https://mcp.example/mcp" }, client })
      const asked = new URL(yield* visited).searchParams
      assert.strictEqual(asked.get("scope"), "read offline_access")
      const { token: first } = yield* keeper.credential("a").access()
      yield* keeper.credential("a").refused(Redacted.value(first))
      const resources = [asked, ...bodies].map((each) => each.get("resource"))
      assert.deepStrictEqual(
        resources,
        Array.from({ length: 3 }, () => "https://mcp.example/mcp"),
      )
    }).pipe(Effect.scoped),
  )

  it.live("an authorization server that has changed is told, and gets nothing", () =>
    Effect.gen(function* () {
      const evil = server({ metadata: { issuer: "https://new.example", token_endpoint: "https://new.example/token" } })
      const hosts = { "as.example": server(), "new.example": evil, "mcp.example": mcp(issuer) }
      const { requests, signIn } = yield* signingIn(hosts)
      const target = { mcp: "https://mcp.example/mcp" }
      yield* signIn.login({ name: "a", target, client })
      hosts["mcp.example"] = mcp("https://new.example")
      const error = yield* failed(signIn.login({ name: "a" }))
      assert.strictEqual(error.reason, "untrusted")
      assert.include(error.message, "tokenkeep login a --issuer https://new.example")
      assert.isFalse(requests.some((each) => each.startsWith("POST https://new.example")))
      // A person who says so is believed, but the client of the old server is not shown to the new one.
      const named = yield* failed(signIn.login({ name: "a", target: { ...target, issuer: "https://new.example" } }))
      assert.include(named.message, "--client-id")
    }).pipe(Effect.scoped),
  )

  it.live("another server under the same name gets nothing of what is kept for the first", () =>
    Effect.gen(function* () {
      const bodies: Array<URLSearchParams> = []
      const token = (body: URLSearchParams) => {
        bodies.push(body)
        return grant()
      }
      const new_ = "https://new.example"
      const other = server({
        token,
        metadata: { issuer: new_, token_endpoint: `${new_}/token`, registration_endpoint: `${new_}/register` },
        pages: { "/register": () => Response.json({ client_id: "theirs" }, { status: 201 }) },
      })
      const { signIn } = yield* signingIn({ "as.example": server(), "new.example": other })
      const clientSecret = Redacted.make("secret-of-the-first")
      yield* signIn.login({
        ...request,
        client: { clientId: "abc", clientSecret, authMethod: "client_secret_post" },
        provider: "generic",
        authorizeParams: { hint: "first" },
      })
      const { credential } = yield* signIn.login({ name: "a", target: { issuer: new_ } })
      assert.strictEqual(credential.client.clientId, "theirs")
      assert.deepStrictEqual(credential.signedIn?.authorizeParams, {})
      assert.notInclude(bodies.map(String).join(), "secret-of-the-first")
    }).pipe(Effect.scoped),
  )

  it.live("a server that does not say that it checks PKCE is refused, unless a person insists", () =>
    Effect.gen(function* () {
      const { signIn, told } = yield* signingIn({
        "as.example": server({ metadata: { code_challenge_methods_supported: undefined } }),
      })
      const error = yield* failed(signIn.login(request))
      assert.strictEqual(error.reason, "unsupported")
      assert.include(error.message, "--allow-missing-pkce-metadata")
      yield* signIn.login({ ...request, allowMissingPkce: true })
      assert.isTrue(told.some((text) => text.startsWith("WARNING: ")))
    }).pipe(Effect.scoped),
  )

  it.live("endpoints that a person names need no metadata, and are known again", () =>
    Effect.gen(function* () {
      const { requests, signIn } = yield* signingIn({ "as.example": server() })
      const endpoints = { tokenEndpoint: `${issuer}/token`, authorizationEndpoint: `${issuer}/authorize` }
      yield* signIn.login({ name: "a", target: { endpoints }, client })
      yield* signIn.login({ name: "a" })
      assert.deepStrictEqual(requests, [`POST ${issuer}/token`, `POST ${issuer}/token`])
    }).pipe(Effect.scoped),
  )

  it.live.each(["state", "code_challenge", "redirect_uri"])("--authorize-param does not reach %s", (name) =>
    Effect.gen(function* () {
      const { signIn } = yield* signingIn({ "as.example": server() })
      const error = yield* failed(signIn.login({ ...request, authorizeParams: { [name]: "x" } }))
      assert.strictEqual(error.reason, "invalid")
    }).pipe(Effect.scoped),
  )
})

describe("by the word of an identity provider", () => {
  const idp = "https://idp.example"
  const urn = "urn:ietf:params:oauth"

  /** Two servers: one where the person is signed in, and one that takes its word. */
  const enterprise = () => {
    const exchanged: Array<URLSearchParams> = []
    const assertions: Array<string> = []
    let minted = 0
    const provider = server({
      metadata: { issuer: idp, authorization_endpoint: `${idp}/authorize`, token_endpoint: `${idp}/token` },
      token: (body) => {
        if (body.get("grant_type") === "refresh_token") {
          return body.get("refresh_token") === "rt-idp"
            ? grant({ access_token: "at-idp-2", refresh_token: "rt-idp-2" })
            : oauthError("invalid_grant")
        }
        if (body.get("grant_type") !== `${urn}:grant-type:token-exchange`) {
          return grant({ access_token: "at-idp", refresh_token: "rt-idp", expires_in: 3600 })
        }
        exchanged.push(body)
        assertions.push(`jag-${exchanged.length}`)
        return {
          access_token: assertions.at(-1),
          issued_token_type: `${urn}:token-type:id-jag`,
          token_type: "N_A",
          expires_in: 60,
        }
      },
    })
    const resource = server({
      token: (body) =>
        body.get("grant_type") === `${urn}:grant-type:jwt-bearer` && assertions.pop() === body.get("assertion")
          ? { access_token: `at-mcp-${++minted}`, token_type: "Bearer", expires_in: 300 }
          : oauthError("invalid_grant"),
    })
    return { exchanged, hosts: { "idp.example": provider, "as.example": resource } }
  }

  it.live("each token is minted by two requests, for as long as the parent lives", () =>
    Effect.gen(function* () {
      const { exchanged, hosts } = enterprise()
      const { keeper, signIn } = yield* signingIn(hosts)
      yield* signIn.login({ ...request, name: "work", target: { issuer: idp } })
      const { credential, noRefreshToken } = yield* signIn.login({ ...request, name: "mcp", parent: "work" })
      assert.isUndefined(noRefreshToken)
      assert.isUndefined(credential.tokens.refreshToken)
      assert.deepStrictEqual(
        [exchanged[0]?.get("audience"), exchanged[0]?.get("subject_token"), exchanged[0]?.get("scope")],
        [issuer, "at-idp", "mail"],
      )
      const handle = keeper.credential("mcp")
      const first = yield* handle.access()
      const second = yield* handle.refused(Redacted.value(first.token))
      assert.strictEqual(second.generation, 2)
      assert.lengthOf(exchanged, 2)
      // The same again by its name, and the parent's newer token by then.
      yield* keeper.credential("work").refused("at-idp")
      yield* signIn.login({ name: "mcp" })
      assert.strictEqual(exchanged.at(-1)?.get("subject_token"), "at-idp-2")
      // Better is its ID token, while that is valid.
      const { credential: parent } = yield* keeper.status("work")
      for (const [exp, type] of [
        [4_102_444_800, "id_token"],
        [1, "access_token"],
      ] as const) {
        const idToken = Redacted.make(`e30.${Buffer.from(JSON.stringify({ exp })).toString("base64url")}.x`)
        yield* keeper.put({ ...parent, tokens: { ...parent.tokens, idToken } })
        yield* signIn.login({ name: "mcp" })
        assert.strictEqual(exchanged.at(-1)?.get("subject_token_type"), `${urn}:token-type:${type}`)
      }
    }).pipe(Effect.scoped),
  )

  it.live("a parent that has ended is named, and the child is not condemned for it", () =>
    Effect.gen(function* () {
      const { exchanged, hosts } = enterprise()
      const { keeper, signIn } = yield* signingIn(hosts)
      const { credential: parent } = yield* signIn.login({ ...request, name: "work", target: { issuer: idp } })
      yield* signIn.login({ ...request, name: "mcp", parent: "work" })
      const ended = { _tag: "Known", at: 1 } as const
      yield* keeper.put({
        ...parent,
        tokens: { ...parent.tokens, refreshToken: Redacted.make("rt-dead"), expiry: ended },
      })
      const handle = keeper.credential("mcp")
      const { token } = yield* handle.access()
      const error = yield* Effect.flip(handle.refused(Redacted.value(token)))
      assert.strictEqual(error._tag, "TemporarilyUnavailable")
      assert.include(error.message, "tokenkeep login work")
      assert.lengthOf(exchanged, 1)
      assert.isUndefined((yield* keeper.status("mcp")).credential.verdict)
      const again = yield* failed(signIn.login({ name: "mcp" }))
      assert.strictEqual(again.reason, "expired")
    }).pipe(Effect.scoped),
  )
})

describe("which client", () => {
  const registering = (over: Server = {}) => {
    const registered: Array<object> = []
    const clients = new Set<string>()
    const host = server({
      ...over,
      metadata: { registration_endpoint: `${issuer}/register`, ...over.metadata },
      pages: {
        "/register": () => {
          const client_id = `client-${registered.length + 1}`
          clients.add(client_id)
          registered.push({ client_id })
          return Response.json({ client_id, token_endpoint_auth_method: "none" }, { status: 200 })
        },
        ...over.pages,
      },
      token: (body) => (clients.has(body.get("client_id")!) ? grant() : oauthError("invalid_client", 401)),
    })
    return { host, registered, clients }
  }

  it.live("one that the server has forgotten is registered anew", () =>
    Effect.gen(function* () {
      const { clients, host, registered } = registering()
      const { signIn, told } = yield* signingIn({ "as.example": host })
      const { client: _, ...unregistered } = request
      yield* signIn.login(unregistered)
      clients.clear()
      const { credential } = yield* signIn.login({ name: "a" })
      assert.strictEqual(credential.client.clientId, "client-2")
      assert.lengthOf(registered, 2)
      assert.isTrue(told.some((text) => text.includes("forgotten")))
    }).pipe(Effect.scoped),
  )

  it.live("a metadata document before a registration, where the server takes one", () =>
    Effect.gen(function* () {
      const clientDocument = "https://me.example/client.json"
      const document = { client_id: clientDocument, client_name: "me", redirect_uris: ["http://127.0.0.1/callback"] }
      const me: Host = { addresses: [publicAddress], pages: { "/client.json": document } }
      const { client: _, ...unregistered } = request

      const plain = registering()
      const first = yield* signingIn({ "as.example": plain.host, "me.example": me })
      assert.strictEqual(
        (yield* first.signIn.login({ ...unregistered, clientDocument })).credential.client.clientId,
        "client-1",
      )

      const { clients, host, registered } = registering({ metadata: { client_id_metadata_document_supported: true } })
      clients.add(clientDocument)
      const second = yield* signingIn({ "as.example": host, "me.example": me })
      const { credential } = yield* second.signIn.login({ ...unregistered, clientDocument })
      assert.strictEqual(credential.client.clientId, clientDocument)
      assert.lengthOf(registered, 0)
    }).pipe(Effect.scoped),
  )

  it.live("none to be had: says how to give one", () =>
    Effect.gen(function* () {
      const { signIn } = yield* signingIn({ "as.example": server() })
      const { client: _, ...unregistered } = request
      const error = yield* failed(signIn.login(unregistered))
      assert.strictEqual(error.reason, "unsupported")
      assert.include(error.message, "--client-id")
    }).pipe(Effect.scoped),
  )
})

describe("time", () => {
  it.effect("nobody comes back for five minutes", () =>
    Effect.gen(function* () {
      const { keeper, signIn, visited } = yield* signingIn(
        { "as.example": server() },
        { onVisit: async () => undefined },
      )
      const login = yield* Effect.forkChild(Effect.flip(signIn.login(request)))
      const url = yield* visited
      yield* TestClock.adjust("5 minutes")
      const error = yield* Fiber.join(login)
      assert.strictEqual(error._tag === "SignInFailed" && error.reason, "expired")
      // Nobody listens any more.
      const late = yield* Effect.exit(Effect.tryPromise(() => comeBack(url)))
      assert.strictEqual(late._tag, "Failure")
      assert.strictEqual((yield* Effect.flip(keeper.status("a")))._tag, "CredentialNotFound")
    }).pipe(Effect.scoped),
  )

  const device = { device_code: "d", user_code: "ABCD", verification_uri: `${issuer}/go`, expires_in: 60, interval: 5 }

  /** Answers the questions at the token endpoint one after the other, and when each came. */
  const polled = Effect.fnUntraced(function* (answers: ReadonlyArray<string | object>, over: object = {}) {
    const at: Array<number> = []
    let now = 0
    const host = server({
      pages: { "/device": { ...device, ...over } },
      token: () => {
        at.push(now)
        const answer = answers[Math.min(at.length, answers.length) - 1]!
        return typeof answer === "string" ? oauthError(answer, answer === "busy" ? 503 : 400) : (answer as object)
      },
    })
    const { signIn } = yield* signingIn({ "as.example": host })
    const login = yield* Effect.forkChild(Effect.result(signIn.login({ ...request, way: "device" })))
    for (; now <= 120; now++) {
      // Lets the promises of the request before this second come to an end.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("1 second")
    }
    return { at: at.map((each) => each + 1), result: yield* Fiber.join(login) }
  })

  const outcome = (result: { _tag: string }) =>
    result._tag === "Success" ? "Success" : (result as unknown as { failure: { reason: string } }).failure.reason

  it.effect.each<[string, ReadonlyArray<string | object>, ReadonlyArray<number>, string]>([
    ["pending", ["authorization_pending", "authorization_pending", grant()], [5, 10, 15], "Success"],
    ["slow_down counts from then on", ["slow_down", "authorization_pending", grant()], [5, 15, 25], "Success"],
    ["trouble doubles the pause", ["busy", "busy", grant()], [5, 15, 35], "Success"],
    ["the person says no", ["access_denied"], [5], "denied"],
    ["the server says it is over", ["expired_token"], [5], "expired"],
    ["our own clock says so", ["authorization_pending"], [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55], "expired"],
    ["an error that no patience mends", ["invalid_client"], [5], "refused"],
  ])("device code: %s", ([_what, answers, times, expected]) =>
    Effect.gen(function* () {
      const { at, result } = yield* polled(answers)
      assert.deepStrictEqual(at, times)
      assert.strictEqual(outcome(result), expected)
    }).pipe(Effect.scoped),
  )

  it.effect("device code: Google's spelling, and no interval", () =>
    Effect.gen(function* () {
      const over = { verification_uri: undefined, verification_url: `${issuer}/go`, interval: undefined }
      const { at, result } = yield* polled([grant()], over)
      assert.deepStrictEqual([at, outcome(result)], [[5], "Success"])
    }).pipe(Effect.scoped),
  )

  it.effect("device code: an address that nobody should open is not shown", () =>
    Effect.gen(function* () {
      const { at, result } = yield* polled([grant()], { verification_uri: "javascript:alert(1)" })
      assert.deepStrictEqual([at, outcome(result)], [[], "untrusted"])
    }).pipe(Effect.scoped),
  )
})

/** `tokenkeep/mcp` under both real SDK lines: logins, dead grants, headless programs, and what goes around it. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Two from "@modelcontextprotocol/client"
import * as One from "@modelcontextprotocol/sdk/client/auth.js"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import { InsufficientScope, LoginFailed, mcpAuth, type WithLogin } from "../../src/client/mcp.ts"
import { html } from "../../src/testing/answers.ts"
import type { Fault } from "../../src/testing/Fault.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { authorizationServer } from "../../src/testing/metadata.ts"
import { clientWith, finishAuth, type Line } from "./mcp/clients.ts"
import { world } from "./mcp/world.ts"

const redirectUrl = "http://127.0.0.1:1/callback"
const clientInformation = { client_id: "client" }
const lines: ReadonlyArray<Line> = ["1.x", "2.x"]
const down: Fault = { processed: false, answer: html(500, "Internal Server Error"), times: 1_000 }

type World = Effect.Success<ReturnType<typeof world>>

/** A world, and a grant in it that is kept as "mcp" unless a test wants to sign in first. */
const inWorld = (
  use: (world: World & { readonly grant: ReturnType<World["as"]["server"]["grant"]> }) => Promise<void>,
  imported = true,
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    // The SDK says on the console what it does about a failure.
    vi.spyOn(console, "warn").mockImplementation(() => undefined)
    const clients = [{ clientId: "client", redirectUris: [redirectUrl] }]
    const made = yield* world({ clients })
    const { as, keeper, resource } = made
    const grant = as.server.grant({ resource: resource.url }, Date.now())
    const document = JSON.stringify(grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint }))
    yield* Effect.promise(async () => {
      if (imported) await keeper.import("mcp", JSON.parse(document))
      await use({ ...made, grant })
    })
    assert.strictEqual(resource.strayTokens(), 0, "a token went somewhere else than to the MCP server")
  })

const authOf = ({ keeper, resource }: World) => mcpAuth(keeper, { credential: "mcp", server: resource.url })

const rejection = async (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (error: unknown) => error as Error,
  )

/** The error code of RFC 6749, as either line has it. */
const codeOf = (error: Error): unknown =>
  "errorCode" in error ? error.errorCode : (error as Error & { readonly code?: unknown }).code

const challengeOfV = Crypto.createHash("sha256").update("v").digest("base64url")

/** As a person's browser would: the simulated server consents at once. */
const browse = async (url: URL): Promise<string> => {
  const { headers } = await fetch(url, { redirect: "manual" })
  return headers.get("location") ?? ""
}

const finish = async (line: Line, { resource }: World, auth: WithLogin, url: URL): Promise<void> => {
  const { code, iss } = auth.callback(await browse(url))
  await finishAuth(line, resource.url, auth, code, iss)
}

describe.each(lines)("tokenkeep/mcp under the MCP SDK %s", (line) => {
  const sdk = line === "1.x" ? One : (Two as unknown as typeof One)

  it.live("signs in by the SDK's own login, once for all who want to", () =>
    inWorld(async (stage) => {
      const { as, keeper, resource } = stage
      const opened: Array<URL> = []
      const auth = authOf(stage).withLogin({ redirectUrl, clientInformation, open: (url) => void opened.push(url) })
      const errors = await Promise.all(
        Array.from({ length: 10 }, () => rejection(clientWith(line, resource.url, auth))),
      )
      assert.deepStrictEqual([...new Set(errors.map(({ constructor }) => constructor.name))], ["UnauthorizedError"])
      assert.lengthOf(opened, 1)
      await finish(line, stage, auth, opened[0]!)

      const client = await clientWith(line, resource.url, auth)
      await client.call()
      const { credential } = await keeper.status("mcp")
      assert.deepInclude(credential, { issuer: as.url, resource: resource.url, tokenEndpoint: as.tokenEndpoint })
      // The refresh that follows is the Keeper's.
      as.server.revokeToken(await keeper.credential("mcp").token())
      await Promise.all([client.call(), client.call()])
      const kinds = as.server.presentations().map(({ grantType }) => grantType)
      assert.deepStrictEqual(kinds, ["authorization_code", "refresh_token"])
      await client.close()
    }, false).pipe(Effect.scoped),
  )

  it.live("opens one browser for ten calls when the grant is dead, and keeps what is stored until then", () =>
    inWorld(async (stage) => {
      const { as, grant, keeper, resource } = stage
      const opened: Array<URL> = []
      const auth = authOf(stage).withLogin({ redirectUrl, clientInformation, open: (url) => void opened.push(url) })
      const client = await clientWith(line, resource.url, auth)
      await client.call()
      as.server.revokeGrant(grant.number)
      resource.spread(60)
      await Promise.all(Array.from({ length: 10 }, () => rejection(client.call())))
      assert.lengthOf(opened, 1)
      assert.lengthOf(as.server.presentations(), 1)
      const { credential } = await keeper.status("mcp")
      assert.strictEqual(credential.verdict?.reason, "rejected")
      assert.isDefined(credential.tokens.refreshToken)

      await finish(line, stage, auth, opened[0]!)
      await client.call()
      await client.close()
    }).pipe(Effect.scoped),
  )

  it.live("rejects with SignInRequired where there is nobody to sign in", () =>
    inWorld(async (stage) => {
      const { as, grant, resource } = stage
      const auth = authOf(stage)
      const faces = [{ fetch: auth.fetch }, auth.withLogin({ redirectUrl, clientInformation })]
      const all = line === "1.x" ? faces : [...faces, auth.withAuthProvider]
      const clients = await Promise.all(all.map((options) => clientWith(line, resource.url, options)))
      as.server.revokeGrant(grant.number)
      for (const { call } of clients) assert.strictEqual((await rejection(call())).name, "SignInRequired")
      for (const options of all) {
        assert.strictEqual((await rejection(clientWith(line, resource.url, options))).name, "SignInRequired")
      }
      assert.lengthOf(as.server.presentations(), 1)
      for (const { close } of clients) await close()
    }).pipe(Effect.scoped),
  )

  it.live("rejects with SignInRequired where nobody ever signed in, and says how to", () =>
    inWorld(async (stage) => {
      const { as, resource } = stage
      const auth = authOf(stage)
      const faces = [{ fetch: auth.fetch }, auth.withLogin({ redirectUrl, clientInformation })]
      for (const options of line === "1.x" ? faces : [...faces, auth.withAuthProvider]) {
        const error = await rejection(clientWith(line, resource.url, options))
        const advice = `tokenkeep login mcp --mcp ${resource.url}`
        assert.deepInclude(error as object, {
          name: "SignInRequired",
          reason: "notSignedIn",
          credential: "mcp",
          advice,
        })
        assert.include(error.message, `Next: ${advice}`)
      }
      assert.lengthOf(as.server.presentations(), 0)
    }, false).pipe(Effect.scoped),
  )

  it.live("sends its requests by the fetch that it is given, with the token and without", () =>
    inWorld(async ({ as, grant, keeper, resource }) => {
      const sent: Array<string> = []
      const own = async (url: string | URL, init?: RequestInit) => {
        const isWithToken = new Headers(init?.headers).has("authorization")
        sent.push(`${new URL(url).pathname}${isWithToken ? " with a token" : ""}`)
        return fetch(url, init)
      }
      const auth = mcpAuth(keeper, { credential: "mcp", server: resource.url, fetch: own })
      const client = await clientWith(line, resource.url, auth.withLogin({ redirectUrl, open: () => {} }))
      await client.call()
      await client.close()
      assert.deepStrictEqual([...new Set(sent)], ["/mcp with a token"])
      as.server.revokeGrant(grant.number)
      await rejection(clientWith(line, resource.url, auth.withLogin({ redirectUrl, open: () => {} })))
      assert.include(sent, "/.well-known/oauth-protected-resource/mcp")
    }).pipe(Effect.scoped),
  )

  it.live("does not believe an invalidation, and takes no tokens without a login", () =>
    inWorld(async (stage) => {
      const { keeper } = stage
      const { authProvider } = authOf(stage).withLogin({ redirectUrl, clientInformation, open: () => {} })
      const before = await authProvider.tokens()
      for (const scope of ["tokens", "all", "client", "verifier", "discovery"] as const) {
        authProvider.invalidateCredentials(scope)
      }
      authProvider.saveDiscoveryState({ authorizationServerUrl: stage.as.url })
      await authProvider.saveTokens({ access_token: "stranger", refresh_token: "stranger", token_type: "Bearer" })
      assert.deepStrictEqual(await authProvider.tokens(), before)
      assert.strictEqual((await keeper.status("mcp")).credential.generation, 1)
    }).pipe(Effect.scoped),
  )

  it.live("takes the echo of an answered refresh for nothing, even while a login is open", () =>
    inWorld(async (stage) => {
      const { as, keeper } = stage
      const { authProvider } = authOf(stage).withLogin({ redirectUrl, clientInformation, open: () => {} })
      const echo = (await authProvider.tokens())!
      authProvider.saveDiscoveryState({ authorizationServerUrl: as.url })
      authProvider.saveCodeVerifier("v")
      await authProvider.redirectToAuthorization(new URL(`${as.url}/authorize?code_challenge=${challengeOfV}`))
      await authProvider.saveTokens(echo)
      assert.strictEqual((await keeper.status("mcp")).credential.generation, 1)
      assert.strictEqual(authProvider.codeVerifier(), "v")
    }).pipe(Effect.scoped),
  )

  it.live(
    "does not let the SDK register again for a client that was turned away, and does not show it that client",
    () =>
      inWorld(async (stage) => {
        const { as, grant, keeper } = stage
        const { authProvider, fetch } = authOf(stage).withLogin({ redirectUrl, open: () => {} })
        assert.deepInclude(await authProvider.clientInformation(), { client_id: "client", issuer: as.url })
        as.server.script({ processed: false, answer: { trouble: "invalidClient" }, times: 1_000 })
        as.server.revokeToken(grant.accessToken)
        await rejection(keeper.credential("mcp").refused(grant.accessToken))
        const metadata = authorizationServer(as.url)
        const options = { metadata, clientInformation, refreshToken: "tokenkeep:mcp:1", fetchFn: fetch }
        assert.strictEqual(codeOf(await rejection(sdk.refreshAuthorization(as.url, options))), "invalid_request")
        assert.isUndefined(await authProvider.clientInformation())
      }).pipe(Effect.scoped),
  )

  it.live("shows the SDK a handle, and a refresh around Tokenkeep costs nothing", () =>
    inWorld(async (stage) => {
      const { as, grant, keeper, resource } = stage
      const opened: Array<URL> = []
      const { authProvider } = authOf(stage).withLogin({
        redirectUrl,
        clientInformation,
        open: (url) => void opened.push(url),
      })
      const shown = (await authProvider.tokens())?.refresh_token
      assert.strictEqual(shown, "tokenkeep:mcp:1")
      // With the global fetch, which nobody intercepts.
      await sdk.auth(authProvider, { serverUrl: resource.url }).catch(() => undefined)
      assert.deepStrictEqual([...new Set(as.server.presentations().map(({ was }) => was))], ["unknown"])
      assert.isTrue(as.server.inspect(grant.refreshToken!, Date.now()).honoured)
      as.server.revokeToken(grant.accessToken)
      assert.isString(await keeper.credential("mcp").refused(grant.accessToken))
    }).pipe(Effect.scoped),
  )

  it.live("answers the SDK's own refresh without a request, and tells a passing failure as one", () =>
    inWorld(async (stage) => {
      const { as, grant, keeper } = stage
      const auth = authOf(stage).withLogin({ redirectUrl, clientInformation, open: () => assert.fail("a browser") })
      const options = { clientInformation, refreshToken: "tokenkeep:mcp:1", fetchFn: auth.fetch }
      const metadata = authorizationServer(as.url)
      const refresh = () => sdk.refreshAuthorization(as.url, { ...options, metadata })
      assert.deepInclude(await refresh(), { access_token: grant.accessToken, refresh_token: "tokenkeep:mcp:1" })
      assert.lengthOf(as.server.presentations(), 0)

      as.server.script(down)
      as.server.revokeToken(grant.accessToken)
      await rejection(keeper.credential("mcp").refused(grant.accessToken))
      const error = await rejection(refresh())
      assert.strictEqual(codeOf(error), "temporarily_unavailable")
      assert.lengthOf(as.server.presentations(), 1)
    }).pipe(Effect.scoped),
  )

  it.live("does not refresh again and again for a stream that is always turned away", () =>
    inWorld(async (stage) => {
      const { as, resource } = stage
      const auth = authOf(stage).withLogin({ redirectUrl, clientInformation, open: () => assert.fail("a browser") })
      resource.refuseStreams(true)
      const client = await clientWith(line, resource.url, auth)
      await client.call().catch(() => undefined)
      await vi.waitFor(() => assert.isAtLeast(resource.refusals(), 2))
      await client.close()
      assert.isAtMost(as.server.presentations().length, 2)
    }).pipe(Effect.scoped),
  )
})

describe("the way back from the browser", () => {
  const opened = async (stage: World) => {
    const urls: Array<URL> = []
    const auth = authOf(stage).withLogin({
      redirectUrl,
      clientInformation,
      authorizeParams: { access_type: "offline" },
      open: (url) => void urls.push(url),
    })
    await rejection(clientWith("1.x", stage.resource.url, auth))
    return { auth, url: urls[0]!, urls }
  }

  it.live("is believed with the state and the issuer that the login went out with, and once", () =>
    inWorld(async (stage) => {
      const { auth, url } = await opened(stage)
      assert.strictEqual(url.searchParams.get("access_type"), "offline")
      const answer = new URL(await browse(url))
      const changed = (name: string, value: string | undefined) => {
        const other = new URL(answer)
        if (value === undefined) other.searchParams.delete(name)
        else other.searchParams.set(name, value)
        return () => auth.callback(other)
      }
      for (const wrong of [
        changed("state", "another"),
        changed("state", undefined),
        changed("iss", "https://evil.example"),
        changed("iss", undefined),
      ]) {
        assert.throws(wrong, LoginFailed)
      }
      assert.strictEqual(auth.callback(answer).code, answer.searchParams.get("code"))
      assert.throws(() => auth.callback(answer), LoginFailed)
    }, false).pipe(Effect.scoped),
  )

  it.live("says that a person declined, and the next call asks again", () =>
    inWorld(async (stage) => {
      const { auth, url, urls } = await opened(stage)
      stage.as.server.setConsent("deny")
      const answer = await browse(url)
      assert.throws(() => auth.callback(answer), /access_denied/)
      await rejection(clientWith("1.x", stage.resource.url, auth))
      assert.lengthOf(urls, 2)
    }, false).pipe(Effect.scoped),
  )

  it.live("is asked for again when the server does not take the code", () =>
    inWorld(async (stage) => {
      const { auth, url, urls } = await opened(stage)
      const { iss } = auth.callback(await browse(url))
      await rejection(finishAuth("1.x", stage.resource.url, auth, "another-code", iss))
      await rejection(clientWith("1.x", stage.resource.url, auth))
      assert.lengthOf(urls, 2)
    }, false).pipe(Effect.scoped),
  )

  it.live("asks a person for a scope, and says so where there is none", () =>
    inWorld(async (stage) => {
      const { authProvider } = authOf(stage).withLogin({ redirectUrl, clientInformation })
      const url = new URL("https://as.example/authorize?scope=files:write")
      const error = await rejection(authProvider.redirectToAuthorization(url))
      assert.instanceOf(error, InsufficientScope)
      assert.include(error.message, "files:write")
    }).pipe(Effect.scoped),
  )
})

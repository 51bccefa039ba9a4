/** What the SDKs' own runs do not reach: requests that look alike, and runs of a login that interleave. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Two from "@modelcontextprotocol/client"
import * as One from "@modelcontextprotocol/sdk/client/auth.js"
import * as Crypto from "node:crypto"
import { mcpAuth } from "../../src/client/mcp.ts"
import * as Login from "../../src/client/mcpLogin.ts"
import { CredentialNotFound, TemporarilyUnavailable } from "../../src/keeper/errors.ts"
import type { PromiseCredential, PromiseKeeper } from "../../src/promise.ts"

const origin = "https://mcp.example"
const metadata = {
  issuer: origin,
  authorization_endpoint: `${origin}/authorize`,
  token_endpoint: `${origin}/token`,
  registration_endpoint: `${origin}/register`,
  response_types_supported: ["code"],
}

const later = new TemporarilyUnavailable({ credential: "mcp", retryAt: 0, message: "later" })

/** A credential whose `fetch` says that it was asked, and a network that says what came to it. */
const stage = (server: string, error: Error = later) => {
  const credential = {
    name: "mcp",
    wrapFetch: () => async () => new Response("with a token"),
    token: async () => Promise.reject(error),
  } as unknown as PromiseCredential
  const keeper = { credential: () => credential, status: credential.token } as unknown as PromiseKeeper
  const sent: Array<string> = []
  vi.stubGlobal("fetch", async (url: string | URL, init?: RequestInit) => {
    sent.push(`${init?.method ?? "GET"} ${new URL(url).pathname}`)
    return Response.json({ client_id: `client-${sent.length}`, redirect_uris: [] }, { status: 201 })
  })
  return { auth: mcpAuth(keeper, { credential: "mcp", server }), sent }
}

const redirectUrl = "http://127.0.0.1:1/callback"

describe("the fetch of tokenkeep/mcp", () => {
  it("sends the token to the MCP server, and to nothing else at its origin", async () => {
    const { auth, sent } = stage(origin)
    const { authProvider, fetch } = auth.withLogin({ redirectUrl, open: () => {} })
    authProvider.saveDiscoveryState({ authorizationServerUrl: origin, authorizationServerMetadata: metadata })
    const form = { method: "POST", body: new URLSearchParams({ grant_type: "authorization_code", code: "c" }) }
    const isWithToken = async (path: string, init?: RequestInit) =>
      (await (await fetch(`${origin}${path}`, init)).text()) === "with a token"

    assert.isTrue(await isWithToken("/"))
    assert.isTrue(await isWithToken("/", { method: "POST", body: "{}" }))
    for (const path of ["/.well-known/oauth-protected-resource", "/authorize", "/register"]) {
      assert.isFalse(await isWithToken(path), path)
    }
    assert.isFalse(await isWithToken("/another", form))
    assert.lengthOf(sent, 4)
  })

  it("sends no token past the server's path", async () => {
    const { auth } = stage(`${origin}/mcp`)
    for (const url of [`${origin}/mcpp`, `${origin}/`, "https://mcp.example:8443/mcp", "http://mcp.example/mcp"]) {
      assert.notStrictEqual(await (await auth.fetch(url)).text(), "with a token", url)
    }
    assert.strictEqual(await (await auth.fetch(`${origin}/mcp/session?id=1`)).text(), "with a token")
  })

  it("keeps a handle from leaving, and another credential's too", async () => {
    const { auth, sent } = stage(`${origin}/mcp`)
    const refresh = async (handle: string, asText = false) => {
      const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: handle })
      const headers = { "content-type": "application/x-www-form-urlencoded" }
      const init = { method: "POST", headers, body: asText ? form.toString() : form }
      const response = await auth.fetch(`${origin}/token`, init)
      return [response.status, ((await response.json()) as { error: string }).error]
    }
    assert.deepStrictEqual(await refresh("tokenkeep:mcp:7"), [503, "temporarily_unavailable"])
    assert.deepStrictEqual(await refresh("tokenkeep:mcp:7", true), [503, "temporarily_unavailable"])
    assert.deepStrictEqual(await refresh("tokenkeep:other:7"), [400, "invalid_request"])
    assert.deepStrictEqual(sent, [])
  })

  it("registers one client for all who ask at once", async () => {
    const { auth, sent } = stage(`${origin}/mcp`)
    const { authProvider, fetch } = auth.withLogin({ redirectUrl, open: () => {} })
    authProvider.saveDiscoveryState({ authorizationServerUrl: origin, authorizationServerMetadata: metadata })
    const { clientMetadata } = authProvider
    const register = () => Two.registerClient(origin, { metadata, clientMetadata, fetchFn: fetch })
    const ids = (await Promise.all([register(), register(), register()])).map(({ client_id }) => client_id)
    assert.deepStrictEqual([ids, sent], [["client-1", "client-1", "client-1"], ["POST /register"]])
    authProvider.invalidateCredentials("client")
    assert.strictEqual((await register()).client_id, "client-2")
  })
})

describe("logins that interleave", () => {
  const challenge = (verifier: string) => Crypto.createHash("sha256").update(verifier).digest("base64url")
  const urlFor = (verifier: string, scope = "a", state: string = verifier) =>
    new URL(`${origin}/authorize?${new URLSearchParams({ code_challenge: challenge(verifier), scope, state })}`)

  it("redeem a code with the verifier of the URL that was opened", async () => {
    const logins = Login.make()
    const shown: Array<string> = []
    const show = ({ searchParams }: URL) => void shown.push(searchParams.get("state")!)
    for (const verifier of ["first", "second", "third"]) logins.noteVerifier(verifier)
    await Promise.all([logins.open(urlFor("second"), show), logins.open(urlFor("third"), show)])
    await logins.open(urlFor("first"), show)
    assert.deepStrictEqual([shown, logins.verifier()], [["second"], "second"])
  })

  it("open another window for another scope, and take the answer of either", async () => {
    const logins = Login.make()
    for (const verifier of ["first", "second"]) logins.noteVerifier(verifier)
    await logins.open(urlFor("first", "a"), () => {})
    await logins.open(urlFor("second", "a b"), () => {})
    assert.strictEqual(logins.verifier(), "second")
    assert.strictEqual(logins.callback("http://127.0.0.1:1/callback?state=first&code=c").code, "c")
    assert.strictEqual(logins.verifier(), "first")
  })

  it("open again after a while, or at once when there was no browser", async () => {
    vi.useFakeTimers({ toFake: ["Date"] })
    try {
      const logins = Login.make()
      let shown = 0
      for (const verifier of ["none", "first", "second", "third"]) logins.noteVerifier(verifier)
      const failed = logins.open(urlFor("none"), () => Promise.reject(new Error("no browser")))
      assert.strictEqual(await failed.catch(({ message }: Error) => message), "no browser")
      await logins.open(urlFor("first"), () => void shown++)
      vi.setSystemTime(Date.now() + 119_000)
      await logins.open(urlFor("second"), () => void shown++)
      assert.strictEqual(shown, 1)
      vi.setSystemTime(Date.now() + 2_000)
      await logins.open(urlFor("third"), () => void shown++)
      assert.strictEqual(shown, 2)
    } finally {
      vi.useRealTimers()
    }
  })

  it("share one window that does not open", async () => {
    const logins = Login.make()
    for (const verifier of ["first", "second"]) logins.noteVerifier(verifier)
    let shown = 0
    const show = () => {
      shown++
      return Promise.reject(new Error("no browser"))
    }
    const both = await Promise.allSettled([logins.open(urlFor("first"), show), logins.open(urlFor("second"), show)])
    assert.deepStrictEqual([shown, both.map(({ status }) => status)], [1, ["rejected", "rejected"]])
  })

  it("open no page that is none, and none without a challenge", async () => {
    const { auth } = stage(`${origin}/mcp`)
    const { authProvider } = auth.withLogin({ redirectUrl, open: () => assert.fail("opened") })
    authProvider.saveCodeVerifier("v")
    const script = new URL(`javascript:alert(1)?code_challenge=${challenge("v")}`)
    for (const url of [script, new URL(`${origin}/authorize`)]) {
      const error = await authProvider.redirectToAuthorization(url).catch((error: unknown) => error)
      assert.instanceOf(error, Login.LoginFailed)
    }
  })
})

describe.each([
  { line: "1.x", sdk: One },
  { line: "2.x", sdk: Two as unknown as typeof One },
])("the resource (RFC 8707), as the SDK $line asks for it", ({ sdk }) => {
  const server = "https://mcp.example/mcp"
  const authorizationUrl = async (issuer: string) => {
    const documents: Record<string, object> = {
      "/.well-known/oauth-protected-resource/mcp": { resource: server, authorization_servers: [issuer] },
      "/tenant/v2.0/.well-known/openid-configuration": {
        ...metadata,
        issuer,
        jwks_uri: `${issuer}/keys`,
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
        code_challenge_methods_supported: ["S256"],
      },
    }
    const opened: Array<URL> = []
    const nobody = new CredentialNotFound({ credential: "mcp", message: "nobody signed in" })
    const { authProvider } = stage(server, nobody).auth.withLogin({
      redirectUrl,
      clientInformation: { client_id: "client", issuer },
      open: (url) => void opened.push(url),
    })
    const fetchFn = async (url: string | URL) => {
      const document = documents[new URL(url).pathname]
      return document === undefined ? new Response(null, { status: 404 }) : Response.json(document)
    }
    await sdk.auth(authProvider, { serverUrl: server, fetchFn })
    return opened[0]!.searchParams.get("resource")
  }

  it("is sent word for word, but not to a server that takes none", async () => {
    assert.strictEqual(await authorizationUrl("https://as.example/tenant/v2.0"), server)
    assert.isNull(await authorizationUrl("https://login.microsoftonline.com/tenant/v2.0"))
  })
})

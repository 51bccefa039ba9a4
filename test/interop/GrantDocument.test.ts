import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"

const now = 1_700_000_000_000
const smallest = {
  token_endpoint: "https://as.example/token",
  client: { client_id: "abc" },
  tokens: { access_token: "access-secret" },
}
const full = {
  provider: "generic",
  issuer: "https://as.example",
  token_endpoint: "https://as.example/token",
  resource: "https://mcp.example/mcp",
  client: { client_id: "abc", client_secret: "client-secret", token_endpoint_auth_method: "none" },
  tokens: {
    access_token: "access-secret",
    refresh_token: "refresh-secret",
    token_type: "Bearer",
    expires_at: "2026-11-20T12:00:00Z",
    scope: "a b",
  },
  reuse: "fork",
  grace: 30,
}

const read = (document: unknown, name = "github") => GrantDocument.toCredential(document, name, now)
const credentialOf = (document: unknown) => Result.getOrThrow(read(document))
const wrongFields = (document: unknown, name?: string): ReadonlyArray<string> => {
  const result = read(document, name)
  return Result.isFailure(result) ? result.failure.fields : []
}
const withTokens = (over: object) => ({ ...smallest, tokens: { ...smallest.tokens, ...over } })
const withClient = (over: object) => ({ ...smallest, client: { ...smallest.client, ...over } })

describe("a grant document", () => {
  it("needs an endpoint, a client and an access token", () => {
    const credential = credentialOf(smallest)
    assert.strictEqual(credential.name, "github")
    assert.strictEqual(credential.provider, "generic")
    assert.strictEqual(credential.tokens.tokenType, "Bearer")
    assert.deepStrictEqual(credential.tokens.expiry, { _tag: "Unknown" })
    assert.strictEqual(credential.tokens.obtainedAt, now)
    assert.strictEqual(credential.client.authMethod, "none")
    assert.deepStrictEqual(credential.reuse, { class: "strict", graceMillis: 0 })
    assert.strictEqual(credential.forced, 0)
    assert.isFalse("refreshToken" in credential.tokens)
    for (const missing of ["token_endpoint", "client", "tokens"]) {
      assert.deepStrictEqual(wrongFields({ ...smallest, [missing]: undefined }), [missing])
    }
    assert.deepStrictEqual(wrongFields({ ...smallest, client: {} }), ["client.client_id"])
    assert.deepStrictEqual(wrongFields({ ...smallest, tokens: { refresh_token: "r" } }), ["tokens.access_token"])
  })

  it("takes over everything else it knows, and ignores what it does not", () => {
    const credential = credentialOf({ ...full, extra: { deep: 1 }, tokens: { ...full.tokens, id_token: "x" } })
    assert.strictEqual(credential.issuer, "https://as.example")
    assert.strictEqual(credential.resource, "https://mcp.example/mcp")
    assert.strictEqual(Redacted.value(credential.tokens.accessToken), "access-secret")
    assert.strictEqual(Redacted.value(credential.tokens.refreshToken!), "refresh-secret")
    assert.strictEqual(Redacted.value(credential.client.clientSecret!), "client-secret")
    assert.deepStrictEqual(credential.tokens.expiry, { _tag: "Known", at: Date.parse("2026-11-20T12:00:00Z") })
    assert.strictEqual(credential.tokens.scope, "a b")
    assert.deepStrictEqual(credential.reuse, { class: "fork", graceMillis: 30_000 })
  })

  it("takes null and the empty text for absent", () => {
    for (const nothing of [null, ""]) {
      const { client, tokens, ...credential } = credentialOf({
        ...smallest,
        provider: nothing,
        issuer: nothing,
        resource: nothing,
        client: { client_id: "abc", client_secret: nothing },
        tokens: { ...smallest.tokens, refresh_token: nothing, token_type: nothing, scope: nothing },
      })
      assert.strictEqual(credential.provider, "generic")
      for (const absent of ["issuer", "resource"]) assert.isFalse(absent in credential)
      for (const absent of ["refreshToken", "scope"]) assert.isFalse(absent in tokens)
      assert.isFalse("clientSecret" in client)
      assert.strictEqual(tokens.tokenType, "Bearer")
    }
  })

  it("understands an expiry in RFC 3339, in epoch seconds, and in a JWT", () => {
    const expiryOf = (tokens: object) => credentialOf(withTokens(tokens)).tokens.expiry
    assert.deepStrictEqual(expiryOf({ expires_at: 1_800_000_000 }), { _tag: "Known", at: 1_800_000_000_000 })
    assert.deepStrictEqual(expiryOf({ expires_at: null }), { _tag: "Unknown" })
    const jwt = `e30.${Buffer.from(JSON.stringify({ exp: 1_800_000_000 })).toString("base64url")}.s`
    assert.deepStrictEqual(expiryOf({ access_token: jwt }), { _tag: "Known", at: 1_800_000_000_000 })
    for (const odd of ["tomorrow", "", -1, {}, 1e30]) {
      assert.deepStrictEqual(wrongFields(withTokens({ expires_at: odd })), ["tokens.expires_at"], String(odd))
    }
  })

  it("a client with a secret authenticates with Basic, unless it says otherwise", () => {
    const methodOf = (client: object) => credentialOf(withClient(client)).client.authMethod
    assert.strictEqual(methodOf({ client_secret: "s" }), "client_secret_basic")
    assert.strictEqual(methodOf({ client_secret: "s", token_endpoint_auth_method: "none" }), "none")
    assert.strictEqual(
      methodOf({ client_secret: "s", token_endpoint_auth_method: "client_secret_post" }),
      "client_secret_post",
    )
    assert.deepStrictEqual(wrongFields(withClient({ token_endpoint_auth_method: "client_secret_basic" })), [
      "client.client_secret",
    ])
    assert.deepStrictEqual(wrongFields(withClient({ token_endpoint_auth_method: "private_key_jwt" })), [
      "client.token_endpoint_auth_method",
    ])
  })

  it("sends secrets over https:, and over http: to this machine only", () => {
    const accepted = (token_endpoint: string) => wrongFields({ ...smallest, token_endpoint }).length === 0
    assert.isTrue(accepted("http://127.0.0.1:8080/token"))
    assert.isTrue(accepted("http://localhost/token"))
    for (const url of [
      "http://as.example/token",
      "as.example",
      "file:///etc",
      "https://u:p@as.example/",
      "https://a/#x",
    ]) {
      assert.isFalse(accepted(url), url)
    }
  })

  it("the reuse of the document overrides the profile's", () => {
    const reuseOf = (over: object) => credentialOf({ ...smallest, ...over }).reuse
    assert.deepStrictEqual(reuseOf({ reuse: "idempotent", grace: 10.5 }), { class: "idempotent", graceMillis: 10_500 })
    assert.deepStrictEqual(reuseOf({ reuse: "notRotating" }), { class: "notRotating", graceMillis: 0 })
    assert.deepStrictEqual(wrongFields({ ...smallest, reuse: "sometimes" }), ["reuse"])
    assert.deepStrictEqual(wrongFields({ ...smallest, grace: -1 }), ["grace"])
  })

  it("knows its providers and its names", () => {
    assert.deepStrictEqual(wrongFields({ ...smallest, provider: "nobody" }), ["provider"])
    for (const name of ["github", "a", "me@work:mcp/notion-2.0_x", "x".repeat(128)]) {
      assert.deepStrictEqual(wrongFields(smallest, name), [], name)
    }
    for (const name of ["", "-x", ".hidden", "a b", "a\n", "ä", "x".repeat(129)]) {
      assert.deepStrictEqual(wrongFields(smallest, name), ["name"], name)
    }
  })

  it("a token that would break a header is refused", () => {
    for (const token of ["a\nb", " a", "a ", "", "ä", "\u0000"]) {
      assert.deepStrictEqual(wrongFields(withTokens({ access_token: token })), ["tokens.access_token"])
    }
    assert.deepStrictEqual(wrongFields(withTokens({ refresh_token: "a\r\nb" })), ["tokens.refresh_token"])
  })

  it("names every wrong field at once, and says what belongs there", () => {
    const result = read({ token_endpoint: 1, client: { client_id: "" }, tokens: { access_token: "a", scope: 7 } })
    assert.isTrue(Result.isFailure(result))
    if (Result.isSuccess(result)) return
    assert.deepStrictEqual([...result.failure.fields].toSorted(), [
      "client.client_id",
      "token_endpoint",
      "tokens.scope",
    ])
    assert.include(result.failure.message, "token_endpoint: expected an https: URL")
    for (const odd of [null, 7, "text", []]) assert.isNotEmpty(wrongFields(odd))
  })

  it("no complaint contains a value of the document, whatever is wrong with it", () => {
    const marker = fc.constantFrom("", ..."0123456789").map((end) => `SeCrEt${end}`)
    const value = fc.oneof(
      marker,
      fc.array(marker, { maxLength: 2 }),
      marker.map((text) => ({ client_id: text, access_token: [text], [text]: text })),
      marker.map((text) => ({ client_id: [text], access_token: text, refresh_token: { text }, expires_at: text })),
      fc.constant(7),
    )
    const keys = Object.keys(GrantDocument.GrantDocument.fields)
    const documents = fc.record(Object.fromEntries(keys.map((key) => [key, value])), { requiredKeys: [] })
    let failures = 0
    fc.assert(
      fc.property(fc.oneof(documents, value), marker, (document, name) => {
        for (const result of [read(document, `${name} `), read(document)]) {
          if (Result.isSuccess(result)) continue
          failures++
          assert.notInclude(JSON.stringify(result.failure) + String(result.failure), "SeCrEt")
        }
      }),
      { numRuns: 500 },
    )
    assert.isAbove(failures, 500)
  })

  it("what is not JSON is told by its position and not quoted", () => {
    const result = GrantDocument.parse('{"tokens": {"access_token": "SeCrEt", }}')
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.notInclude(result.failure.message, "SeCrEt")
      assert.include(result.failure.message, "character 38")
    }
    const short = GrantDocument.parse("SeCrEt")
    assert.isTrue(Result.isFailure(short))
    if (Result.isFailure(short)) assert.notInclude(short.failure.message, "SeCrEt")
    assert.deepStrictEqual(GrantDocument.parse('\uFEFF{"a":1}'), Result.succeed({ a: 1 }))
  })
})

describe("the document of a credential", () => {
  it("has a fingerprint where the secret was, and mirrors the rest", () => {
    const stored = credentialOf(full)
    assert.deepStrictEqual(GrantDocument.toDocument(stored), {
      provider: "generic",
      issuer: "https://as.example",
      token_endpoint: "https://as.example/token",
      resource: "https://mcp.example/mcp",
      client: {
        client_id: "abc",
        client_secret_fingerprint: fingerprint("client-secret"),
        token_endpoint_auth_method: "none",
      },
      tokens: {
        access_token_fingerprint: fingerprint("access-secret"),
        refresh_token_fingerprint: fingerprint("refresh-secret"),
        token_type: "Bearer",
        expires_at: "2026-11-20T12:00:00Z",
        scope: "a b",
      },
      reuse: "fork",
      grace: 30,
    })
    const least = GrantDocument.toDocument(credentialOf(smallest))
    assert.deepStrictEqual(Object.keys(least.tokens), ["access_token_fingerprint", "token_type"])
  })

  it("prints no part of a URL that can hold a secret", () => {
    assert.strictEqual(
      GrantDocument.printableUrl("https://u:p@as.example:8443/t?code=s#f"),
      "https://as.example:8443/t?…",
    )
    assert.strictEqual(GrantDocument.printableUrl("urn:example:a"), "urn:example:a")
    assert.strictEqual(GrantDocument.printableUrl("SeCrEt"), "(not a URL)")
  })
})

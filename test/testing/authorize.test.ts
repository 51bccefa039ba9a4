import { assert, describe, it } from "@effect/vitest"
import * as Crypto from "node:crypto"
import * as AuthorizationServer from "../../src/testing/AuthorizationServer.ts"
import type { Client } from "../../src/testing/clientAuth.ts"
import { fieldsOf } from "./requests.ts"

const verifier = "a-verifier-that-is-long-enough-for-the-specification"
const challenge = Crypto.createHash("sha256").update(verifier).digest("base64url")
const callback = "http://127.0.0.1:8912/callback"
const web = "https://app.example/cb?tenant=1"

const clients: ReadonlyArray<Client> = [
  { clientId: "native" },
  { clientId: "web", redirectUris: [web] },
  { clientId: "registered", redirectUris: ["http://localhost:1234/cb"] },
]

const asking = (over: Readonly<Record<string, string | undefined>> = {}): URLSearchParams => {
  const asked = {
    client_id: "native",
    redirect_uri: callback,
    response_type: "code",
    code_challenge: challenge,
    code_challenge_method: "S256",
    scope: "a b",
    state: "s",
    ...over,
  }
  return new URLSearchParams(
    Object.entries(asked).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as [string, string]])),
  )
}

/** Where the person is sent, or what the page says. */
const sent = (over: Readonly<Record<string, string | undefined>>, consent: "grant" | "deny" = "grant"): string => {
  const server = AuthorizationServer.make({ clients })
  server.setConsent(consent)
  const authorized = server.authorize(asking(over), 0)
  return authorized._tag === "Redirect" ? authorized.location : `${authorized.status} ${authorized.message}`
}

describe("the authorization endpoint", () => {
  const answered = "code=code-1&state=s&iss=https%3A%2F%2Fas.example"

  it("sends a person who consents back with a code, to where the client is registered", () => {
    assert.strictEqual(sent({}), `${callback}?${answered}`)
    assert.strictEqual(sent({ state: undefined }), `${callback}?code=code-1&iss=https%3A%2F%2Fas.example`)
    assert.strictEqual(sent({ client_id: "web", redirect_uri: web }), `${web}&${answered}`)
    assert.strictEqual(sent({ client_id: "web", redirect_uri: undefined }), `${web}&${answered}`)
    const onAnyPort = "http://localhost:9/cb"
    assert.strictEqual(sent({ client_id: "registered", redirect_uri: onAnyPort }), `${onAnyPort}?${answered}`)
  })

  it("sends nobody to an address that it does not know", () => {
    const unknown = [
      { redirect_uri: "https://evil.example/callback" },
      { redirect_uri: "https://127.0.0.1/callback" },
      { redirect_uri: "no URL" },
      { redirect_uri: undefined },
      { client_id: "web", redirect_uri: "https://app.example/cb" },
      { client_id: "web", redirect_uri: "https://app.example:444/cb?tenant=1" },
      { client_id: "registered", redirect_uri: "http://localhost:1234/other" },
      { client_id: "nobody" },
    ]
    for (const over of unknown) assert.match(sent(over), /^400 /)
  })

  it("tells the client what is wrong with its request, or that the person said no", () => {
    const error = (over: Readonly<Record<string, string | undefined>>, consent?: "deny") =>
      new URL(sent(over, consent)).searchParams.get("error")
    assert.strictEqual(error({ response_type: "token" }), "unsupported_response_type")
    assert.strictEqual(error({ code_challenge: undefined }), "invalid_request")
    assert.strictEqual(error({ code_challenge: verifier }), "invalid_request")
    assert.strictEqual(error({ code_challenge_method: "plain" }), "invalid_request")
    assert.strictEqual(error({ code_challenge_method: undefined }), "invalid_request")
    assert.strictEqual(error({}, "deny"), "access_denied")
  })
})

describe("a code", () => {
  const redeeming = (over: Readonly<Record<string, string>> = {}) => ({
    parameters: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: "native",
      code: "code-1",
      redirect_uri: callback,
      code_verifier: verifier,
      ...over,
    }),
  })
  const make = (asked: URLSearchParams = asking(), options: AuthorizationServer.Options = {}) => {
    const server = AuthorizationServer.make({ clients, ...options })
    server.authorize(asked, 0)
    return server
  }

  it("is redeemed for tokens, once and for its minute", () => {
    const server = make()
    assert.deepStrictEqual(fieldsOf(server.exchange(redeeming(), 59_999)), {
      access_token: "at-1",
      token_type: "Bearer",
      expires_in: 3_600,
      refresh_token: "rt-1",
      scope: "a b",
    })
    assert.strictEqual(fieldsOf(make().exchange(redeeming(), 60_000))["error"], "invalid_grant")
  })

  it("that comes a second time ends what the first one began", () => {
    const server = make()
    server.exchange(redeeming(), 0)
    assert.strictEqual(fieldsOf(server.exchange(redeeming(), 1))["error"], "invalid_grant")
    assert.isFalse(server.introspect("at-1", 1).active)
    assert.isFalse(server.inspect("rt-1", 1).honoured)
    assert.deepStrictEqual(
      server.presentations().map(({ was }) => was),
      ["current", "reuse"],
    )
  })

  it("is of use only to its client, at its address, with its verifier, and stays so after a mistake", () => {
    const server = make()
    const mistakes = [
      { code: "code-2" },
      { client_id: "web" },
      { redirect_uri: "http://127.0.0.1:1/callback" },
      { redirect_uri: "" },
      { code_verifier: `${verifier}x` },
      { code_verifier: "" },
    ]
    for (const mistake of mistakes) {
      assert.strictEqual(fieldsOf(server.exchange(redeeming(mistake), 0))["error"], "invalid_grant")
    }
    assert.strictEqual(server.exchange(redeeming(), 0).status, 200)
  })

  it("is for the resource that was named when the person consented", () => {
    const resource = "https://mcp.example/mcp"
    const asked = asking({ resource })
    const options = { policy: { requiresResource: true } }
    assert.strictEqual(fieldsOf(make(asked, options).exchange(redeeming(), 0))["error"], "invalid_target")
    const server = make(asked, options)
    const other = redeeming({ resource: "https://other.example/" })
    assert.strictEqual(fieldsOf(server.exchange(other, 0))["error"], "invalid_target")
    assert.strictEqual(server.exchange(redeeming({ resource }), 0).status, 200)
    assert.deepInclude(server.introspect("at-1", 0), { active: true, resource })
  })

  it("brings no refresh token where the server gives none", () => {
    const server = make(asking(), { policy: { withholdsRefreshToken: true } })
    assert.isUndefined(fieldsOf(server.exchange(redeeming(), 0))["refresh_token"])
  })
})

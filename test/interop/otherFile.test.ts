/** Files of programs that nobody here knows, in the shapes that are common. */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import type { Json } from "../../src/interop/ForeignStore.ts"
import { type Given, otherFile } from "../../src/interop/otherFile.ts"

const surroundings = { env: {}, platform: "linux", homedir: () => "/home/user" }
const at = 1_795_216_000_000

const read = (content: Json, given: Given = { clientId: undefined, tokenEndpoint: undefined }) =>
  otherFile(given)
    .files[0].read(content, surroundings)
    .map(({ held, name }) => {
      if (held._tag !== "Grant") return { name, [held._tag]: held.reason }
      const { client, issuer, resource, token_endpoint, tokens } = Redacted.value(held.document)
      return {
        name,
        client: client.client_id,
        ...(client.client_secret && { secret: client.client_secret }),
        ...(token_endpoint && { endpoint: token_endpoint }),
        ...(issuer && { issuer }),
        ...(resource && { resource }),
        tokens: [tokens.access_token, tokens.refresh_token],
        ...(held.expiresAt !== undefined && { expiresAt: held.expiresAt }),
        ...(tokens.scope && { scope: tokens.scope }),
      }
    })

const tokens = { access_token: "secret-at", refresh_token: "secret-rt" }
const expected = { client: "c", tokens: ["secret-at", "secret-rt"] }
const given = { clientId: "c", tokenEndpoint: "https://as.example/token" }
const taken = { ...expected, endpoint: given.tokenEndpoint }

describe("a file of an unknown program", () => {
  it.each([
    ["as RFC 6749 spells it", { ...tokens, scope: "a b" }, { name: "login", scope: "a b" }],
    [
      "in camel case",
      { accessToken: "secret-at", refreshToken: "secret-rt", scopes: ["a"] },
      { name: "login", scope: "a" },
    ],
    ["in few letters", { access: "secret-at", refresh: "secret-rt" }, { name: "login" }],
    ["below other members", { version: 1, auth: { github: tokens } }, { name: "auth.github" }],
    ["in a list", [{ id: 1 }, { session: tokens }], { name: "1.session" }],
    ["until milliseconds", { ...tokens, expiresAt: at }, { name: "login", expiresAt: at }],
    ["until seconds", { ...tokens, expires_at: at / 1000 }, { name: "login", expiresAt: at }],
    ["until a text of seconds", { ...tokens, expires_at: String(at / 1000) }, { name: "login", expiresAt: at }],
    ["until a date", { ...tokens, expiry: "2026-11-20T23:06:40Z" }, { name: "login", expiresAt: at }],
    [
      "for so long since",
      { ...tokens, expires_in: 3600, created_at: at - 3_600_000 },
      { name: "login", expiresAt: at },
    ],
    ["for so long, and nobody knows since when", { ...tokens, expires_in: 3600 }, { name: "login" }],
    ["until nobody knows", { ...tokens, expires_at: "soon" }, { name: "login" }],
    ["already over", { ...tokens, expires_at: 0 }, { name: "login", expiresAt: 0 }],
  ])("%s", (_, content, found) => {
    assert.deepStrictEqual(read(content, given), [{ ...taken, ...found }])
  })

  it("the client and the server are found around the tokens, the nearest first", () => {
    assert.deepStrictEqual(
      read({
        client_id: "outer",
        "https://as.example": {
          issuer: "https://as.example",
          clientInformation: { client_id: "c", client_secret: "secret-cs" },
          discovery: { token_endpoint: "https://as.example/token", resource: "https://mcp.example" },
          tokens,
        },
      }),
      [
        {
          ...taken,
          name: "https://as.example.tokens",
          secret: "secret-cs",
          issuer: "https://as.example",
          resource: "https://mcp.example",
        },
      ],
    )
    const own = { ...tokens, token_uri: "https://as.example/token", clientId: "c" }
    assert.deepStrictEqual(read({ clientId: "outer", own }), [{ ...taken, name: "own" }])
  })

  it("nothing is taken from another login", () => {
    const other = {
      clientId: "other",
      tokenUrl: "https://other.example/token",
      issuer: "https://other.example",
      tokens,
    }
    const missing = (names: string) => `the file does not say all that a refresh needs: add ${names}`
    assert.deepStrictEqual(read({ mine: { tokens }, other })[0], {
      name: "mine.tokens",
      Unreadable: missing("--client-id and --token-endpoint"),
    })
    assert.deepStrictEqual(read({ mine: { tokens, clientId: "c" }, other })[0], {
      name: "mine.tokens",
      Unreadable: missing("--token-endpoint"),
    })
  })

  it("what a person says counts more than the file", () => {
    assert.deepStrictEqual(read({ ...tokens, client_id: "x", token_endpoint: "https://x.example" }, given), [
      { ...taken, name: "login" },
    ])
  })

  it("without a token there is nothing, however deep and whatever else", () => {
    const deep = Array.from({ length: 30 }).reduce<Json>((inner) => ({ inner }), tokens)
    for (const content of [null, 1, "secret-at", [], {}, { access_token: 3 }, { access_token: "" }, deep]) {
      assert.deepStrictEqual(read(content, given), [])
    }
  })
})

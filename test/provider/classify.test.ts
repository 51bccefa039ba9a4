/** Every spelling of the provider facts §6, every oddity of §7, and what must hold for any answer at all. */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import type { DeadReason } from "../../src/lifecycle/Credential.ts"
import type { Expiry } from "../../src/lifecycle/freshness.ts"
import { classify, retryAt, type TokenAnswer } from "../../src/provider/classify.ts"
import { generic, type ProviderProfile } from "../../src/provider/ProviderProfile.ts"
import * as Scrub from "../../src/provider/scrub.ts"
import { everywhere } from "../../src/provider/spellings.ts"

const now = 1_800_000_000_000

const json = (status: number, body: unknown, more: Partial<TokenAnswer> = {}): TokenAnswer => ({
  status,
  contentType: "application/json",
  body: JSON.stringify(body),
  ...more,
})

const html = (status: number): TokenAnswer => ({
  status,
  contentType: "text/html",
  body: "<!doctype html><html><body><h1>invalid_grant</h1>The refresh token is invalid</body></html>",
})

const outcomeOf = (answer: TokenAnswer, profile: ProviderProfile = generic) => classify(answer, profile, now)

/** An outcome in one word: the reason of a verdict, or the tag. */
const word = (answer: TokenAnswer, profile?: ProviderProfile): string => {
  const outcome = outcomeOf(answer, profile)
  return outcome._tag !== "Rejected" ? outcome._tag : (outcome.dead?.reason ?? "passing")
}

const tokensOf = (answer: TokenAnswer, profile?: ProviderProfile) => {
  const outcome = outcomeOf(answer, profile)
  if (outcome._tag !== "Rotated") throw new Error(`expected Rotated, got ${outcome._tag}`)
  return outcome.tokens
}

const profile = (over: Partial<ProviderProfile>): ProviderProfile => ({ ...generic, id: "test", ...over })

const x = profile({
  spellings: [{ code: "invalid_request", phrase: "Value passed for the token was invalid.", means: "rejected" }],
})
/** Written carelessly: as a part of a sentence it would match within other words. */
const loose = profile({ spellings: [{ code: "invalid_request", phrase: "token was invalid", means: "rejected" }] })
const zitadel = profile({ spellings: [{ code: "invalid_request", means: "rejected" }] })

describe("dead, by every spelling seen", () => {
  const spellings: ReadonlyArray<readonly [who: string, TokenAnswer, DeadReason, ProviderProfile?]> = [
    ["RFC 6749", json(400, { error: "invalid_grant" }), "rejected"],
    [
      "Entra",
      json(400, { error: "invalid_grant", error_description: "AADSTS700082: ...", error_codes: [700082] }),
      "rejected",
    ],
    [
      "Auth0",
      json(403, { error: "invalid_grant", error_description: "Unknown or invalid refresh token." }),
      "rejected",
    ],
    ["Atlassian 3LO", json(403, { error: "invalid_grant" }), "rejected"],
    ["OpenAI, as a string", json(400, { error: "invalid_grant" }), "rejected"],
    ["OpenAI, as an object", json(400, { error: { code: "invalid_grant", message: "no" } }), "rejected"],
    ["OpenAI reused", json(401, { error: { code: "refresh_token_reused", message: "Used." } }), "reused"],
    ["OpenAI reused, 400", json(400, { error: { code: "refresh_token_reused" } }), "reused"],
    ["OpenAI expired", json(401, { error: { code: "refresh_token_expired" } }), "expired"],
    ["OpenAI invalidated", json(401, { error: { code: "refresh_token_invalidated" } }), "revoked"],
    ["OpenAI, string", json(401, { error: "refresh_token_reused" }), "reused"],
    ["OpenAI, top-level code", json(401, { code: "refresh_token_expired" }), "expired"],
    ["OpenAI, shouting", json(401, { error: { code: "REFRESH_TOKEN_REUSED" } }), "reused"],
    ["OpenAI token_expired", json(401, { error: { code: "token_expired" } }), "expired"],
    [
      "GitHub",
      json(200, { error: "bad_refresh_token", error_description: "The refresh token passed is incorrect or expired." }),
      "rejected",
    ],
    [
      "GitHub, as a form",
      {
        status: 200,
        contentType: "application/x-www-form-urlencoded; charset=utf-8",
        body: "error=bad_refresh_token&error_uri=x",
      },
      "rejected",
    ],
    ["Slack", json(200, { ok: false, error: "invalid_refresh_token" }), "rejected"],
    ["Slack revoked", json(200, { ok: false, error: "token_revoked" }), "revoked"],
    ["Slack expired", json(200, { ok: false, error: "token_expired" }), "expired"],
    [
      "Supabase",
      json(400, {
        code: 400,
        error_code: "refresh_token_not_found",
        msg: "Invalid Refresh Token: Refresh Token Not Found",
      }),
      "rejected",
    ],
    ["Supabase reused", json(400, { code: 400, error_code: "refresh_token_already_used" }), "reused"],
    ["HubSpot", json(400, { status: "BAD_REFRESH_TOKEN", message: "missing or invalid refresh token" }), "rejected"],
    [
      "X",
      json(400, { error: "invalid_request", error_description: "Value passed for the token was invalid." }),
      "rejected",
      x,
    ],
    [
      "Zitadel, Obot",
      json(400, { error: "invalid_request", error_description: "Errors.User.RefreshToken.Invalid" }),
      "rejected",
      zitadel,
    ],
    [
      "Atlassian MCP",
      json(400, { error: "unauthorized_client", error_description: "refresh_token is invalid" }),
      "rejected",
    ],
    ["Keycloak expired", json(400, { error: "invalid_grant", error_description: "Token is not active" }), "expired"],
    [
      "Keycloak reused",
      json(400, { error: "invalid_grant", error_description: "Maximum allowed refresh token reuse exceeded" }),
      "reused",
    ],
    ["Notion MCP", json(400, { error: "invalid_grant", error_description: "OAuth grant revoked" }), "revoked"],
    ["Zoom", json(400, { reason: "Invalid Token!", error: "invalid_request" }), "rejected"],
    ["Zoom, 401 without a code", json(401, { reason: "Invalid Token!" }), "rejected"],
    ["Zoom, text", { status: 401, contentType: "text/plain", body: "Invalid Token!\n" }, "rejected"],
    ["Cognito", json(400, { __type: "NotAuthorizedException", message: "Refresh Token has been revoked" }), "rejected"],
    ["Cognito, with a namespace", json(400, { __type: "com.amazonaws.cognito#NotAuthorizedException" }), "rejected"],
    ["Cognito, as error", json(400, { error: "NotAuthorizedException" }), "rejected"],
    [
      "Cognito's client",
      json(400, { __type: "NotAuthorizedException", message: "Unable to verify secret hash for client abc" }),
      "clientRejected",
    ],
    [
      "Claude by profile",
      json(404, { error: { code: "not_found_error" } }),
      "reused",
      profile({ spellings: [{ code: "not_found_error", means: "reused" }] }),
    ],
    ["client", json(401, { error: "invalid_client" }), "clientRejected"],
    [
      "client, 400",
      json(400, { error: "invalid_client", error_description: "Client authentication failed" }),
      "clientRejected",
    ],
    [
      "X's client",
      json(400, { error: "unauthorized_client", error_description: "Missing valid authorization header" }),
      "clientRejected",
    ],
    ["JSON under a wrong type", json(400, { error: "invalid_grant" }, { contentType: "text/html" }), "rejected"],
    ["JSON under no type, with a BOM", { status: 400, body: '\uFEFF{"error":"invalid_grant"}' }, "rejected"],
    [
      "a code behind a general one",
      json(400, { error: "invalid_request", error_code: "refresh_token_not_found" }),
      "rejected",
    ],
  ]
  for (const [who, answer, reason, profile] of spellings) {
    it(`${who}`, () => assert.strictEqual(word(answer, profile), reason))
  }

  it.each(everywhere.map((row) => [row.code, row] as const))("the table's row %s can be reached", (code, row) => {
    const answer = json(400, { ...(code !== "" && { error: code }), error_description: row.phrase?.replace("*", "x") })
    assert.strictEqual(word(answer), row.means)
  })

  it("repeats the server's own code and its words", () => {
    const outcome = outcomeOf(json(400, { error: "invalid_grant", error_description: "Token is not active" }))
    assert.deepStrictEqual(outcome, {
      _tag: "Rejected",
      cause: 'the server answered 400 invalid_grant: "Token is not active"',
      dead: { reason: "expired", code: "invalid_grant" },
      retryAt: now,
    })
    const phrase = outcomeOf(json(401, { reason: "Invalid Token!" }))
    assert.strictEqual(phrase._tag === "Rejected" && phrase.dead?.code, "Invalid Token!")
  })
})

describe("not dead", () => {
  const hydra =
    "The request is missing a required parameter. Failed to refresh token because of multiple concurrent requests using the same token. Please retry the request."
  const answers: ReadonlyArray<readonly [string, TokenAnswer, string, ProviderProfile?]> = [
    ["Hydra's lost race", json(400, { error: "invalid_request", error_description: hydra }), "passing"],
    [
      "Hydra's hint at a server whose invalid_request is dead",
      json(400, { error: "invalid_request", error_hint: "please retry" }),
      "passing",
      zitadel,
    ],
    [
      "X's phrase elsewhere",
      json(400, { error: "invalid_request", error_description: "Value passed for the token was invalid." }),
      "passing",
    ],
    [
      "X's phrase inside other words",
      json(400, { error: "invalid_request", error_description: "Not: Value passed for the token was invalid." }),
      "passing",
      x,
    ],
    [
      "a careless phrase inside other words",
      json(400, { error: "invalid_request", error_description: "Perhaps the token was invalid." }),
      "passing",
      loose,
    ],
    ["403 rate limit", json(403, { error: "rate_limited", message: "API rate limit exceeded" }), "passing"],
    ["403 HTML", html(403), "passing"],
    ["400 HTML that names a dead code", html(400), "passing"],
    ["Entra wants scope", json(400, { error: "invalid_request", error_description: "AADSTS90009: ..." }), "passing"],
    ["invalid_scope", json(400, { error: "invalid_scope" }), "passing"],
    ["invalid_target", json(400, { error: "invalid_target" }), "passing"],
    ["unsupported_grant_type", json(400, { error: "unsupported_grant_type" }), "passing"],
    ["invalid_dpop_proof", json(400, { error: "invalid_dpop_proof" }), "passing"],
    ["slow_down", json(400, { error: "slow_down" }), "passing"],
    [
      "temporarily_unavailable beside another code",
      json(400, { error: "temporarily_unavailable", code: "invalid_grant" }),
      "passing",
    ],
    ["unknown code", json(400, { error: "something_new" }), "passing"],
    ["unknown code in a 200", json(200, { ok: false, error: "something_new" }), "passing"],
    ["a dead code as a substring", json(400, { error: "not_invalid_grant_really" }), "passing"],
    [
      "a dead code in the description",
      json(400, { error: "invalid_request", error_description: "invalid_grant" }),
      "passing",
    ],
    ["a dead code in a member nobody reads", json(400, { detail: "invalid_grant" }), "passing"],
    ["a sentence with the words refresh token", json(400, { error: "the refresh token is invalid" }), "passing"],
    ["404 without a code", json(404, {}), "passing"],
    ["401 without a body", { status: 401, body: "" }, "passing"],
    ["a truncated 400", { status: 400, contentType: "application/json", body: '{"error":"invalid_gra' }, "passing"],
    ["an array", { status: 400, contentType: "application/json", body: '["invalid_grant"]' }, "passing"],
    ["408", json(408, { error: "invalid_grant" }), "passing"],
    ["421", json(421, {}), "passing"],
    ["425", json(425, {}), "passing"],
    ["429", json(429, { error: "invalid_grant" }), "passing"],
    ["500", json(500, { error: "invalid_grant" }), "passing"],
    ["503", json(503, { error: "temporarily_unavailable" }), "passing"],
    ["529", json(529, { error: "overloaded" }), "passing"],
    ["500 HTML", html(500), "passing"],
    ["503 HTML", html(503), "passing"],
    ["a redirect with a code", json(302, { error: "invalid_grant" }), "passing"],
    ["a status of no meaning", json(0, { error: "invalid_grant" }), "passing"],
    [
      "a dead phrase as the text of a 503",
      { status: 503, contentType: "text/plain", body: "Invalid Token!" },
      "passing",
    ],
  ]
  for (const [what, answer, expected, profile] of answers) {
    it(`${what}`, () => assert.strictEqual(word(answer, profile), expected))
  }
})

describe("nobody knows", () => {
  const answers: ReadonlyArray<readonly [string, TokenAnswer]> = [
    ["502 HTML", html(502)],
    ["504 HTML", html(504)],
    ["502 with an error code", json(502, { error: "invalid_grant" })],
    ["502 with tokens", json(502, { access_token: "a", refresh_token: "b" })],
    ["Cloudflare's 502", html(520)],
    ["Cloudflare's 504", html(524)],
    ["200 HTML", html(200)],
    ["200 empty", { status: 200, contentType: "application/json", body: "" }],
    ["204", { status: 204, body: "" }],
    ["200 truncated", { status: 200, contentType: "application/json", body: '{"access_token":"abc","refresh_to' }],
    ["200 {}", json(200, {})],
    ["200 null", json(200, null)],
    ["200 with another success", json(200, { status: "success", code: "ok" })],
    ["200 with a refresh token alone", json(200, { refresh_token: "r" })],
    ["200 with an empty access token", json(200, { access_token: "", refresh_token: "r" })],
    ["200 with an access token of another type", json(200, { access_token: 42 })],
    ["200 with a line break in the access token", json(200, { access_token: "a\r\nx-header: y" })],
    ["200 text", { status: 200, contentType: "text/plain", body: "Invalid Token!" }],
    ["a form under another type", { status: 200, contentType: "text/plain", body: "access_token=a" }],
    ["ID-JAG's token that is no bearer token", json(200, { access_token: "a", token_type: "N_A" })],
  ]
  for (const [what, answer] of answers) {
    it(`${what}`, () => assert.strictEqual(word(answer), "Ambiguous"))
  }
})

describe("granted, however oddly", () => {
  const secret = Redacted.value<string>
  const known = (seconds: number): Expiry => ({
    _tag: "Known",
    at: now + seconds * 1000,
    lifetimeMillis: seconds * 1000,
  })
  const jwt = (exp: unknown) => `e30.${Buffer.from(JSON.stringify({ exp })).toString("base64url")}.sig`

  it("reads a complete answer", () => {
    const tokens = tokensOf(
      json(200, { access_token: "at", refresh_token: "rt", token_type: "bearer", expires_in: 3600, scope: "a b" }),
    )
    assert.deepStrictEqual(
      { ...tokens, accessToken: secret(tokens.accessToken), refreshToken: secret(tokens.refreshToken!) },
      {
        accessToken: "at",
        refreshToken: "rt",
        tokenType: "Bearer",
        scope: "a b",
        expiry: known(3600),
        obtainedAt: now,
      },
    )
  })

  it("keeps keys absent that the server left out", () => {
    assert.sameMembers(Object.keys(tokensOf(json(200, { access_token: "at" }))), [
      "accessToken",
      "tokenType",
      "expiry",
      "obtainedAt",
    ])
  })

  it.each([[""], [null], [7], [{}]])("a refresh token of %j counts as missing", (value) => {
    assert.isUndefined(tokensOf(json(200, { access_token: "at", refresh_token: value })).refreshToken)
  })

  const expiries: ReadonlyArray<readonly [string, unknown, Expiry, ProviderProfile["expirySource"]?]> = [
    ["missing", undefined, { _tag: "Unknown" }],
    ["zero", 0, { _tag: "Unknown" }],
    ["negative", -5, { _tag: "Unknown" }],
    ["a numeric string", "3600", known(3600)],
    ["no number", "soon", { _tag: "Unknown" }],
    ["NaN as JSON has it", null, { _tag: "Unknown" }],
    ["an object", {}, { _tag: "Unknown" }],
    ["beyond the calendar", 1e300, { _tag: "Unknown" }],
    ["in milliseconds", 3_600_000, known(3600), "milliseconds"],
    ["in milliseconds, as a string", "3600000", known(3600), "milliseconds"],
    ["missing, in milliseconds", undefined, { _tag: "Unknown" }, "milliseconds"],
    ["of another type, in milliseconds", true, { _tag: "Unknown" }, "milliseconds"],
    ["without a JWT at a server of JWTs", 60, known(60), "jwt"],
  ]
  for (const [what, expires_in, expected, expirySource = "expires_in"] of expiries) {
    it(`expires_in ${what}`, () => {
      const answer = json(200, { access_token: "opaque", expires_in })
      assert.deepStrictEqual(tokensOf(answer, profile({ expirySource })).expiry, expected)
    })
  }

  it("prefers a JWT's exp where the profile says so, and falls back to it elsewhere", () => {
    const access_token = jwt(now / 1000 + 900)
    const answer = json(200, { access_token, expires_in: 60 })
    assert.deepStrictEqual(tokensOf(answer, profile({ expirySource: "jwt" })).expiry, known(900))
    assert.deepStrictEqual(tokensOf(answer).expiry, known(60))
    assert.deepStrictEqual(tokensOf(json(200, { access_token })).expiry, known(900))
    assert.deepStrictEqual(tokensOf(json(200, { access_token: jwt(1e307) })).expiry, { _tag: "Unknown" })
  })

  it("a form, by its content type (GitHub)", () => {
    const tokens = tokensOf({
      status: 200,
      contentType: "application/x-www-form-urlencoded",
      body: "access_token=ghu_a%2Bb&expires_in=28800&refresh_token=ghr_c&scope=repo%2Cgist&token_type=bearer\n",
    })
    assert.strictEqual(secret(tokens.accessToken), "ghu_a+b")
    assert.strictEqual(secret(tokens.refreshToken!), "ghr_c")
    assert.strictEqual(tokens.scope, "repo gist")
    assert.deepStrictEqual(tokens.expiry, known(28_800))
  })

  it("camelCase (HubSpot)", () => {
    const tokens = tokensOf(json(200, { accessToken: "at", refreshToken: "rt", expiresIn: 1800, tokenType: "bearer" }))
    assert.strictEqual(secret(tokens.accessToken), "at")
    assert.strictEqual(secret(tokens.refreshToken!), "rt")
    assert.deepStrictEqual(tokens.expiry, known(1800))
  })

  it("nested in authed_user (Slack)", () => {
    const authed_user = {
      id: "U1",
      scope: "chat:write,search:read",
      access_token: "xoxe.xoxp-1",
      token_type: "user",
      expires_in: 43_200,
      refresh_token: "xoxe-1",
    }
    const tokens = tokensOf(json(200, { ok: true, app_id: "A", authed_user }))
    assert.strictEqual(secret(tokens.accessToken), "xoxe.xoxp-1")
    assert.strictEqual(secret(tokens.refreshToken!), "xoxe-1")
    assert.strictEqual(tokens.scope, "chat:write search:read")
    assert.strictEqual(tokens.tokenType, "Bearer")
  })

  it.each([
    [["read", "write"], "read write"],
    ["read,write", "read write"],
    ["read, write", "read write"],
    [" read  write ", "read write"],
    ["", undefined],
    [[], undefined],
    [7, undefined],
  ])("scope %j", (scope, expected) => {
    assert.strictEqual(tokensOf(json(200, { access_token: "at", scope })).scope, expected)
  })

  it.each([
    [undefined, "Bearer"],
    ["", "Bearer"],
    [7, "Bearer"],
    ["bearer", "Bearer"],
    ["BearerToken", "Bearer"],
    ["bot", "Bearer"],
    ["DPoP", "DPoP"],
    ["Bearer\r\nx: y", "Bearer"],
  ])("token_type %j", (token_type, expected) => {
    assert.strictEqual(tokensOf(json(200, { access_token: "at", token_type })).tokenType, expected)
  })

  it.each<readonly [string, TokenAnswer]>([
    ["201", json(201, { access_token: "at" })],
    ["beside an error", json(200, { access_token: "at", error: "invalid_grant" })],
    ["with ok: false", json(200, { ok: false, access_token: "at" })],
    ["under text/html", json(200, { access_token: "at" }, { contentType: "text/html" })],
    [
      "under the type of a form",
      json(200, { access_token: "at" }, { contentType: "application/x-www-form-urlencoded" }),
    ],
    ["with white space around it", json(200, { access_token: "at\n" })],
  ])("%s", (_what, answer) => {
    assert.strictEqual(secret(tokensOf(answer).accessToken), "at")
  })
})

describe("Retry-After", () => {
  const hour = 3_600_000
  it.each<readonly [string | undefined, number]>([
    [undefined, 0],
    ["", 0],
    ["30", 30_000],
    [" 2.5 ", 2_500],
    ["-5", 0],
    ["soon", 0],
    ["1e9", 0],
    ["999999999999", hour],
    [new Date(now + 90_000).toUTCString(), 90_000],
    [new Date(now - 90_000).toUTCString(), 0],
    [new Date(now + 90 * 86_400_000).toUTCString(), hour],
    ["Fri, 99 Foo 2026 99:99:99 GMT", 0],
  ])("%j", (header, millis) => {
    assert.strictEqual(retryAt(header, now), now + millis)
  })

  it("is honoured by a passing failure", () => {
    for (const status of [400, 403, 408, 425, 429, 500, 503, 529]) {
      const outcome = outcomeOf(json(status, {}, { retryAfter: "120" }))
      assert.strictEqual(outcome._tag === "Rejected" && outcome.retryAt, now + 120_000)
    }
  })
})

describe("what people are told", () => {
  const secrets = ["rt-Zx81kqPw7vLm2nRt", "client~secret with+spaces/and=é", "shrt"]
  const told = (answer: TokenAnswer) => {
    const outcome = classify(answer, generic, now, secrets)
    return outcome._tag === "Rotated" ? "" : outcome.cause
  }

  it("is one short printable line", () => {
    const words = told(
      json(400, { error: "odd", error_description: `a\u0000b\u001B[31m\r\nc\u202E d ${"word ".repeat(200)}` }),
    )
    assert.match(words, /^the server answered 400 odd: "a b \[31m c d word/)
    assert.isBelow(words.length, 240)
    assert.notMatch(words, /\p{C}/u)
  })

  it.each(secrets)("holds no secret that was sent", (secret) => {
    const forms = [
      secret,
      encodeURIComponent(secret),
      new URLSearchParams([["refresh_token", secret]]).toString(),
      JSON.stringify(secret),
      Buffer.from(secret).toString("base64"),
      `Bearer ${secret}.`,
    ]
    for (const form of forms) {
      for (const member of ["error", "error_description", "message", "code", "status", "msg"]) {
        const words = told(json(400, { [member]: form }))
        assert.isFalse(words.includes(secret) || words.includes(encodeURIComponent(secret)))
        assert.isFalse(words.includes(Buffer.from(secret).toString("base64")))
      }
      assert.isFalse(told({ status: 400, contentType: "text/plain", body: form }).includes(secret))
    }
  })

  it("holds no beginning of a secret either", () => {
    const words = told(json(400, { error: "odd", error_description: "The token rt-Zx81kqP... is unknown" }))
    assert.isFalse(words.includes("Zx81"))
    assert.isTrue(words.includes("is unknown"))
  })

  it("holds nothing that looks like a token, nor a token that was granted beside it", () => {
    const granted = "Tiny7x9Q"
    const words = told(
      json(502, {
        access_token: granted,
        error: "eyJhbGciOiJIUzI1NiJ9",
        error_description: `${granted} eyJhbGciOiJIUzI1NiJ9.e30.abc`,
      }),
    )
    assert.isFalse(words.includes(granted) || words.includes("eyJ"))
  })

  it("never holds a page", () => {
    assert.strictEqual(told(html(403)), "the server answered 403")
    assert.strictEqual(told(html(502)), "the server answered 502")
    assert.strictEqual(told(html(200)), "the server answered 200, without a usable access token")
  })

  it("leaves a code alone that is one", () => {
    for (const row of everywhere) if (row.code !== "") assert.strictEqual(Scrub.code(row.code, secrets), row.code)
    assert.isUndefined(Scrub.code("rt-Zx81kqPw7vLm2nRt", secrets))
    assert.isUndefined(Scrub.code("AbC123dEf456gHi789", []))
  })
})

describe("any answer at all", () => {
  const planted = "pLanTed-9f3kX0qv81ZsW"
  const words = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "invalid_request",
      "server_error",
      "ok",
      "refresh token",
      "Invalid token",
      "bearer",
      "invalid_grant2",
      planted,
      `is ${planted}?`,
    ),
  )
  const members = fc.constantFrom(
    "error",
    "code",
    "error_code",
    "status",
    "ok",
    "message",
    "msg",
    "error_description",
    "error_hint",
    "reason",
    "__type",
    "scope",
    "token_type",
    "expires_in",
    "refresh_token",
    "authed_user",
    "__proto__",
    "detail",
  )
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      words,
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(members, tie("value"), { maxKeys: 5 }),
    ),
  })).value
  const body = fc.oneof(
    words,
    fc.dictionary(members, value, { maxKeys: 8 }).map((fields) => JSON.stringify(fields)),
    value.map((inner) => JSON.stringify(inner) ?? ""),
    fc.tuple(value, fc.nat(200)).map(([inner, length]) => (JSON.stringify(inner) ?? "").slice(0, length)),
    fc.array(fc.tuple(members, words), { maxLength: 5 }).map((pairs) => new URLSearchParams(pairs).toString()),
  )
  const answer = fc.record({
    status: fc.oneof(
      fc.constantFrom(200, 201, 204, 302, 400, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504),
      fc.nat(700),
    ),
    contentType: fc.option(
      fc.constantFrom("application/json", "text/html", "application/x-www-form-urlencoded", "text/plain"),
      { nil: undefined },
    ),
    retryAfter: fc.option(fc.oneof(fc.string(), fc.nat().map(String)), { nil: undefined }),
    body,
  })
  const profiles = fc.constantFrom(
    generic,
    x,
    profile({ expirySource: "jwt" }),
    profile({ expirySource: "milliseconds" }),
  )
  const codes = new Set(
    everywhere.flatMap(({ code, means }) => (code === "" || means === "passing" ? [] : [code.toLowerCase()])),
  )
  const phrase = "invalid token!"

  it("never throws, never leaks, never dies without a table's code", () => {
    fc.assert(
      fc.property(answer, profiles, (answer, profile) => {
        const outcome = classify(answer, profile, now, [planted])
        if (outcome._tag === "Rotated") return true
        if (outcome.cause.includes(planted) || outcome.cause.length > 400) return false
        if (outcome._tag === "Ambiguous" || outcome._tag === "NotSent") return true
        if (outcome.retryAt < now || outcome.retryAt > now + 3_600_000) return false
        const text = answer.body.toLowerCase()
        return outcome.dead === undefined || text.includes(phrase) || [...codes].some((code) => text.includes(code))
      }),
      { numRuns: 20_000 },
    )
  })

  it("always finds a usable access token in a 2xx object, and its refresh token with it", () => {
    const fields = fc.dictionary(members, value, { maxKeys: 8 })
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 299 }), fields, (status, fields) => {
        const given = { ...fields, access_token: "usable", refresh_token: "successor" }
        const bearer = { ...given, token_type: "Bearer" }
        const outcome = classify({ status, body: JSON.stringify(bearer) }, generic, now, [])
        return (
          outcome._tag === "Rotated" &&
          Redacted.value(outcome.tokens.accessToken) === "usable" &&
          Redacted.value(outcome.tokens.refreshToken!) === "successor"
        )
      }),
      { numRuns: 5_000 },
    )
  })

  it("gives a verdict no code but the server's own, out of the tables", () => {
    const dead = [...codes].filter((code) => code !== "invalid_request")
    fc.assert(
      fc.property(fc.constantFrom(...dead), words, (code, said) => {
        const outcome = classify(json(400, { error: code, message: said }), generic, now, [planted])
        return outcome._tag === "Rejected" && outcome.dead?.code === code
      }),
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import { ReuseClass } from "../../src/lifecycle/Credential.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as AuthorizationServer from "../../src/testing/AuthorizationServer.ts"
import type { Client } from "../../src/testing/clientAuth.ts"
import { lostRequest } from "../../src/testing/Fault.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { bodies, expiresInSpellings, type Overrides } from "../../src/testing/Policy.ts"
import { basic, fieldsOf, granted, presentAll, refreshing } from "./requests.ts"

const grace = 1_000
const hour = 3_600_000
const now = 1_700_000_000_000

/** A server with one grant, made at 0: `rt-1` and `at-1`. */
const make = (policy: Overrides = {}, options: AuthorizationServer.Options = {}) => {
  const server = AuthorizationServer.make({ ...options, policy: { graceMillis: grace, ...policy } })
  server.grant({ scope: "a b" }, 0)
  return server
}

const lives = (server: AuthorizationServer.AuthorizationServer, token: string, at: number): boolean =>
  token.startsWith("rt") ? server.inspect(token, at).honoured : server.introspect(token, at).active

const living = (server: AuthorizationServer.AuthorizationServer, at: number): string =>
  ["rt-1", "rt-2", "rt-3", "rt-4", "at-1", "at-2", "at-3", "at-4"].filter((token) => lives(server, token, at)).join(" ")

describe("a refresh token that was consumed at 0", () => {
  // What `rt-1` gives the second and the third time, and what lives afterwards.
  const table: ReadonlyArray<readonly [Overrides, at: number, third: number, answers: string, alive: string]> = [
    [{ reuse: "notRotating" }, 0, 9_000, "rt-1 rt-1 rt-1", "rt-1 at-1 at-2 at-3 at-4"],
    [{ reuse: "idempotent" }, 0, 0, "rt-2 rt-2 rt-2", "rt-1 rt-2 at-1 at-2"],
    [{ reuse: "idempotent" }, 999, 999, "rt-2 rt-2 rt-2", "rt-1 rt-2 at-1 at-2"],
    [{ reuse: "idempotent" }, 999, 1_000, "rt-2 rt-2 -", ""],
    [{ reuse: "idempotent" }, 1_000, 1_001, "rt-2 - -", ""],
    [{ reuse: "idempotent", onReuse: "reject" }, 1_000, 1_001, "rt-2 - -", "rt-2 at-1 at-2"],
    [{ reuse: "idempotent", graceMillis: 0 }, 0, 0, "rt-2 - -", ""],
    [{ reuse: "fork" }, 0, 999, "rt-2 rt-3 rt-4", "rt-1 rt-2 rt-3 rt-4 at-1 at-2 at-3 at-4"],
    [{ reuse: "fork" }, 999, 1_000, "rt-2 rt-3 -", ""],
    [{ reuse: "fork" }, 1_000, 1_001, "rt-2 - -", ""],
    [{ reuse: "fork", onReuse: "reject" }, 1_001, 1_001, "rt-2 - -", "rt-2 at-1 at-2"],
    [{ reuse: "untilSuccessorUsed" }, 0, 9_000, "rt-2 rt-3 rt-4", "rt-1 rt-4 at-1 at-2 at-3 at-4"],
    [
      { reuse: "untilSuccessorUsed", replacesSuccessor: false },
      0,
      9_000,
      "rt-2 rt-3 rt-4",
      "rt-1 rt-2 rt-3 rt-4 at-1 at-2 at-3 at-4",
    ],
    [{ reuse: "rejectOnly" }, 0, 1, "rt-2 - -", "rt-2 at-1 at-2"],
    [{ reuse: "strict" }, 0, 1, "rt-2 - -", ""],
    [{ reuse: "strict", revokesAccessTokens: false }, 0, 1, "rt-2 - -", "at-1 at-2"],
  ]
  for (const [policy, second, third, answers, alive] of table) {
    const { reuse, ...rest } = policy
    const more = Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest)}` : ""
    it(`${reuse}${more}, again at ${second} and ${third} of ${grace}: ${answers}`, () => {
      const server = make(policy)
      const steps = [0, second, third].map((at) => [at, "rt-1"] as const)
      assert.strictEqual(presentAll(server, steps).join(" "), answers)
      assert.strictEqual(living(server, third), alive)
    })
  }

  it("costs a strict family its newest token, of which nobody was told", () => {
    const server = make({ reuse: "strict" })
    const steps = [
      [0, "rt-1"],
      [1, "rt-2"],
      [2, "rt-1"],
      [3, "rt-3"],
    ] as const
    assert.deepStrictEqual(presentAll(server, steps), ["rt-2", "rt-3", "-", "-"])
    const record = server.presentations()
    assert.deepStrictEqual(
      record.map(({ was }) => was),
      ["current", "current", "reuse", "dead"],
    )
  })

  it("may have come to its own end meanwhile", () => {
    const server = make({ reuse: "idempotent", refreshLifetimeMillis: 500, dead: "openai" })
    const codeAt = (token: string, at: number) => {
      const { error } = fieldsOf(server.exchange(refreshing(token), at))
      return error === undefined ? undefined : Reflect.get(Object(error), "code")
    }
    assert.isUndefined(codeAt("rt-1", 499))
    assert.strictEqual(codeAt("rt-1", 500), "refresh_token_expired")
    assert.isUndefined(codeAt("rt-2", 998))
    assert.strictEqual(codeAt("rt-3", 1_498), "refresh_token_expired")
    assert.isTrue(server.introspect("at-3", 1_498).active)
  })

  it("and its other grants nothing", () => {
    const server = make({ reuse: "strict" })
    const other = server.grant({}, 0)
    presentAll(server, [
      [0, "rt-1"],
      [1, "rt-1"],
    ])
    assert.strictEqual(granted(server.exchange(refreshing(other.refreshToken!), 2)), "rt-g2-2")
  })
})

describe("a server that waits for the successor's first use", () => {
  const policy: Overrides = { reuse: "untilSuccessorUsed" }

  it("takes the predecessor until the successor is presented", () => {
    const server = make(policy)
    const steps = [
      [0, "rt-1"],
      [1, "rt-2"],
      [2, "rt-1"],
      [3, "rt-2"],
      [4, "rt-4"],
      [5, "rt-2"],
    ] as const
    assert.deepStrictEqual(presentAll(server, steps), ["rt-2", "rt-3", "-", "rt-4", "rt-5", "-"])
  })

  it("or its access token is used, and not only looked at", () => {
    const server = make(policy)
    presentAll(server, [[0, "rt-1"]])
    assert.isTrue(server.introspect("at-2", 1).active)
    assert.isTrue(server.access("at-1", 1).active)
    assert.isTrue(server.inspect("rt-1", 1).honoured)
    assert.isTrue(server.access("at-2", 1).active)
    assert.deepStrictEqual(server.inspect("rt-1", 1), { was: "reuse", honoured: false })
    assert.deepStrictEqual(presentAll(server, [[2, "rt-1"]]), ["-"])
    assert.deepStrictEqual(presentAll(server, [[2, "rt-2"]]), ["rt-3"])
  })

  it("does not take the use of a replaced sibling for it", () => {
    const server = make(policy)
    presentAll(server, [
      [0, "rt-1"],
      [0, "rt-1"],
    ])
    assert.isTrue(server.access("at-2", 1).active)
    assert.deepStrictEqual(presentAll(server, [[1, "rt-2"]]), ["-"])
    assert.deepStrictEqual(presentAll(server, [[1, "rt-1"]]), ["rt-4"])
  })
})

describe("a granted answer", () => {
  it("is the same in a repetition, but for the time that is left", () => {
    const server = make({ reuse: "idempotent" })
    const [first, second] = [0, 400].map((at) => fieldsOf(server.exchange(refreshing("rt-1"), at)))
    assert.deepStrictEqual(second, { ...first, expires_in: 3_599 })
    assert.strictEqual(first?.["expires_in"], 3_600)
  })

  it("leaves out a refresh token that does not change", () => {
    const server = make({ omitsRefreshToken: true })
    const steps = [0, 1, 2].map((at) => [at, "rt-1"] as const)
    assert.deepStrictEqual(presentAll(server, steps), ["at-2", "at-3", "at-4"])
  })

  it("spells expires_in in every odd way", () => {
    const spelled = expiresInSpellings.map((expiresIn) => {
      const { expires_in } = fieldsOf(make({ expiresIn }).exchange(refreshing("rt-1"), 0))
      return `${expiresIn}=${JSON.stringify(expires_in) ?? ""}`
    })
    assert.deepStrictEqual(spelled, [
      "seconds=3600",
      "missing=",
      "null=null",
      "zero=0",
      "negative=-1",
      'nan="NaN"',
      'word="soon"',
      'string="3600"',
      "milliseconds=3600000",
    ])
  })

  it("comes in every odd shape", () => {
    const shaped = bodies.map((body) => make({ body }).exchange(refreshing("rt-1"), 0))
    const [json, form, camelCase, authedUser, scopeArray] = shaped
    const tokens = { access_token: "at-2", token_type: "Bearer", expires_in: 3_600, refresh_token: "rt-2" }
    assert.deepStrictEqual(fieldsOf(json!), { ...tokens, scope: "a b" })
    assert.strictEqual(form?.body, "access_token=at-2&token_type=Bearer&expires_in=3600&refresh_token=rt-2&scope=a+b")
    assert.include(form?.headers["content-type"], "application/x-www-form-urlencoded")
    assert.deepStrictEqual(Object.keys(fieldsOf(camelCase!)), [
      "accessToken",
      "tokenType",
      "expiresIn",
      "refreshToken",
      "scope",
    ])
    assert.deepInclude(fieldsOf(authedUser!)["authed_user"], { access_token: "at-2", refresh_token: "rt-2" })
    assert.deepStrictEqual(fieldsOf(scopeArray!), { ...tokens, scope: ["a", "b"] })
  })

  it("holds a JWT that says when it ends, and what else was asked for", () => {
    const whose = { email: "dev@example.test", exp: 1 }
    const server = make({ accessTokens: "jwt", expiresIn: "missing" }, { claims: whose })
    const token = String(fieldsOf(server.exchange(refreshing("rt-1"), 0))["access_token"])
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString())
    assert.deepInclude(claims, { email: "dev@example.test", exp: 3_600, jti: "at-2" })
    assert.isTrue(server.introspect(token, hour - 1).active)
  })

  it("tells of a narrower scope, and a wider one is refused before anything is consumed", () => {
    const server = make()
    assert.strictEqual(fieldsOf(server.exchange(refreshing("rt-1", { scope: "a c" }), 0))["error"], "invalid_scope")
    assert.strictEqual(fieldsOf(server.exchange(refreshing("rt-1", { scope: "a" }), 0))["scope"], "a")
    assert.strictEqual(fieldsOf(server.exchange(refreshing("rt-2"), 0))["scope"], "a b")
  })
})

describe("an access token", () => {
  it("works until its last millisecond is over", () => {
    const server = make()
    assert.isTrue(server.introspect("at-1", hour - 1).active)
    assert.deepStrictEqual(server.introspect("at-1", hour), { active: false, why: "expired" })
    assert.deepStrictEqual(server.introspect("rt-1", 0), { active: false, why: "unknown" })
  })

  it("can be revoked early, alone or with its grant", () => {
    const server = make()
    presentAll(server, [[0, "rt-1"]])
    assert.isTrue(server.revokeToken("at-2"))
    assert.deepStrictEqual(server.introspect("at-2", 1), { active: false, why: "revoked" })
    assert.strictEqual(living(server, 1), "rt-2 at-1")
    assert.isTrue(server.revokeGrant(1, false))
    assert.strictEqual(living(server, 1), "at-1")
    assert.isTrue(server.revokeGrant(1))
    assert.strictEqual(living(server, 1), "")
    assert.isFalse(server.revokeGrant(2))
    assert.isFalse(server.revokeToken("at-9"))
  })

  it("can be refused although it is valid", () => {
    const server = make({ refusesAccessTokens: true })
    assert.deepStrictEqual(server.access("at-1", 0), { active: false, why: "refused" })
    assert.isTrue(server.introspect("at-1", 0).active)
  })
})

describe("a client", () => {
  const secret = "p+s %:&=é"
  const form = (text: string) => new URLSearchParams([["", text]]).toString().slice(1)
  const clients: ReadonlyArray<Client> = [
    { clientId: "open" },
    { clientId: "a:b", clientSecret: secret },
    { clientId: "posts", clientSecret: secret, authMethod: "client_secret_post" },
  ]
  const asked = (clientId: string, more: Readonly<Record<string, string>>, authorization?: string): unknown => {
    const server = AuthorizationServer.make({ clients })
    const { refreshToken } = server.grant({ clientId }, 0)
    const parameters = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken!, ...more })
    const answer = server.exchange({ parameters, authorization }, 0)
    if (answer.status !== 200) assert.isTrue(server.inspect(refreshToken!, 0).honoured)
    return answer.status === 401 ? (answer.headers["www-authenticate"] ?? 401) : fieldsOf(answer)["error"]
  }

  it("proves itself by the method it is registered with, and by no other", () => {
    const header = basic(form("a:b"), form(secret))
    assert.isUndefined(asked("open", { client_id: "open" }))
    assert.isUndefined(asked("a:b", {}, header))
    assert.isUndefined(asked("a:b", { client_id: "a:b" }, header))
    assert.isUndefined(asked("posts", { client_id: "posts", client_secret: secret }))

    const challenge = 'Basic realm="tokenkeep"'
    assert.strictEqual(asked("a:b", {}, basic("a:b", secret)), challenge)
    assert.strictEqual(asked("a:b", {}, basic(form("a:b"), "wrong")), challenge)
    assert.strictEqual(asked("a:b", { client_id: "a:b", client_secret: secret }), 401)
    assert.strictEqual(asked("a:b", { client_id: "a:b" }), 401)
    assert.strictEqual(asked("posts", {}, basic("posts", form(secret))), challenge)
    assert.strictEqual(asked("posts", { client_id: "posts", client_secret: "" }), 401)
    assert.strictEqual(asked("open", { client_id: "nobody" }), 401)
    assert.strictEqual(asked("open", {}), 401)
    assert.strictEqual(asked("open", { client_id: "open" }, "Bearer x"), challenge)
    assert.strictEqual(asked("a:b", { client_secret: secret }, header), "invalid_request")
    assert.strictEqual(asked("a:b", { client_id: "open" }, header), "invalid_request")
  })

  it("cannot use, nor spoil, what another one was given", () => {
    const server = AuthorizationServer.make({ clients: [{ clientId: "client" }, { clientId: "thief" }] })
    server.grant({}, 0)
    assert.strictEqual(granted(server.exchange(refreshing("rt-1", { client_id: "thief" }), 0)), "-")
    assert.strictEqual(server.presentations()[0]?.was, "unknown")
    assert.strictEqual(granted(server.exchange(refreshing("rt-1"), 0)), "rt-2")
    assert.strictEqual(granted(server.exchange(refreshing("rt-1", { client_id: "thief" }), 0)), "-")
    assert.isTrue(server.inspect("rt-2", 0).honoured)
  })

  it("may repeat no parameter but resource", () => {
    const request = refreshing("rt-1")
    request.parameters.append("resource", "https://a.example/")
    request.parameters.append("resource", "https://b.example/")
    assert.strictEqual(make().exchange(request, 0).status, 200)
    request.parameters.append("scope", "a")
    assert.strictEqual(make().exchange(request, 0).status, 200)
    request.parameters.append("scope", "b")
    assert.strictEqual(fieldsOf(make().exchange(request, 0))["error"], "invalid_request")
  })

  it("with a secret can act for itself", () => {
    const server = AuthorizationServer.make({ clients })
    const parameters = new URLSearchParams({ grant_type: "client_credentials", scope: "a" })
    const authorization = basic(form("a:b"), form(secret))
    const fields = fieldsOf(server.exchange({ parameters, authorization }, 0))
    assert.deepStrictEqual(fields, { access_token: "at-1", token_type: "Bearer", expires_in: 3_600, scope: "a" })
    parameters.set("client_id", "open")
    assert.strictEqual(fieldsOf(server.exchange({ parameters }, 0))["error"], "unauthorized_client")
  })
})

describe("resource", () => {
  const resource = "https://mcp.example/mcp"
  const error = (policy: Overrides, more: Readonly<Record<string, string>>) => {
    const server = AuthorizationServer.make({ policy })
    const { refreshToken } = server.grant({ resource }, 0)
    const answer = fieldsOf(server.exchange(refreshing(refreshToken!, more), 0))
    assert.strictEqual(server.presentations()[0]?.resource, more["resource"]?.split("?")[0])
    return answer["error"]
  }

  it("is needed where the server says so, and has to be the grant's own", () => {
    assert.isUndefined(error({}, {}))
    assert.isUndefined(error({}, { resource }))
    assert.strictEqual(error({}, { resource: "https://other.example/" }), "invalid_target")
    assert.strictEqual(error({}, { resource: "https://mcp.example/mcp?token=x" }), "invalid_target")
    assert.strictEqual(error({ requiresResource: true }, {}), "invalid_target")
    assert.isUndefined(error({ requiresResource: true }, { resource }))
  })
})

describe("the record", () => {
  it("tells who presented what, when, and what came of it", () => {
    const server = make({ reuse: "rejectOnly" })
    server.exchange(refreshing("rt-1", { scope: "a" }), 5)
    server.exchange(refreshing("rt-1"), 6)
    server.exchange(refreshing("rt-x"), 7)
    server.exchange({ parameters: new URLSearchParams({ grant_type: "password" }) }, 8)
    server.script(lostRequest)
    server.arrive(refreshing("rt-2"), 9)
    const record = server.presentations()
    assert.deepStrictEqual(record[0], {
      sequence: 1,
      at: 5,
      processedAt: 5,
      client: "client",
      grantType: "refresh_token",
      fingerprint: fingerprint("rt-1"),
      was: "current",
      outcome: "granted",
      answered: 200,
      faulted: false,
      granted: { accessToken: fingerprint("at-2"), refreshToken: fingerprint("rt-2") },
      parameters: ["grant_type", "client_id", "refresh_token", "scope"],
      resource: undefined,
    })
    assert.deepStrictEqual(
      record.map(({ answered, outcome, was }) => [was, outcome, answered]),
      [
        ["current", "granted", 200],
        ["reuse", "denied", 400],
        ["unknown", "denied", 400],
        [undefined, "clientRejected", 401],
        [undefined, "unprocessed", "nothing"],
      ],
    )
    assert.lengthOf(server.presentations(fingerprint("rt-1")), 2)
  })

  it("repeats no secret, wherever a client puts one", () => {
    const server = make({}, { secretPrefix: "SECRET-" })
    const requests = [
      refreshing("SECRET-rt-1", { resource: "https://u:SECRET@x.example/?SECRET" }),
      { parameters: new URLSearchParams("SECRET-rt-2") },
      { parameters: new URLSearchParams({ grant_type: "SECRET", client_id: "SECRET", resource: "SECRET" }) },
      {
        parameters: new URLSearchParams({ grant_type: "authorization_code", code: "SECRET" }),
        authorization: "SECRET",
      },
    ]
    for (const request of requests) server.exchange(request, 0)
    assert.lengthOf(server.presentations(), requests.length)
    assert.notInclude(JSON.stringify(server.presentations()), "SECRET")
  })
})

describe("a grant", () => {
  it("is handed over in the form that import reads", () => {
    const clients = [{ clientId: "c", clientSecret: "s" }]
    const server = AuthorizationServer.make({ clients, policy: { reuse: "fork", graceMillis: 30_000 } })
    const grant = server.grant({ resource: "https://mcp.example/mcp", scope: "a b" }, now)
    const document = grantDocument(grant, { issuer: server.issuer, tokenEndpoint: "https://as.example/token" })
    const credential = Result.getOrThrow(GrantDocument.toCredential(JSON.parse(JSON.stringify(document)), "x", now))
    assert.deepInclude(credential, {
      tokenEndpoint: "https://as.example/token",
      resource: "https://mcp.example/mcp",
      reuse: { class: "fork", graceMillis: 30_000 },
    })
    assert.deepStrictEqual(credential.tokens.expiry, { _tag: "Known", at: now + hour })
    assert.strictEqual(credential.client.authMethod, "client_secret_basic")
  })

  it("may have a policy of its own, as may a client", () => {
    const clients: ReadonlyArray<Client> = [{ clientId: "client", policy: { dead: "slack" } }]
    const server = AuthorizationServer.make({ clients })
    server.grant({}, 0)
    server.grant({ policy: { reuse: "notRotating" } }, 0)
    assert.strictEqual(granted(server.exchange(refreshing("rt-g2-1"), 0)), "rt-g2-1")
    assert.deepStrictEqual(fieldsOf(server.exchange(refreshing("nothing"), 0)), {
      ok: false,
      error: "invalid_refresh_token",
    })
    server.setPolicy({ reuse: "rejectOnly" })
    assert.deepStrictEqual(
      presentAll(server, [
        [0, "rt-1"],
        [0, "rt-1"],
        [0, "rt-2"],
      ]),
      ["rt-2", "-", "rt-3"],
    )
  })
})

type Step =
  | { readonly _tag: "Present" | "Use"; readonly token: number }
  | { readonly _tag: "Pass"; readonly millis: number }

/** Steps on the tokens of one grant, by number; most numbers stand for a token that exists. */
const steps = fc.array(
  fc.oneof(
    fc.record({ _tag: fc.constantFrom("Present" as const, "Use" as const), token: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ _tag: fc.constant("Pass" as const), millis: fc.constantFrom(1, 500, 999, 1_000) }),
  ),
  { maxLength: 24 },
)

const carryOut = (
  server: AuthorizationServer.AuthorizationServer,
  step: Step,
  at: number,
): readonly [string, number] => {
  if (step._tag === "Pass") return ["", at + step.millis]
  if (step._tag === "Use") return [JSON.stringify(server.access(`at-${step.token}`, at)), at]
  return [server.exchange(refreshing(`rt-${step.token}`), at).body, at]
}

const numbered = Array.from({ length: 30 }, (_, index) => index + 1)

describe("in every history", () => {
  const singleUse = fc.constantFrom<Array<Overrides>>({ reuse: "strict" }, { reuse: "rejectOnly" })

  it("a single-use token is rotated once", () => {
    fc.assert(
      fc.property(singleUse, steps, (policy, history) => {
        const server = make(policy)
        let at = 0
        for (const step of history) at = carryOut(server, step, at)[1]
        const rotated = server.presentations().filter(({ outcome }) => outcome === "granted")
        assert.strictEqual(new Set(rotated.map(({ fingerprint }) => fingerprint)).size, rotated.length)
      }),
    )
  })

  it("at most one refresh token of a family is honoured, unless the class lets more live", () => {
    fc.assert(
      fc.property(singleUse, steps, (policy, history) => {
        const server = make(policy)
        let at = 0
        for (const step of history) {
          at = carryOut(server, step, at)[1]
          assert.isAtMost(numbered.filter((number) => server.inspect(`rt-${number}`, at).honoured).length, 1)
        }
      }),
    )
  })

  it("a replacing server honours a predecessor and its newest successor, and nobody else", () => {
    fc.assert(
      fc.property(steps, (history) => {
        const server = make({ reuse: "untilSuccessorUsed" })
        let at = 0
        for (const step of history) {
          at = carryOut(server, step, at)[1]
          const honoured = numbered.filter((number) => server.inspect(`rt-${number}`, at).honoured)
          assert.isAtLeast(honoured.length, 1)
          assert.isAtMost(honoured.length, 2)
        }
      }),
    )
  })

  it("a look says what a presentation then brings, and changes nothing", () => {
    const policy = fc.record({ reuse: fc.constantFrom(...ReuseClass.literals), replacesSuccessor: fc.boolean() })
    fc.assert(
      fc.property(policy, steps, (policy, history) => {
        const server = make(policy)
        let at = 0
        for (const step of history) {
          const before = server.digest()
          const looked = step._tag === "Present" ? server.inspect(`rt-${step.token}`, at) : undefined
          server.introspect("at-2", at)
          assert.strictEqual(server.digest(), before)
          at = carryOut(server, step, at)[1]
          if (looked === undefined) continue
          const { outcome, was } = server.presentations().at(-1)!
          assert.deepStrictEqual({ was, honoured: outcome !== "denied" }, looked)
        }
      }),
    )
  })
})

describe("equal digests", () => {
  const moves: ReadonlyArray<Step> = [
    { _tag: "Present", token: 1 },
    { _tag: "Present", token: 2 },
    { _tag: "Present", token: 9 },
    { _tag: "Use", token: 2 },
    { _tag: "Pass", millis: 999 },
    { _tag: "Pass", millis: 1 },
  ]
  const histories = (length: number): ReadonlyArray<ReadonlyArray<Step>> =>
    length === 0 ? [[]] : histories(length - 1).flatMap((start) => [start, ...moves.map((move) => [...start, move])])
  const all = [...new Map(histories(5).map((history) => [JSON.stringify(history), history])).values()]

  const probes: ReadonlyArray<ReadonlyArray<Step>> = [1, 2, 3].flatMap((first) =>
    [1, 2, 3, 4].map((second): ReadonlyArray<Step> => [
      { _tag: "Present", token: first },
      { _tag: "Use", token: second },
      { _tag: "Pass", millis: 1 },
      { _tag: "Present", token: second },
    ]),
  )

  for (const reuse of ReuseClass.literals) {
    it(`answer equally for ever after: ${reuse}`, () => {
      const replay = (history: ReadonlyArray<Step>) => {
        const server = make({ reuse })
        let at = 0
        for (const step of history) {
          at = carryOut(server, step, at)[1]
          // A digest that is remembered too long would be found out.
          server.digest()
        }
        return { server, at }
      }
      const future = (history: ReadonlyArray<Step>): string =>
        JSON.stringify(
          probes.map((probe) => {
            const { at, server } = replay(history)
            let time = at
            return probe.map((step) => {
              const [answer, next] = carryOut(server, step, time)
              time = next
              return answer
            })
          }),
        )
      const seen = new Map<string, string>()
      let met = 0
      for (const history of all) {
        const { at, server } = replay(history)
        const key = `${at} ${server.digest()}`
        const known = seen.get(key)
        if (known === undefined) seen.set(key, future(history))
        else if (++met % 10 === 0) assert.strictEqual(future(history), known)
      }
      // The test would prove nothing if no two histories met.
      assert.isAbove(met, 1_000)
      assert.isAbove(seen.size, 20)
    })
  }

  it("do not depend on the record, and differ as soon as the future does", () => {
    const server = make()
    const before = server.digest()
    server.exchange(refreshing("nothing"), 1)
    server.exchange(refreshing("rt-1", { client_id: "nobody" }), 2)
    assert.strictEqual(server.digest(), before)
    const changes: ReadonlyArray<(server: AuthorizationServer.AuthorizationServer) => unknown> = [
      (one) => one.script(lostRequest),
      (one) => one.setPolicy({ reuse: "fork" }),
      (one) => one.setConsent("deny"),
      (one) => one.register({ clientId: "another" }),
      (one) => one.grant({}, 0),
      (one) => one.revokeGrant(1),
      (one) => one.revokeGrant(1, false),
      (one) => one.revokeToken("at-1"),
      (one) => one.exchange(refreshing("rt-1"), 0),
    ]
    const digests = changes.map((change) => {
      const one = make()
      change(one)
      return one.digest()
    })
    assert.strictEqual(new Set([before, ...digests]).size, changes.length + 1)
    server.script(lostRequest)
    server.arrive(refreshing("rt-1"), 0)
    assert.strictEqual(server.digest(), before)
  })
})

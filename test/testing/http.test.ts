import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Http from "node:http"
import * as oauth from "oauth4webapi"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { type Listening, listen, type ListenOptions } from "../../src/testing/http.ts"

interface Got {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  readonly json: Record<string, unknown>
}

const get = (url: string, init?: RequestInit): Effect.Effect<Got> =>
  Effect.promise(async () => {
    const response = await fetch(url, { redirect: "manual", ...init })
    const body = await response.text()
    const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false
    return {
      status: response.status,
      headers: response.headers,
      body,
      json: isJson ? (JSON.parse(body) as Record<string, unknown>) : {},
    }
  })

const asJson = (value: unknown): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
})

const asForm = (fields: Readonly<Record<string, string>>): RequestInit => ({
  method: "POST",
  body: new URLSearchParams(fields),
})

const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })

const fieldsFor = (refreshToken: string | undefined) => ({
  grant_type: "refresh_token",
  client_id: "client",
  refresh_token: refreshToken ?? "",
})

const refreshing = (refreshToken: string | undefined): RequestInit => asForm(fieldsFor(refreshToken))

const time = () => Date.now()

/** A server for one test, with one grant. */
const served = <A, E>(use: (at: Listening, grant: Grant) => Effect.Effect<A, E>, options?: ListenOptions) =>
  Effect.scoped(Effect.flatMap(listen(options), (at) => use(at, at.server.grant({ scope: "a b" }, time()))))

describe("the simulated server over HTTP", () => {
  it.live("takes a form and a JSON object, and answers what must not be cached", () =>
    served((at, grant) =>
      Effect.gen(function* () {
        const first = yield* get(at.tokenEndpoint, refreshing(grant.refreshToken))
        assert.strictEqual(first.status, 200)
        assert.strictEqual(first.headers.get("cache-control"), "no-store")
        const second = yield* get(at.tokenEndpoint, asJson(fieldsFor(String(first.json["refresh_token"]))))
        assert.match(String(second.json["access_token"]), /^simulated-[0-9a-f]{24}-at-3$/)
        assert.strictEqual((yield* get(at.tokenEndpoint)).status, 404)
      }),
    ),
  )

  it.live("tells a resource's visitor what is wrong with the token", () =>
    served((at, grant) =>
      Effect.gen(function* () {
        const challenge = Effect.fnUntraced(function* (token?: string) {
          const { headers, status } = yield* get(at.resourceUrl, token === undefined ? {} : bearer(token))
          return [status, headers.get("www-authenticate")?.split(", resource_metadata")[0]]
        })
        const first = yield* get(at.resourceUrl, bearer(grant.accessToken))
        assert.deepStrictEqual(first.json, {
          client_id: "client",
          scope: "a b",
          access_token_fingerprint: fingerprint(grant.accessToken),
        })
        const invalid = 'Bearer error="invalid_token", error_description="The access token is'
        assert.deepStrictEqual(yield* challenge("x"), [401, `${invalid} unknown"`])
        at.server.revokeToken(grant.accessToken)
        assert.deepStrictEqual(yield* challenge(grant.accessToken), [401, `${invalid} revoked"`])
        const old = at.server.grant({}, time() - 4_000_000)
        assert.deepStrictEqual(yield* challenge(old.accessToken), [401, `${invalid} expired"`])
        const metadata = `${at.url}/.well-known/oauth-protected-resource/resource`
        assert.deepStrictEqual(yield* challenge(), [401, `Bearer resource_metadata="${metadata}"`])
        assert.deepStrictEqual((yield* get(metadata)).json["authorization_servers"], [at.url])
      }),
    ),
  )

  it.live("introspects and revokes for a client that is known", () =>
    served((at, grant) =>
      Effect.gen(function* () {
        const ask = (path: string, token: string, client_id = "client") =>
          get(`${at.url}${path}`, asForm({ token, client_id }))
        const active = yield* ask("/introspect", grant.accessToken)
        assert.deepInclude(active.json, { active: true, client_id: "client", scope: "a b" })
        assert.strictEqual((yield* ask("/introspect", grant.accessToken, "nobody")).status, 401)
        assert.strictEqual((yield* ask("/revoke", "x")).status, 200)
        assert.strictEqual((yield* ask("/revoke", grant.refreshToken!)).status, 200)
        assert.deepStrictEqual((yield* ask("/introspect", grant.accessToken)).json, { active: false })
        assert.strictEqual(
          (yield* get(at.tokenEndpoint, refreshing(grant.refreshToken))).json["error"],
          "invalid_grant",
        )
      }),
    ),
  )

  /** How a client sees the end: an answer's status, or that none came. */
  const ended = (url: string, init: RequestInit, patienceMillis: number): Effect.Effect<number | string> =>
    Effect.promise(async () => {
      try {
        const response = await fetch(url, { ...init, signal: AbortSignal.timeout(patienceMillis) })
        try {
          await response.text()
          return response.status
        } catch (error) {
          return `${response.status} ${(error as Error).name}`
        }
      } catch (error) {
        return (error as Error).name
      }
    })

  const faults: ReadonlyArray<readonly [name: string, Fault.Fault, seen: number | string, consumed: boolean]> = [
    ["a lost request", Fault.lostRequest, "TypeError", false],
    ["a lost answer", Fault.lostAnswer, "TypeError", true],
    ["half an answer", Fault.halfAnswer, "200 TypeError", true],
    ["silence", Fault.silence, "TimeoutError", true],
    ["a delay before the work", Fault.slow(150), 200, true],
    ["a delay after it", Fault.slow(0, 150), 200, true],
    ["a delay that the client does not wait for", Fault.slow(2_000), "TimeoutError", false],
    ["an answer in drops", Fault.drip(1), 200, true],
    ["drops that do not end", Fault.drip(100), "200 TimeoutError", true],
    ["a 429", Fault.instead("busySeconds"), 429, false],
    ["a page of HTML in place of the answer", Fault.spoiled("htmlBadGateway"), 502, true],
    ["any other answer", { processed: false, answer: { status: 418, headers: {}, body: "tea" } }, 418, false],
  ]
  for (const [name, fault, seen, consumed] of faults) {
    it.live(`carries out ${name}`, () =>
      served((at, grant) =>
        Effect.gen(function* () {
          at.server.script(fault)
          const patience = String(seen).endsWith("TimeoutError") ? 500 : 10_000
          assert.strictEqual(yield* ended(at.tokenEndpoint, refreshing(grant.refreshToken), patience), seen)
          assert.strictEqual(at.server.inspect(grant.refreshToken!, time()).was, consumed ? "reuse" : "current")
          // The next request finds the script at its end.
          if (!consumed) assert.strictEqual((yield* get(at.tokenEndpoint, refreshing(grant.refreshToken))).status, 200)
        }),
      ),
    )
  }

  it.live("says when to come back, in seconds or by its own clock", () =>
    served(
      (at, grant) =>
        Effect.gen(function* () {
          at.server.script(Fault.instead("busySeconds"), Fault.instead("busyDate"))
          const [seconds, date] = [
            yield* get(at.tokenEndpoint, refreshing(grant.refreshToken)),
            yield* get(at.tokenEndpoint, refreshing(grant.refreshToken)),
          ]
          assert.strictEqual(seconds.headers.get("retry-after"), "30")
          const told = Date.parse(date.headers.get("retry-after")!)
          assert.approximately(told - Date.parse(date.headers.get("date")!), 30_000, 1_000)
          assert.approximately(told - time(), 3_630_000, 5_000)
        }),
      { skewMillis: 3_600_000 },
    ),
  )

  it.live("rotates once for eight clients at the same moment, and then has no mercy", () =>
    served((at, grant) =>
      Effect.gen(function* () {
        const eight = Array.from({ length: 8 }, () => get(at.tokenEndpoint, refreshing(grant.refreshToken)))
        const answers = yield* Effect.all(eight, { concurrency: "unbounded" })
        const winners = answers.filter(({ status }) => status === 200)
        assert.lengthOf(winners, 1)
        const record = at.server.presentations(fingerprint(grant.refreshToken!))
        assert.deepStrictEqual(record.map(({ was }) => was).toSorted(), ["current", ...Array(6).fill("dead"), "reuse"])
        const next = yield* get(at.tokenEndpoint, refreshing(String(winners[0]?.json["refresh_token"])))
        assert.strictEqual(next.json["error"], "invalid_grant")
      }),
    ),
  )

  it.live("does as a test in any language asks, and hands out import documents", () =>
    served((at) =>
      Effect.gen(function* () {
        const control = (value: unknown) => get(`${at.url}/control`, asJson(value))
        const made = yield* control({
          policy: { reuse: "fork", graceMillis: 5_000, dead: "openai" },
          client: { clientId: "c2", clientSecret: "s", authMethod: "client_secret_post" },
          faults: [
            { processed: false, answer: { trouble: "unavailable" } },
            { afterMillis: 10, answer: "own" },
          ],
          grant: { clientId: "c2", resource: "https://mcp.example/mcp", ageMillis: 1_000 },
        })
        const document = made.json["grant"] as Record<string, Record<string, string>>
        const credential = Result.getOrThrow(GrantDocument.toCredential(document, "x", time()))
        assert.deepStrictEqual(credential.reuse, { class: "fork", graceMillis: 5_000 })
        assert.strictEqual(credential.tokenEndpoint, at.tokenEndpoint)

        const fields = { ...fieldsFor(document["tokens"]!["refresh_token"]), client_id: "c2", client_secret: "s" }
        assert.strictEqual((yield* get(at.tokenEndpoint, asForm(fields))).status, 503)
        assert.strictEqual((yield* get(at.tokenEndpoint, asForm(fields))).status, 200)
        assert.deepStrictEqual((yield* control({ revokeGrant: { number: 2 } })).json, { revoked: true })
        const dead = yield* get(at.tokenEndpoint, asForm(fields))
        assert.deepInclude(dead.json["error"], { code: "refresh_token_reused" })

        const record = yield* get(`${at.url}/log?fingerprint=${fingerprint(fields.refresh_token)}`)
        const outcomes = (JSON.parse(record.body) as ReadonlyArray<Record<string, unknown>>).map(
          ({ outcome }) => outcome,
        )
        assert.deepStrictEqual(outcomes, ["unprocessed", "granted", "denied"])
        assert.notInclude(record.body, fields.refresh_token)
      }),
    ),
  )

  it.live("names what is wrong with a wish, and never repeats it", () =>
    served((at) =>
      Effect.gen(function* () {
        const wishes = [
          { policy: { reuse: "SECRET" } },
          { policy: { dead: "SECRET", graceMillis: -1 } },
          { revokeToken: ["SECRET"] },
          { SECRET: 1 },
          { grant: { clientId: "SECRET" } },
          { faults: [{ answer: "SECRET" }] },
          "SECRET",
        ]
        const wrong: Array<unknown> = []
        for (const wish of wishes) {
          const { body, json, status } = yield* get(`${at.url}/control`, asJson(wish))
          assert.strictEqual(status, 400)
          if (!("SECRET" in Object(wish))) assert.notInclude(body, "SECRET")
          wrong.push(json["wrong"])
        }
        assert.deepInclude(wrong, ["policy.reuse"])
        assert.deepInclude(wrong, ["policy.graceMillis", "policy.dead"])
        assert.deepInclude(wrong, ["revokeToken"])
        assert.deepInclude(wrong, ["grant.clientId"])
      }),
    ),
  )

  it.live("does not listen to pages in a browser", () =>
    served((at) =>
      Effect.gen(function* () {
        const asked = (path: string, headers: Http.OutgoingHttpHeaders) =>
          Effect.callback<number | undefined>((resume) => {
            const request = Http.request(`${at.url}${path}`, { headers }, (response) => {
              response.resume()
              resume(Effect.succeed(response.statusCode))
            })
            request.end()
          })
        assert.strictEqual(yield* asked("/log", {}), 200)
        assert.strictEqual(yield* asked("/log", { origin: "https://evil.example" }), 403)
        assert.strictEqual(yield* asked("/log", { host: "evil.example" }), 403)
        const { status } = yield* get(`${at.url}/control`, { ...asJson({}), headers: { origin: "null" } })
        assert.strictEqual(status, 403)
      }),
    ),
  )

  it.live("is gone when its scope ends, and with it what was open", () =>
    Effect.gen(function* () {
      const { open, url } = yield* served((at, grant) =>
        Effect.gen(function* () {
          at.server.script(Fault.silence)
          const open = fetch(at.tokenEndpoint, refreshing(grant.refreshToken)).catch((error: Error) => error.name)
          yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => at.server.presentations().length > 0 })
          return { open, url: at.url }
        }),
      )
      assert.strictEqual(yield* Effect.promise(() => open), "TypeError")
      const refused = yield* Effect.promise(() => fetch(url).catch((error: Error) => error.name))
      assert.strictEqual(refused, "TypeError")
    }),
  )

  it.live("says why it cannot listen", () =>
    served((at) =>
      Effect.gen(function* () {
        const port = Number(new URL(at.url).port)
        const taken = yield* Effect.exit(Effect.scoped(listen({ port })))
        assert.include(JSON.stringify(taken), "EADDRINUSE")
        const broken = yield* Effect.exit(Effect.scoped(listen({ tls: { key: "x", cert: "y" } })))
        assert.isTrue(Exit.isFailure(broken))
        assert.include(JSON.stringify(broken), "CannotListen")
      }),
    ),
  )
})

describe("a real client (oauth4webapi)", () => {
  const insecure = { [oauth.allowInsecureRequests]: true }
  const client: oauth.Client = { client_id: "client" }
  const redirectUri = "http://127.0.0.1:49152/callback"

  it.live("discovers it, signs in with PKCE, refreshes, and is caught when it reuses", () =>
    served((at) =>
      Effect.promise(async () => {
        const issuer = new URL(at.url)
        const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure })
        const as = await oauth.processDiscoveryResponse(issuer, discovered)
        const found = await oauth.resourceDiscoveryRequest(new URL(at.resourceUrl), insecure)
        const resource = await oauth.processResourceDiscoveryResponse(new URL(at.resourceUrl), found)
        assert.deepStrictEqual(resource.authorization_servers, [as.issuer])

        const verifier = oauth.generateRandomCodeVerifier()
        const state = oauth.generateRandomState()
        const authorization = new URL(as.authorization_endpoint!)
        authorization.search = new URLSearchParams({
          client_id: client.client_id,
          redirect_uri: redirectUri,
          response_type: "code",
          scope: "a b",
          state,
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
          code_challenge_method: "S256",
          resource: at.resourceUrl,
        }).toString()
        const consented = await fetch(authorization, { redirect: "manual" })
        assert.strictEqual(consented.status, 302)
        const callback = new URL(consented.headers.get("location")!)
        assert.strictEqual(callback.origin + callback.pathname, redirectUri)
        const validated = oauth.validateAuthResponse(as, client, callback, state)

        const redeem = () =>
          oauth.authorizationCodeGrantRequest(as, client, oauth.None(), validated, redirectUri, verifier, insecure)
        const first = await oauth.processAuthorizationCodeResponse(as, client, await redeem())
        assert.strictEqual(first.scope, "a b")
        assert.strictEqual(first.expires_in, 3_600)

        const refresh = async (token: string | undefined) =>
          oauth.processRefreshTokenResponse(
            as,
            client,
            await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token!, insecure),
          )
        const second = await refresh(first.refresh_token)
        const used = await oauth.protectedResourceRequest(
          second.access_token,
          "GET",
          new URL(at.resourceUrl),
          undefined,
          undefined,
          insecure,
        )
        assert.strictEqual(used.status, 200)

        const reused = await refresh(first.refresh_token).catch((error: unknown) => error)
        assert.instanceOf(reused, oauth.ResponseBodyError)
        assert.strictEqual((reused as oauth.ResponseBodyError).error, "invalid_grant")
        const challenged = await oauth
          .protectedResourceRequest(second.access_token, "GET", new URL(at.resourceUrl), undefined, undefined, insecure)
          .catch((error: unknown) => error)
        assert.instanceOf(challenged, oauth.WWWAuthenticateChallengeError)

        const again = await oauth
          .processAuthorizationCodeResponse(as, client, await redeem())
          .catch((error: unknown) => error)
        assert.strictEqual((again as oauth.ResponseBodyError).error, "invalid_grant")
        assert.deepStrictEqual(
          at.server.presentations().map(({ grantType, outcome }) => `${grantType} ${outcome}`),
          ["authorization_code granted", "refresh_token granted", "refresh_token denied", "authorization_code denied"],
        )
      }),
    ),
  )

  it.live("is told when the person says no, and revokes what it no longer needs", () =>
    served((at, grant) =>
      Effect.promise(async () => {
        const as: oauth.AuthorizationServer = {
          issuer: at.url,
          revocation_endpoint: `${at.url}/revoke`,
          introspection_endpoint: `${at.url}/introspect`,
        }
        at.server.setConsent("deny")
        const query = new URLSearchParams({
          client_id: "client",
          redirect_uri: redirectUri,
          response_type: "code",
          state: "s",
          code_challenge: await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier()),
          code_challenge_method: "S256",
        })
        const denied = await fetch(`${at.url}/authorize?${query}`, { redirect: "manual" })
        const callback = new URL(denied.headers.get("location")!)
        const error = Result.try({
          try: () =>
            oauth.validateAuthResponse(
              { ...as, authorization_response_iss_parameter_supported: true },
              client,
              callback,
              "s",
            ),
          catch: (error) => error as oauth.AuthorizationResponseError,
        })
        assert.strictEqual(Result.isFailure(error) && error.failure.error, "access_denied")

        const revoked = await oauth.revocationRequest(as, client, oauth.None(), grant.refreshToken!, insecure)
        await oauth.processRevocationResponse(revoked)
        const asked = await oauth.introspectionRequest(as, client, oauth.None(), grant.accessToken, insecure)
        assert.isFalse((await oauth.processIntrospectionResponse(as, client, asked)).active)
      }),
    ),
  )
})

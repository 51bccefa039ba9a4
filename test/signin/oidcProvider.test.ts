/** Ways in, against an authorization server that somebody else wrote. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { withToken } from "../../src/client/fetch.ts"
import * as Route from "../../src/client/proxy/Route.ts"
import * as Proxy from "../../src/client/proxy/server.ts"
import * as TokenSource from "../../src/client/TokenSource.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as ClientKey from "../../src/signin/clientKey.ts"
import { browser, clientKey, type Landed, listen, redirectUri } from "./oidcProvider.ts"
import { world } from "./world.ts"

const publicClient = { clientId: "public", authMethod: "none" } as const
const confidential = {
  clientId: "confidential",
  clientSecret: Redacted.make("s3cret: /%+&=~ long"),
  authMethod: "client_secret_basic",
} as const

const scopes = ["openid", "offline_access", "mail"]

/** A person whose browser does as it is asked, and where that ended. */
const willing = (choice?: "abort") => {
  const landed: Array<Landed> = []
  return { landed, onVisit: async (url: string) => landed.push(await browser(choice).signIn(url)) }
}

describe("authorization code with PKCE", () => {
  it.live.each([publicClient, confidential])("signs in, and what it brings can be refreshed: $clientId", (client) =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const person = willing()
      const { done, keeper, signIn } = yield* world(person)
      const outcome = yield* signIn.login({ name: "panva", target: { issuer }, client, scopes })
      assert.isUndefined(outcome.noRefreshToken)
      assert.deepStrictEqual(outcome.withheld, [])
      assert.strictEqual(outcome.credential.issuer, issuer)
      assert.strictEqual(outcome.credential.signedIn?.redirectUri, redirectUri)

      const first = yield* keeper.credential("panva").access()
      const second = yield* keeper.credential("panva").refused(Redacted.value(first.token))
      assert.strictEqual(second.generation, first.generation + 1)

      yield* done
      assert.strictEqual(person.landed[0]?.status, 200)
      assert.include(person.landed[0]?.text, "Signed in")
    }).pipe(Effect.scoped),
  )

  it.live("again by its name alone: a new generation, the old one only then replaced", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const { keeper, signIn } = yield* world(willing())
      const first = yield* signIn.login({ name: "panva", target: { issuer }, client: publicClient, scopes })
      const second = yield* signIn.login({ name: "panva" })
      assert.strictEqual(second.credential.generation, first.credential.generation + 1)
      assert.deepStrictEqual(second.credential.signedIn, first.credential.signedIn)
      assert.deepStrictEqual(second.credential.client, first.credential.client)
      // The first grant was not revoked for the second: its refresh token still works.
      yield* keeper.put({ ...first.credential, name: "first" })
      const { token } = yield* keeper.credential("first").access()
      assert.strictEqual((yield* keeper.credential("first").refused(Redacted.value(token))).generation, 2)
    }).pipe(Effect.scoped),
  )

  it.live("asks for more scopes on top of those granted", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const { signIn } = yield* world(willing())
      yield* signIn.login({ name: "panva", target: { issuer }, client: publicClient, scopes })
      const { credential } = yield* signIn.login({ name: "panva", moreScopes: ["files"] })
      assert.deepStrictEqual(credential.signedIn?.scopes, [...scopes, "files"])
      assert.include(credential.tokens.scope, "files")
    }).pipe(Effect.scoped),
  )

  it.live("registers a client where none is given, and uses it again", () =>
    Effect.gen(function* () {
      const { issuer, requests } = yield* listen()
      const { signIn } = yield* world(willing())
      const first = yield* signIn.login({ name: "panva", target: { issuer }, scopes })
      assert.strictEqual(first.credential.signedIn?.client, "registered")
      const second = yield* signIn.login({ name: "panva" })
      assert.strictEqual(second.credential.client.clientId, first.credential.client.clientId)
      assert.strictEqual(requests.filter(({ path }) => path === "/reg").length, 1)
    }).pipe(Effect.scoped),
  )

  it.live("pushes the request where the server requires it", () =>
    Effect.gen(function* () {
      const { issuer, requests } = yield* listen({
        features: { pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true } },
      })
      const visits: Array<string> = []
      const { signIn } = yield* world({
        onVisit: async (url) => {
          visits.push(url)
          await browser().signIn(url)
        },
      })
      yield* signIn.login({ name: "panva", target: { issuer }, client: publicClient, scopes })
      assert.deepStrictEqual([...new URL(visits[0]!).searchParams.keys()], ["client_id", "request_uri"])
      assert.strictEqual(requests.filter(({ path }) => path === "/request").length, 1)
    }).pipe(Effect.scoped),
  )

  it.live("a person who says no is heard, in the terminal and in the browser", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const person = willing("abort")
      const { done, keeper, signIn } = yield* world(person)
      const error = yield* Effect.flip(
        signIn.login({ name: "panva", target: { issuer }, client: publicClient, scopes }),
      )
      assert.strictEqual(error._tag === "SignInFailed" && error.reason, "denied")
      assert.strictEqual((yield* Effect.flip(keeper.status("panva")))._tag, "CredentialNotFound")
      yield* done
      assert.strictEqual(person.landed[0]?.status, 400)
      assert.include(person.landed[0]?.text, "Not signed in")
    }).pipe(Effect.scoped),
  )

  it.live("a browser on another machine: its last address is pasted", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const { paste, signIn, told, visited } = yield* world()
      const login = yield* Effect.forkChild(
        signIn.login({ name: "panva", target: { issuer }, client: publicClient, scopes }),
      )
      const url = yield* visited
      const landed = yield* Effect.promise(() => browser("consent", "/callback").signIn(url))
      yield* paste("https://elsewhere.example/")
      yield* paste(landed.url.replace(/state=[^&]+/, "state=another"))
      yield* paste(landed.url)
      const { credential } = yield* Fiber.join(login)
      assert.isDefined(credential.tokens.refreshToken)
      assert.strictEqual(told.filter((text) => text.startsWith("that ")).length, 2)
    }).pipe(Effect.scoped),
  )
})

describe("device code", () => {
  it.live("signs in by a code entered elsewhere", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const { keeper, signIn } = yield* world({
        onCode: (code) => browser().enter(code.verificationUri, code.userCode),
      })
      const { credential } = yield* signIn.login({
        name: "panva",
        target: { issuer },
        way: "device",
        client: publicClient,
        scopes,
      })
      assert.strictEqual(credential.signedIn?.way, "device")
      const { token } = yield* keeper.credential("panva").access()
      assert.strictEqual((yield* keeper.credential("panva").refused(Redacted.value(token))).generation, 2)
    }).pipe(Effect.scoped),
  )
})

describe("client credentials", () => {
  const secret = { ...confidential, clientId: "machine" }
  const key = Redacted.make(ClientKey.parse(clientKey)!)
  const keyed = { clientId: "keyed", clientKey: key, authMethod: "private_key_jwt" } as const

  it.live.each([secret, keyed])(
    "signs in as itself, and mints another token when one is refused: $clientId",
    (client) =>
      Effect.gen(function* () {
        const { issuer, requests } = yield* listen()
        const { keeper, signIn, told } = yield* world()
        const { credential, noRefreshToken } = yield* signIn.login({
          name: "machine",
          target: { issuer },
          way: "clientCredentials",
          client,
          scopes: ["mail"],
        })
        assert.isUndefined(noRefreshToken)
        assert.isUndefined(credential.tokens.refreshToken)
        const handle = keeper.credential("machine")
        const first = yield* handle.access()
        const second = yield* handle.refused(Redacted.value(first.token))
        assert.notStrictEqual(fingerprint(Redacted.value(second.token)), fingerprint(Redacted.value(first.token)))
        assert.strictEqual(requests.filter(({ path }) => path === "/token").length, 2)
        // It knows no person, so that nobody is told to go anywhere.
        assert.isFalse(told.some((text) => text.includes("WARNING")))
        assert.strictEqual((yield* keeper.status("machine")).advice, undefined)
      }).pipe(Effect.scoped),
  )

  it.live("a client that is not accepted any more is told as such, and a new secret mends it", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const { keeper, signIn } = yield* world()
      const request = { name: "machine", target: { issuer }, way: "clientCredentials", client: secret } as const
      const { credential } = yield* signIn.login(request)
      yield* keeper.put({ ...credential, client: { ...secret, clientSecret: Redacted.make("revoked") } })
      const { token } = yield* keeper.credential("machine").access()
      const error = yield* Effect.flip(keeper.credential("machine").refused(Redacted.value(token)))
      assert.strictEqual(error._tag === "SignInRequired" && error.reason, "clientRejected")
      assert.strictEqual(error._tag === "SignInRequired" && error.advice, "tokenkeep login machine")
      yield* signIn.login({ name: "machine", client: secret })
      yield* keeper.credential("machine").access()
    }).pipe(Effect.scoped),
  )
})

describe("DPoP", () => {
  it.live("tokens bound to a key: at the sign-in, at each refresh and at each request, with the server's nonce", () =>
    Effect.gen(function* () {
      const nonces: Array<boolean> = []
      const { issuer } = yield* listen(
        {
          features: {
            dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
            userinfo: { enabled: true },
          },
        },
        (request, _response, proceed) => {
          const [, payload = ""] = String(request.headers["dpop"] ?? "").split(".")
          if (payload !== "") nonces.push("nonce" in JSON.parse(Buffer.from(payload, "base64url").toString("utf8")))
          proceed()
        },
      )
      const { keeper, signIn } = yield* world(willing())
      const { credential } = yield* signIn.login({
        name: "panva",
        target: { issuer },
        client: publicClient,
        scopes,
        dpop: true,
      })
      assert.strictEqual(credential.tokens.tokenType, "DPoP")
      assert.deepStrictEqual(nonces, [false, true])

      const handle = keeper.credential("panva")
      const fetch = withToken(TokenSource.make(handle, Effect.runPromise), globalThis.fetch)
      const me = () => Effect.promise(() => fetch(`${issuer}/me`).then((response) => response.status))
      assert.strictEqual(yield* me(), 200)
      const routes = [Route.make("panva", new URL(issuer))]
      const proxy = yield* Effect.provideService(Proxy.listen({ routes }), Keeper, keeper)
      const claims = yield* Effect.promise(() =>
        globalThis.fetch(`${proxy.url}/me`).then((response) => response.json()),
      )
      assert.deepStrictEqual(claims, { sub: "ada" })
      const { token } = yield* handle.access()
      assert.strictEqual((yield* handle.refused(Redacted.value(token))).generation, 2)
      assert.strictEqual(yield* me(), 200)
      // A thief has the token and not the key.
      const stolen = Redacted.value((yield* handle.access()).token)
      const bare = yield* Effect.promise(() =>
        globalThis.fetch(`${issuer}/me`, { headers: { authorization: `Bearer ${stolen}` } }),
      )
      assert.strictEqual(bare.status, 401)
      // Signed in to again, the same key binds the new tokens.
      const again = yield* signIn.login({ name: "panva" })
      assert.strictEqual(
        fingerprint(Redacted.value(again.credential.dpopKey!)),
        fingerprint(Redacted.value(credential.dpopKey!)),
      )
    }).pipe(Effect.scoped),
  )

  it.live("a refresh in a process that knows no nonce yet presents the token once more, with it", () =>
    Effect.gen(function* () {
      const { issuer, requests } = yield* listen({
        features: { dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true } },
      })
      const { keeper, signIn } = yield* world(willing())
      const { credential } = yield* signIn.login({
        name: "a",
        target: { issuer },
        client: publicClient,
        scopes,
        dpop: true,
      })
      // The same key in other words is, to this process, another one without any nonce.
      const words = JSON.stringify({ ...JSON.parse(Redacted.value(credential.dpopKey!)), use: "sig" })
      yield* keeper.put({ ...credential, dpopKey: Redacted.make(words) })
      const before = requests.length
      const { token } = yield* keeper.credential("a").access()
      yield* keeper.credential("a").refused(Redacted.value(token))
      assert.deepStrictEqual(
        requests.slice(before).map(({ path }) => path),
        ["/token", "/token"],
      )
    }).pipe(Effect.scoped),
  )
})

describe("revocation", () => {
  it.live("ends the grant at the server", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const { keeper, signIn } = yield* world(willing())
      const { credential } = yield* signIn.login({ name: "panva", target: { issuer }, client: confidential, scopes })
      yield* signIn.revoke(credential)
      const { token } = yield* keeper.credential("panva").access()
      const error = yield* Effect.flip(keeper.credential("panva").refused(Redacted.value(token)))
      assert.strictEqual(error._tag, "SignInRequired")
    }).pipe(Effect.scoped),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { clients, listen, signIn } from "../exchange/oidcProvider.ts"
import { assertEnded, processes, together, until, type World } from "./support.ts"

const client = clients["client_secret_basic"]!
const clientSecret = Redacted.value(client.clientSecret!)

interface Story extends World {
  /** A protected resource of the server itself, which wants a token. */
  readonly resourceUrl: string
  /** How many requests the token endpoint had since the sign-in, and the access token that came of the last. */
  readonly requests: () => number
  readonly minted: () => string
  /** The next request to the token endpoint never gets there. */
  readonly loseNext: () => void
  /** Somebody else uses the refresh token that was there first. */
  readonly reuse: Effect.Effect<void>
}

/** A person signs in, and the access token ends. */
const story = <A, E>(use: (story: Story) => Effect.Effect<A, E, Scope.Scope>) => {
  const accessTokens: Array<string> = []
  const others = [clientSecret]
  return processes({ everywhere: () => [...accessTokens, ...others], inResults: () => others }, (world) =>
    Effect.gen(function* () {
      let [requests, lose] = [0, false]
      const { issuer, provider } = yield* listen((request, proceed) => {
        if (request.url !== "/token") return proceed()
        requests++
        if (!lose) return proceed()
        lose = false
      })
      provider.on("grant.success", ({ body }) => {
        accessTokens.push(String(body["access_token"]))
        for (const name of ["refresh_token", "id_token"]) if (body[name] !== undefined) others.push(String(body[name]))
      })
      const { tokens } = yield* Effect.promise(() => signIn(issuer, client))
      const refreshToken = Redacted.value(tokens.refreshToken!)
      const document = {
        issuer,
        token_endpoint: `${issuer}/token`,
        client: { client_id: client.clientId, client_secret: clientSecret },
        tokens: {
          access_token: Redacted.value(tokens.accessToken),
          refresh_token: refreshToken,
          expires_at: Math.floor(Date.now() / 1000) - 1,
        },
      }
      assertEnded(yield* world.run(["import", "-", "--name", "panva"], JSON.stringify(document)), 0)
      requests = 0
      const basic = btoa([client.clientId, clientSecret].map(encodeURIComponent).join(":"))
      return yield* use({
        ...world,
        resourceUrl: `${issuer}/me`,
        requests: () => requests,
        minted: () => fingerprint(accessTokens.at(-1) ?? ""),
        loseNext: () => (lose = true),
        reuse: Effect.promise(async () => {
          const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken })
          const answer = await fetch(document.token_endpoint, {
            method: "POST",
            headers: { authorization: `Basic ${basic}` },
            body,
          })
          assert.strictEqual(answer.status, 400)
        }),
      })
    }),
  )
}

describe("with oidc-provider", () => {
  it.live("8 processes × 10 requests at expiry: 1 presentation, all answered; then nothing until it ends again", () =>
    story((world) =>
      Effect.gen(function* () {
        const programs = yield* together(8, world.worker("panva"))
        const answers = yield* Effect.forEach(
          programs,
          (program) => program.ask({ wish: "fetch", times: 10, url: world.resourceUrl }),
          { concurrency: "unbounded" },
        )
        for (const answer of answers) assert.deepStrictEqual(answer, { got: { answered: 10 }, errors: [] })
        assert.strictEqual(world.requests(), 1)
        assert.deepStrictEqual((yield* programs[0]!.ask({ wish: "token", times: 1_000 })).got, {
          [world.minted()]: 1_000,
        })
        const command = yield* world.run(["token", "panva"])
        assertEnded(command, 0)
        assert.strictEqual(command.result, world.minted())
        assert.strictEqual(world.requests(), 1)
      }),
    ),
  )

  it.live("a process is killed in the middle of an exchange that never arrives: the login survives", () =>
    story((world) =>
      Effect.gen(function* () {
        world.loseNext()
        const command = yield* world.start(["token", "panva"])
        yield* until("the request", () => world.requests() === 1)
        yield* command.kill("SIGKILL")
        yield* command.finished
        const next = yield* world.run(["token", "panva"])
        assertEnded(next, 0)
        assert.strictEqual(next.result, world.minted())
        assert.strictEqual(world.requests(), 2)
      }),
    ),
  )

  it.live("somebody else used an old refresh token, so the grant is revoked: 1 request, and 3 ever after", () =>
    story((world) =>
      Effect.gen(function* () {
        const first = yield* world.run(["token", "panva"])
        assertEnded(first, 0)
        yield* world.reuse
        const program = yield* world.worker("panva")
        // The server took the access token along.
        const asked = yield* program.ask({ wish: "fetch", times: 10, url: world.resourceUrl })
        assert.deepStrictEqual(asked.got, { "401 invalid_token": 10 })
        for (let i = 0; i < 3; i++) {
          const later = yield* world.run(["token", "panva", "--refused", first.result])
          assertEnded(later, 3)
          assert.include(later.stderr, "the server no longer accepts the refresh token (invalid_grant)")
        }
        // Ours, the one of somebody else, and one that found out.
        assert.strictEqual(world.requests(), 3)
      }),
    ),
  )
})

/** A token that works and may not do this (RFC 6750 §3.1): what the callers of both real SDK lines see of it, with each face. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mcpAuth } from "../../src/client/mcp.ts"
import type { KeeperEvent } from "../../src/promise.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { clientWith, type Line } from "./mcp/clients.ts"
import { world } from "./mcp/world.ts"

const redirectUrl = "http://127.0.0.1:1/callback"
const clientInformation = { client_id: "client" }

/** One call of a connected client for which the server wants `write`, and what came of it. */
const forbidden = (line: Line, face: "fetch" | "authProvider" | "headless" | "browser") =>
  Effect.gen(function* () {
    vi.spyOn(console, "warn").mockImplementation(() => undefined)
    const { as, keeper, resource } = yield* world({
      clients: [{ clientId: "client", redirectUris: [redirectUrl] }],
    })
    const grant = as.server.grant({ resource: resource.url, scope: "read" }, Date.now())
    const document = grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
    const auth = mcpAuth(keeper, { credential: "mcp", server: resource.url })
    const opened: Array<URL> = []
    const events: Array<KeeperEvent> = []
    const faces = {
      fetch: () => ({ fetch: auth.fetch }),
      authProvider: () => auth.withAuthProvider,
      headless: () => auth.withLogin({ redirectUrl, clientInformation }),
      browser: () => auth.withLogin({ redirectUrl, clientInformation, open: (url) => void opened.push(url) }),
    }
    const error = yield* Effect.promise(async () => {
      await keeper.import("mcp", JSON.parse(JSON.stringify(document)))
      const client = await clientWith(line, resource.url, faces[face]())
      await client.call()
      keeper.events((event) => void events.push(event))
      resource.wantScope("write")
      const error = await client.call().then(
        () => assert.fail("it did not reject"),
        (error: unknown) => error as Error,
      )
      // Nothing is broken by it: what the token may do it does.
      resource.wantScope(undefined)
      await client.call()
      await client.close()
      return error
    })
    assert.lengthOf(as.server.presentations(), 0)
    assert.strictEqual(resource.strayTokens(), 0)
    const told = events.filter(({ type }) => type === "InsufficientScope")
    for (const event of told)
      assert.deepStrictEqual(event, {
        type: "InsufficientScope",
        url: resource.url,
        scope: "write",
        credential: "mcp",
      })
    return { error, told: told.length, opened: opened.map(({ searchParams }) => searchParams.get("scope")) }
  }).pipe(Effect.scoped)

describe("403 insufficient_scope", () => {
  it.live("1.x: the SDK's own error, one event, no refresh and no browser", () =>
    Effect.gen(function* () {
      const { error, opened, told } = yield* forbidden("1.x", "fetch")
      assert.deepStrictEqual([told, opened], [1, []])
      assert.deepInclude(error as object, { code: 403 })
    }),
  )

  // It asks for a refresh, gets the token at hand, and tries once more.
  it.live.each(["headless", "browser"] as const)("1.x with a login (%s): the same after its second try", (face) =>
    Effect.gen(function* () {
      const { error, opened, told } = yield* forbidden("1.x", face)
      assert.deepStrictEqual([told, opened], [2, []])
      assert.deepInclude(error as object, { code: 403 })
      assert.include(error.message, "403 after trying upscoping")
    }),
  )

  it.live.each(["fetch", "authProvider"] as const)(
    "2.x (%s): its InsufficientScopeError, one event, no refresh",
    (face) =>
      Effect.gen(function* () {
        const { error, opened, told } = yield* forbidden("2.x", face)
        assert.deepStrictEqual([told, opened], [1, []])
        assert.deepInclude(error as object, { name: "InsufficientScopeError", requiredScope: "write" })
      }),
  )

  it.live("2.x with a login and nobody there: what is missing is said, and no browser opens", () =>
    Effect.gen(function* () {
      const { error, opened, told } = yield* forbidden("2.x", "headless")
      assert.deepStrictEqual([told, opened], [1, []])
      assert.strictEqual(error.name, "InsufficientScope")
      assert.include(error.message, "read write")
    }),
  )

  it.live("2.x with a login and a person there: asked for the scopes of both, as the SDK does", () =>
    Effect.gen(function* () {
      const { error, opened, told } = yield* forbidden("2.x", "browser")
      assert.deepStrictEqual([told, opened], [1, ["read write"]])
      assert.strictEqual(error.constructor.name, "UnauthorizedError")
    }),
  )
})

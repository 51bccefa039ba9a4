/** Against an authorization server that somebody else wrote: discovered, registered, signed in, and refreshed once. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mcpAuth } from "../../src/client/mcp.ts"
import { openKeeper } from "../../src/promise.ts"
import { browser, listen } from "../signin/oidcProvider.ts"
import { clientWith, finishAuth, type Line } from "./mcp/clients.ts"
import * as Server from "./mcp/server.ts"
import { temporaryFolder } from "../run.ts"

const redirectUrl = "http://127.0.0.1/callback"

const resourceIndicators = {
  enabled: true,
  getResourceServerInfo: (_context: unknown, resource: string) => ({
    scope: "mail",
    audience: resource,
    accessTokenFormat: "jwt",
  }),
  useGrantedResource: () => true,
}

describe("tokenkeep/mcp and oidc-provider", () => {
  it.live.each<Line>(["1.x", "2.x"])("sign in by the SDK %s and refresh once", (line) =>
    Effect.gen(function* () {
      const { issuer, provider, requests } = yield* listen({ features: { resourceIndicators } })
      let granted = 0
      provider.on("grant.success", () => void granted++)
      const refused = new Set<string>()
      const resource = yield* Server.listen({ issuer, accepts: (token) => !refused.has(token) && token.includes(".") })
      const home = temporaryFolder("mcp-oidc")
      const keeper = yield* Effect.acquireRelease(
        Effect.promise(() => openKeeper({ home, handleSignals: false })),
        (keeper) => Effect.promise(() => keeper.close()),
      )
      const opened: Array<URL> = []
      const auth = mcpAuth(keeper, { credential: "mcp", server: resource.url }).withLogin({
        redirectUrl,
        clientMetadata: { scope: "mail offline_access" },
        authorizeParams: { prompt: "consent" },
        open: (url) => void opened.push(url),
      })
      yield* Effect.promise(async () => {
        const connects = Array.from({ length: 5 }, () => clientWith(line, resource.url, auth))
        const settled = await Promise.allSettled(connects)
        assert.deepStrictEqual([...new Set(settled.map(({ status }) => status))], ["rejected"])
        assert.lengthOf(opened, 1)
        assert.lengthOf(
          requests.filter(({ path }) => path === "/reg"),
          1,
        )
        const landed = await browser("consent", "/callback").signIn(opened[0]!.href)
        const { code, iss } = auth.callback(landed.url)
        await finishAuth(line, resource.url, auth, code, iss)

        const client = await clientWith(line, resource.url, auth)
        await client.call()
        const { credential } = await keeper.status("mcp")
        assert.strictEqual(credential.issuer, issuer)
        assert.isDefined(credential.tokens.refreshToken)
        refused.add(await keeper.credential("mcp").token())
        resource.spread(60)
        await Promise.all(Array.from({ length: 5 }, () => client.call()))
        // The code, and one refresh.
        assert.strictEqual(granted, 2)
        await client.close()
      })
    }).pipe(Effect.scoped),
  )
})

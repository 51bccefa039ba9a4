/** `keeper.events`: what a program without Effect hears. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as undici from "undici"
import { words } from "../../src/cli/explain.ts"
import { mcpAuth } from "../../src/client/mcp.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { type KeeperEvent, openKeeper, type PromiseKeeper } from "../../src/promise.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { server, upstream } from "./world.ts"
import { temporaryFolder } from "../run.ts"

it.live("tells who asked for a refresh, why, and what came of it; and what fetch has to say", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const home = temporaryFolder("events")
      const as = yield* server()
      const up = yield* upstream(as, (_, response) =>
        response.writeHead(403, { "www-authenticate": 'Bearer error="insufficient_scope"' }).end(),
      )
      const grant = as.server.grant({}, Date.now())
      const events: Array<KeeperEvent> = []
      yield* Effect.promise(async () => {
        await using keeper = await openKeeper({ home, background: false })
        const document = grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
        await keeper.import("mine", JSON.parse(JSON.stringify({ ...document, resource: undefined })))
        const mine = keeper.credential("mine")
        const stop = keeper.events((event) => events.push(event))
        const token = await mine.token()
        await mine.refused(token, { caller: "the nightly job" })
        await mine.fetch(up.url)
        stop()
        await mine.refused(token)
      })
      const steps = events.flatMap((event) => (event.type === "Transition" ? [event.line] : []))
      assert.deepStrictEqual(
        steps.map(({ event }) => event),
        ["Refused", "Claimed", "Granted", "Stored"],
      )
      assert.deepStrictEqual([steps[0]!.caller, steps[0]!.generation, steps[3]!.generation], ["the nightly job", 1, 2])
      assert.deepStrictEqual(
        events.filter(({ type }) => type !== "Transition"),
        [{ type: "InsufficientScope", url: `${up.url}/`, scope: undefined, credential: "mine" }],
      )
      assert.isFalse(JSON.stringify(events).includes(grant.accessToken))
    }),
  ),
)

it.live.each<{ caller: string; ask: (keeper: PromiseKeeper, url: string) => Promise<unknown> }>([
  { caller: "fetch", ask: (keeper, url) => keeper.credential("mine").fetch(url) },
  {
    caller: "the mail job",
    ask: (keeper, url) => keeper.credential("mine").wrapFetch(globalThis.fetch, { caller: "the mail job" })(url),
  },
  {
    caller: "undici",
    ask: async (keeper, url) => {
      const dispatcher = new undici.Agent().compose(keeper.credential("mine").interceptor)
      await (await undici.request(url, { dispatcher })).body.dump()
      await dispatcher.close()
    },
  },
  { caller: "MCP client", ask: (keeper, url) => mcpAuth(keeper, { credential: "mine", server: url }).fetch(url) },
])("names who met a refusal: $caller", ({ ask, caller }) =>
  Effect.scoped(
    Effect.gen(function* () {
      const as = yield* server()
      const up = yield* upstream(as, (_, response) => response.end())
      const grant = as.server.grant({}, Date.now())
      up.refuses.add(fingerprint(grant.accessToken))
      const lines = yield* Effect.promise(async () => {
        await using keeper = await openKeeper({ home: temporaryFolder("events"), background: false })
        const document = grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
        await keeper.import("mine", JSON.parse(JSON.stringify({ ...document, resource: undefined })))
        await ask(keeper, up.url)
        return keeper.history("mine")
      })
      const refused = lines.find(({ event }) => event === "Refused")!
      assert.strictEqual(refused.caller, caller)
      assert.include(words(refused), `because a resource server refused access token ${refused.access}, says ${caller}`)
    }),
  ),
)

it.live("a listener that throws ends no refresh, and its error is not kept quiet", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const as = yield* server()
      const grant = as.server.grant({}, Date.now())
      const others = process.listeners("uncaughtException")
      const heard: Array<string> = []
      process.removeAllListeners("uncaughtException").on("uncaughtException", ({ message }) => heard.push(message))
      yield* Effect.promise(async () => {
        await using keeper = await openKeeper({ home: temporaryFolder("events"), background: false })
        const document = grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
        await keeper.import("mine", JSON.parse(JSON.stringify(document)))
        keeper.events(() => {
          throw new Error("of the listener")
        })
        assert.isString(await keeper.credential("mine").refused(grant.accessToken))
        await new Promise((resolve) => setImmediate(resolve))
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            process.removeAllListeners("uncaughtException")
            for (const listener of others) process.on("uncaughtException", listener)
          }),
        ),
      )
      assert.include(heard, "of the listener")
      assert.lengthOf(as.server.presentations(), 1)
    }),
  ),
)

/** `keeper.events`: what a program without Effect hears. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type KeeperEvent, openKeeper } from "../../src/promise.ts"
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

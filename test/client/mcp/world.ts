/** A strict authorization server, a real MCP server that trusts it, and a Keeper with a home of its own, which does nothing unasked. */
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { openKeeper } from "../../../src/promise.ts"
import { listen, type ListenOptions } from "../../../src/testing/http.ts"
import * as Server from "./server.ts"
import { temporaryFolder } from "../../run.ts"

export const world = Effect.fnUntraced(function* (options: ListenOptions = {}, folder = temporaryFolder("mcp")) {
  const home = Path.join(folder, "home")
  const as = yield* Effect.orDie(listen({ policy: { reuse: "strict" }, ...options }))
  const resource = yield* Server.listen({
    issuer: as.url,
    accepts: (token) => as.server.access(token, Date.now()).active,
  })
  const keeper = yield* Effect.acquireRelease(
    Effect.promise(() => openKeeper({ home, handleSignals: false, background: false })),
    (keeper) => Effect.promise(() => keeper.close()),
  )
  return { folder, home, as, resource, keeper }
})

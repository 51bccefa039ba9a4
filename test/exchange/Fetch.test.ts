/** The addresses of a name are judged when the connection is made. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Fetch, Unsent } from "../../src/exchange/Fetch.ts"
import { environment, http } from "./loopback.ts"

const init = { headers: { connection: "close" } }

/** The cause that the transport itself gives. */
const failureOf = (request: () => Promise<Response>) =>
  Effect.promise(() =>
    request().then(
      () => undefined,
      (error: Error) => error.cause ?? error,
    ),
  )

describe("the addresses of a name", () => {
  it.live("are judged before anything is sent", () =>
    Effect.gen(function* () {
      yield* environment({ http_proxy: undefined, HTTP_PROXY: undefined, all_proxy: undefined, ALL_PROXY: undefined })
      let requests = 0
      const { port } = yield* http((_request, response) => {
        requests++
        response.end("here")
      })
      const fetch = yield* Fetch
      const seen: Array<string> = []
      const allowed = yield* Effect.promise(() =>
        fetch(`http://localhost:${port}/`, init, (addresses) => {
          seen.push(...addresses)
          return undefined
        }).then((response) => response.text()),
      )
      assert.strictEqual(allowed, "here")
      assert.include(seen, "127.0.0.1")

      const error = yield* failureOf(() => fetch(`http://localhost:${port}/`, init, () => "not there"))
      assert.instanceOf(error, Unsent)
      assert.strictEqual(requests, 1)
    }),
  )

  it.live("cannot be judged on a pool of somebody else's, which is not used then", () =>
    Effect.gen(function* () {
      const fetch = yield* Fetch
      const error = yield* failureOf(() => fetch("http://127.0.0.1:9/", {}, () => undefined))
      assert.instanceOf(error, Unsent)
    }),
  )
})

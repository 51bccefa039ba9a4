/** A program that loads npm's undici first, as one that uses the interceptor does: Node's fetch then has that one's pool. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Agent } from "undici"
import { Fetch, Unsent } from "../../src/exchange/Fetch.ts"
import { environment, http } from "./loopback.ts"

const wrapped = Symbol.for("undici.globalDispatcher.1")

it.live("a request has a connection of its own there too, and its addresses are judged", () =>
  Effect.gen(function* () {
    yield* environment({ http_proxy: undefined, HTTP_PROXY: undefined, all_proxy: undefined, ALL_PROXY: undefined })
    assert.strictEqual(Agent.name, "Agent")
    // Otherwise this test says nothing: of two undicis the one that comes first has its say.
    if (Number.parseInt(process.versions["undici"] ?? "", 10) < 8)
      assert.notStrictEqual((globalThis as { readonly [key: symbol]: object })[wrapped]?.constructor.name, "Agent")
    const ports = new Set<number | undefined>()
    const { port } = yield* http((request, response) => {
      ports.add(request.socket.remotePort)
      response.end("here")
    })
    const fetch = yield* Fetch
    const ask = (check: () => string | undefined) =>
      Effect.promise(() =>
        fetch(`http://localhost:${port}/`, { headers: { connection: "close" } }, check).then(
          (response) => response.text(),
          (error: Error) => error.cause ?? error,
        ),
      )
    assert.deepStrictEqual([yield* ask(() => undefined), yield* ask(() => undefined)], ["here", "here"])
    assert.strictEqual(ports.size, 2)
    assert.instanceOf(yield* ask(() => "not there"), Unsent)
  }).pipe(Effect.scoped),
)

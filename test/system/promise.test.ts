import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { paths } from "../../src/testing/metadata.ts"
import { assertEnded, hour, minted, simulated, until } from "./support.ts"

describe("tokenkeep/promise", () => {
  it.live("does what its documentation shows", () =>
    simulated((world) =>
      Effect.gen(function* () {
        const grant = world.server.grant({ resource: world.resourceUrl }, Date.now())
        const input = {
          control: `${world.url}${paths.control}`,
          document: grantDocument(grant, { issuer: world.url, tokenEndpoint: world.tokenEndpoint }),
          // The default would be TOKENKEEP_HOME.
          home: Path.join(world.folder, "another"),
          url: world.resourceUrl,
        }
        const finished = yield* world.program("example.mjs", [], JSON.stringify(input))
        assertEnded(finished, 0)
        assert.strictEqual(finished.stderr, "")
        const first = fingerprint(grant.accessToken)
        const [second] = world.presentations().map(({ granted }) => granted?.accessToken)
        assert.deepStrictEqual(JSON.parse(finished.result), {
          peekBefore: null,
          token: first,
          peek: first,
          valid: [200, first],
          // One retry after a 401, and the body with it.
          revoked: [200, second],
          refused: second,
          // A token that is refused as soon as it is minted is not replaced again and again.
          always: [401, null],
          still: "TemporarilyUnavailable: github: no usable token now: a resource server has refused the newest token",
          foreign: "ForeignResource",
          unknown: "CredentialNotFound",
          document: "InvalidDocument",
          list: ["github 2"],
        })
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

describe("a program that leaves its keeper open", () => {
  const ending = (what: string, leftMillis: number, fault?: Fault.Fault) =>
    it.live(`ends by itself: ${what}`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          yield* world.bringIn("github", leftMillis)
          if (fault !== undefined) world.server.script({ ...fault, times: 100 })
          const program = yield* world.worker("github")
          yield* program.ask({ wish: "token", times: 3 })
          const left = performance.now()
          yield* program.leave
          assertEnded(yield* program.finished, 0)
          assert.isBelow(performance.now() - left, 5_000)
        }),
      ),
    )

  ending("with a token that is valid", hour)
  ending("with one that it has refreshed", -1_000)
  ending("while it waits to try again", -1_000, Fault.instead("unavailable"))
  ending("while it waits to see whether an answer was lost", -1_000, Fault.instead("htmlOk"))

  it.live("stores the answer to a refresh in the background first, though the store is busy just then", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", 5_000)
        world.server.script(Fault.slow(0, 500))
        const program = yield* world.worker("github")
        yield* program.ask({ wish: "token" })
        yield* until("the refresh in the background", () => world.presentations().length === 1)
        const { DatabaseSync } = process.getBuiltinModule("node:sqlite")
        const another = new DatabaseSync(Path.join(world.home, "keep.db"))
        another.exec("BEGIN IMMEDIATE")
        yield* program.leave
        yield* Effect.sleep(1_500)
        another.exec("ROLLBACK")
        another.close()
        assertEnded(yield* program.finished, 0)
        const next = yield* world.run(["token", "github"])
        assertEnded(next, 0)
        assert.strictEqual(next.result, minted(world))
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { assertEnded, simulated, together, until } from "./support.ts"

describe("a server in trouble", () => {
  it.live("503 while the access token still works: the token, 0, and a note on stderr", () =>
    simulated((world) =>
      Effect.gen(function* () {
        // Less than --min-ttl, so a refresh is wanted.
        const first = fingerprint((yield* world.bringIn("github", 55_000)).accessToken)
        world.server.script({ ...Fault.instead("unavailableSeconds"), times: 100 })
        const finished = yield* world.run(["token", "github"])
        assertEnded(finished, 0)
        assert.strictEqual(finished.result, first)
        assert.match(
          finished.stderr,
          /^tokenkeep: github: the server answered 503 .*; serving the token at hand, good until /,
        )
        const program = yield* world.worker("github")
        const asked = yield* program.ask({ wish: "token", times: 20, minValidity: 60_000 })
        assert.deepStrictEqual(asked, { got: { [first]: 20 }, errors: [] })
        // The server said when to come back, and every process heeds it.
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )

  it.live("a dead grant and 100 calls from 28 processes: 1 request, and 3 with the reason and the command to run", () =>
    simulated((world) =>
      Effect.gen(function* () {
        world.server.revokeGrant((yield* world.bringIn("github", -1_000)).number)
        const programs = yield* together(8, world.worker("github"))
        const [answers, commands] = yield* Effect.all(
          [
            Effect.forEach(programs, (program) => program.ask({ wish: "token", times: 10 }), {
              concurrency: "unbounded",
            }),
            Effect.all(
              Array.from({ length: 20 }, () => world.run(["token", "github"])),
              { concurrency: 4 },
            ),
          ],
          { concurrency: "unbounded" },
        )
        assert.lengthOf(world.presentations(), 1)
        for (const { errors, got } of answers) {
          assert.deepStrictEqual(got, {})
          assert.lengthOf(errors, 10)
          for (const { advice, reason, tag } of errors) {
            assert.deepStrictEqual(
              [tag, reason, advice],
              ["SignInRequired", "rejected", "tokenkeep import FILE --name github"],
            )
          }
        }
        for (const finished of commands) {
          assertEnded(finished, 3)
          assert.strictEqual(finished.result, "")
          assert.include(finished.stderr, "the server no longer accepts the refresh token (invalid_grant)")
          assert.include(finished.stderr, "Next: tokenkeep import FILE --name github")
        }
      }),
    ),
  )

  it.live("a token endpoint that never answers: everybody is told within their deadline, and 4", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        world.server.script(Fault.silence)
        const holder = yield* world.start(["token", "github", "--timeout", "1s"])
        yield* until("the request", () => world.presentations().length === 1)
        const others = yield* together(3, world.run(["token", "github", "--timeout", "1s"]))
        for (const finished of others) {
          assertEnded(finished, 4)
          assert.match(finished.stderr, /the refresh has not come to an end within 1 s. Try again at /)
          assert.isBelow(finished.millis, 8_000)
        }
        const program = yield* world.worker("github", { background: false, callerDeadlineMillis: 500 })
        const began = performance.now()
        const { errors } = yield* program.ask({ wish: "token", times: 10 })
        assert.isBelow(performance.now() - began, 5_000)
        assert.deepStrictEqual([errors.length, errors[0]?.tag], [10, "TemporarilyUnavailable"])
        // It was told like the others, and stays for as long as the answer may come: without it the grant is lost.
        const finished = yield* holder.finished
        assertEnded(finished, 4)
        assert.isBelow(finished.toldAfter ?? Infinity, 8_000)
        assert.isAbove(finished.millis, 15_000)
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

describe("an answer that is none", () => {
  /** Each holds what a careless message would repeat. */
  const answers: ReadonlyArray<readonly [what: string, answer: (grant: Grant) => Fault.Fault, told: RegExp]> = [
    [
      "a page of HTML that repeats the request",
      ({ accessToken, refreshToken }) => ({
        processed: false,
        answer: {
          status: 200,
          headers: { "content-type": "text/html" },
          body: `<html><title>${refreshToken}</title><p>refresh_token=${refreshToken}&access_token=${accessToken}</html>`,
        },
      }),
      /the server answered 200, without a usable access token/,
    ],
    [
      "JSON that ends too early",
      ({ accessToken, refreshToken }) => ({
        processed: false,
        answer: {
          status: 200,
          headers: { "content-type": "application/json" },
          body: `{"access_token":"${accessToken}x","token_type":"Bearer","refresh_token":"${refreshToken}`,
        },
      }),
      /the server answered 200, without a usable access token/,
    ],
    [
      "10 MiB",
      ({ refreshToken }) => ({
        processed: false,
        answer: {
          status: 200,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            access_token: `${refreshToken} `.repeat(Math.ceil(10_485_760 / refreshToken!.length)),
          }),
        },
      }),
      /the server answered 200, without a usable access token \(more than 1 MiB of it\)/,
    ],
    [
      "an error that quotes the request",
      ({ refreshToken }) => ({
        processed: false,
        answer: {
          status: 500,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            error: `e-${refreshToken}`,
            error_description: `Cannot find ${refreshToken} anywhere`,
          }),
        },
      }),
      /the server answered 500/,
    ],
  ]

  for (const [what, answer, told] of answers) {
    it.live(`${what}: said clearly and without a secret; served while the token works, else 4`, () =>
      simulated((world) =>
        Effect.gen(function* () {
          const grant = yield* world.bringIn("github", 55_000)
          world.server.script(answer(grant))
          const served = yield* world.run(["token", "github"])
          assertEnded(served, 0)
          assert.strictEqual(served.result, fingerprint(grant.accessToken))
          assert.match(served.stderr, told)

          const ended = yield* world.bringIn("gitlab", -1_000)
          world.server.script(answer(ended))
          const later = yield* world.run(["token", "gitlab"])
          assertEnded(later, 4)
          assert.strictEqual(later.result, "")
          assert.match(later.stderr, told)
          assert.match(later.stderr, /Try again at /)

          const last = yield* world.bringIn("codeberg", -1_000)
          world.server.script(answer(last))
          const program = yield* world.worker("codeberg", { background: false })
          const { errors } = yield* program.ask({ wish: "token", times: 3 })
          assert.lengthOf(errors, 3)
          for (const { message, tag } of errors) {
            assert.strictEqual(tag, "TemporarilyUnavailable")
            assert.match(message, told)
          }
          // What is stored of it is shown there.
          for (const args of [["status"], ["status", "--json"], ["list"]]) assertEnded(yield* world.run(args), 0)
          assert.lengthOf(world.presentations(), 3)
        }),
      ),
    )
  }

  it.live("and the last presentation is not spent in the same outage: the next commands are told when", () =>
    simulated((world) =>
      Effect.gen(function* () {
        yield* world.bringIn("github", -1_000)
        world.server.script(Fault.instead("htmlOk"))
        assertEnded(yield* world.run(["token", "github"]), 4)
        for (let i = 0; i < 3; i++) {
          const told = yield* world.run(["token", "github"])
          assertEnded(told, 4)
          assert.match(told.stderr, /the answer to the refresh of .* never came/)
        }
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )
})

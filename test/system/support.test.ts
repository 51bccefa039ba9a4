/** The search for secrets finds one: what it has never found is worth nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { hour, processes, simulated } from "./support.ts"

const message = (effect: Effect.Effect<unknown>) =>
  Effect.map(Effect.exit(effect), (exit) => (exit._tag === "Failure" ? String(exit.cause) : "it went through"))

describe("the outputs of processes are searched", () => {
  it.live("plain, in JSON, in a URL, and in Base64 wherever it begins", () =>
    Effect.gen(function* () {
      const secret = 'simulated "a b/%'
      const script = [
        secret,
        JSON.stringify({ secret }),
        encodeURIComponent(secret),
        ...["", "x", "xy", "xyz"].map((before) => btoa(`${before}${secret}${before}`)),
      ]
      for (const text of script) {
        const hidden = { everywhere: () => [secret], inResults: () => [secret] }
        const found = yield* message(processes(hidden, (world) => world.print(text)))
        assert.include(found, "a secret is in the stderr of a program")
        assert.notInclude(found, text)
      }
    }),
  )

  it.live("a refresh token is not a result, and an access token only of the command token", () =>
    Effect.gen(function* () {
      const told = (kind: "refreshToken" | "accessToken") =>
        message(
          simulated((world) => Effect.flatMap(world.bringIn("github", hour), (grant) => world.print(grant[kind]!))),
        )
      assert.include(yield* told("accessToken"), "a secret is in the stderr of a program")
      assert.include(yield* told("refreshToken"), "a secret is in the stderr of a program")
      assert.strictEqual(
        yield* message(
          simulated((world) => Effect.andThen(world.bringIn("github", hour), world.run(["token", "github"]))),
        ),
        "it went through",
      )
    }),
  )
})

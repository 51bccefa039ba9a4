/** `tokenkeep explain NAME`: what happened to a credential, and what will happen next. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { timestamp } from "../../interop/timestamp.ts"
import type { Line } from "../../lifecycle/History.ts"
import { Keeper } from "../../keeper/Keeper.ts"
import * as Describe from "../describe.ts"
import * as Explain from "../explain.ts"
import { tellObstacle, withKeeper } from "../keeper.ts"
import { jsonFlag, nameArgument, paragraphs } from "../params.ts"
import { result } from "../terminal.ts"

const flags = {
  last: Flag.Int("last").pipe(
    Flag.withDescription("How many lines of the history at most (default 40)"),
    Flag.withDefault(40),
  ),
  json: jsonFlag,
}

const asJson = ({ at, ...line }: Line) => ({ at: timestamp(at), ...line })

export const explain = Command.make(
  "explain",
  { name: nameArgument, ...flags },
  Effect.fnUntraced(function* ({ json, last, name }) {
    yield* Effect.gen(function* () {
      const keeper = yield* Keeper
      const now = yield* Clock.currentTimeMillis
      const all = yield* keeper.history(name)
      const lines = all.slice(-Math.max(1, last))
      // A name that was signed out has a past and no present.
      const status = yield* Effect.catchTag(keeper.status(name), "CredentialNotFound", (error) =>
        all.length > 0 ? Effect.succeed(undefined) : Effect.fail(error),
      )
      if (json) {
        const next = status === undefined ? undefined : Describe.json(status)
        return yield* result(JSON.stringify({ name, history: lines.map(asJson), status: next }, null, 2))
      }
      const differences = Explain.differences(all)
      yield* result(
        [
          name,
          ...(lines.length < all.length
            ? [`  (${all.length - lines.length} earlier lines: --last ${all.length})`]
            : []),
          ...(lines.length === 0 ? ["  nothing has happened to it since it was stored"] : []),
          ...lines.map((line) => `  ${Explain.words(line)}`),
          "",
          all.every(({ parameters }) => parameters === undefined)
            ? "  Nothing was sent to its token endpoint."
            : differences.length === 0
              ? "  All requests to the token endpoint had the same parameters."
              : `  The parameters of requests changed: ${differences.join("; ")}`,
          ...(status === undefined
            ? [`  It is not kept here any more. Next: tokenkeep import FILE --name ${name}`]
            : Describe.outlook(status, now).map((line) => `  ${line}`)),
        ].join("\n"),
      )
    }).pipe(Effect.tap(tellObstacle), withKeeper({ reading: true }))
  }),
).pipe(
  Command.withShortDescription("Tell what happened to a credential, and why"),
  Command.withDescription(
    paragraphs(
      "Tell what happened to a credential: who refreshed it, when and why, what the server said, what became of it, and what",
      "will happen next. Tokens appear as fingerprints, requests by the names of their parameters.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep explain github" },
    { command: "tokenkeep explain github --json --last 500", description: "All of it, for a program" },
  ]),
)

/** `tokenkeep status [NAME]`: where credentials stand, read from the store without touching the network. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Keeper } from "../../keeper/Keeper.ts"
import * as Describe from "../describe.ts"
import { nothingKept, tellObstacle, withKeeper } from "../keeper.ts"
import { jsonFlag, nameArgument, paragraphs } from "../params.ts"
import { advise, result } from "../terminal.ts"

export const status = Command.make(
  "status",
  { name: nameArgument.pipe(Argument.optional), json: jsonFlag },
  ({ json, name }) =>
    Effect.gen(function* () {
      const keeper = yield* Keeper
      const now = yield* Clock.currentTimeMillis
      const found = yield* Option.match(name, {
        onNone: () => keeper.list,
        onSome: (one) => Effect.map(keeper.status(one), (status) => [status]),
      })
      if (json) {
        const documents = found.map(Describe.json)
        return yield* result(JSON.stringify(Option.isSome(name) ? documents[0] : documents, null, 2))
      }
      if (found.length === 0)
        return yield* advise(`${nothingKept()}. Next: tokenkeep login NAME, or tokenkeep import FILE --name NAME`)
      yield* result(found.map((each) => Describe.lines(each, now).join("\n")).join("\n\n"))
    }).pipe(Effect.tap(tellObstacle), withKeeper({ reading: true })),
).pipe(
  Command.withShortDescription("Show where a credential stands"),
  Command.withDescription(
    paragraphs(
      "Show state, expiry, generation and the next step of one credential, or of all. It asks no server. Secrets appear as",
      "fingerprints: the first 12 hex characters of their SHA-256.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep status github" },
    {
      command: "tokenkeep status github --json | jq -r .state",
      description: "One of valid, expiring, refreshing, dead",
    },
  ]),
)

/** `tokenkeep logout NAME`: forgets a credential on this machine. */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Keeper } from "../../keeper/Keeper.ts"
import { withKeeper } from "../keeper.ts"
import { nameArgument } from "../params.ts"
import { advise, result } from "../terminal.ts"

export const logout = Command.make("logout", { name: nameArgument }, ({ name }) =>
  Effect.gen(function* () {
    yield* (yield* Keeper).remove(name)
    yield* result(`${name} is forgotten on this machine`)
    yield* advise(
      "the grant lives on at the server: end it in the account's settings there if nobody else should use it",
    )
  }).pipe(withKeeper()),
).pipe(
  Command.withShortDescription("Forget a credential on this machine"),
  Command.withDescription("Forget a credential on this machine. The grant lives on at the server, which is not told."),
  Command.withExamples([{ command: "tokenkeep logout github" }]),
)

/** `tokenkeep logout NAME`: forgets a credential on this machine, and with `--revoke` ends it at the server. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { Keeper } from "../../keeper/Keeper.ts"
import { isShared } from "../../keeper/Owners.ts"
import { withKeeper } from "../keeper.ts"
import { nameArgument, paragraphs } from "../params.ts"
import { advise, result, whileSlow } from "../terminal.ts"
import { Usage } from "../Usage.ts"

const atTheServer = "end it in the account's settings there if nobody else should use it"

/** Before it is forgotten, because nobody could afterwards. That it fails is no reason to keep it. */
const revoke = Effect.fnUntraced(function* (name: string) {
  const { credential } = yield* (yield* Keeper).status(name)
  const { foreign } = credential
  if (isShared(foreign)) {
    const message = `${name} is ${foreign.program}'s login too, and to revoke it would sign ${foreign.program} out: sign out there, or leave --revoke out`
    return yield* new Usage({ message })
  }
  const Revocation = yield* Effect.promise(() => import("../../signin/revocation.ts"))
  yield* Revocation.revoke(credential).pipe(
    whileSlow("telling the server …"),
    Effect.andThen(result(`${name} is revoked at the server`)),
    Effect.catch(({ message }) => advise(`the server did not take the grant back: ${message}; ${atTheServer}`)),
  )
})

export const logout = Command.make(
  "logout",
  {
    name: nameArgument,
    revoke: Flag.Boolean("revoke").pipe(
      Flag.withDescription("Tell the server first that the grant is over"),
      Flag.withDefault(false),
      Flag.withoutNegation,
    ),
  },
  (flags) =>
    Effect.gen(function* () {
      if (flags.revoke) yield* revoke(flags.name)
      const keeper = yield* Keeper
      const { foreign } = (yield* keeper.status(flags.name)).credential
      yield* keeper.remove(flags.name)
      yield* result(`${flags.name} is forgotten on this machine`)
      if (isShared(foreign)) yield* advise(`${foreign.program} keeps its login`)
      else if (!flags.revoke)
        yield* advise(`the grant lives on at the server: --revoke ends it there too, or ${atTheServer}`)
    }).pipe(withKeeper({ reading: true })),
).pipe(
  Command.withShortDescription("Forget a credential on this machine"),
  Command.withDescription(
    paragraphs(
      "Forget a credential on this machine. The grant lives on at the server, which is told only with --revoke (RFC 7009).",
      "Whatever the server says to that, the credential is forgotten here.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep logout github" },
    { command: "tokenkeep logout github --revoke", description: "Everywhere" },
  ]),
)

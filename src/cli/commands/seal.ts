/** `tokenkeep seal` and `tokenkeep unseal`: the store's records encrypted at rest, or in clear again. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import { currentHome } from "../../store/home.ts"
import * as SealKey from "../../store/sealKey.ts"
import { reseal } from "../../store/sqliteSeal.ts"
import { told } from "../keeper.ts"
import { paragraphs } from "../params.ts"
import { advise, result } from "../terminal.ts"

const keep = (): string => path.join(path.resolve(currentHome()), "keep.db")

const credentials = (count: number): string => `${count} credential${count === 1 ? "" : "s"}`

export const seal = Command.make(
  "seal",
  {
    keyFile: Flag.String("key-file").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Keep the key there, not in the system's keyring; made with mode 0600 where it is missing"),
      Flag.optional,
    ),
  },
  ({ keyFile }) =>
    Effect.gen(function* () {
      const file = keep()
      const place = Option.match(keyFile, {
        onNone: (): SealKey.Place => ({ kind: "keyring", account: file }),
        onSome: (given): SealKey.Place => ({ kind: "file", path: path.resolve(given) }),
      })
      const count = yield* reseal(file, place)
      yield* result(`${file} is sealed (${credentials(count)})`)
      yield* advise(
        `its key is in ${SealKey.words(place)}. Without the key every credential needs a new sign-in: keep a copy elsewhere`,
      )
    }).pipe(told),
).pipe(
  Command.withShortDescription("Encrypt the store's records"),
  Command.withDescription(
    paragraphs(
      "Encrypt every record of the store with AES-256-GCM, under a key in the operating system's keyring or in a file. Every",
      "command and every program finds the key by itself from then on. Names, times and fingerprints stay readable. Sealing",
      "again with another key changes the key.",
      "",
      "The keyring needs an optional package: npm install @napi-rs/keyring",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep seal" },
    { command: "tokenkeep seal --key-file /run/secrets/tokenkeep.key", description: "On a machine without a keyring" },
  ]),
)

export const unseal = Command.make("unseal", {}, () =>
  Effect.gen(function* () {
    const count = yield* reseal(keep(), undefined)
    yield* result(`${keep()} is in clear again (${credentials(count)}). The key was left where it is`)
  }).pipe(told),
).pipe(
  Command.withShortDescription("Store the records in clear again"),
  Command.withDescription("Decrypt every record of a sealed store. The key is left where it is."),
  Command.withExamples([{ command: "tokenkeep unseal" }]),
)

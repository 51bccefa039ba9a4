/** `tokenkeep list`: what is kept, one line each. */
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Keeper } from "../../keeper/Keeper.ts"
import type { Status } from "../../keeper/Keeper.ts"
import { timestamp } from "../../interop/timestamp.ts"
import * as Describe from "../describe.ts"
import { nothingKept, tellObstacle, withKeeper } from "../keeper.ts"
import { jsonFlag } from "../params.ts"
import { advise, result } from "../terminal.ts"
import { when } from "../times.ts"

const expiresAt = ({ credential: { tokens } }: Status): number | undefined =>
  tokens.expiry._tag === "Known" ? tokens.expiry.at : undefined

const json = (status: Status) => ({
  name: status.credential.name,
  state: status.state[0],
  detail: status.state[1],
  usable: status.usable,
  expires_at: timestamp(expiresAt(status)),
  generation: status.credential.generation,
  provider: status.credential.provider,
})

const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}

export const list = Command.make("list", { json: jsonFlag }, (flags) =>
  Effect.gen(function* () {
    const found = yield* (yield* Keeper).list
    if (flags.json) return yield* result(JSON.stringify(found.map(json), null, 2))
    if (found.length === 0)
      return yield* advise(`${nothingKept()}. Next: tokenkeep login NAME, or tokenkeep import FILE --name NAME`)
    const now = yield* Clock.currentTimeMillis
    const rows = found.map((status) => {
      const at = expiresAt(status)
      return [
        status.credential.name,
        Describe.stateWord(status),
        at === undefined ? "no known end" : when(at, now),
        `generation ${status.credential.generation}`,
        new URL(status.credential.tokenEndpoint).host,
      ]
    })
    yield* result(table(rows))
  }).pipe(Effect.tap(tellObstacle), withKeeper({ reading: true })),
).pipe(
  Command.withAlias("ls"),
  Command.withShortDescription("List what is kept"),
  Command.withDescription(
    "List what is kept: name, state, the access token's end, generation and server. It asks no server.",
  ),
  Command.withExamples([
    { command: "tokenkeep list" },
    { command: "tokenkeep list --json | jq -r '.[].name'", description: "The names alone" },
  ]),
)

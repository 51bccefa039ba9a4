/**
 * The owners of logins that stand in other programs' files: what `keeper/Owners` asks, answered from those files. What reads
 * and writes them is loaded by the first such login, since most Keepers have none.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as fs from "node:fs"
import { Owners } from "../keeper/Owners.ts"
import type { Foreign } from "../lifecycle/Credential.ts"

const sight = Effect.promise(() => import("./sight.ts"))
const borrow = Effect.promise(() => import("./borrow.ts"))
const coOwn = Effect.promise(() => import("./coOwn.ts"))

const revision = ({ place }: Foreign): string => {
  // A database's newest pages are in the log beside it.
  const stats = [place, `${place}-wal`].map((each) => fs.statSync(each, { throwIfNoEntry: false }))
  return stats.map((each) => (each === undefined ? "" : `${each.ino}.${each.size}.${each.mtimeMs}`)).join(" ")
}

export const layer = Layer.succeed(Owners, {
  look: (credential) => Effect.flatMap(sight, ({ look }) => look(credential)),
  exchange: (credential, deadlineMillis, present) =>
    credential.foreign?.mode === "borrow"
      ? Effect.flatMap(borrow, ({ exchange }) => exchange(credential))
      : Effect.flatMap(coOwn, ({ exchange }) => exchange(credential, deadlineMillis, present)),
  catchUp: (credential) => Effect.flatMap(coOwn, ({ catchUp }) => catchUp(credential)),
  revision,
})

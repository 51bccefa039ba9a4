/**
 * The Keeper of one short command: over the store in the home folder and the network, refreshing only when asked.
 *
 * A failure is told before the Keeper is closed, since closing waits for an exchange that is on the wire.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TokenEndpointHttp from "../exchange/http.ts"
import type { Keeper } from "../keeper/Keeper.ts"
import * as KeeperLive from "../keeper/live.ts"
import { currentHome } from "../store/home.ts"
import * as ProfileFiles from "../store/profileFiles.ts"
import * as StoreSqlite from "../store/sqlite.ts"
import { type CommandError, Reported, reportOf } from "./report.ts"
import { advise, explainWaiting } from "./terminal.ts"

const tell = Effect.fnUntraced(function* (cause: Cause.Cause<CommandError>) {
  const report = reportOf(cause, yield* Clock.currentTimeMillis)
  if (report === undefined) return yield* Effect.interrupt
  if (report.text !== undefined) yield* advise(report.text)
  yield* Effect.sync(explainWaiting)
  return yield* new Reported({ code: report.code })
})

/** A failure of a command that needs no Keeper, told like any other. */
export const told = <A, R>(command: Effect.Effect<A, CommandError, R>) => Effect.catchCause(command, tell)

export const withKeeper =
  (options: { readonly callerDeadlineMillis?: number | undefined } = {}) =>
  <A>(command: Effect.Effect<A, CommandError, Keeper>): Effect.Effect<A, CommandError> =>
    Effect.provide(
      Effect.catchCause(command, tell),
      KeeperLive.layer({ background: false, label: "tokenkeep", ...options }).pipe(
        Layer.provide([StoreSqlite.layer({ home: currentHome() }), TokenEndpointHttp.layer]),
        Layer.provide(ProfileFiles.layer({ home: currentHome() })),
      ),
    )

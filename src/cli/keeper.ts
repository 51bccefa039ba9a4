/**
 * The Keeper of one command: over the store in the home folder and the network, refreshing only when asked unless it stays.
 *
 * A failure is told before the Keeper is closed, since closing waits for an exchange that is on the wire.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TokenEndpointHttp from "../exchange/http.ts"
import * as ForeignOwners from "../interop/foreignOwners.ts"
import type { Keeper } from "../keeper/Keeper.ts"
import * as KeeperLive from "../keeper/live.ts"
import { currentHome } from "../store/home.ts"
import * as StoreMemory from "../store/memory.ts"
import * as Place from "../store/place.ts"
import * as ProfileFiles from "../store/profileFiles.ts"
import * as StoreSqlite from "../store/sqlite.ts"
import { exitCodes } from "./exitCodes.ts"
import { type CommandError, Reported, reportOf } from "./report.ts"
import { advise, explainWaiting } from "./terminal.ts"

/** For those who find nothing: it may be the place that is wrong. */
export const nothingKept = (): string => `nothing is kept in ${currentHome()} yet`

/** Says why nothing can be stored just now, where something stands in the way: whoever looks should know. */
export const tellObstacle = Effect.suspend(() => {
  const obstacle = Place.obstacle(currentHome())
  return obstacle === undefined ? Effect.void : advise(obstacle.message)
})

const tell = Effect.fnUntraced(function* (cause: Cause.Cause<CommandError>) {
  const report = reportOf(cause, yield* Clock.currentTimeMillis)
  if (report === undefined) return yield* Effect.interrupt
  if (report.text !== undefined) yield* advise(report.text)
  if (report.code === exitCodes.tryAgainLater) yield* tellObstacle
  const error = Cause.findError(cause)
  const isUnknown = Result.isSuccess(error) && error.success._tag === "CredentialNotFound"
  if (isUnknown && Place.isEmpty(currentHome())) yield* advise(nothingKept())
  yield* Effect.sync(explainWaiting)
  return yield* new Reported({ code: report.code })
})

/** A failure of a command that needs no Keeper, told like any other. */
export const told = <A, R>(command: Effect.Effect<A, CommandError, R>) => Effect.catchCause(command, tell)

export interface Options {
  /** Refresh without being asked, as a command that stays does. Default false. */
  readonly background?: boolean | undefined
  readonly callerDeadlineMillis?: number | undefined
  /** The command brings nothing in: where nothing is kept, it need not create a store, and does not. Default false. */
  readonly reading?: boolean | undefined
}

export const withKeeper =
  ({ background = false, callerDeadlineMillis, reading = false }: Options = {}) =>
  <A>(command: Effect.Effect<A, CommandError, Keeper>): Effect.Effect<A, CommandError> =>
    Effect.suspend(() => {
      const home = currentHome()
      const store = reading && Place.isEmpty(home) ? StoreMemory.layerMemory : StoreSqlite.layer({ home })
      return Effect.provide(
        Effect.catchCause(command, tell),
        KeeperLive.layer({ background, label: "tokenkeep", callerDeadlineMillis }).pipe(
          Layer.provide([store, TokenEndpointHttp.layer]),
          Layer.provide([ProfileFiles.layer({ home }), ForeignOwners.layer]),
        ),
      )
    })

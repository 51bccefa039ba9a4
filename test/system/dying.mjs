/**
 * A program that wants a token once and is killed (`kill -9`) at one certain moment: right before or right after a write
 * to the store.
 *
 *     node dying.mjs NAME before|after CHANGE
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CredentialStore, HttpTokenEndpoint, Keeper, KeeperLive, SqliteStore } from "tokenkeep"

const [name, when, change] = process.argv.slice(2)

const die = Effect.andThen(
  Effect.sync(() => process.kill(process.pid, "SIGKILL")),
  Effect.never,
)

const store = Layer.effect(
  CredentialStore.CredentialStore,
  Effect.map(SqliteStore.make({ home: process.env.TOKENKEEP_HOME }), (real) => ({
    ...real,
    compareAndSwap: (...parameters) => {
      const [, { _tag }] = parameters
      const written = real.compareAndSwap(...parameters)
      if (_tag !== change) return written
      return when === "before" ? die : Effect.andThen(written, die)
    },
  })),
)

const keeper = KeeperLive.layer({ background: false, label: "dying" }).pipe(
  Layer.provide([store, HttpTokenEndpoint.layer]),
)

await Effect.runPromise(
  Effect.provide(
    Keeper.Keeper.use((keeper) => keeper.credential(name).access()),
    keeper,
  ),
)

/**
 * Another process that takes a lock, for tests. Prints one JSON value a line.
 *
 *     node worker.ts hold KIND PLACE
 *     node worker.ts leave KIND PLACE
 *     node worker.ts count KIND PLACE COUNTER ROUNDS
 *
 * KIND is one of ours, or `proper-lockfile` for that package itself, whose PLACE is the same.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as readline from "node:readline"
import { lock } from "proper-lockfile"
import type { LockPlan } from "../../../src/interop/ForeignStore.ts"
import { take } from "../../../src/interop/locks/take.ts"

const [, , command = "", kind = "", place = "", counter = "", rounds = "1"] = process.argv

const print = (value: unknown): void => void fs.writeSync(1, `${JSON.stringify(value)}\n`)

const theirs = (): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.promise(() =>
        lock(place, {
          lockfilePath: place,
          realpath: false,
          stale: 30_000,
          retries: { retries: 2_000, factor: 1, minTimeout: 5, maxTimeout: 20 },
        }),
      ),
      (release) => Effect.promise(() => release()),
    ),
  )

const ours = Effect.asVoid(
  take([{ kind: kind as LockPlan["kind"], place, staleMillis: 30_000, heartbeatMillis: 3_000 }], {
    waitMillis: 60_000,
  }),
)

const taken = kind === "proper-lockfile" ? theirs() : ours

const next = Effect.promise(
  () =>
    new Promise<void>((resolve) => readline.createInterface({ input: process.stdin }).once("line", () => resolve())),
)

/** Reads, lets others run, and writes: whoever does that at the same time undoes it. */
const add = Effect.gen(function* () {
  const seen = Number(fs.readFileSync(counter, "utf8"))
  for (let turn = 0; turn < 20; turn++) {
    yield* Effect.promise(() => new Promise((resolve) => void setImmediate(resolve)))
  }
  fs.writeFileSync(counter, `${seen + 1}`)
})

const commands: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = {
  hold: Effect.scoped(
    Effect.gen(function* () {
      yield* taken
      print("held")
      yield* next
    }),
  ),
  /** Ends without a word to anybody. */
  leave: Effect.scoped(
    Effect.andThen(
      taken,
      Effect.sync(() => process.exit(3)),
    ),
  ),
  count: Effect.gen(function* () {
    print("ready")
    yield* next
    yield* Effect.repeat(Effect.scoped(Effect.andThen(taken, add)), { times: Number(rounds) - 1 })
  }),
}

await Effect.runPromise(commands[command]!)
process.exit()

/** What the tests of locks share. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import type { LockPlan } from "../../../src/interop/ForeignStore.ts"
import { temporaryFolder } from "../../run.ts"
import { start, type Worker } from "../../store/support.ts"

export const now = 1_800_000_000_000

export const freshPlace = (): string => path.join(temporaryFolder("locks"), "auth.json.lock")

/** The terms of pi, the most contradictory of all. */
export const plan = (kind: LockPlan["kind"], place: string): LockPlan => ({
  kind,
  place,
  staleMillis: 30_000,
  heartbeatMillis: 3_000,
})

export const setAge = (place: string, ageMillis: number, at = now): void => {
  const time = (at - ageMillis) / 1000
  fs.utimesSync(place, time, time)
}

const script = fileURLToPath(new URL("./worker.ts", import.meta.url))

export const worker = (...args: ReadonlyArray<string>): Effect.Effect<Worker, never, Scope.Scope> =>
  start(() => childProcess.spawn(process.execPath, [script, ...args], { stdio: "pipe" }))

/** A process that holds the lock by now. */
export const holder = Effect.fnUntraced(function* (kind: string, place: string) {
  const child = yield* worker("hold", kind, place)
  yield* child.line
  return child
})

/** For processes that wait for each other on a machine that has other things to do. */
export const longEnough = 60_000

/** What a counter is after every process added one to it `rounds` times. Each adds without looking whether it may. */
export const counted = Effect.fnUntraced(function* (
  place: string,
  rounds: number,
  begin: ReadonlyArray<(counter: string) => Effect.Effect<Worker, never, Scope.Scope>>,
) {
  const counter = `${place}.counter`
  fs.writeFileSync(counter, "0")
  const children = yield* Effect.forEach(begin, (each) => each(counter))
  for (const child of children) yield* child.line
  for (const child of children) yield* child.say("go")
  for (const child of children) {
    const { code, stderr } = yield* child.ended
    if (code !== 0) return yield* Effect.die(new Error(`A process ended with ${code}. ${stderr}`))
  }
  return { count: Number(fs.readFileSync(counter, "utf8")), expected: rounds * begin.length }
})

export const counting =
  (kind: string, place: string, rounds: number) =>
  (counter: string): Effect.Effect<Worker, never, Scope.Scope> =>
    worker("count", kind, place, counter, `${rounds}`)

/** What the tests of the SQLite store share: fresh folders, raw connections, and processes that run `worker.ts`. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as childProcess from "node:child_process"
import * as crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as readline from "node:readline"
import { fileURLToPath } from "node:url"
import { temporaryFolder } from "../run.ts"

/** The path of a folder that does not exist yet, in one that everybody may pass through. */
export const freshHome: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = temporaryFolder("store")
    fs.chmodSync(folder, 0o755)
    return path.join(folder, "home")
  }),
  // A test may have made it read-only.
  (home) => Effect.sync(() => fs.existsSync(home) && fs.chmodSync(home, 0o700)),
)

export const fileOf = (home: string): string => path.join(home, "keep.db")

/** A connection that knows nothing of the store. */
export const raw = (file: string, options = {}) => {
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite")
  return Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(file, options)),
    (database) => Effect.sync(() => database.close()),
  )
}

export const mode = (file: string): string => (fs.statSync(file).mode & 0o777).toString(8)

/** What is in a folder, name by name: enough to see that nothing changed, and shows nothing. */
export const contents = (folder: string): Record<string, string> =>
  Object.fromEntries(
    fs
      .readdirSync(folder)
      .toSorted()
      .map((name) => [
        name,
        crypto
          .createHash("sha256")
          .update(fs.readFileSync(path.join(folder, name)))
          .digest("hex"),
      ]),
  )

const script = fileURLToPath(new URL("./worker.ts", import.meta.url))

/** How a shell starts `worker.ts`. */
export const workerCommand = (...args: ReadonlyArray<string>): string =>
  [process.execPath, script, ...args].map((word) => `'${word}'`).join(" ")

export interface Worker {
  readonly kill: Effect.Effect<void>
  /** The next line it prints, parsed. Fails the test when it ends without one. */
  readonly line: Effect.Effect<unknown>
  /** All lines that were printed and not taken, once it has ended. */
  readonly rest: Effect.Effect<ReadonlyArray<unknown>>
  readonly say: (line: string) => Effect.Effect<void>
  readonly ended: Effect.Effect<{ readonly code: number | null; readonly stderr: string }>
}

/** A process that prints one JSON value a line. */
export const start = Effect.fnUntraced(function* (begin: () => childProcess.ChildProcessWithoutNullStreams) {
  const lines = yield* Queue.unbounded<unknown, Cause.Done>()
  const child = yield* Effect.acquireRelease(Effect.sync(begin), (child) => Effect.sync(() => child.kill("SIGKILL")))
  let stderr = ""
  child.stderr.on("data", (chunk) => (stderr += String(chunk)))
  readline
    .createInterface({ input: child.stdout })
    .on("line", (line) => Queue.offerUnsafe(lines, JSON.parse(line)))
    .on("close", () => Queue.endUnsafe(lines))
  const code = new Promise<number | null>((resolve) => child.on("close", resolve))
  const ended = Effect.map(
    Effect.promise(() => code),
    (code) => ({ code, stderr }),
  )
  const self: Worker = {
    kill: Effect.sync(() => void child.kill("SIGKILL")),
    line: Queue.take(lines).pipe(
      Effect.catch(() => Effect.flatMap(ended, ({ stderr }) => Effect.die(new Error(`No further line. ${stderr}`)))),
    ),
    rest: Effect.andThen(ended, Queue.clear(lines)),
    say: (line) => Effect.sync(() => void child.stdin.write(`${line}\n`)),
    ended,
  }
  return self
})

export const worker = (...args: ReadonlyArray<string>): Effect.Effect<Worker, never, Scope.Scope> =>
  start(() => childProcess.spawn(process.execPath, [script, ...args], { stdio: "pipe" }))

/** Runs a shell, which may limit itself before it becomes a worker. */
export const shell = (command: string): Effect.Effect<Worker, never, Scope.Scope> =>
  start(() => childProcess.spawn("bash", ["-c", command], { stdio: "pipe" }))

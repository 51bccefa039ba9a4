/** The processes of the demo, over one temporary home. All of them end with the scope, and the home is gone then. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const files = {
  tokenkeep: Path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs"),
  program: Path.join(import.meta.dirname, "program.mjs"),
}

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly millis: number
}

/** What a program prints. */
interface Answers {
  readonly got: ReadonlyArray<string>
  readonly at: number
}

export const makeHome = Effect.gen(function* () {
  const home = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "tokenkeep-demo-"))),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })),
  )
  const env = { ...process.env, TOKENKEEP_HOME: home }

  const start = Effect.fnUntraced(function* (file: keyof typeof files, args: ReadonlyArray<string>) {
    const began = performance.now()
    const finished = Deferred.makeUnsafe<Finished>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => ChildProcess.spawn(process.execPath, [files[file], ...args], { env })),
      (child) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          Deferred.await(finished),
        ),
    )
    let [stdout, stderr] = ["", ""]
    child.stdout.on("data", (chunk) => (stdout += String(chunk)))
    child.stderr.on("data", (chunk) => (stderr += String(chunk)))
    // It may end before it has read what it is told.
    child.stdin.on("error", () => {})
    child.on("close", (code, signal) => {
      const millis = performance.now() - began
      Deferred.doneUnsafe(finished, Effect.succeed({ code, signal, stdout, stderr, millis }))
    })
    return { child, finished: Deferred.await(finished) }
  })

  const tokenkeep = (args: ReadonlyArray<string>, input = ""): Effect.Effect<Finished> =>
    Effect.scoped(
      Effect.gen(function* () {
        const { child, finished } = yield* start("tokenkeep", args)
        child.stdin.end(input)
        return yield* finished
      }),
    )

  /**
   * Programs that call `url` all at once: when each is ready, and not before `from`. Answers with the fingerprint of the
   * token that each request was answered for, or what happened instead, and how long the last token took.
   */
  const race = Effect.fnUntraced(function* (
    name: string,
    url: string,
    options: { readonly programs: number; readonly requests: number; readonly from: number },
  ) {
    const { from, programs, requests } = options
    const running = yield* Effect.all(
      Array.from({ length: programs }, () => start("program", [name, url, String(requests)])),
    )
    yield* Effect.forEach(
      running,
      ({ child, finished }) => {
        const ready = Effect.callback<void>((resume) => void child.stdout.once("data", () => resume(Effect.void)))
        return Effect.raceFirst(ready, finished)
      },
      { concurrency: "unbounded" },
    )
    yield* Effect.sleep(Math.max(0, from - Date.now()))
    const began = performance.timeOrigin + performance.now()
    for (const { child } of running) child.stdin.end("go\n")
    const ended = yield* Effect.forEach(running, ({ finished }) => finished, { concurrency: "unbounded" })
    const answers = ended.map(({ stdout }): Answers => {
      const line = stdout.split("\n")[1]
      return line ? JSON.parse(line) : { got: Array.from({ length: requests }, () => "no answer"), at: Infinity }
    })
    return { got: answers.flatMap(({ got }) => got), millis: Math.max(...answers.map(({ at }) => at)) - began }
  }, Effect.scoped)

  return { race, start, tokenkeep }
})

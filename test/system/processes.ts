/**
 * The built command line and programs that use the built library, each in a process of its own, over one home folder.
 * All of them end with the scope. Imports nothing of vitest: `scripts/kill.ts` starts its processes here too.
 *
 * **Invariants**
 *
 * - Every output of every process is kept, for whoever looks for secrets in it (I10). Only the stdout of `token` may hold
 *   an access token, and nothing else that is secret.
 * - What `token` printed leaves as its fingerprint, and a text that holds a secret is not repeated.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { leaks } from "../secrets.ts"

const commandLine = Path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

/** What must not be seen: in no output, and moreover not in the stdout of `token`. */
export interface Secrets {
  readonly everywhere: () => ReadonlyArray<string>
  readonly inResults: () => ReadonlyArray<string>
}

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What `token` printed, as a fingerprint (or ""); of any other command its stdout. */
  readonly result: string
  readonly stderr: string
  /** From the start to the end, and to the first word on stderr. */
  readonly millis: number
  readonly toldAfter: number | undefined
}

export interface Running {
  readonly pid: number
  /** It has said something on stderr. */
  readonly told: () => boolean
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly finished: Effect.Effect<Finished>
}

/** What a worker answers: how often it got which token (or word), and what it was told instead. */
export interface Answer {
  readonly got: Readonly<Record<string, number>>
  readonly errors: ReadonlyArray<{
    readonly tag: string
    readonly message: string
    readonly advice?: string
    readonly reason?: string
    readonly retryAt?: number
  }>
}

interface Common {
  /** Of the credentials, where they are others than the one the worker was started with. */
  readonly names?: ReadonlyArray<string>
  /** For each of them. */
  readonly times?: number
}

export type Wish = Common &
  (
    | { readonly wish: "token"; readonly minValidity?: number }
    | { readonly wish: "peek" | "refused" | "generation" }
    | { readonly wish: "fetch"; readonly url: string }
  )

export interface Worker extends Running {
  readonly ask: (wish: Wish) => Effect.Effect<Answer>
  /** Without waiting for the answer. */
  readonly wish: (wish: Wish) => Effect.Effect<void>
  /** The next answer. */
  readonly answer: Effect.Effect<Answer>
  /** Says that there will be no further wish. */
  readonly leave: Effect.Effect<void>
}

/** With a program that speaks lines of JSON. */
export interface Conversation extends Running {
  readonly say: (line: string) => Effect.Effect<void>
  /** What it says next. */
  readonly next: Effect.Effect<unknown>
  /** Says that there will be no further line. */
  readonly leave: Effect.Effect<void>
}

/** Polls, because processes do not report. */
export const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!holds()) yield* Effect.sleep(5)
  }).pipe(
    Effect.timeoutOrElse({ duration: "40 seconds", orElse: () => Effect.die(new Error(`Waited in vain: ${what}`)) }),
  )

export interface Output {
  readonly of: string
  readonly isResult: boolean
  text: string
}

/** Where processes run. */
export interface Place {
  readonly folder: string
  readonly home: string
  readonly secrets: Secrets
  /** Put before each command, such as `nsenter`. */
  readonly prefix?: ReadonlyArray<string> | undefined
  /** More of their environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

export const make = ({ env = {}, folder, home, prefix = [], secrets }: Place) => {
  const outputs: Array<Output> = []
  /** For what a failing test would print. */
  const printable = (text: string): string => (leaks(text, secrets.everywhere()) ? "(A secret is in it.)" : text)

  const outputOf = (stream: NodeJS.ReadableStream, of: string, isResult: boolean): Output => {
    const output: Output = { of, isResult, text: "" }
    outputs.push(output)
    stream.setEncoding("utf8").on("data", (chunk) => (output.text += String(chunk)))
    return output
  }

  const launch = Effect.fnUntraced(function* (file: string, args: ReadonlyArray<string>, of: string) {
    const began = performance.now()
    const [command, ...rest] = [...prefix, process.execPath, file, ...args] as [string, ...Array<string>]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        ChildProcess.spawn(command, rest, {
          cwd: folder,
          // Whatever it writes anywhere is below the folder, and is searched with it.
          env: { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder, TOKENKEEP_HOME: home, ...env },
        }),
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    )
    const isToken = of === "token"
    const stdout = outputOf(child.stdout, `stdout of ${of}`, isToken)
    const stderr = outputOf(child.stderr, `stderr of ${of}`, false)
    let toldAfter: number | undefined
    child.stderr.once("data", () => (toldAfter = performance.now() - began))
    // It may be gone before it has read what it is told.
    child.stdin.on("error", () => {})
    const ended = Deferred.makeUnsafe<Finished>()
    child.on("close", (code, signal) => {
      const printed = stdout.text.trim()
      const result = isToken ? printed && fingerprint(printed) : printable(stdout.text)
      const [said, millis] = [printable(stderr.text), performance.now() - began]
      Deferred.doneUnsafe(ended, Effect.succeed({ code, signal, result, stderr: said, millis, toldAfter }))
    })
    const running: Running = {
      pid: child.pid!,
      told: () => toldAfter !== undefined,
      kill: (signal) => Effect.sync(() => void child.kill(signal)),
      finished: Deferred.await(ended),
    }
    return { child, running, stderr }
  })

  /** A command of the command line. */
  const start = Effect.fnUntraced(function* (args: ReadonlyArray<string>, input = "") {
    const { child, running } = yield* launch(commandLine, args, args[0] ?? "")
    child.stdin.end(input)
    return running
  })

  /** A program to its end. */
  const program = (
    file: string,
    of: string,
    args: ReadonlyArray<string> = [],
    input = "",
  ): Effect.Effect<Running, never, Scope.Scope> =>
    Effect.map(launch(file, args, of), ({ child, running }) => {
      child.stdin.end(input)
      return running
    })

  /** A program that takes a line at a time and answers in lines of JSON. */
  const conversation = Effect.fnUntraced(function* (file: string, of: string, args: ReadonlyArray<string>) {
    const { child, running, stderr } = yield* launch(file, args, of)
    const lines: Array<string> = []
    let isOver = false
    Readline.createInterface({ input: child.stdout })
      .on("line", (line) => lines.push(line))
      .on("close", () => (isOver = true))
    const next = Effect.gen(function* () {
      yield* until("the program's next line", () => lines.length > 0 || isOver)
      const line = lines.shift()
      if (line !== undefined) return JSON.parse(line) as unknown
      return yield* Effect.die(new Error(`The program ended without an answer. ${printable(stderr.text)}`))
    })
    const self: Conversation = {
      ...running,
      next,
      say: (line) => Effect.sync(() => void child.stdin.write(`${line}\n`)),
      leave: Effect.sync(() => void child.stdin.end()),
    }
    return self
  })

  /** `worker.mjs`, once it is ready. */
  const worker = Effect.fnUntraced(function* (name: string, options: object = {}) {
    const file = Path.join(import.meta.dirname, "worker.mjs")
    const { next, say, ...rest } = yield* conversation(file, "a program", [name, JSON.stringify(options)])
    const wish = (wish: Wish) => say(JSON.stringify(wish))
    // Its first line.
    yield* next
    const self: Worker = {
      ...rest,
      ask: (wished) => Effect.andThen(wish(wished), next) as Effect.Effect<Answer>,
      wish,
      answer: next as Effect.Effect<Answer>,
    }
    return self
  })

  return { conversation, outputs, program, start, worker }
}

/** The outputs that hold a secret where none may be, by name. */
export const leaking = (outputs: ReadonlyArray<Output>, secrets: Secrets): ReadonlyArray<string> =>
  outputs
    .filter(({ isResult, text }) => leaks(text, isResult ? secrets.inResults() : secrets.everywhere()))
    .map(({ of }) => of)

/**
 * What the tests with real processes share: the built command line and the built library, each in processes of its own,
 * a home folder and an authorization server on loopback.
 *
 * **Invariants**
 *
 * - Every output of every process is kept, and searched for every secret when the test has run (I10). Only the stdout of
 *   `token` may hold an access token, and nothing else that is secret.
 * - No token reaches an assertion, whose message would print it: what `token` printed is known by its fingerprint.
 */
import { assert, vi } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import type { Grant, GrantOptions } from "../../src/testing/AuthorizationServer.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { type Listening, listen, type ListenOptions } from "../../src/testing/http.ts"
import type { Presentation } from "../../src/testing/Presentation.ts"

const commandLine = Path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")
const program = (file: string) => Path.join(import.meta.dirname, file)

// Many processes, which share two cores with the tests beside them. What is slow then is not wrong.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

// --------------------------------------------------------------------------------------------------------- secrets

/** What must not be seen: in no output, and moreover not in the stdout of `token`. */
export interface Secrets {
  readonly everywhere: () => ReadonlyArray<string>
  readonly inResults: () => ReadonlyArray<string>
}

/** Base64 of a part of a longer text: what stays of it wherever it begins. */
const encodedInside = (secret: string): ReadonlyArray<string> =>
  [0, 1, 2].map((offset) => {
    const encoded = Buffer.from(`${" ".repeat(offset)}${secret}`, "utf8")
      .toString("base64")
      .replace(/=+$/, "")
    return encoded.slice(offset === 0 ? 0 : offset + 1, -1)
  })

const formsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  new URLSearchParams([["", secret]]).toString().slice(1),
  ...encodedInside(secret),
]

const leaks = (text: string, secrets: ReadonlyArray<string>): boolean =>
  secrets.flatMap(formsOf).some((form) => text.toLowerCase().includes(form.toLowerCase()))

// ------------------------------------------------------------------------------------------------------- processes

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

export type Wish =
  | { readonly wish: "token"; readonly times?: number; readonly minValidity?: number }
  | { readonly wish: "peek" | "refused" | "generation"; readonly times?: number }
  | { readonly wish: "fetch"; readonly times?: number; readonly url: string }

export interface Worker extends Running {
  readonly ask: (wish: Wish) => Effect.Effect<Answer>
  /** Without waiting for the answer. */
  readonly wish: (wish: Wish) => Effect.Effect<void>
  /** The next answer. */
  readonly answer: Effect.Effect<Answer>
  /** Says that there will be no further wish. */
  readonly leave: Effect.Effect<void>
}

// ----------------------------------------------------------------------------------------------------------- world

export interface World {
  readonly folder: string
  readonly home: string
  /** A command to its end. */
  readonly run: (args: ReadonlyArray<string>, input?: string) => Effect.Effect<Finished>
  readonly start: (args: ReadonlyArray<string>, input?: string) => Effect.Effect<Running, never, Scope.Scope>
  /** `example.mjs` to its end. */
  readonly example: (input: object) => Effect.Effect<Finished>
  /** A process that says this on stderr. */
  readonly print: (text: string) => Effect.Effect<Finished>
  /** A program that uses the library, once it is ready. */
  readonly worker: (name: string, options?: object) => Effect.Effect<Worker, never, Scope.Scope>
}

/** Polls, because processes do not report. */
export const until = (what: string, holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!holds()) yield* Effect.sleep(5)
  }).pipe(
    Effect.timeoutOrElse({ duration: "40 seconds", orElse: () => Effect.die(new Error(`Waited in vain: ${what}`)) }),
  )

const folderOf = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "tokenkeep-system-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })),
)

interface Output {
  readonly of: string
  readonly isResult: boolean
  text: string
}

/** A home folder and the processes that share it. When `use` is done, their outputs are searched. */
export const processes = <A, E>(
  secrets: Secrets,
  use: (world: World) => Effect.Effect<A, E, Scope.Scope>,
): Effect.Effect<A, E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* folderOf
      const home = Path.join(folder, "home")
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
        const child = yield* Effect.acquireRelease(
          Effect.sync(() =>
            ChildProcess.spawn(process.execPath, [file, ...args], {
              cwd: folder,
              env: { PATH: process.env["PATH"], HOME: folder, TOKENKEEP_HOME: home },
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
          kill: (signal) => Effect.sync(() => void child.kill(signal)),
          finished: Deferred.await(ended),
        }
        return { child, running, stderr }
      })

      const start = Effect.fnUntraced(function* (args: ReadonlyArray<string>, input = "") {
        const { child, running } = yield* launch(commandLine, args, args[0] ?? "")
        child.stdin.end(input)
        return running
      })

      const worker = Effect.fnUntraced(function* (name: string, options: object = {}) {
        const { child, running, stderr } = yield* launch(
          program("worker.mjs"),
          [name, JSON.stringify(options)],
          "a program",
        )
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
        const say = (wish: Wish) => Effect.sync(() => void child.stdin.write(`${JSON.stringify(wish)}\n`))
        assert.strictEqual(yield* next, "ready")
        const self: Worker = {
          ...running,
          ask: (wish) => Effect.andThen(say(wish), next) as Effect.Effect<Answer>,
          wish: say,
          answer: next as Effect.Effect<Answer>,
          leave: Effect.sync(() => void child.stdin.end()),
        }
        return self
      })

      const done = yield* use({
        folder,
        home,
        start,
        example: (input) =>
          Effect.scoped(
            Effect.gen(function* () {
              const { child, running } = yield* launch(program("example.mjs"), [], "the example")
              child.stdin.end(JSON.stringify(input))
              return yield* running.finished
            }),
          ),
        print: (text) =>
          Effect.scoped(
            Effect.gen(function* () {
              const script = Path.join(folder, "print.cjs")
              Fs.writeFileSync(script, `process.stderr.write(${JSON.stringify(text)})`)
              return yield* (yield* launch(script, [], "a program")).running.finished
            }),
          ),
        run: (args, input) => Effect.scoped(Effect.flatMap(start(args, input), ({ finished }) => finished)),
        worker,
      })
      for (const { isResult, of, text } of outputs) {
        const hidden = isResult ? secrets.inResults() : secrets.everywhere()
        assert.isFalse(leaks(text, hidden), `a secret is in the ${of}`)
      }
      assert.isNotEmpty(outputs)
      return done
    }),
  )

// ------------------------------------------------------------------------------------------------------- simulated

export interface SimulatedWorld extends World, Listening {
  /** Makes a grant whose access token lives so much longer (or has ended), and imports it by the command line. */
  readonly bringIn: (name: string, leftMillis: number, options?: GrantOptions) => Effect.Effect<Grant>
  /** What reached the token endpoint. */
  readonly presentations: () => ReadonlyArray<Presentation>
}

export const hour = 3_600_000

/** RFC 6749 appendix A.2: printable ASCII. */
const clientSecret = `cs a:b c%+/&${Crypto.randomBytes(9).toString("base64url")}`

/** A simulated authorization server, and processes that use it. */
export const simulated = <A, E>(
  use: (world: SimulatedWorld) => Effect.Effect<A, E, Scope.Scope>,
  options: Omit<ListenOptions, "clients" | "secretPrefix"> = {},
): Effect.Effect<A, E> => {
  const prefix = `simulated-${Crypto.randomBytes(12).toString("hex")}-`
  const secrets: Secrets = {
    everywhere: () => [prefix, clientSecret],
    inResults: () => [`${prefix}rt-`, clientSecret],
  }
  return processes(secrets, (world) =>
    Effect.gen(function* () {
      const at = yield* Effect.orDie(
        listen({ ...options, clients: [{ clientId: "client", clientSecret }], secretPrefix: prefix }),
      )
      const bringIn = Effect.fnUntraced(function* (name: string, leftMillis: number, grantOptions: GrantOptions = {}) {
        const lifetime = grantOptions.policy?.accessLifetimeMillis ?? hour
        const grant = at.server.grant({ scope: "a b", ...grantOptions }, Date.now() - lifetime + leftMillis)
        const document = grantDocument(grant, { issuer: at.url, tokenEndpoint: at.tokenEndpoint })
        const { code, stderr } = yield* world.run(["import", "-", "--name", name], JSON.stringify(document))
        assert.strictEqual(code, 0, stderr)
        return grant
      })
      return yield* use({ ...world, ...at, bringIn, presentations: () => at.server.presentations() })
    }),
  )
}

/** The access token that the server minted last, as a fingerprint. */
export const minted = ({ server }: Listening): string =>
  server.presentations().findLast(({ granted }) => granted !== undefined)?.granted?.accessToken ?? "nothing was minted"

export const together = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>): Effect.Effect<Array<A>, E, R> =>
  Effect.all(
    Array.from({ length: count }, () => effect),
    { concurrency: "unbounded" },
  )

/** How a command ended, with what it said when that was not as expected. */
export const assertEnded = ({ code, signal, stderr }: Finished, expected: number): void =>
  assert.strictEqual(signal ?? code, expected, stderr)

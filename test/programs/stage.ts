/**
 * One test with a real program: a home folder of its own, an authorization server, the services behind it, and Tokenkeep as
 * built. A program that is not installed skips the test, and says how to install it.
 *
 * **Invariants**
 *
 * - A program is run with an environment of its own: a person's files are not in reach, and every address but this
 *   machine's goes to a proxy that nobody listens at.
 * - Everything that a program writes is below `given`, because programs write down tokens. What it printed leaves the stage
 *   without them.
 * - Whatever was started has ended with the test, children included.
 */
import { assert, it, onTestFinished } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Grant, GrantOptions } from "../../src/testing/AuthorizationServer.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { type Listening, listen, type ListenOptions } from "../../src/testing/http.ts"
import { temporaryFolder } from "../run.ts"
import { findSecret } from "../secrets.ts"
import { installed, type ProgramId, programs, variable } from "./programs.ts"
import * as Services from "./services.ts"

const built = Path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")
const folderOfPrograms = process.env[variable]

/** A program may have much to do at its first start. */
const patienceMillis = 90_000

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly finished: Promise<Finished>
  /** The first line on stdout that the pattern is in. */
  readonly line: (pattern: RegExp) => Promise<string>
  readonly end: (signal?: NodeJS.Signals) => Promise<Finished>
}

export interface Stage extends Services.Services {
  /** Where the program is at home. */
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  readonly as: Listening
  readonly write: (place: string, content: string | object) => string
  readonly start: (command: string, args: ReadonlyArray<string>, options?: StartOptions) => Running
  /** To its end. */
  readonly run: (command: string, args: ReadonlyArray<string>, options?: StartOptions) => Promise<Finished>
  /** A new grant, whose access token has so much left (negative: it has ended). */
  readonly grant: (leftMillis: number, options?: GrantOptions) => Grant
  /** Puts a grant whose access token has ended into Tokenkeep's care. */
  readonly keep: (name: string, options?: GrantOptions) => Promise<Grant>
  /** `tokenkeep proxy`, and its address. */
  readonly proxy: (name: string, upstream: string) => Promise<string>
  /** Fingerprints of the access tokens that were minted in answer to a refresh token, in order. */
  readonly minted: () => ReadonlyArray<string>
  /** Until the access token that was minted last has ended. */
  readonly untilEnded: () => Promise<void>
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
}

/** What goes into an assertion's message. */
const printable = (text: string): string => (findSecret(text) === undefined ? text : "(A secret is in it.)")

const launch =
  (children: Set<ChildProcess>) => (command: string, args: ReadonlyArray<string>, options: StartOptions) => {
    // A group of its own, so that what it starts ends with it.
    const child = spawn(command, args, { env: { ...options.env }, cwd: options.cwd, detached: true })
    children.add(child)
    const text = { stdout: "", stderr: "" }
    child.stdout.on("data", (data) => (text.stdout += data))
    child.stderr.on("data", (data) => (text.stderr += data))
    child.stdin.on("error", () => {})
    child.stdin.end(options.input ?? "")
    const end = (signal: NodeJS.Signals): void => {
      try {
        process.kill(-child.pid!, signal)
      } catch {
        // It has ended.
      }
    }
    const timer = setTimeout(() => end("SIGKILL"), patienceMillis)
    const finished = new Promise<Finished>((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code) => {
        clearTimeout(timer)
        end("SIGKILL")
        children.delete(child)
        resolve({ code, ...text })
      })
    })
    finished.catch(() => {})
    const line = (pattern: RegExp): Promise<string> =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = `${text.stdout}\n${text.stderr}`.split("\n").find((each) => pattern.test(each))
          if (found !== undefined) resolve(found.trim())
        }
        child.stdout.on("data", look)
        child.stderr.on("data", look)
        look()
        void finished.then(() => reject(new Error(`${command} ended. ${printable(text.stderr)}`)), reject)
      })
    return {
      finished,
      line,
      end: (signal: NodeJS.Signals = "SIGTERM") => {
        end(signal)
        return finished
      },
    }
  }

export const hour = 3_600_000

const open = async (options: ListenOptions): Promise<Stage> => {
  const scope = Scope.makeUnsafe()
  const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
    Effect.runPromise(Effect.provideService(effect, Scope.Scope, scope))
  const children = new Set<ChildProcess>()
  onTestFinished(async () => {
    for (const child of children) process.kill(-child.pid!, "SIGKILL")
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const home = Path.join(temporaryFolder("program"), "given")
  const bin = Path.join(home, "bin")
  const tmp = Path.join(home, "tmp")
  for (const folder of [bin, tmp, Path.join(home, "work")]) Fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  Fs.writeFileSync(Path.join(bin, "tokenkeep"), `#!/bin/sh\nexec "${process.execPath}" "${built}" "$@"\n`, {
    mode: 0o755,
  })
  const nowhere = "http://127.0.0.1:9"
  const env = {
    // Programs start `node` by its name, and want a newer one than there may be.
    PATH: [
      bin,
      Path.dirname(process.execPath),
      ...(folderOfPrograms ? [Path.join(folderOfPrograms, "node_modules/.bin")] : []),
      process.env["PATH"] ?? "",
    ].join(Path.delimiter),
    HOME: home,
    TMPDIR: tmp,
    TOKENKEEP_HOME: Path.join(home, "tokenkeep"),
    TERM: "dumb",
    NO_COLOR: "1",
    CI: "1",
    HTTP_PROXY: nowhere,
    HTTPS_PROXY: nowhere,
    ALL_PROXY: nowhere,
    NO_PROXY: "127.0.0.1,localhost",
    DO_NOT_TRACK: "1",
  }
  const as = await inScope(listen(options))
  const services = await inScope(Services.open(as.server))
  const start: Stage["start"] = (command, args, given = {}) =>
    launch(children)(command, args, { cwd: Path.join(home, "work"), ...given, env: { ...env, ...given.env } })
  const run: Stage["run"] = (command, args, given) => start(command, args, given).finished
  const grant: Stage["grant"] = (leftMillis, given = {}) => {
    const lifetime = given.policy?.accessLifetimeMillis ?? as.server.policy().accessLifetimeMillis
    return as.server.grant(given, Date.now() - lifetime + leftMillis)
  }
  const granted = () => as.server.presentations().filter((each) => each.granted !== undefined)

  return {
    ...services,
    home,
    env,
    as,
    start,
    run,
    grant,
    write: (place, content) => {
      const file = Path.join(home, place)
      Fs.mkdirSync(Path.dirname(file), { recursive: true, mode: 0o700 })
      Fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content, undefined, 2), {
        mode: 0o600,
      })
      return file
    },
    keep: async (name, given) => {
      const made = grant(-1000, given)
      const document = grantDocument(made, { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
      const { code, stderr } = await run("tokenkeep", ["import", "-", "--name", name], {
        input: JSON.stringify(document),
      })
      assert.strictEqual(code, 0, printable(stderr))
      return made
    },
    proxy: (name, upstream) => start("tokenkeep", ["proxy", name, "--upstream", upstream]).line(/^http:/),
    minted: () => granted().map((each) => each.granted!.accessToken),
    untilEnded: async () => {
      const { at = 0 } = granted().at(-1) ?? {}
      const left = at + as.server.policy().accessLifetimeMillis - Date.now()
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left) + 1))
    },
  }
}

/** A test with a program that has to be there. */
export const tried = (
  id: ProgramId,
  title: string,
  use: (stage: Stage) => Promise<void>,
  { timeoutMillis = 2 * patienceMillis, ...options }: ListenOptions & { readonly timeoutMillis?: number } = {},
): void =>
  it(
    title,
    async (context) => {
      const program = programs[id]
      if (installed(folderOfPrograms, program) === undefined) {
        return context.skip(`${program.name} is not installed: npm run programs`)
      }
      await use(await open(options))
    },
    timeoutMillis,
  )

/**
 * Has the program do something twice, and the token of the first time ends in between: each time it brings tokens that
 * Tokenkeep has refreshed, the second time others than the first, and no refresh token is presented twice.
 */
export const twice = async (stage: Stage, run: () => Promise<unknown>): Promise<void> => {
  const earlier = new Set<string>()
  for (const time of ["first", "second"]) {
    if (time === "second") await stage.untilEnded()
    const before = stage.seen.length
    await run()
    const came = stage.seen.slice(before)
    assert.isNotEmpty(came, `the ${time} time no request came`)
    const minted = stage.minted()
    for (const { accepted, token, what } of came) {
      assert.isTrue(accepted, `the ${time} time ${what} was turned away`)
      assert.include(minted, token, `the ${time} time ${what} brought a token of before`)
    }
    const last = came.at(-1)!.token!
    assert.isFalse(earlier.has(last), "the second time it brought the token of the first")
    earlier.add(last)
  }
  assert.lengthOf(stage.minted(), stage.as.server.presentations().length)
}

/** How a program ended, with what it said when that was not as expected. */
export const assertEnded = ({ code, stderr, stdout }: Finished, expected: number, says?: RegExp): void => {
  const said = printable(`${stdout}\n${stderr}`)
  assert.strictEqual(code, expected, said)
  if (says !== undefined) assert.match(stdout + stderr, says, said)
}

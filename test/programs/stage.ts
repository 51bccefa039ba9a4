/**
 * One test with a real program: a home folder of its own, an authorization server, the services behind it, and Tokenkeep as
 * built. A program that is not installed skips the test, and says how to install it.
 *
 * **Invariants**
 *
 * - A program is run with an environment of its own: a person's files are not in reach, and every address but this
 *   machine's goes to a proxy that nobody listens at.
 * - Everything that a program writes is below `given`, because programs write down tokens.
 * - Whatever was started has ended with the test.
 */
import { assert, onTestFinished, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { TestContext } from "vitest"
import type { Grant, GrantOptions } from "../../src/testing/AuthorizationServer.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { type Listening, listen, type ListenOptions } from "../../src/testing/http.ts"
import { temporaryFolder } from "../run.ts"
import * as Launch from "./launch.ts"
import { installed, type ProgramId, programs, variable } from "./programs.ts"
import * as Services from "./services.ts"

// Programs take seconds to start, tens of seconds on a busy machine, and some tests start twenty of them.
vi.setConfig({ testTimeout: 900_000 })

const built = Path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")
const folderOfPrograms = process.env[variable]

export const hour = 3_600_000

export interface Stage extends Services.Services {
  /** Where the program is at home. */
  readonly home: string
  readonly as: Listening
  /** Below its home. */
  readonly write: (place: string, content: string | object, mode?: number) => string
  readonly start: (command: string, args: ReadonlyArray<string>, options?: Launch.StartOptions) => Launch.Running
  /** To its end. */
  readonly run: (
    command: string,
    args: ReadonlyArray<string>,
    options?: Launch.StartOptions,
  ) => Promise<Launch.Finished>
  /** A new grant, whose access token has so much left (negative: it has ended). */
  readonly grant: (leftMillis: number, options?: GrantOptions) => Grant
  /** Puts a grant whose access token has ended into Tokenkeep's care. */
  readonly keep: (name: string) => Promise<void>
  /** `tokenkeep proxy`, and its address. */
  readonly proxy: (name: string, upstream: string) => Promise<string>
  /** Fingerprints of the access tokens that were minted in answer to a refresh token, in order. */
  readonly minted: () => ReadonlyArray<string>
  /** Until the access token that was minted last has ended. */
  readonly untilEnded: () => Promise<void>
  /** What else belongs to the test and ends with it. */
  readonly inScope: <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Promise<A>
}

/** Nobody listens there. */
const nowhere = "http://127.0.0.1:9"

const environment = (home: string): Record<string, string> => ({
  // Programs start `node` by its name, and want a newer one than there may be.
  PATH: [
    Path.join(home, "bin"),
    Path.dirname(process.execPath),
    ...(folderOfPrograms ? [Path.join(folderOfPrograms, "node_modules/.bin")] : []),
    process.env["PATH"] ?? "",
  ].join(Path.delimiter),
  HOME: home,
  TMPDIR: Path.join(home, "tmp"),
  TOKENKEEP_HOME: Path.join(home, "tokenkeep"),
  TERM: "dumb",
  NO_COLOR: "1",
  CI: "1",
  HTTP_PROXY: nowhere,
  HTTPS_PROXY: nowhere,
  ALL_PROXY: nowhere,
  NO_PROXY: "127.0.0.1,localhost",
  DO_NOT_TRACK: "1",
})

const open = async (options: ListenOptions): Promise<Stage> => {
  const scope = Scope.makeUnsafe()
  const inScope: Stage["inScope"] = (effect) => Effect.runPromise(Effect.provideService(effect, Scope.Scope, scope))
  const launched = Launch.make()
  onTestFinished(async () => {
    launched.killAll()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const home = Path.join(temporaryFolder("program"), "given")
  const write: Stage["write"] = (place, content, mode = 0o600) => {
    const file = Path.join(home, place)
    Fs.mkdirSync(Path.dirname(file), { recursive: true, mode: 0o700 })
    Fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content), { mode })
    return file
  }
  const cwd = Path.join(home, "work")
  for (const folder of [cwd, Path.join(home, "tmp")]) Fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  write("bin/tokenkeep", `#!/bin/sh\nexec "${process.execPath}" "${built}" "$@"\n`, 0o755)

  const as = await inScope(listen(options))
  const services = await inScope(Services.open(as.server))
  const env = environment(home)
  const start: Stage["start"] = (command, args, given) =>
    launched.start(command, args, { cwd, ...given, env: { ...env, ...given?.env } })
  const run: Stage["run"] = (command, args, given) => start(command, args, given).finished
  const grant: Stage["grant"] = (leftMillis, given = {}) =>
    as.server.grant(given, Date.now() - as.server.policy().accessLifetimeMillis + leftMillis)
  const granted = () => as.server.presentations().filter((each) => each.granted !== undefined)

  return {
    ...services,
    home,
    as,
    write,
    start,
    run,
    grant,
    keep: async (name) => {
      const document = grantDocument(grant(-1000), { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
      const input = JSON.stringify(document)
      Launch.assertEnded(await run("tokenkeep", ["import", "-", "--name", name], { input }), 0)
    },
    proxy: (name, upstream) => start("tokenkeep", ["proxy", name, "--upstream", upstream]).line(/^http:/),
    minted: () => granted().map((each) => each.granted!.accessToken),
    untilEnded: async () => {
      const { at = 0 } = granted().at(-1) ?? {}
      const left = at + as.server.policy().accessLifetimeMillis - Date.now()
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left) + 1))
    },
    inScope,
  }
}

/** The body of a test with a program that has to be there. */
export const tried =
  (id: ProgramId, options: ListenOptions, use: (stage: Stage) => Promise<void>) =>
  async (context: TestContext): Promise<void> => {
    const program = programs[id]
    if (installed(folderOfPrograms, program) === undefined) {
      return context.skip(`${program.name} is not installed: npm run programs`)
    }
    await use(await open(options))
  }

/** Whether somebody who holds it is still signed in. */
export const isHonoured = (stage: Stage, refreshToken: string | null | undefined): boolean =>
  typeof refreshToken === "string" && stage.as.server.inspect(refreshToken, Date.now()).honoured

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

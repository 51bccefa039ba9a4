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
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import type { Grant, GrantOptions } from "../../src/testing/AuthorizationServer.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { type Listening, listen, type ListenOptions } from "../../src/testing/http.ts"
import type { Presentation } from "../../src/testing/Presentation.ts"
import { register, temporaryFolder } from "../run.ts"
import * as Processes from "./processes.ts"
import type { Finished, Running, Secrets, Worker } from "./processes.ts"

export { until } from "./processes.ts"

// Many processes, which share two cores with the tests beside them. What is slow then is not wrong.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

// ----------------------------------------------------------------------------------------------------------- world

export interface World {
  readonly folder: string
  readonly home: string
  /** A command to its end. */
  readonly run: (args: ReadonlyArray<string>, input?: string) => Effect.Effect<Finished>
  readonly start: (args: ReadonlyArray<string>, input?: string) => Effect.Effect<Running, never, Scope.Scope>
  /** A program beside this file, to its end. */
  readonly program: (file: string, args?: ReadonlyArray<string>, input?: string) => Effect.Effect<Finished>
  /** A process that says this on stderr. */
  readonly print: (text: string) => Effect.Effect<Finished>
  /** A program that uses the library, once it is ready. */
  readonly worker: (name: string, options?: object) => Effect.Effect<Worker, never, Scope.Scope>
}

/** A home folder and the processes that share it. When `use` is done, their outputs are searched. */
export const processes = <A, E>(
  secrets: Secrets,
  use: (world: World) => Effect.Effect<A, E, Scope.Scope>,
  place: Partial<Processes.Place> = {},
): Effect.Effect<A, E> =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = temporaryFolder("system")
      const { home = Path.join(folder, "home"), prefix } = place
      const { outputs, program, start, worker } = Processes.make({ folder, home, secrets, prefix })
      const toItsEnd = (starting: Effect.Effect<Processes.Running, never, Scope.Scope>) =>
        Effect.scoped(Effect.flatMap(starting, ({ finished }) => finished))
      yield* Effect.addFinalizer(() => Effect.sync(() => register(secrets.everywhere())))
      const done = yield* use({
        folder,
        home,
        start,
        worker,
        run: (args, input) => toItsEnd(start(args, input)),
        program: (file, args, input) =>
          toItsEnd(program(Path.join(import.meta.dirname, file), "a program", args, input)),
        print: (text) => {
          const script = `process.stderr.write(${JSON.stringify(text)})`
          return toItsEnd(program("-e", "a program", [script]))
        },
      })
      assert.isNotEmpty(outputs)
      const [leaking] = Processes.leaking(outputs, secrets)
      assert.isUndefined(leaking, `a secret is in the ${leaking}`)
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
const clientSecret = `secret-client a:b c%+/&${Crypto.randomBytes(9).toString("base64url")}`

/** A simulated authorization server, and processes that use it. */
export const simulated = <A, E>(
  use: (world: SimulatedWorld) => Effect.Effect<A, E, Scope.Scope>,
  options: Omit<ListenOptions, "clients" | "secretPrefix"> = {},
  place?: Partial<Processes.Place>,
): Effect.Effect<A, E> => {
  const prefix = `simulated-${Crypto.randomBytes(12).toString("hex")}-`
  const secrets: Secrets = {
    everywhere: () => [prefix, clientSecret],
    inResults: () => [`${prefix}rt-`, clientSecret],
  }
  return processes(
    secrets,
    (world) =>
      Effect.gen(function* () {
        const at = yield* Effect.orDie(
          listen({ ...options, clients: [{ clientId: "client", clientSecret }], secretPrefix: prefix }),
        )
        const bringIn = Effect.fnUntraced(function* (
          name: string,
          leftMillis: number,
          grantOptions: GrantOptions = {},
        ) {
          const lifetime = grantOptions.policy?.accessLifetimeMillis ?? hour
          const grant = at.server.grant({ scope: "a b", ...grantOptions }, Date.now() - lifetime + leftMillis)
          const document = grantDocument(grant, { issuer: at.url, tokenEndpoint: at.tokenEndpoint })
          const { code, stderr } = yield* world.run(["import", "-", "--name", name], JSON.stringify(document))
          assert.strictEqual(code, 0, stderr)
          return grant
        })
        return yield* use({ ...world, ...at, bringIn, presentations: () => at.server.presentations() })
      }),
    place,
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

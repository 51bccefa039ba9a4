/**
 * Other programs that own a login, as real processes: their files in a folder of their own, the simulated authorization
 * server on loopback, and one fake program or several for each. What a fake does, it says; so a test knows where it is,
 * and stops, kills or lets it go there instead of waiting.
 *
 * **Invariants**
 *
 * - Every output is searched for secrets when the test has run (I10); the files are what other programs hold.
 * - No token reaches an assertion.
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ChildProcess from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Sqlite from "../../src/store/sqlite.ts"
import { type Listening, listen } from "../../src/testing/http.ts"
import * as Faults from "../../src/testing/Fault.ts"
import type { Overrides } from "../../src/testing/Policy.ts"
import type { Presentation } from "../../src/testing/Presentation.ts"
import { temporaryFolder } from "../run.ts"
import * as Processes from "../system/processes.ts"
import { internet } from "./internet.ts"
import type { Plan } from "./parts/program.ts"
import { type OwnerName, owners, placeOf, seedOf, seeds, type Shown, tokensOf } from "./seeds.ts"

export const hour = 3_600_000

/** BSD `flock` from a program, which Codex's fakes need. */
export const hasFlock = ChildProcess.spawnSync("flock", ["--version"]).error === undefined

export interface Line {
  readonly step: string
  readonly [field: string]: unknown
}

export interface Owner extends Processes.Running {
  /** An order, without waiting: `use`, `go`, `free`, `advance N`. */
  readonly order: (order: string) => Effect.Effect<void>
  /** The next line of this step, once it is there. What it says before that is passed over. */
  readonly reached: (...steps: ReadonlyArray<string>) => Effect.Effect<Line>
  /** One use of its login to the end: `used` or `failed`. */
  readonly use: Effect.Effect<Line>
  /** What it has said so far, as far as somebody waited for it. */
  readonly said: () => ReadonlyArray<Line>
  /** Its input ends; and then it. */
  readonly exit: Effect.Effect<Processes.Finished>
}

/** The file of an owner. */
export interface Held {
  readonly path: string
  /** Fingerprints; `undefined` when it holds no login, or cannot be read. */
  readonly tokens: () => Shown | undefined
  /** With their secrets: not for an assertion. */
  readonly content: () => unknown
  readonly accessToken: () => string
}

/** What stands in the store; `ticket` and `answer` tell how far a refresh has come. */
export interface Kept extends Shown {
  readonly ticket: boolean
  readonly answer: boolean
}

/** An answer that the server keeps back. */
export interface Hold {
  /** The request is there. */
  readonly reached: Effect.Effect<void>
  readonly release: Effect.Effect<void>
}

export interface World extends Listening {
  /** The user's own folder. */
  readonly user: string
  /** A grant in the file of its owner, whose access token lives so much longer. */
  readonly seed: (owner: OwnerName, leftMillis: number, policy?: Overrides) => Held
  /** A fake owner, once it is ready. */
  readonly owner: (owner: OwnerName, plan?: Partial<Plan>) => Effect.Effect<Owner, never, Scope.Scope>
  /** A command, with its home in the user's folder. */
  readonly start: (args: ReadonlyArray<string>) => Effect.Effect<Processes.Running, never, Scope.Scope>
  /** The same to its end. */
  readonly run: (...args: ReadonlyArray<string>) => Effect.Effect<Processes.Finished>
  /** The login of an owner, kept as "login" in a mode. */
  readonly keep: (owner: OwnerName, mode: "borrow" | "co-own") => Effect.Effect<void>
  /** What stands in the store. */
  readonly kept: Effect.Effect<Kept | undefined>
  /** The server keeps the next answer back: before its work on the request, or after. */
  readonly hold: (when: "before" | "after") => Hold
  readonly presentations: () => ReadonlyArray<Presentation>
  /** The locks that are there of those that a program may leave behind, as paths below the user's folder. */
  readonly locks: (owner: OwnerName) => ReadonlyArray<string>
  /** Makes these locks so much older. */
  readonly age: (owner: OwnerName, millis: number) => void
  /** So much later it is for the server and for all fakes, those to come too. Real programs do not notice. */
  readonly later: (millis: number) => Effect.Effect<void>
}

const parsed = (path: string): unknown => {
  try {
    return JSON.parse(Fs.readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}

const clients = [...new Map(Object.values(seeds).map(({ client }) => [client.clientId, client])).values()]

/** A user's folder and a server. When `use` is done, all processes end. */
export const world = <A, E>(use: (world: World) => Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  Effect.scoped(
    Effect.gen(function* () {
      // What stands in it is what other programs hold.
      const user = Path.join(temporaryFolder("owners"), "given")
      Fs.mkdirSync(user)
      const secretPrefix = `simulated-${Crypto.randomBytes(12).toString("hex")}-`
      const secrets: Processes.Secrets = { everywhere: () => [secretPrefix], inResults: () => [`${secretPrefix}rt-`] }
      const clock = yield* Clock.Clock
      let aheadMillis = 0
      let holding: { readonly reached: Deferred.Deferred<void>; readonly released: Deferred.Deferred<void> } | undefined
      const now = () => clock.currentTimeMillisUnsafe() + aheadMillis
      const laterClock: Clock.Clock = {
        currentTimeMillisUnsafe: now,
        currentTimeMillis: Effect.sync(now),
        currentTimeNanosUnsafe: () => BigInt(now()) * 1_000_000n,
        currentTimeNanos: Effect.sync(() => BigInt(now()) * 1_000_000n),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        // Only the server sleeps by it, and only while it keeps an answer back.
        sleep: () =>
          Effect.suspend(() => {
            const held = holding
            return held
              ? Effect.andThen(Deferred.succeed(held.reached, undefined), Deferred.await(held.released))
              : Effect.void
          }),
      }
      const at = yield* Effect.orDie(Effect.provideService(listen({ clients, secretPrefix }), Clock.Clock, laterClock))
      const living: Array<Owner> = []
      const env = {
        ...(yield* internet(at.tokenEndpoint, user)).env,
        // Shared by all of a run: without it, a fake takes twice as long to start.
        NODE_COMPILE_CACHE: Path.join(user, "../../compiled"),
      }
      const home = Path.join(user, "home")
      const processes = Processes.make({ env, folder: user, home, secrets })
      const start = (args: ReadonlyArray<string>) => processes.start(args)
      const run = (...args: ReadonlyArray<string>) => Effect.scoped(Effect.flatMap(start(args), (it) => it.finished))

      const addresses = { issuer: at.url, tokenEndpoint: at.tokenEndpoint, resourceUrl: at.resourceUrl }

      const seed = (owner: OwnerName, leftMillis: number, over: Overrides = {}): Held => {
        const { client, content, isCompact, isForResource, names, policy, tokensIn } = seedOf(owner)
        const lifetime = over.accessLifetimeMillis ?? hour
        const resource = isForResource ? at.resourceUrl : undefined
        const grant = at.server.grant(
          { clientId: client.clientId, scope: "a b", resource, policy: { ...policy, ...over } },
          now() - lifetime + leftMillis,
        )
        const path = Path.join(user, placeOf(owner))
        Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 })
        const text = JSON.stringify(content(grant, addresses), undefined, isCompact ? undefined : 2)
        Fs.writeFileSync(path, text, { mode: 0o600 })
        return {
          path,
          content: () => parsed(path),
          tokens: () => tokensOf(owner, parsed(path)),
          accessToken: () => String(tokensIn(parsed(path))?.[names[0]]),
        }
      }

      const owner = Effect.fnUntraced(function* (owner: OwnerName, plan: Partial<Plan> = {}) {
        const { folder, login, program } = seedOf(owner)
        const given: Plan = {
          folder: Path.join(user, folder),
          endpoint: at.tokenEndpoint,
          resource: at.resourceUrl,
          haste: 2,
          aheadMillis,
          ...(login ? { login: login(addresses) } : {}),
          ...plan,
        }
        const file = Path.join(import.meta.dirname, "programs", `${program}.ts`)
        const { next, say, leave, ...running } = yield* processes.conversation(file, owner, [JSON.stringify(given)])
        const said: Array<Line> = []
        const reached = (...steps: ReadonlyArray<string>): Effect.Effect<Line> =>
          Effect.gen(function* () {
            while (true) {
              const line = (yield* next) as Line
              said.push(line)
              if (steps.includes(line.step)) return line
            }
          })
        yield* reached("ready")
        const self: Owner = {
          ...running,
          order: say,
          reached,
          use: Effect.andThen(say("use"), reached("used", "failed")),
          said: () => said,
          exit: Effect.andThen(leave, running.finished),
        }
        living.push(self)
        return self
      })

      const locks = (owner: OwnerName): ReadonlyArray<string> => {
        const { locks = [] } = seedOf(owner)
        return (typeof locks === "function" ? locks(addresses) : locks).filter((lock) =>
          Fs.existsSync(Path.join(user, lock)),
        )
      }

      const later = (millis: number): Effect.Effect<void> =>
        Effect.suspend(() => {
          aheadMillis += millis
          return Effect.forEach(living, ({ order }) => order(`advance ${millis}`), { discard: true })
        })

      const done = yield* use({
        ...at,
        user,
        seed,
        owner,
        start,
        run,
        keep: (owner, mode) => {
          const { entry, id } = seedOf(owner)
          const path = Path.join(user, placeOf(owner))
          const importing = run("import", path, "--from", id, "--entry", entry, "--name", "login", "--mode", mode)
          return Effect.map(importing, ({ code, stderr }) => assert.strictEqual(code, 0, stderr))
        },
        kept: Effect.scoped(
          Effect.gen(function* () {
            const store = yield* Sqlite.make({ home })
            const found = yield* store.read("login")
            const shown = (token: Redacted.Redacted | undefined) => token && fingerprint(Redacted.value(token))
            return (
              found && {
                access: shown(found.tokens.accessToken),
                refresh: shown(found.tokens.refreshToken),
                ticket: found.ticket !== undefined,
                answer: found.ticket?.answer !== undefined,
              }
            )
          }),
        ).pipe(Effect.orDie),
        presentations: () => at.server.presentations(),
        locks,
        age: (owner, millis) => {
          for (const lock of locks(owner)) {
            const { mtimeMs } = Fs.statSync(Path.join(user, lock))
            Fs.utimesSync(Path.join(user, lock), new Date(mtimeMs - millis), new Date(mtimeMs - millis))
          }
        },
        later,
        hold: (when) => {
          const held = { reached: Deferred.makeUnsafe<void>(), released: Deferred.makeUnsafe<void>() }
          holding = held
          at.server.script(when === "before" ? { beforeMillis: 1 } : { afterMillis: 1 })
          return {
            reached: Deferred.await(held.reached),
            release: Effect.asVoid(Deferred.succeed(held.released, undefined)),
          }
        },
      })
      const [leaking] = Processes.leaking(processes.outputs, secrets)
      assert.isUndefined(leaking, `a secret is in the ${leaking}`)
      return done
    }),
  )

/** The steps of an owner, in order. */
export const steps = (owner: Owner): ReadonlyArray<string> => owner.said().map(({ step }) => step)

export const assertEnded = ({ code, signal, stderr }: Processes.Finished, expected: number | NodeJS.Signals): void =>
  assert.strictEqual(signal ?? code, expected, stderr)

/** What it did with locks, in order. */
export const locksIn = (owner: Owner): ReadonlyArray<readonly [step: string, lock: unknown]> =>
  owner.said().flatMap((line) => (/^(?:un)?locked$/.test(line.step) ? [[line.step, line["lock"]] as const] : []))

/** The server has trouble of its own. */
export const down: Faults.Fault = Faults.instead("serverError")

export { owners, seedOf }
export type { OwnerName }

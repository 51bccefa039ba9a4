/**
 * `tokenkeep exec NAME -- CMD …`: runs a command with a token in its environment.
 *
 * The token is in no argument, which other users could read. From the start of the command on, this process is only its
 * shadow: signals go to the command, and its exit code is ours.
 */
import * as ChildProcess from "node:child_process"
import * as Os from "node:os"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Keeper } from "../../keeper/Keeper.ts"
import { parseDuration } from "../duration.ts"
import { withKeeper } from "../keeper.ts"
import { durationFlag, nameArgument, paragraphs } from "../params.ts"
import { defaultMinTtl } from "../request.ts"
import { advise, whileSlow } from "../terminal.ts"

const defaultVariable = "ACCESS_TOKEN"

/** As shells say that a command could not be started. */
const notStarted: Readonly<Record<string, readonly [code: number, why: string]>> = {
  ENOENT: [127, "there is no such command"],
  EACCES: [126, "it may not be run"],
}

const passedOn = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const

/** A terminal sends these to the command too, which would hear them twice. */
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGQUIT", "SIGWINCH"])

/** The exit code of the command, or 128 and the number of the signal that ended it. */
const run = (command: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const child = ChildProcess.spawn(command, args, { env, stdio: "inherit" })
    for (const signal of passedOn) {
      // Whoever listened until now would end this process and leave the command behind.
      process.removeAllListeners(signal)
      process.on(signal, () => {
        if (!(fromTerminal.has(signal) && process.stdin.isTTY)) child.kill(signal)
      })
    }
    child.on("error", ({ code = "" }: NodeJS.ErrnoException) => {
      const [exitCode, why] = notStarted[code] ?? [126, `it cannot be started (${code})`]
      resume(Effect.as(advise(`exec: ${why}: ${command}`), exitCode))
    })
    child.on("exit", (code, signal) =>
      resume(Effect.succeed(code ?? 128 + (signal === null ? 0 : Os.constants.signals[signal]))),
    )
  })

export const exec = Command.make(
  "exec",
  {
    name: nameArgument,
    command: Argument.String("CMD").pipe(
      Argument.withDescription("The command and its arguments, after --"),
      Argument.variadic({ min: 1 }),
    ),
    env: Flag.String("env").pipe(
      Flag.withMetavar("VAR"),
      Flag.withDescription(`The environment variable for the token (default ${defaultVariable})`),
      Flag.filter(
        (name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name),
        () => "a name of letters, digits and _",
      ),
      Flag.withDefault(defaultVariable),
    ),
    minTtl: durationFlag("min-ttl").pipe(
      Flag.withDescription(`Refresh first if less than this is left (default ${defaultMinTtl})`),
      Flag.withDefault(parseDuration(defaultMinTtl)!),
    ),
  },
  Effect.fnUntraced(function* ({ command: [command, ...args], env, minTtl, name }) {
    const token = yield* Effect.gen(function* () {
      const handle = (yield* Keeper).credential(name)
      const asked = handle.access({ minValidity: minTtl, caller: "tokenkeep exec" })
      const access = yield* whileSlow(`waiting for a token of ${name} …`)(asked)
      if (access.note !== undefined) yield* advise(access.note)
      return access.token
    }).pipe(withKeeper())
    const code = yield* run(command!, args, { ...process.env, [env]: Redacted.value(token) })
    yield* Effect.sync(() => {
      process.exitCode = code
    })
  }),
).pipe(
  Command.withShortDescription("Run a command with the token in its environment"),
  Command.withDescription(
    paragraphs(
      "Run a command with the token in its environment. Signals go to the command, and its exit code is the result.",
      "",
      "The command has one token, for as long as that lives: ask for enough with --min-ttl. What runs longer is better",
      "served by tokenkeep proxy.",
      "Exit codes 3, 4 and 5 may be the command's or mean that it was not started; then stderr says so. 127: no such command.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep exec github --env GITHUB_TOKEN -- gh repo list" },
    { command: "tokenkeep exec work --min-ttl 30m -- ./nightly.sh", description: "For a job of half an hour" },
  ]),
)

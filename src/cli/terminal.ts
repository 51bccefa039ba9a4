/**
 * Where output goes: results to stdout, everything said to a person to stderr, each line of it under the program's name.
 * Both are written before the next line runs, so that nothing is lost when the process exits.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { write } from "./write.ts"

/** A line break at the end is added. */
export const result = (text: string): Effect.Effect<void> => Effect.sync(() => write(1, `${text}\n`))

export const advise = (text: string): Effect.Effect<void> => Effect.sync(() => write(2, toAdvice(text)))

export const toAdvice = (text: string): string => text.replace(/^(?=.)/gm, "tokenkeep: ") + "\n"

/** How long a person is left alone with a process that has nothing more to say. */
const impatientMillis = 300

/** Says why the process is still there, if it is, once a moment has passed. */
export const explainWaiting = (): void => {
  const told = "finishing what is under way, so that no token is lost; Ctrl-C twice ends it at once"
  // @effect-diagnostics-next-line globalTimers:off -- outside of any Effect: the program is being closed
  setTimeout(() => write(2, toAdvice(told)), impatientMillis).unref()
}

/** Says `text` on stderr once `effect` has taken a second, if a person is looking there. */
export const whileSlow =
  (text: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    process.stderr.isTTY
      ? Effect.scoped(Effect.andThen(Effect.forkScoped(Effect.delay(advise(text), "1 second")), effect))
      : effect

const joined = (args: ReadonlyArray<unknown>): string => `${args.join(" ")}\n`

/** What libraries print and log takes the same two ways out. */
export const layer = Layer.mergeAll(
  Layer.succeed(
    Console.Console,
    Object.assign(Object.create(globalThis.console), {
      log: (...args: ReadonlyArray<unknown>) => write(1, joined(args)),
      error: (...args: ReadonlyArray<unknown>) => write(2, joined(args)),
    }),
  ),
  Logger.layer([Logger.make<unknown, void>(({ message }) => write(2, toAdvice(String(message))))]),
)

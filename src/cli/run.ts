/**
 * Runs one command as the process: signals end it gently, and its outcome becomes the exit code.
 *
 * The first Ctrl-C (or SIGTERM, SIGHUP) interrupts the command, whose Keeper then waits for an exchange that is on the
 * wire: to drop the answer would be to lose the next refresh token. The second one ends the process at once.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { exitCodes } from "./exitCodes.ts"
import { type CommandError, ofDefect, reportOf } from "./report.ts"
import { advise, explainWaiting, layer, toAdvice } from "./terminal.ts"
import { write } from "./write.ts"

/** 128 and the signal's number, as shells expect. */
const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

const settled = (program: Effect.Effect<void, CommandError>): Effect.Effect<number | undefined> =>
  Effect.flatMap(Effect.exit(program), (exit) =>
    Effect.gen(function* () {
      if (Exit.isSuccess(exit)) return 0
      const report = reportOf(exit.cause, yield* Clock.currentTimeMillis)
      if (report?.text !== undefined) yield* advise(report.text)
      return report?.code
    }),
  ).pipe(Effect.provide(layer))

export const runMain = (program: Effect.Effect<void, CommandError>): void => {
  let signalled: number | undefined
  const fiber = Effect.runFork(settled(program))
  for (const [signal, code] of Object.entries(signals)) {
    process.on(signal, () => {
      if (signalled !== undefined) process.exit(code)
      signalled = code
      fiber.interruptUnsafe()
      explainWaiting()
    })
  }
  process.on("uncaughtException", (error) => {
    write(2, toAdvice(ofDefect(error).text))
    process.exit(exitCodes.defect)
  })
  // Fibers alone do not keep the process alive.
  // @effect-diagnostics-next-line globalTimers:off -- no clock is read: it only holds the event loop
  const alive = setInterval(() => {}, 2 ** 30)
  fiber.addObserver((exit) => {
    clearInterval(alive)
    const code = Exit.isSuccess(exit) ? exit.value : undefined
    process.exit(signalled ?? (code === undefined ? signals.SIGINT : code || process.exitCode))
  })
}

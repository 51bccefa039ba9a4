/** The person at this terminal: reads stderr, has a browser perhaps, and types on standard input. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as readline from "node:readline"
import { type DeviceCode, Person, type Visit } from "../signin/Person.ts"
import { openBrowser } from "./browser.ts"
import { advise, toAdvice } from "./terminal.ts"
import { span } from "./times.ts"
import { write } from "./write.ts"

const pasteHint =
  "if the browser is on another machine: when it says that it cannot connect, paste the address it ended at here"
const elsewhereHint = "when the browser has ended up there, paste the address it ended at here"

export interface Options {
  /** Open a browser if there is one. */
  readonly opens: boolean
  /** Standard input is free for what the person pastes. */
  readonly reads: boolean
}

/** Lines are read from the first time that one is asked for. */
const lines = Effect.acquireRelease(
  Effect.sync(() => {
    let reader: readline.Interface | undefined
    return {
      next: Effect.callback<string>((resume) => {
        reader ??= readline.createInterface({ input: process.stdin, terminal: false })
        const onLine = (line: string) => resume(Effect.succeed(line))
        reader.once("line", onLine)
        return Effect.sync(() => reader?.off("line", onLine))
      }),
      close: () => reader?.close(),
    }
  }),
  ({ close }) => Effect.sync(close),
)

export const layer = ({ opens, reads }: Options): Layer.Layer<Person> =>
  Layer.effect(
    Person,
    Effect.map(lines, ({ next }) =>
      Person.of({
        tell: advise,
        visit: Effect.fnUntraced(function* ({ returns, url }: Visit) {
          const failed = () => write(2, toAdvice("the browser could not be opened: open the address above yourself"))
          const opened = opens && openBrowser(url, failed)
          yield* advise(
            `${opened ? "the browser opens, or open this yourself" : "open this in a browser and sign in"}:`,
          )
          // On a line of its own, to be copied.
          yield* Effect.sync(() => write(2, `\n  ${url}\n\n`))
          if (reads) yield* advise(returns ? pasteHint : elsewhereHint)
        }),
        enterCode: Effect.fnUntraced(function* (code: DeviceCode) {
          const time = span(code.lifetimeMillis)
          yield* advise(`open ${code.verificationUri} in any browser and enter this code within ${time}:`)
          yield* Effect.sync(() => write(2, `\n  ${code.userCode}\n\n`))
          const url = code.completeUri ?? code.verificationUri
          if (opens) openBrowser(url, () => undefined)
          if (code.completeUri !== undefined) yield* advise(`or open ${code.completeUri}, which has it already`)
        }),
        pasted: reads ? next : Effect.never,
      }),
    ),
  )

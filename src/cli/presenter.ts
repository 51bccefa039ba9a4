/**
 * How the parser's findings are shown: requested help and version on stdout, complaints on stderr in a few lines.
 *
 * Complaints are worded here and not by the parser, which would quote the value: a token typed in the wrong place must
 * not reach a log (I10).
 */
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Effect from "effect/Effect"
import { exitCodeTable } from "./exitCodes.ts"
import { advise, result } from "./terminal.ts"
import { write } from "./write.ts"

/** A flag's name may be repeated if it is no more than that: `--eyJhb…` is a token behind two dashes. */
const flagName = (option: string): string => (/^--?[a-z][a-z-]{0,19}$/.test(option) ? option : "(not repeated here)")

const didYouMean = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : `; did you mean ${suggestions.join(" or ")}?`

const complaint = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `unknown flag ${flagName(error.option)}${didYouMean(error.suggestions)}`
    case "MissingOption":
      return `the flag --${error.option} is needed`
    case "MissingArgument":
      return `the argument ${error.argument} is needed`
    case "UnexpectedArgument":
      return `there ${error.arguments.length === 1 ? "is one argument" : `are ${error.arguments.length} arguments`} too many`
    case "InvalidValue":
      return `${error.kind === "flag" ? `--${error.option}` : error.option}: expected ${expected(error)}`
    case "UnknownSubcommand":
      return `no such command${didYouMean(error.suggestions)}`
    default:
      return "this cannot be understood"
  }
}

/** What the parser expects there, in its own words or in ours, unless they quote what was typed. */
const expected = ({ expected, value }: CliError.InvalidValue): string =>
  value.length > 3 && expected.includes(value) ? "another value" : expected

const present = Effect.fnUntraced(function* (event: CliOutput.Presenter.Event) {
  const { canColor: colors } = yield* TerminalCapabilities.TerminalCapabilities
  const formatter = CliOutput.defaultFormatter({ colors, globalFlags: "summary" })
  const title = colors ? "\x1b[1mEXIT CODES\x1b[0m" : "EXIT CODES"
  const exitCodes = [title, ...exitCodeTable.map(([code, meaning]) => `  ${code}  ${meaning}`)].join("\n")
  switch (event._tag) {
    case "Version":
      return yield* result(`${event.name} ${event.version}`)
    case "Help": {
      const text = `${formatter.formatHelpDoc(event.helpDoc)}\n\n${exitCodes}`
      // Nobody asked for it: a script that forgot its command has no result.
      return yield* event.reason === "Requested" ? result(text) : Effect.sync(() => write(2, `${text}\n`))
    }
    case "InvalidInvocation": {
      const complaints = [...new Set(event.errors.map(complaint))]
      const help = `${event.commandPath.join(" ")} --help`
      return yield* advise([...complaints, `Usage: ${event.helpDoc.usage}`, `More: ${help}`].join("\n"))
    }
  }
})

export const layer = CliOutput.layerPresenter({ present })

/** `tokenkeep explore`: tries every interleaving of the race scenarios, and prints what it found. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Report } from "../../testing/explore.ts"
import type { Scenario } from "../../testing/Scenario.ts"
import { exitCodes } from "../exitCodes.ts"
import { jsonFlag, paragraphs } from "../params.ts"
import { Reported } from "../report.ts"
import { advise, result } from "../terminal.ts"
import { Usage } from "../Usage.ts"

/** Loaded here, so that no other command has to load a simulated world. */
const load = Effect.promise(() =>
  Promise.all([
    import("../../testing/explore.ts"),
    import("../../testing/scenarios.ts"),
    import("../../testing/sequence.ts"),
    import("../../testing/stories.ts"),
  ]),
)

const rate = ({ executions, millis }: Report): string => `${Math.round((executions / Math.max(1, millis)) * 1000)}/s`

const line = ({ bounds, name }: Scenario, report: Report): string =>
  [
    report.verdict.padEnd(10),
    name.padEnd(36),
    `faults<=${bounds.faults} stalls<=${bounds.stalls}`,
    `${report.executions} executions`,
    `${report.states} states`,
    `${(report.millis / 1000).toFixed(1)} s`,
    rate(report),
  ].join("  ")

const chosen = (scenarios: ReadonlyArray<Scenario>, wanted: string | undefined) => {
  if (wanted === undefined) return Effect.succeed(scenarios)
  const found = scenarios.filter(({ name }) => name === wanted || name.startsWith(`${wanted}/`))
  return found.length > 0
    ? Effect.succeed(found)
    : Effect.fail(new Usage({ message: "SCENARIO: there is none of this name. See: tokenkeep explore --list" }))
}

export const explore = Command.make(
  "explore",
  {
    scenario: Argument.String("SCENARIO").pipe(
      Argument.withDescription("One scenario, or all whose name begins with it before the slash; all when absent"),
      Argument.optional,
    ),
    list: Flag.Boolean("list").pipe(
      Flag.withDescription("List the scenarios"),
      Flag.withDefault(false),
      Flag.withoutNegation,
    ),
    replay: Flag.String("replay").pipe(
      Flag.withDescription("Run one schedule again and tell it: the steps that a counterexample names"),
      Flag.optional,
    ),
    format: Flag.Literals("format", ["text", "mermaid"]).pipe(
      Flag.withDescription("How a schedule is told (default text)"),
      Flag.withDefault("text"),
    ),
    json: jsonFlag,
  },
  Effect.fnUntraced(function* ({ format, json, list, replay, scenario }) {
    const [Explore, { scenarios }, Sequence, Stories] = yield* load
    const set = yield* chosen(
      [...scenarios, ...Stories.plots.map((plot) => plot.scenario)],
      Option.getOrUndefined(scenario),
    )
    if (list) return yield* result(set.map(({ about, name }) => `${name.padEnd(36)}  ${about}`).join("\n"))
    const tell = (one: Scenario, schedule: ReadonlyArray<string>): string => {
      const world = Explore.replay(one, schedule)
      const story = { title: one.name, lines: world.sim.lines ?? [], violation: world.violation() }
      return format === "mermaid" ? Sequence.toMermaid(story) : Sequence.toText(story)
    }
    if (Option.isSome(replay)) {
      const [one] = set
      if (one === undefined || set.length > 1) {
        return yield* new Usage({ message: "--replay: name one scenario. See: tokenkeep explore --list" })
      }
      const told = yield* Effect.try({
        try: () =>
          tell(
            one,
            replay.value.split(/\s+/).filter((step) => step !== ""),
          ),
        catch: (error) => new Usage({ message: `--replay: ${(error as Error).message}` }),
      })
      return yield* result(told)
    }
    let violated = false
    const reports: Array<unknown> = []
    for (const one of Option.isSome(scenario) ? set : scenarios) {
      const progress = (report: Report): void => {
        if (process.stderr.isTTY)
          process.stderr.write(`\r${one.name}: ${report.executions} executions, ${rate(report)} `)
      }
      const report = yield* Effect.promise(() => Explore.explore(one, { progress }))
      if (process.stderr.isTTY) process.stderr.write("\r\u001b[K")
      reports.push({ scenario: one.name, bounds: one.bounds, ...report })
      if (!json) yield* result(line(one, report))
      for (const { schedule, violation } of report.found) {
        violated = true
        yield* advise(`${one.name}: ${violation.invariant}: ${violation.detail}`)
        if (!json)
          yield* result(`${tell(one, schedule)}\n\ntokenkeep explore ${one.name} --replay "${schedule.join(" ")}"`)
      }
    }
    if (json) yield* result(JSON.stringify(reports, null, 2))
    if (violated) return yield* new Reported({ code: exitCodes.defect })
  }),
).pipe(
  Command.withShortDescription("Try every interleaving of the race scenarios"),
  Command.withDescription(
    paragraphs(
      "Run the real Keeper in a simulated world in which every choice is tried: who moves next, what the network loses,",
      "when a process dies. A violated invariant is told step by step, with the line that replays it; exit 1.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep explore two-calls-each/strict" },
    { command: "tokenkeep explore refused --json", description: "All reuse classes of one scenario" },
  ]),
)

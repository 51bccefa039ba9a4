/** `tokenkeep explore`: tries every interleaving of the race scenarios, and prints what it found. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Report } from "../../testing/explore.ts"
import type { Scenario } from "../../testing/Scenario.ts"
import type { Story } from "../../testing/sequence.ts"
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
    import("../../testing/results.ts"),
    import("../../testing/Counterexample.ts"),
  ]),
)

/** For each bound and number of switches, when what was found is made shorter. */
const longestSearchMillis = 60_000

const rate = ({ executions, millis }: Report): string => `${Math.round((executions / Math.max(1, millis)) * 1000)}/s`

const line = ({ bounds, name, processes }: Scenario, report: Report, preemptions: number | undefined): string =>
  [
    report.verdict.padEnd(10),
    name.padEnd(36),
    `processes=${processes.length}`,
    `faults<=${bounds.faults} stalls<=${bounds.stalls}${preemptions === undefined ? "" : ` preemptions<=${preemptions}`}`,
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

interface Size {
  readonly faults: number | undefined
  readonly stalls: number | undefined
  readonly processes: number | undefined
}

/** A world has room for so many processes, and the one that asks last of all. */
const mostProcesses = 7

const resized = (one: Scenario, { faults, processes, stalls }: Size): Scenario => {
  const { length } = one.processes
  return {
    ...one,
    bounds: { faults: faults ?? one.bounds.faults, stalls: stalls ?? one.bounds.stalls },
    processes: Array.from({ length: processes ?? length }, (_, index) => one.processes[index % length]!),
  }
}

const flagsOf = (size: Size): string =>
  Object.entries(size)
    .map(([name, value]) => (value === undefined ? "" : ` --${name} ${value}`))
    .join("")

const amount = (name: string, least: number, most: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withMetavar("N"),
    Flag.withDescription(description),
    Flag.filter(
      (value) => value >= least && value <= most,
      () => `a whole number from ${least} to ${most}`,
    ),
    Flag.optional,
  )

/** Shows how far it is, and lets Ctrl-C through: an exploration leaves no gap by itself. */
const progressOf =
  (what: string, signal: AbortSignal) =>
  async (report: Report): Promise<boolean> => {
    if (process.stderr.isTTY)
      process.stderr.write(
        `\r\u001b[K${what}: ${report.executions} executions, ${report.states} states, ${rate(report)}`,
      )
    await new Promise((resolve) => setImmediate(resolve))
    return !signal.aborted
  }

const clearLine = Effect.sync(() => {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K")
})

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
    faults: amount("faults", 0, 9, "So much may go wrong (default: as much as the scenario says)"),
    stalls: amount("stalls", 0, 9, "So often everybody may stand still although they could go on"),
    processes: amount("processes", 1, mostProcesses, "So many processes, taken from the scenario's in turn"),
    preemptions: amount(
      "preemptions",
      0,
      9,
      "Change processes at most so often where one could go on: sooner done, and no proof",
    ),
    replay: Flag.String("replay").pipe(
      Flag.withDescription("Run one schedule again and tell it: the steps that a counterexample names"),
      Flag.optional,
    ),
    story: Flag.Boolean("story").pipe(
      Flag.withDescription("Tell the stories of models/sequences instead, or the one named"),
      Flag.withDefault(false),
      Flag.withoutNegation,
    ),
    format: Flag.Literals("format", ["text", "mermaid", "markdown"]).pipe(
      Flag.withDescription("How it is told; markdown: a table (default text)"),
      Flag.withDefault("text"),
    ),
    json: jsonFlag,
  },
  Effect.fnUntraced(function* ({ format, json, list, replay, scenario, story, ...flags }) {
    const [Explore, { scenarios }, Sequence, { plots, tell: play }, Results, Counterexample] = yield* load
    const stories = plots.map((plot) => plot.scenario)
    const size: Size = {
      faults: Option.getOrUndefined(flags.faults),
      stalls: Option.getOrUndefined(flags.stalls),
      processes: Option.getOrUndefined(flags.processes),
    }
    const preemptions = Option.getOrUndefined(flags.preemptions)
    const all = story ? stories : [...scenarios, ...stories].map((one) => resized(one, size))
    const set = yield* chosen(all, Option.getOrUndefined(scenario))
    if (list) return yield* result(set.map(({ about, name }) => `${name.padEnd(40)}  ${about}`).join("\n"))
    const told = (one: Story): string =>
      format === "mermaid" ? Sequence.toMermaid(one).trimEnd() : `${one.title}\n\n${Sequence.toText(one)}`
    if (story) {
      const chosenPlots = plots.filter((plot) => set.includes(plot.scenario))
      return yield* result(chosenPlots.map((plot) => told(play(plot))).join("\n\n"))
    }
    const storyOf = (one: Scenario, schedule: ReadonlyArray<string>): Story => {
      const world = Explore.replay(one, schedule)
      return { title: one.name, lines: world.sim.lines ?? [], violation: world.violation() }
    }
    if (Option.isSome(replay)) {
      const [one] = set
      if (one === undefined || set.length > 1) {
        return yield* new Usage({ message: "--replay: name one scenario. See: tokenkeep explore --list" })
      }
      const replayed = yield* Effect.try({
        try: () => storyOf(one, Counterexample.parseSchedule(replay.value)),
        catch: (error) => new Usage({ message: `--replay: ${(error as Error).message}` }),
      })
      return yield* result(told(replayed))
    }
    let violated = false
    const reports: Array<readonly [Scenario, Report]> = []
    for (const one of Option.isSome(scenario) ? set : set.slice(0, scenarios.length)) {
      const report = yield* Effect.promise((signal) =>
        Explore.explore(one, { preemptions, progress: progressOf(one.name, signal) }),
      ).pipe(Effect.ensuring(clearLine))
      reports.push([one, report])
      if (!json && format !== "markdown") yield* result(line(one, report, preemptions))
      for (const first of report.found) {
        violated = true
        const { invariant, detail } = first.violation
        yield* advise(`${one.name}: ${invariant}: ${detail}`)
        if (json) continue
        const { found = first } = yield* Effect.promise((signal) =>
          Explore.shortest(one, {
            maxMillis: longestSearchMillis,
            progress: progressOf(`${one.name}, a shorter story`, signal),
          }),
        ).pipe(Effect.ensuring(clearLine))
        const again = `tokenkeep explore ${one.name}${flagsOf(size)} --replay "${Counterexample.spelled(found.schedule)}"`
        yield* result(Counterexample.describe(storyOf(one, found.schedule), again))
      }
    }
    if (json) {
      const documents = reports.map(([{ bounds, name }, report]) => ({ scenario: name, bounds, ...report }))
      yield* result(JSON.stringify(documents, null, 2))
    } else if (format === "markdown") yield* result(Results.page(reports).trimEnd())
    if (violated) return yield* new Reported({ code: exitCodes.defect })
  }),
).pipe(
  Command.withShortDescription("Try every interleaving of the race scenarios"),
  Command.withDescription(
    paragraphs(
      "Run the real Keeper in a simulated world in which every choice is tried: who moves next, what the network loses,",
      "when a process dies. A violated invariant is told step by step, as text and as a Mermaid sequence diagram, with the",
      "line that replays it; exit 1.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep explore two-calls-each/strict" },
    { command: "tokenkeep explore refused --format markdown", description: "All reuse classes of one scenario" },
    { command: "tokenkeep explore two-processes-at-expiry --story --format mermaid" },
    { command: "tokenkeep explore refused/strict --processes 3 --faults 2", description: "More than it asks for" },
  ]),
)

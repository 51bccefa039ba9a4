/**
 * Explorations as tests, for any test runner: they resolve when all is well, and otherwise reject with the story.
 *
 * ```ts
 * it("keeps its user", () => Check.holds(scenario))
 * it("keeps what was lost once", () => Check.replays(scenario, "P0:call0 P0:get P1:call0 …"))
 * ```
 *
 * Scenarios of Keepers and of foreign clients are taken alike.
 */
import { Counterexample, parseSchedule } from "./Counterexample.ts"
import * as Explore from "./explore.ts"
import * as Foreign from "./exploreForeign.ts"
import type { ForeignScenario } from "./Foreign.ts"
import type { Parts } from "./Parts.ts"
import { vacuity } from "./results.ts"
import type { Scenario } from "./Scenario.ts"
import type { Story } from "./sequence.ts"
import type { Action } from "./Simulation.ts"

type AnyScenario = Scenario | ForeignScenario

export interface Options {
  /** Cut short after so long, which fails: what is incomplete shows nothing. Default: none. */
  readonly maxMillis?: number | undefined
  /** What is put in the place of a Keeper's parts; of no meaning for foreign clients. */
  readonly parts?: Parts | undefined
}

const isForeign = (scenario: AnyScenario): scenario is ForeignScenario =>
  scenario.processes.some((process) => "client" in process)

/** A world at its beginning, and its story so far. */
const open = async (scenario: AnyScenario, parts: Parts | undefined) => {
  if (isForeign(scenario)) {
    const world = await Foreign.replay(scenario, [])
    return { world, story: (): Story => world.story }
  }
  const world = Explore.replay(scenario, [], { parts })
  const story = (): Story => ({
    title: scenario.name,
    lines: world.sim.lines ?? [],
    violation: world.violation(),
  })
  return { world, story }
}

/**
 * Every interleaving of the scenario within its bounds keeps every invariant. Rejects with a `Counterexample`, the
 * cheapest there is, or with an `Error` when the exploration was cut short or could not have failed.
 */
export const holds = async (scenario: AnyScenario, options: Options = {}): Promise<Explore.Report> => {
  const report = await (isForeign(scenario) ? Foreign.explore(scenario, options) : Explore.explore(scenario, options))
  const [first] = report.found
  if (first !== undefined) {
    const { found = first } = await (isForeign(scenario)
      ? Foreign.shortest(scenario, options)
      : Explore.shortest(scenario, options))
    const { story, world } = await open(scenario, options.parts)
    await follow(world, found.schedule)
    throw new Counterexample(story(), found.schedule)
  }
  if (report.verdict === "incomplete") {
    const { executions, millis } = report
    throw new Error(
      `${scenario.name}: incomplete after ${executions} executions and ${Math.round(millis)} ms, which shows nothing. ` +
        "Give it more maxMillis, or the scenario smaller bounds",
    )
  }
  const vacuous = vacuity(scenario, report)
  if (vacuous !== undefined) throw new Error(`${scenario.name}: nothing is shown by this scenario: ${vacuous}`)
  return report
}

const isQuiet = (actions: ReadonlyArray<Action>): boolean => actions.every(({ fault }) => fault === 1)

interface Followed {
  readonly taken: Array<string>
  /** They did not come. */
  readonly skipped: Array<string>
}

/** `P0` of `P0>RT1:answer`. */
const whose = (id: string): string => /^[^:>!]*/.exec(id)?.[0] ?? ""

/**
 * Takes the steps in their order. Before one that is not on offer its process takes those of its own that the schedule
 * does not know: a program that was changed does something in between.
 */
const follow = async (world: Explore.Explorable, schedule: ReadonlyArray<string>): Promise<Followed> => {
  const followed: Followed = { taken: [], skipped: [] }
  for (const [index, id] of schedule.entries()) {
    const ahead = schedule.slice(index)
    const isBetween = ({ fault, id: other, stall }: Action): boolean =>
      fault === 0 && stall === 0 && whose(other) === whose(id) && !ahead.includes(other)
    for (let isTaken = false; !isTaken && world.violation() === undefined;) {
      const actions = world.enabled()
      const wanted = actions.find((offered) => offered.id === id)
      const action = wanted ?? actions.find(isBetween)
      if (action === undefined) {
        followed.skipped.push(id)
        break
      }
      await world.step(action)
      followed.taken.push(action.id)
      isTaken = action === wanted
    }
  }
  if (world.violation() === undefined && isQuiet(world.enabled())) world.atEnd()
  return followed
}

/** More than any story goes on for that comes to an end. */
const mostSteps = 2_000

/** To the end, with nothing more going wrong. */
const finish = async (world: Explore.Explorable, taken: Array<string>): Promise<void> => {
  for (let count = 0; world.violation() === undefined; count++) {
    const actions = world.enabled()
    if (isQuiet(actions)) return world.atEnd()
    const next = actions.find(({ fault, stall }) => fault === 0 && stall === 0)
    if (next === undefined || count === mostSteps) throw new Error(`no end after ${taken.length} steps`)
    await world.step(next)
    taken.push(next.id)
  }
}

/**
 * A counterexample from the past, which the program should not fall for any more: its steps in their order, as far as
 * they come, and then everything to its end with nothing more going wrong. Resolves with the steps that did not come: a
 * mended program takes others. Rejects with a `Counterexample`, or with an `Error` when no step at all was.
 */
export const replays = async (
  scenario: AnyScenario,
  schedule: string,
  options: Pick<Options, "parts"> = {},
): Promise<{ readonly skipped: ReadonlyArray<string> }> => {
  const { story, world } = await open(scenario, options.parts)
  const offered = world.enabled().map(({ id }) => id)
  const { skipped, taken } = await follow(world, parseSchedule(schedule))
  if (taken.length === 0) {
    const first = `What can happen first: ${offered.join(", ")}`
    throw new Error(`${scenario.name}: no step of this schedule is on offer. ${first}`)
  }
  await finish(world, taken)
  if (world.violation() !== undefined) throw new Counterexample(story(), taken)
  return { skipped }
}

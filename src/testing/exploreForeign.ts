/**
 * Exploring, replaying and shortening for token clients that are not ours.
 *
 * ```ts
 * const scenario = { name: "two of them", processes: Foreign.copies(2, myClient), storage: whatASignInLeaves }
 * const { verdict } = await Foreign.explore(scenario)
 * ```
 */
import {
  allReductions,
  type ExploreOptions,
  exploreWith,
  type Found,
  type Report,
  type Shortest as Cheapest,
} from "./explore.ts"
import type { ForeignScenario } from "./Foreign.ts"
import { ForeignWorld } from "./ForeignWorld.ts"
import type { Bounds } from "./Scenario.ts"

export { copies, issuer, resource, tokenEndpoint } from "./Foreign.ts"
export type * from "./Foreign.ts"
export type { ForeignWorld } from "./ForeignWorld.ts"

export interface Options extends ExploreOptions {
  readonly bounds?: Bounds | undefined
  /** Schedules of at most so many steps. */
  readonly maxSteps?: number | undefined
}

/** Processes with the same client and as many calls differ in their number only. */
const isSymmetric = ({ processes: [first, ...others] }: ForeignScenario): boolean =>
  others.every(({ calls, client }) => calls === first?.calls && client === first.client)

/** Every interleaving of the scenario within its bounds. One exploration at a time: the globals are swapped meanwhile. */
export const explore = (scenario: ForeignScenario, options: Options = {}): Promise<Report> => {
  const { bounds, maxSteps, reductions = allReductions } = options
  return exploreWith(() => ForeignWorld.make(scenario, { bounds, maxSteps }), {
    ...options,
    reductions: { ...reductions, symmetry: reductions.symmetry && isSymmetric(scenario) },
  })
}

/** One schedule again, recorded in `lines`. Throws when a step is not on offer: the client is not what was explored. */
export const replay = async (
  scenario: ForeignScenario,
  schedule: ReadonlyArray<string>,
  options: { readonly bounds?: Bounds | undefined } = {},
): Promise<ForeignWorld> => {
  const world = await ForeignWorld.make(scenario, { ...options, record: true })
  for (const id of schedule) {
    const actions = world.enabled()
    const action = actions.find((offered) => offered.id === id)
    if (action === undefined) {
      throw new Error(`${id} cannot happen here; what can: ${actions.map((offered) => offered.id).join(", ")}`)
    }
    await world.step(action)
  }
  if (world.violation() === undefined && world.enabled().every(({ fault }) => fault === 1)) world.atEnd()
  return world
}

export interface Shortest extends Cheapest {
  /** Every shorter schedule within these bounds was tried. */
  readonly isShortest: boolean
}

/** Fewest steps, as far as the number of executions goes. */
const shorten = async (scenario: ForeignScenario, first: Found, bounds: Bounds, maxExecutions: number) => {
  let found = first
  for (let executions = 0; ;) {
    const maxSteps = found.schedule.length - 1
    const report = await explore(scenario, { bounds, maxSteps, maxExecutions: maxExecutions - executions })
    executions += report.executions
    const [shorter] = report.found
    if (shorter === undefined) return { found, executions, isShortest: report.verdict === "holds" }
    found = shorter
  }
}

/** The cheapest counterexample: fewest faults and stalls first, then fewest switches between processes, then steps. */
export const shortest = async (
  scenario: ForeignScenario,
  options: { readonly maxMillis?: number | undefined; readonly maxExecutions?: number | undefined } = {},
): Promise<Shortest> => {
  const started = performance.now()
  const { maxExecutions = 1_000, maxMillis } = options
  let executions = 0
  const limits = scenario.bounds ?? { faults: 0, stalls: 0 }
  for (let cost = 0; cost <= limits.faults + limits.stalls; cost++) {
    for (let faults = 0; faults <= Math.min(cost, limits.faults); faults++) {
      if (cost - faults > limits.stalls) continue
      const bounds = { faults, stalls: cost - faults }
      for (const preemptions of [0, 1, 2]) {
        const report = await explore(scenario, { bounds, preemptions, maxMillis })
        executions += report.executions
        const [first] = report.found
        if (first === undefined) continue
        const found = await shorten(scenario, first, bounds, maxExecutions)
        return { ...found, bounds, executions: executions + found.executions, millis: performance.now() - started }
      }
    }
  }
  return { found: undefined, isShortest: false, bounds: limits, executions, millis: performance.now() - started }
}

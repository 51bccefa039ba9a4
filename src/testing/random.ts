/**
 * A random walk through a world: one schedule, drawn and not searched for. It reaches where exhaustive search cannot,
 * and says nothing about what it did not meet.
 *
 * Each step takes a number or two in [0, 1). Small numbers mean the dullest step, the process that has just moved goes on, so
 * that whoever shrinks the numbers towards nothing (fast-check does) shrinks the story.
 */
import type { Violation } from "./Monitor.ts"
import type { Action } from "./Simulation.ts"
import type { World } from "./World.ts"

/** The next number in [0, 1). */
export type Chance = () => number

/** Numbers that are the same for the same seed (Mulberry32). */
export const seeded = (seed: number): Chance => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export interface WalkOptions {
  /** How likely each step is a fault, or a stall, where the budget allows one. Default 0.1 and 0.1. */
  readonly faults?: number | undefined
  readonly stalls?: number | undefined
  /** A walk that is longer is cut short. Default 2,000. */
  readonly maxSteps?: number | undefined
}

export interface Walk {
  readonly violation: Violation | undefined
  /** The steps, by name: `replay` takes them. */
  readonly schedule: ReadonlyArray<string>
  /** Nothing could follow. */
  readonly ended: boolean
}

/** `world` is used up by it. */
export const walk = (world: World, chance: Chance, options: WalkOptions = {}): Walk => {
  const { faults = 0.1, maxSteps = 2_000, stalls = 0.1 } = options
  const schedule: Array<string> = []
  const offers = new Map<string, number>()
  let last = -2
  const stackTraceLimit = Error.stackTraceLimit
  // A tagged error captures a stack when it is made, and here nobody reads it.
  Error.stackTraceLimit = 0
  try {
    while (schedule.length < maxSteps) {
      const actions = world.enabled()
      const free = actions.filter(({ fault, stall }) => fault === 0 && stall === 0)
      const [faulty, rarity] = ofOneKind(
        actions.filter(({ fault }) => fault === 1),
        offers,
        schedule.length,
        chance,
      )
      const stalling = actions.filter(({ stall }) => stall === 1)
      if (free.length === 0 && stalling.length === 0) world.atEnd()
      if (world.violation() !== undefined) break
      const action = draw(chance(), last, [
        [free, 1 - faults - stalls],
        [stalling, stalls],
        [faulty, Math.min(0.5, faults * rarity)],
      ])
      if (action === undefined) return { violation: undefined, schedule, ended: true }
      if (action.fault === 0 && action.process >= 0) last = action.process
      schedule.push(action.id)
      world.step(action)
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
  return { violation: world.violation(), schedule, ended: false }
}

/** `crash` for the fault `P0!crash`. */
const kindOf = ({ id }: Action): string => id.slice(id.lastIndexOf("!") + 1)

/**
 * The faults of one kind, and how much more likely they are for being seldom on offer: what can happen at any time would
 * use up the budget before a request has left.
 */
const ofOneKind = (
  faults: ReadonlyArray<Action>,
  offers: Map<string, number>,
  step: number,
  chance: Chance,
): readonly [faults: ReadonlyArray<Action>, rarity: number] => {
  const kinds = [...new Set(faults.map(kindOf))]
  for (const kind of kinds) offers.set(kind, (offers.get(kind) ?? 0) + 1)
  const chosen = kinds[kinds.length < 2 ? 0 : Math.floor(chance() * kinds.length)]
  if (chosen === undefined) return [faults, 1]
  return [faults.filter((fault) => kindOf(fault) === chosen), (step + 1) / offers.get(chosen)!]
}

/** One of the kinds that are on offer, by weight, and one of its actions, evenly. */
const draw = (
  chance: number,
  last: number,
  kinds: ReadonlyArray<readonly [actions: ReadonlyArray<Action>, weight: number]>,
): Action | undefined => {
  // Where nothing is free to go on, a fault may still happen, or it ends here: the first kind stays, as the end.
  const offered = kinds.filter(([actions], index) => index === 0 || actions.length > 0)
  let rest = chance * offered.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [actions, weight] of offered) {
    if (rest < weight) {
      const going = actions.toSorted((a, b) => Number(b.process === last) - Number(a.process === last))
      return going[Math.floor((rest / weight) * going.length)]
    }
    rest -= weight
  }
  return undefined
}

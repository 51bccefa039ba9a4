/**
 * Tries every interleaving of a scenario within its bounds: depth-first, by running the real program from the start for
 * every branch.
 *
 * **Details**
 *
 * - Sleep sets: of two steps that touch nothing in common only one order is tried (Godefroid). State hashing: a state
 *   seen before is left, unless its sleep set lets through what it did not let through then. Symmetry: processes that
 *   differ in their number only are one. Ample: a step alone in its process, touching nothing shared, needs no
 *   alternatives once no fault is left. Each can be switched off, and tests compare.
 * - Every replayed prefix is compared with what was offered the first time: a program that is not deterministic is found
 *   out, not explored.
 * - Cut short, the result is `incomplete`, never `holds`.
 */
import { Lives } from "./Life.ts"
import type { Violation } from "./Monitor.ts"
import { type Parts, realParts } from "./Parts.ts"
import { remembered } from "./remembered.ts"
import type { Bounds, Scenario } from "./Scenario.ts"
import { fingerprint, SeenStates } from "./SeenStates.ts"
import { type Action, Everything } from "./Simulation.ts"
import { World } from "./World.ts"

export interface Reductions {
  readonly sleepSets: boolean
  readonly stateHash: boolean
  readonly symmetry: boolean
  readonly ample: boolean
  /** What a real program has done once is remembered. */
  readonly lives: boolean
  /** A branch goes on from a copy of the world, where the world can be copied, instead of from the start. */
  readonly forks: boolean
}

export const allReductions: Reductions = {
  sleepSets: true,
  stateHash: true,
  symmetry: true,
  ample: true,
  lives: true,
  forks: true,
}
export const noReductions: Reductions = {
  sleepSets: false,
  stateHash: false,
  symmetry: false,
  ample: false,
  lives: false,
  forks: false,
}

/**
 * What can be explored: something that offers steps, takes one, and can be made again from the start. A step may be a
 * promise, for programs that need microtasks; the others stay synchronous, which is faster.
 */
export interface Explorable {
  readonly enabled: () => ReadonlyArray<Action>
  readonly step: (action: Action) => void | Promise<void>
  /** What the last step read and wrote. */
  readonly access: () => Access
  readonly violation: () => Violation | undefined
  /** Judges a state from which only faults lead on. */
  readonly atEnd: () => void
  /** Names the state by all that can influence the future; with `symmetry` without the numbers of processes. */
  readonly key: (symmetry: boolean, last: number) => string
  /** The action's name without the numbers of processes, as of the last `key`. */
  readonly canonical: (id: string) => string
  /** The index of an action that needs no alternatives, or -1. */
  readonly ample: (actions: ReadonlyArray<Action>) => number
  /** What happened how often, since it was made or forked. */
  readonly happened: Readonly<Record<string, number>>
  /** The same once more, so that each can go its own way; what cannot be forked is made again and brought there. */
  readonly fork?: (() => Explorable) | undefined
}

export interface ExploreOptions {
  readonly reductions?: Reductions | undefined
  /** Stop at the first violation. Default true. */
  readonly stopAtFirst?: boolean | undefined
  readonly maxExecutions?: number | undefined
  readonly maxMillis?: number | undefined
  /** Switches between processes that could have gone on, for minimal counterexamples. Excludes all other reductions. */
  readonly preemptions?: number | undefined
  /** Called every few thousand executions, and waited for; `false` ends the exploration there. */
  readonly progress?: ((report: Report) => void | Promise<boolean>) | undefined
  /** Collects the keys of final states, for comparing reductions. */
  readonly finals?: Set<string> | undefined
  /** Where the states go that have been seen: for whoever wants to weigh them. */
  readonly seen?: SeenStates | undefined
}

export interface Options extends ExploreOptions {
  readonly bounds?: Bounds | undefined
  readonly parts?: Parts | undefined
}

export interface Found {
  readonly violation: Violation
  /** The steps that lead there, by name. */
  readonly schedule: ReadonlyArray<string>
}

export interface Report {
  readonly verdict: "holds" | "violated" | "incomplete"
  readonly found: ReadonlyArray<Found>
  readonly executions: number
  /** Distinct states, when states are hashed. */
  readonly states: number
  readonly steps: number
  readonly ends: number
  readonly millis: number
  /** What happened how often: faults, and transitions of the machine. A scenario in which nothing happened shows nothing. */
  readonly happened: Readonly<Record<string, number>>
}

interface Node {
  readonly ids: ReadonlyArray<string>
  readonly order: ReadonlyArray<number>
  position: number
  readonly sleep: ReadonlyMap<string, Access>
  readonly done: Array<readonly [string, Access]>
  readonly last: number
  readonly used: number
  /** The world as it was here, where it can be forked. */
  world: Explorable | undefined
  read: number
  wrote: number
}

/** Bits of `Simulation`. */
export type Access = readonly [read: number, wrote: number]

const independent = (access: Access, read: number, wrote: number): boolean =>
  wrote !== Everything && access[1] !== Everything && (access[1] & (read | wrote)) === 0 && (wrote & access[0]) === 0

/** The process that has just moved goes on first, then others, then time, then faults: short traces come early. */
const order = (actions: ReadonlyArray<Action>, last: number): Array<number> => {
  const rank = ({ fault, process, stall }: Action): number => (fault ? 3 : stall ? 2 : process === last ? 0 : 1)
  return actions.map((_, index) => index).toSorted((a, b) => rank(actions[a]!) - rank(actions[b]!) || a - b)
}

const isQuiet = (actions: ReadonlyArray<Action>): boolean => actions.every(({ fault }) => fault === 1)

const maxSteps = 500

/** Every interleaving of a scenario of Keepers. */
export const explore = (scenario: Scenario, options: Options = {}): Promise<Report> => {
  const { bounds = scenario.bounds } = options
  const given = options.parts ?? realParts
  // For this exploration only, or the answers would pile up.
  const parts = { ...given, decide: remembered(given.decide) }
  const watched = scenario.watched && new Set(scenario.watched)
  const alike = scenario.processes.every(({ host, skewMillis }) => host === undefined && skewMillis === undefined)
  const reductions = options.reductions ?? allReductions
  const lives = reductions.lives ? new Lives(parts) : undefined
  return exploreWith(() => new World(scenario, { ...bounds, parts, lives, watched }), {
    ...options,
    reductions: { ...reductions, symmetry: reductions.symmetry && alike },
  })
}

/** Every interleaving of whatever `make` makes: the same again each time. */
export const exploreWith = async (
  make: () => Explorable | Promise<Explorable>,
  options: ExploreOptions = {},
): Promise<Report> => {
  const started = performance.now()
  const preemptions = options.preemptions ?? Infinity
  const bounded = Number.isFinite(preemptions)
  const chosen = options.reductions ?? allReductions
  const { ample, forks, sleepSets, stateHash, symmetry } = bounded
    ? { ...chosen, ample: false, sleepSets: false, symmetry: false }
    : chosen
  const seen = options.seen ?? new SeenStates()
  const stack: Array<Node> = []
  const found: Array<Found> = []
  const foundAlready = new Set<string>()
  const happened: Record<string, number> = {}
  let executions = 0
  let steps = 0
  let ends = 0
  let complete = false

  const report = (): Report => ({
    verdict: found.length > 0 ? "violated" : complete ? "holds" : "incomplete",
    found,
    executions,
    states: seen.size,
    steps,
    ends,
    millis: performance.now() - started,
    happened,
  })
  const schedule = (): Array<string> => stack.map(({ ids, order: choices, position }) => ids[choices[position]!]!)
  const violated = (violation: Violation): void => {
    const name = `${violation.invariant}: ${violation.detail}`
    if (foundAlready.has(name)) return
    foundAlready.add(name)
    found.push({ violation, schedule: schedule() })
  }

  // A tagged error captures a stack when it is made, and here nobody reads it.
  const stackTraceLimit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  for (;;) {
    const from = stack.at(-1)
    const isLast = from !== undefined && from.position === from.order.length - 1
    const making = from?.world === undefined ? make() : isLast ? from.world : from.world.fork!()
    const world = making instanceof Promise ? await making : making
    executions++
    let sleep: Map<string, Access> = new Map()
    let last = -2
    let used = 0
    for (let depth = from?.world === undefined ? 0 : stack.length - 1; ; depth++) {
      const actions = world.enabled()
      let node = stack[depth]
      if (node === undefined) {
        if (isQuiet(actions)) world.atEnd()
        const violation = world.violation()
        if (violation !== undefined) {
          violated(violation)
          break
        }
        let only: ReadonlySet<string> | undefined
        if (stateHash) {
          const key = fingerprint(world.key(symmetry, bounded ? last : -3))
          const known = seen.get(key)
          const left = bounded ? preemptions - used : 0
          if (sleepSets) {
            const asleep = new Set<string>()
            for (const id of sleep.keys()) asleep.add(symmetry ? world.canonical(id) : id)
            // What slept then and does not sleep now has never been tried from here.
            const slept = known === undefined ? asleep : seen.combination(known)
            const awake = new Set([...slept].filter((id) => !asleep.has(id)))
            if (known !== undefined && awake.size === 0) break
            seen.set(key, seen.numberOf(awake.size === 0 ? slept : new Set([...slept].filter((id) => asleep.has(id)))))
            if (known !== undefined) only = awake
          } else {
            if (known !== undefined && known >= left) break
            seen.set(key, left)
          }
        }
        if (actions.length === 0) {
          ends++
          options.finals?.add(world.key(true, -3))
          break
        }
        if (depth >= maxSteps) {
          violated({ invariant: "I9 every waiter ends", detail: `no end after ${maxSteps} steps` })
          break
        }
        const forced = ample ? world.ample(actions) : -1
        const lastCanGoOn = actions.some(({ fault, process, stall }) => process === last && fault === 0 && stall === 0)
        const choices = order(actions, last).filter((index) => {
          const { fault, id, process, stall } = actions[index]!
          if (forced >= 0 && index !== forced) return false
          if (sleep.has(id)) return false
          if (only !== undefined && !only.has(symmetry ? world.canonical(id) : id)) return false
          return !(bounded && used >= preemptions && lastCanGoOn && process !== last && fault === 0 && stall === 0)
        })
        if (choices.length === 0) break
        node = {
          ids: actions.map(({ id }) => id),
          order: choices,
          position: 0,
          sleep,
          done: [],
          last,
          used,
          world: forks && choices.length > 1 ? world.fork?.() : undefined,
          read: 0,
          wrote: 0,
        }
        stack.push(node)
      }
      const index = node.order[node.position]!
      const action = actions[index]
      if (action === undefined || action.id !== node.ids[index]) {
        throw new Error(`not deterministic: ${action?.id ?? "nothing"} in the place of ${node.ids[index]}`)
      }
      const switches = action.process !== node.last && action.process >= 0 && node.last >= 0 && action.fault === 0
      used =
        node.used +
        (bounded &&
        switches &&
        actions.some(({ fault, process, stall }) => process === node.last && fault === 0 && stall === 0)
          ? 1
          : 0)
      last = action.fault === 0 && action.process >= 0 ? action.process : node.last
      const stepping = world.step(action)
      if (stepping !== undefined) await stepping
      steps++
      const [read, wrote] = world.access()
      node.read = read
      node.wrote = wrote
      if (sleepSets && depth === stack.length - 1) {
        sleep = new Map()
        for (const [id, access] of node.sleep) if (independent(access, read, wrote)) sleep.set(id, access)
        for (const [id, access] of node.done) if (independent(access, read, wrote)) sleep.set(id, access)
      }
    }
    for (const [what, times] of Object.entries(world.happened)) happened[what] = (happened[what] ?? 0) + times
    if (found.length > 0 && (options.stopAtFirst ?? true)) break
    while (stack.length > 0) {
      const node = stack.at(-1)!
      node.done.push([node.ids[node.order[node.position]!]!, [node.read, node.wrote]])
      if (++node.position < node.order.length) break
      stack.pop()
    }
    if (stack.length === 0) {
      complete = true
      break
    }
    if (options.maxExecutions !== undefined && executions >= options.maxExecutions) break
    if ((executions & 255) === 0) {
      if (options.maxMillis !== undefined && performance.now() - started > options.maxMillis) break
      if ((executions & 8191) === 0 && (await options.progress?.(report())) === false) break
    }
  }
  Error.stackTraceLimit = stackTraceLimit
  return report()
}

/** One schedule again, recorded. Throws when a step is not on offer: the program is not the one that was explored. */
export const replay = (
  scenario: Scenario,
  schedule: ReadonlyArray<string>,
  options: { readonly bounds?: Bounds | undefined; readonly parts?: Parts | undefined } = {},
): World => {
  const { bounds = scenario.bounds, parts } = options
  const watched = scenario.watched && new Set(scenario.watched)
  const world = new World(scenario, { ...bounds, record: true, ...(parts && { parts }), watched })
  for (const id of schedule) {
    const actions = world.enabled()
    const action = actions.find((offered) => offered.id === id)
    if (action === undefined) {
      throw new Error(`${id} cannot happen here; what can: ${actions.map((offered) => offered.id).join(", ")}`)
    }
    world.step(action)
  }
  if (world.violation() === undefined && isQuiet(world.enabled())) world.atEnd()
  return world
}

export interface Shortest {
  readonly found: Found | undefined
  readonly bounds: Bounds
  readonly executions: number
  readonly millis: number
}

/** The cheapest counterexample: fewest faults and stalls first, then fewest switches between processes. */
export const shortest = async (
  scenario: Scenario,
  options: Pick<Options, "parts" | "maxMillis" | "progress"> = {},
): Promise<Shortest> => {
  const started = performance.now()
  let executions = 0
  const { faults, stalls } = scenario.bounds
  for (let cost = 0; cost <= faults + stalls; cost++) {
    for (let fault = 0; fault <= Math.min(cost, faults); fault++) {
      if (cost - fault > stalls) continue
      const bounds = { faults: fault, stalls: cost - fault }
      for (const preemptions of [0, 1, 2]) {
        const report = await explore(scenario, { ...options, bounds, preemptions })
        executions += report.executions
        const [found] = report.found
        if (found !== undefined) return { found, bounds, executions, millis: performance.now() - started }
      }
    }
  }
  return { found: undefined, bounds: scenario.bounds, executions, millis: performance.now() - started }
}

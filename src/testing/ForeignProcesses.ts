/**
 * The processes of a foreign world: each with a client of its own, its calls, its timers and its dice.
 *
 * **Invariants**
 *
 * - What follows from a step in promises has happened before the next one begins, and belongs to the process whose step
 *   it was: no other code runs meanwhile.
 * - A process's memory is a function of what it has observed, so a hash of that history stands for its memory.
 */
import type { ForeignCall, ForeignClient, Surroundings } from "./Foreign.ts"
import { fetchOf } from "./foreignFetch.ts"
import * as Globals from "./foreignGlobals.ts"
import type { Vault } from "./foreignKeeper.ts"
import type { ForeignNetwork } from "./ForeignNetwork.ts"
import type { Stage } from "./foreignStage.ts"
import * as ForeignStorage from "./foreignStorage.ts"
import * as Sim from "./Simulation.ts"
import type { KeeperOptions } from "../keeper/live.ts"

export interface Member {
  readonly process: Sim.Process
  readonly client: ForeignClient
  readonly calls: number
  /** It asks whether the login is still there, when everything else is over. */
  readonly isLast: boolean
  readonly call: Promise<ForeignCall>
  /** What the calls so far have come to. */
  readonly outcomes: Array<string | undefined>
  started: number
}

export interface Parts {
  readonly stage: Stage
  readonly network: ForeignNetwork
  readonly storage: Map<string, string>
  readonly vault: Vault
  readonly keeper: KeeperOptions | undefined
}

/** Nothing is left for it to do but to wait for somebody's call. */
export const isOver = ({ outcomes, process, started }: Member): boolean =>
  started === outcomes.length && process.pending.length === 0 && outcomes.every((outcome) => outcome !== undefined)

const wordsOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))

const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}

export class ForeignProcesses {
  readonly members: Array<Member> = []
  /** Some process knows who it is, so processes differ in more than their number. */
  isNamed = false
  readonly #parts: Parts
  readonly #enter: () => () => void
  /** Whose step it is. */
  #current: Sim.Process | undefined

  constructor(parts: Parts) {
    this.#parts = parts
    const { network, stage } = parts
    const { sim } = stage
    this.#enter = Globals.make({
      now: () => {
        sim.read |= Sim.Time
        return sim.now
      },
      origin: 0,
      fetch: (input, init) => fetchOf(network, this.#current!)(input, init),
      sleep: (callback, millis) => this.#sleep(callback, millis),
      random: () => this.#random(),
    })
  }

  /** Runs one step of `process` with the globals in the world's hands, and waits for all that follows from it. */
  async settle(process: Sim.Process | undefined, run: () => void): Promise<void> {
    this.#current = process
    const leave = this.#enter()
    try {
      run()
      await Globals.rest()
    } finally {
      leave()
    }
  }

  #sleep(callback: () => void, millis: number): () => void {
    const { sim } = this.#parts.stage
    const process = this.#current
    if (process === undefined || !process.alive) return () => {}
    sim.read |= Sim.Time
    process.operations++
    const deadline = sim.now + Math.ceil(millis)
    const wake = (): void => {
      process.observe(`wakes${deadline}@${sim.now}`)
      callback()
    }
    const sleeper = { deadline, wake }
    process.sleepers.push(sleeper)
    return () => {
      const at = process.sleepers.indexOf(sleeper)
      if (at >= 0) process.sleepers.splice(at, 1)
    }
  }

  /** Never the same for two processes, which would take each other's names; the same in every run. */
  #random(): number {
    const process = this.#current
    if (process === undefined) return 0.5
    this.isNamed = true
    return hashOf(`${process.name}.${++process.operations}`) / 4294967296
  }

  /** Within a step: the client is made at once, and may use its surroundings. */
  spawn(index: number, name: string, client: ForeignClient, calls: number, isLast = false): void {
    const { keeper, network, stage, storage, vault } = this.#parts
    const process = new Sim.Process(index, name, "h1", 0)
    this.#current = process
    const fetch = fetchOf(network, process)
    const named = (): string => {
      this.isNamed = true
      return name
    }
    let tokenkeep: Surroundings["tokenkeep"] | undefined
    const surroundings: Surroundings = {
      fetch,
      storage: ForeignStorage.make(stage, storage, process),
      process: {
        get name() {
          return named()
        },
      },
      get tokenkeep() {
        return (tokenkeep ??= vault.open(process, fetch, keeper))
      },
    }
    const call = (async () => client(surroundings))()
    // Whoever calls hears of it.
    call.catch(() => {})
    const outcomes = Array.from({ length: calls }, () => undefined)
    this.members[index] = { process, client, calls, isLast, call, outcomes, started: 0 }
  }

  /** Every living process is called once more. */
  again(): void {
    for (const { calls, outcomes, process } of this.members) {
      if (process.alive) outcomes.push(...Array.from({ length: calls }, () => undefined))
    }
  }

  #start(member: Member): void {
    const { monitor, sim } = this.#parts.stage
    const { call, outcomes, process } = member
    const index = member.started++
    sim.wrote |= Sim.own(process.index)
    process.observe(`call${index}`)
    sim.log("Caller", process.name, `call ${index}`, "call")
    const end = (outcome: string): boolean => {
      if (!process.alive) return false
      outcomes[index] = outcome
      process.observe(`done${index}${outcome}`)
      sim.log(process.name, "Caller", outcome, "reply")
      return true
    }
    const failed = (why: string): void => {
      if (end(why)) this.#failed(member, why)
    }
    const make = async (): Promise<void> => {
      const given = await (await call)()
      if (typeof given !== "string" && !given.ok) failed(`the resource answers ${given.status}`)
      else if (end(typeof given === "string" ? given : String(given.status)) && typeof given === "string") {
        monitor.served(process, given)
      }
    }
    make().catch((error: unknown) => failed(wordsOf(error)))
  }

  #failed({ isLast, process }: Member, why: string): void {
    const { stage } = this.#parts
    stage.count("call failed")
    if (isLast) stage.monitor.loggedOut(why)
    else stage.monitor.failed(process, why)
  }

  /** What the processes can do next by themselves. */
  steps(): Array<Sim.Action> {
    const actions: Array<Sim.Action> = []
    for (const member of this.members) {
      const { outcomes, process, started } = member
      if (!process.alive) continue
      actions.push(...this.#parts.stage.sim.stepsOf(process))
      if (started === outcomes.length) continue
      const id = `${process.name}:call${started}`
      actions.push({ id, process: process.index, fault: 0, stall: 0, local: false, run: () => this.#start(member) })
    }
    return actions
  }

  get isQuiet(): boolean {
    return this.members.every((member) => !member.process.alive || isOver(member))
  }

  /** When the next timer fires, of those that lie ahead. */
  get nextInstant(): number {
    const { now } = this.#parts.stage.sim
    let next = Infinity
    for (const { process } of this.members) {
      for (const { deadline } of process.sleepers) if (deadline > now && deadline < next) next = deadline
    }
    return next
  }
}

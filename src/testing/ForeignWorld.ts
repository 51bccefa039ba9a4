/**
 * A world for token clients that are not ours: several processes with a `fetch` and a shared storage, one authorization
 * server with its resource, a network, and faults. It is explored as the world of Keepers is, and replayed.
 *
 * **Details**
 *
 * - Choice points: a call arrives, a storage operation, a request leaves, the server acts, an answer is delivered, a
 *   timer fires, time passes. What follows from a step in promises runs to its end before the next one.
 * - Time moves for free only when nothing else can happen; otherwise it is a stall, and costs one of the budget.
 * - When all is quiet the epilogue asks once more, after the token's end, in a new process: is the login still there?
 */
import * as AuthorizationServer from "./AuthorizationServer.ts"
import { credentialOf } from "./endpoint.ts"
import type { Access, Explorable } from "./explore.ts"
import { type ForeignScenario, issuer, resource, tokenEndpoint } from "./Foreign.ts"
import { Vault } from "./foreignKeeper.ts"
import { ForeignMonitor } from "./ForeignMonitor.ts"
import { ForeignNetwork } from "./ForeignNetwork.ts"
import { ForeignProcesses, isOver, type Member } from "./ForeignProcesses.ts"
import type { Stage } from "./foreignStage.ts"
import type { Violation } from "./Monitor.ts"
import { standard } from "./Policy.ts"
import type { Bounds } from "./Scenario.ts"
import type { Story } from "./sequence.ts"
import * as Sim from "./Simulation.ts"

export interface ForeignWorldOptions {
  readonly bounds?: Bounds | undefined
  /** Keep the lines of the trace. */
  readonly record?: boolean | undefined
  /** Nothing happens after so many steps: for the search of short schedules. */
  readonly maxSteps?: number | undefined
}

export class ForeignWorld implements Explorable {
  readonly scenario: ForeignScenario
  readonly #stage: Stage
  readonly storage = new Map<string, string>()
  /** Counts of what happened, so that "holds" can show that it could have failed. */
  readonly happened: Record<string, number> = {}
  readonly #grant: AuthorizationServer.Grant
  readonly #network: ForeignNetwork
  readonly #processes: ForeignProcesses
  readonly #vault: Vault
  readonly #horizonMillis: number
  readonly #maxSteps: number
  #faultsLeft: number
  #stallsLeft: number
  #roundsLeft: number
  #steps = 0
  #asked = false
  #rank: Array<number> = []

  private constructor(scenario: ForeignScenario, options: ForeignWorldOptions) {
    const { faults, stalls } = options.bounds ?? scenario.bounds ?? { faults: 0, stalls: 0 }
    const sim = new Sim.Simulation(options.record ?? false)
    const server = AuthorizationServer.make({ issuer, policy: scenario.server })
    const lifetime = server.policy().accessLifetimeMillis
    this.scenario = scenario
    this.#faultsLeft = faults
    this.#stallsLeft = stalls
    this.#roundsLeft = (scenario.rounds ?? 1) - 1
    this.#maxSteps = options.maxSteps ?? Infinity
    this.#horizonMillis = Math.max(3 * standard.accessLifetimeMillis, 3 * lifetime)
    const age = { fresh: 0, inWindow: lifetime * 0.9, ended: lifetime + 1, refused: 0 }[scenario.token ?? "ended"]
    this.#grant = server.grant({ resource }, sim.now - age)
    if (scenario.token === "refused") server.revokeToken(this.#grant.accessToken)
    const parts = {
      sim,
      server,
      isAlive: (name: string) => this.#processes.members.some(({ process }) => process.name === name && process.alive),
      everything: () => `${[...this.storage.values()].join(" ")} ${this.#vault.text}`,
      isDisturbed: () => this.#faultsLeft < faults || this.#stallsLeft < stalls,
      count: (what: string) => void (this.happened[what] = (this.happened[what] ?? 0) + 1),
    }
    const stage: Stage = { ...parts, monitor: new ForeignMonitor(parts, scenario.watched) }
    this.#stage = stage
    this.#network = new ForeignNetwork(stage)
    const credential = credentialOf(this.#grant, { name: "login", tokenEndpoint }, sim.now)
    this.#vault = new Vault(stage, this.#network, { ...credential, generation: 1 })
    const { keeper, storage: left } = scenario
    for (const [key, value] of Object.entries(left?.(this.#grant) ?? {})) this.storage.set(key, value)
    this.#processes = new ForeignProcesses({
      stage,
      network: this.#network,
      storage: this.storage,
      vault: this.#vault,
      keeper,
    })
  }

  static async make(scenario: ForeignScenario, options: ForeignWorldOptions = {}): Promise<ForeignWorld> {
    const world = new ForeignWorld(scenario, options)
    const processes = world.#processes
    for (const [index, { calls, client }] of scenario.processes.entries()) {
      await processes.settle(undefined, () => processes.spawn(index, `P${index}`, client, calls))
    }
    return world
  }

  /** What was recorded, for `Sequence.toText` and `Sequence.toMermaid`. */
  get story(): Story {
    return { title: this.scenario.name, lines: this.#stage.sim.lines ?? [], violation: this.violation() }
  }

  // ------------------------------------------------------------------ what can happen next

  enabled(): Array<Sim.Action> {
    if (this.#steps >= this.#maxSteps) return []
    const processes = this.#processes
    const actions = [...processes.steps(), ...this.#network.steps()]
    const busy = actions.length > 0
    const quiet = !busy && processes.isQuiet
    const next = processes.nextInstant
    if (next !== Infinity && !quiet && (!busy || this.#stallsLeft > 0)) actions.push(this.#timePasses(next, busy))
    if (quiet && !this.#asked) {
      const goesOn = this.#roundsLeft > 0
      const run = (): void => (goesOn ? this.#nextRound() : this.#epilogue())
      if (goesOn || (this.scenario.epilogue ?? true)) {
        actions.push({ id: goesOn ? "later" : "epilogue", process: -1, fault: 0, stall: 0, local: false, run })
      }
    }
    if (this.#faultsLeft > 0) this.#offerFaults(actions)
    return actions
  }

  #timePasses(next: number, busy: boolean): Sim.Action {
    const { monitor, sim } = this.#stage
    const run = (): void => {
      if (busy) this.#stallsLeft--
      sim.wrote = Sim.Everything
      const still = busy ? ", and everybody else stands still" : ""
      sim.log("Clock", "Clock", `${(next - sim.now) / 1000} s pass${still}`, "time")
      sim.now = next
      if (next - sim.start > this.#horizonMillis) monitor.fail("I9 every waiter ends", "it goes on for ever")
    }
    return { id: "time", process: -1, fault: 0, stall: busy ? 1 : 0, local: false, run }
  }

  #afterTheEnd(): void {
    const { sim } = this.#stage
    sim.wrote = Sim.Everything
    sim.now = Math.max(sim.now + this.#stage.server.policy().accessLifetimeMillis, this.#vault.busyUntil) + 1
    sim.log("Clock", "Clock", "later: every access token has ended", "time")
  }

  #nextRound(): void {
    this.#roundsLeft--
    this.#afterTheEnd()
    this.#processes.again()
  }

  #epilogue(): void {
    this.#asked = true
    this.#faultsLeft = 0
    this.#stallsLeft = 0
    for (const { process } of this.#processes.members) process.die()
    this.#afterTheEnd()
    const [first] = this.scenario.processes
    if (first !== undefined) this.#processes.spawn(this.#processes.members.length, "Z", first.client, 1, true)
  }

  #offerFaults(actions: Array<Sim.Action>): void {
    const { sim } = this.#stage
    const add = (kind: string, id: string, process: number, run: () => void): void => {
      const happens = (): void => {
        this.#faultsLeft--
        this.#stage.count(kind)
        sim.wrote |= Sim.Budget
        run()
      }
      actions.push({ id: `${id}!${kind}`, process, fault: 1, stall: 0, local: false, run: happens })
    }
    for (const kind of this.scenario.faults ?? []) {
      if (kind === "crash") {
        for (const member of this.#processes.members) {
          const { process, started } = member
          const isAtWork = process.alive && (started > 0 || process.operations > 0) && !isOver(member)
          if (isAtWork) add(kind, process.name, process.index, () => this.#crash(member))
        }
      } else if (kind === "revoke") {
        if (this.happened["revoke"] === undefined) add(kind, "AS", -1, () => this.#revoke())
      } else {
        this.#network.faults(kind, (_, id, process, run) => add(kind, id, process.index, run))
      }
    }
  }

  #revoke(): void {
    const { monitor, server, sim } = this.#stage
    sim.wrote = Sim.Everything
    server.revokeGrant(this.#grant.number)
    monitor.excused("an administrator revoked the grant")
    sim.log("AS", "AS", "an administrator revokes the grant", "fault")
  }

  #crash({ client, process }: Member): void {
    const { restart = 0 } = this.scenario
    const { monitor, sim } = this.#stage
    sim.wrote |= Sim.own(process.index) | Sim.network(process.index) | Sim.Ghost | Sim.Alive
    sim.log(process.name, process.name, "is killed", "fault")
    process.die()
    this.#network.killed(process)
    monitor.killed(process)
    if (restart > 0) this.#processes.spawn(process.index, `${process.name}'`, client, restart)
  }

  // ------------------------------------------------------------------ what the explorer asks for

  step(action: Sim.Action): Promise<void> {
    const { sim } = this.#stage
    sim.read = 0
    sim.wrote = 0
    this.#steps++
    return this.#processes.settle(this.#processes.members[action.process]?.process, action.run)
  }

  access(): Access {
    return [this.#stage.sim.read, this.#stage.sim.wrote]
  }

  violation(): Violation | undefined {
    return this.#stage.monitor.violation
  }

  /** At a state from which only faults lead on. */
  atEnd(): void {
    if (this.#steps >= this.#maxSteps) return
    for (const { outcomes, process } of this.#processes.members) {
      if (!process.alive || outcomes.every((outcome) => outcome !== undefined)) continue
      const said = outcomes.map((outcome) => outcome ?? "waiting").join(", ")
      return this.#stage.monitor.fail("I9 every waiter ends", `${process.name} never answers (${said})`)
    }
  }

  /** Of a program that nobody knows, no step is known to touch nothing shared. */
  ample(): number {
    return -1
  }

  /** The state, named by what can influence the future; a process's memory by all that it has observed. */
  key(symmetry: boolean, last: number): string {
    const { monitor, server, sim } = this.#stage
    const { isNamed, members } = this.#processes
    const parts = members.map((member) => {
      const { calls, outcomes, process, started } = member
      const isDone = isOver(member) && process.sleepers.length === 0
      const memory = process.alive ? (isDone ? "over" : process.history) : "dead"
      const own = `${this.#network.digest(process)}${this.#vault.mark(process)}${monitor.marks(process)}`
      const who = `${isNamed ? process.name : ""}${process.index === last ? "*" : ""}`
      return `${who}${memory}.${outcomes.length - started}.${calls}${own}`
    })
    const alike = symmetry && !isNamed
    const order = parts.map((_, index) => index)
    if (alike) {
      order.sort((a, b) => (parts[a]! < parts[b]! ? -1 : parts[a]! > parts[b]! ? 1 : a - b))
      parts.sort()
    }
    this.#rank = []
    for (const [rank, index] of order.entries()) this.#rank[index] = rank
    const stored = [...this.storage]
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join("&")
    const budget = `${this.#faultsLeft},${this.#stallsLeft},${this.#roundsLeft},${this.#maxSteps === Infinity ? "" : this.#steps}`
    return `${sim.now}|${stored}|${this.#vault.digest(undefined)}|${server.digest()}|${monitor.digest()}|${this.#asked}${alike}|${budget}|${parts.join("|")}`
  }

  /** The action's name without the accident of how processes are numbered. */
  canonical(id: string): string {
    return id.replace(/^P(\d+)/, (_, index: string) => `Q${this.#rank[Number(index)]}`)
  }
}

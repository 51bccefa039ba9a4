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
import { type Grant, make as makeServer } from "./AuthorizationServer.ts"
import { credentialOf } from "./endpoint.ts"
import type { Access, Explorable } from "./explore.ts"
import {
  type ForeignCall,
  type ForeignClient,
  type ForeignScenario,
  type ForeignStorage,
  issuer,
  resource,
  type Surroundings,
  tokenEndpoint,
} from "./Foreign.ts"
import * as Globals from "./foreignGlobals.ts"
import { Vault } from "./foreignKeeper.ts"
import { accessTokensIn, ForeignMonitor, refreshTokensIn } from "./ForeignMonitor.ts"
import { ForeignNetwork } from "./ForeignNetwork.ts"
import { allKeys, keyBit, offer, type Stage } from "./foreignStage.ts"
import type { Violation } from "./Monitor.ts"
import { standard } from "./Policy.ts"
import type { Bounds } from "./Scenario.ts"
import type { Story } from "./sequence.ts"
import * as Sim from "./Simulation.ts"

interface Member {
  readonly process: Sim.Process
  readonly client: ForeignClient
  readonly isLast: boolean
  readonly call: Promise<ForeignCall>
  readonly calls: number
  readonly outcomes: Array<string | undefined>
  started: number
}

export interface ForeignWorldOptions {
  readonly bounds?: Bounds | undefined
  /** Keep the lines of the trace. */
  readonly record?: boolean | undefined
  /** Nothing happens after so many steps: for the search of short schedules. */
  readonly maxSteps?: number | undefined
}

/** A stored value as a trace shows it: by the tokens in it, if there are any. */
const wordsOf = (value: string | undefined): string => {
  if (value === undefined) return "nothing"
  const tokens = [...accessTokensIn(value), ...refreshTokensIn(value)]
  return tokens.length > 0 ? tokens.join(" and ") : value.length > 60 ? `${value.slice(0, 60)}…` : value
}

const never = new Promise<never>(() => {})

export class ForeignWorld implements Explorable {
  readonly scenario: ForeignScenario
  readonly sim: Sim.Simulation
  readonly stage: Stage
  readonly storage = new Map<string, string>()
  readonly members: Array<Member> = []
  /** Counts of what happened, so that "holds" can show that it could have failed. */
  readonly happened: Record<string, number> = {}
  readonly #grant: Grant
  readonly #network: ForeignNetwork
  readonly #vault: Vault
  readonly #horizonMillis: number
  readonly #bounds: Bounds
  readonly #maxSteps: number
  #steps = 0
  #faultsLeft: number
  #stallsLeft: number
  #asked = false
  #roundsLeft: number
  /** Whose step it is. */
  #current: Sim.Process | undefined
  /** Somebody knows who it is, so processes differ in more than their number. */
  #named = false
  #rank: Array<number> = []
  readonly #enter = Globals.make({
    now: () => {
      this.sim.read |= Sim.Time
      return this.sim.now
    },
    origin: 0,
    fetch: (input, init) => (this.#current === undefined ? never : this.#network.fetchOf(this.#current)(input, init)),
    sleep: (callback, millis) => this.#sleep(callback, millis),
    random: () => this.#random(),
  })

  private constructor(scenario: ForeignScenario, options: ForeignWorldOptions) {
    this.scenario = scenario
    this.sim = new Sim.Simulation(options.record ?? false)
    this.#bounds = options.bounds ?? scenario.bounds ?? { faults: 0, stalls: 0 }
    this.#maxSteps = options.maxSteps ?? Infinity
    this.#faultsLeft = this.#bounds.faults
    this.#stallsLeft = this.#bounds.stalls
    this.#roundsLeft = (scenario.rounds ?? 1) - 1
    const server = makeServer({ issuer, policy: scenario.server })
    const lifetime = server.policy().accessLifetimeMillis
    this.#horizonMillis = Math.max(3 * standard.accessLifetimeMillis, 3 * lifetime)
    const age = { fresh: 0, inWindow: lifetime * 0.9, ended: lifetime + 1, refused: 0 }[scenario.token ?? "ended"]
    this.#grant = server.grant({ resource }, this.sim.now - age)
    if (scenario.token === "refused") server.revokeToken(this.#grant.accessToken)
    this.stage = {
      sim: this.sim,
      server,
      monitor: new ForeignMonitor(this.sim, server, scenario.watched),
      isAlive: (name) => this.members.some(({ process }) => process.name === name && process.alive),
      everything: () => `${[...this.storage.values()].join(" ")} ${this.#vault.text}`,
      count: (what) => void (this.happened[what] = (this.happened[what] ?? 0) + 1),
    }
    this.#network = new ForeignNetwork(this.stage)
    const credential = credentialOf(this.#grant, { name: "login", tokenEndpoint }, this.sim.now)
    this.#vault = new Vault(this.stage, this.#network, { ...credential, generation: 1 })
    for (const [key, value] of Object.entries(scenario.storage?.(this.#grant) ?? {})) this.storage.set(key, value)
  }

  static async make(scenario: ForeignScenario, options: ForeignWorldOptions = {}): Promise<ForeignWorld> {
    const world = new ForeignWorld(scenario, options)
    for (const [index, { calls, client }] of scenario.processes.entries()) {
      await world.#settle(() => world.#spawn(index, `P${index}`, client, calls))
    }
    return world
  }

  /** What was recorded, for `Sequence.toText` and `Sequence.toMermaid`. */
  get story(): Story {
    return { title: this.scenario.name, lines: this.sim.lines ?? [], violation: this.violation() }
  }

  // ------------------------------------------------------------------ processes

  /** Runs one step with the globals in the world's hands, and waits for all that follows from it. */
  async #settle(run: () => void): Promise<void> {
    const leave = this.#enter()
    try {
      run()
      await Globals.rest()
    } finally {
      leave()
    }
  }

  #sleep(callback: () => void, millis: number): () => void {
    const process = this.#current
    if (process === undefined || !process.alive) return () => {}
    this.sim.read |= Sim.Time
    process.operations++
    const sleeper = { deadline: this.sim.now + Math.ceil(millis), resume: callback }
    process.sleepers.push(sleeper)
    return () => {
      const at = process.sleepers.indexOf(sleeper)
      if (at >= 0) process.sleepers.splice(at, 1)
    }
  }

  /** Never the same for two processes, which would take each other's name; the same in every run. */
  #random(): number {
    const process = this.#current
    if (process === undefined) return 0.5
    this.#named = true
    let hash = 0x811c9dc5
    for (const char of `${process.name}.${++process.operations}`)
      hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
    return ((hash ^ (hash >>> 15)) >>> 0) / 4294967296
  }

  #spawn(index: number, name: string, client: ForeignClient, calls: number, isLast = false): void {
    const process = new Sim.Process(index, name, "h1", 0)
    this.#current = process
    const fetch = this.#network.fetchOf(process)
    const nameOf = (): string => {
      this.#named = true
      return name
    }
    const openVault = () => this.#vault.open(process, fetch, this.scenario.keeper)
    let tokenkeep: Surroundings["tokenkeep"] | undefined
    const surroundings: Surroundings = {
      fetch,
      storage: this.#storage(process),
      process: {
        get name() {
          return nameOf()
        },
      },
      get tokenkeep() {
        return (tokenkeep ??= openVault())
      },
    }
    const call = (async () => client(surroundings))()
    call.catch(() => {})
    const outcomes = Array.from({ length: calls }, () => undefined)
    this.members[index] = { process, client, isLast, call, calls, outcomes, started: 0 }
  }

  #storage(process: Sim.Process): ForeignStorage {
    const { sim } = this
    const step = <A>(kind: string, key: string, wrote: number, run: () => A): Promise<A> =>
      new Promise((resolve) => {
        if (!process.alive) return
        offer(this.stage, process, `${kind}/${encodeURIComponent(key)}`, { read: keyBit(key), wrote }, () =>
          resolve(run()),
        )
      })
    const write = (what: string, change: () => void): void => {
      const before = this.stage.everything()
      sim.read |= allKeys | Sim.Store
      change()
      this.stage.monitor.stored(process, what, before, this.stage.everything())
    }
    return {
      get: (key) =>
        step("get", key, 0, () => {
          const value = this.storage.get(key)
          process.observe(value ?? "-")
          sim.log(process.name, "Storage", `get ${key}`, "call")
          sim.log("Storage", process.name, wordsOf(value), "reply")
          return value
        }),
      set: (key, value) =>
        step("set", key, keyBit(key), () => {
          process.observe(value)
          sim.log(process.name, "Storage", `set ${key}: ${wordsOf(value)}`, "call")
          write("overwrites", () => this.storage.set(key, value))
        }),
      delete: (key) =>
        step("delete", key, keyBit(key), () => {
          sim.log(process.name, "Storage", `delete ${key}`, "call")
          write("deletes", () => this.storage.delete(key))
        }),
    }
  }

  // ------------------------------------------------------------------ calls

  #start(member: Member): void {
    const { call, outcomes, process } = member
    const index = member.started++
    this.sim.wrote |= Sim.own(process.index)
    process.observe(`call${index}`)
    this.sim.log("Caller", process.name, `call ${index}`, "call")
    const end = (outcome: string, judge: () => void): void => {
      if (!process.alive) return
      outcomes[index] = outcome
      process.observe(`done${index}${outcome}`)
      this.sim.log(process.name, "Caller", outcome, "reply")
      judge()
    }
    const failed = (why: string): void => end(why, () => this.#failed(member, why))
    call
      .then((make) => make())
      .then(
        (given) => {
          if (typeof given === "string") return end(given, () => this.stage.monitor.served(process, given))
          if (given.ok) return end(String(given.status), () => {})
          failed(`the resource answers ${given.status}`)
        },
        (error: unknown) => failed(error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
      )
  }

  /** Something has gone wrong by now that may be why a call fails. */
  get #disturbed(): boolean {
    return this.#faultsLeft < this.#bounds.faults || this.#stallsLeft < this.#bounds.stalls
  }

  #failed({ isLast, process }: Member, why: string): void {
    const { monitor } = this.stage
    this.sim.read |= allKeys | Sim.Store | Sim.Ghost | Sim.Budget
    this.stage.count("call failed")
    if (!isLast) return monitor.failed(process, why, this.stage.everything(), this.#disturbed)
    if (monitor.excuse === undefined) {
      monitor.fail("the session is kept", `afterwards a new process gets no token (${why}), and no fault explains it`)
    }
  }

  // ------------------------------------------------------------------ what can happen next

  #isOver({ outcomes, process, started }: Member): boolean {
    return (
      started === outcomes.length && process.pending.length === 0 && outcomes.every((outcome) => outcome !== undefined)
    )
  }

  #nextInstant(): number {
    let next = Infinity
    for (const { process } of this.members) {
      for (const { deadline } of process.sleepers) if (deadline > this.sim.now && deadline < next) next = deadline
    }
    return next
  }

  enabled(): Array<Sim.Action> {
    const actions: Array<Sim.Action> = []
    if (this.#steps >= this.#maxSteps) return actions
    for (const member of this.members) {
      const { outcomes, process, started } = member
      if (!process.alive) continue
      actions.push(...this.sim.stepsOf(process))
      if (started < outcomes.length) {
        const run = (): void => this.#start(member)
        actions.push({
          id: `${process.name}:call${started}`,
          process: process.index,
          fault: 0,
          stall: 0,
          local: false,
          run,
        })
      }
    }
    actions.push(...this.#network.steps())
    const busy = actions.length > 0
    const quiet = !busy && this.members.every((member) => !member.process.alive || this.#isOver(member))
    const next = this.#nextInstant()
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
    const { sim } = this
    const run = (): void => {
      if (busy) this.#stallsLeft--
      sim.wrote = Sim.Everything
      sim.log(
        "Clock",
        "Clock",
        `${(next - sim.now) / 1000} s pass${busy ? ", and everybody else stands still" : ""}`,
        "time",
      )
      sim.now = next
      if (sim.now - sim.start > this.#horizonMillis)
        this.stage.monitor.fail("I9 every waiter ends", "it goes on for ever")
    }
    return { id: "time", process: -1, fault: 0, stall: busy ? 1 : 0, local: false, run }
  }

  #afterTheEnd(): void {
    const { sim } = this
    sim.wrote = Sim.Everything
    sim.now = Math.max(sim.now + this.stage.server.policy().accessLifetimeMillis, this.#vault.busyUntil) + 1
    sim.log("Clock", "Clock", "later: every access token has ended", "time")
  }

  #nextRound(): void {
    this.#roundsLeft--
    this.#afterTheEnd()
    for (const { calls, outcomes, process } of this.members) {
      if (process.alive) outcomes.push(...Array.from({ length: calls }, () => undefined))
    }
  }

  #epilogue(): void {
    this.#asked = true
    this.#faultsLeft = 0
    this.#stallsLeft = 0
    for (const { process } of this.members) process.die()
    this.#afterTheEnd()
    const [first] = this.scenario.processes
    if (first !== undefined) this.#spawn(this.members.length, "Z", first.client, 1, true)
  }

  #offerFaults(actions: Array<Sim.Action>): void {
    const { sim } = this
    const add = (kind: string, id: string, process: number, run: () => void): void => {
      const happens = (): void => {
        this.#faultsLeft--
        this.stage.count(kind)
        sim.wrote |= Sim.Budget
        run()
      }
      actions.push({ id: `${id}!${kind}`, process, fault: 1, stall: 0, local: false, run: happens })
    }
    for (const kind of this.scenario.faults ?? []) {
      if (kind === "crash") {
        for (const member of this.members) {
          const { process } = member
          const hasBegun = member.started > 0 || process.operations > 0
          if (process.alive && hasBegun && !this.#isOver(member))
            add(kind, process.name, process.index, () => this.#crash(member))
        }
      } else if (kind === "revoke") {
        if (this.happened["revoke"] === undefined) add(kind, "AS", -1, () => this.#revoke())
      } else {
        this.#network.faults(kind, (_, id, process, run) => add(kind, id, process.index, run))
      }
    }
  }

  #revoke(): void {
    this.sim.wrote = Sim.Everything
    this.stage.server.revokeGrant(this.#grant.number)
    this.stage.monitor.excused("an administrator revoked the grant")
    this.sim.log("AS", "AS", "an administrator revokes the grant", "fault")
  }

  #crash({ client, process }: Member): void {
    const { restart = 0 } = this.scenario
    this.sim.wrote |= Sim.own(process.index) | Sim.network(process.index) | Sim.Ghost | Sim.Alive
    this.sim.log(process.name, process.name, "is killed", "fault")
    process.die()
    this.#network.killed(process)
    this.stage.monitor.killed(process)
    if (restart > 0) this.#spawn(process.index, `${process.name}'`, client, restart)
  }

  // ------------------------------------------------------------------ what the explorer asks for

  step(action: Sim.Action): Promise<void> {
    this.sim.read = 0
    this.sim.wrote = 0
    this.#steps++
    this.#current = this.members[action.process]?.process
    return this.#settle(action.run)
  }

  access(): Access {
    return [this.sim.read, this.sim.wrote]
  }

  violation(): Violation | undefined {
    return this.stage.monitor.violation
  }

  /** At a state from which only faults lead on. */
  atEnd(): void {
    if (this.#steps >= this.#maxSteps) return
    for (const { outcomes, process } of this.members) {
      if (!process.alive || outcomes.every((outcome) => outcome !== undefined)) continue
      const said = outcomes.map((outcome) => outcome ?? "waiting").join(", ")
      return this.stage.monitor.fail("I9 every waiter ends", `${process.name} never answers (${said})`)
    }
  }

  /** Of a program that nobody knows, no step is known to touch nothing shared. */
  ample(): number {
    return -1
  }

  /** The state, named by what can influence the future; a process's memory by all that it has observed. */
  key(symmetry: boolean, last: number): string {
    const { sim } = this
    const { monitor, server } = this.stage
    const parts = this.members.map((member) => {
      const { process } = member
      const memory = !process.alive
        ? "dead"
        : this.#isOver(member) && process.sleepers.length === 0
          ? "over"
          : process.history
      const own = `${this.#network.digest(process)}${this.#vault.mark(process)}${monitor.marks(process)}`
      return `${memory}${process.index === last ? "*" : ""}${own}`
    })
    const alike = symmetry && !this.#named
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

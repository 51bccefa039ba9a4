/**
 * A world in which real Keepers race: processes on hosts, one store, one authorization server, a network, and faults.
 *
 * **Details**
 *
 * - Choice points: a call arrives, a store operation, a request leaves, the server acts, an answer is delivered, a sleeper
 *   wakes, time passes. Everything else in a process is one uninterruptible step, as it is in Node.
 * - A fault costs one of the budget, a stall (time passes although something could happen: a paused process, a slow
 *   network, a laptop asleep) one of its own. Time moves for free only when nothing else can happen.
 * - When all is quiet the epilogue asks once more, after the token's end, in a fresh process: is the login still there?
 */
import { forgivesReuse } from "../lifecycle/Credential.ts"
import type { Access, Explorable } from "./explore.ts"
import { Lives } from "./Life.ts"
import { type Invariant, Monitor, type Violation } from "./Monitor.ts"
import * as OwnerJudge from "./ownerJudge.ts"
import { type Parts, realParts } from "./Parts.ts"
import type { Moment } from "./Program.ts"
import type { Bounds, Fault, Scenario } from "./Scenario.ts"
import * as Sim from "./Simulation.ts"
import { WorldFile } from "./WorldFile.ts"
import { pauseMillis, WorldFaults } from "./WorldFaults.ts"
import { WorldNetwork } from "./WorldNetwork.ts"
import { type Member, WorldProcesses } from "./WorldProcesses.ts"
import { epilogueName, ownerName } from "./worldNames.ts"
import * as WorldServer from "./WorldServer.ts"
import { WorldStore } from "./WorldStore.ts"

export interface WorldOptions extends Bounds {
  /** Keep the lines of the trace. */
  readonly record?: boolean
  readonly parts?: Parts
  /** What programs have done in other worlds of the same parts. */
  readonly lives?: Lives | undefined
  /** Only these are watched; all when absent. */
  readonly watched?: ReadonlySet<Invariant> | undefined
}

/** Its parts get the world itself: what one of them does, another has to judge, to name, or to undo. */
export class World implements Explorable {
  readonly sim: Sim.Simulation
  readonly monitor: Monitor
  readonly scenario: Scenario
  readonly lives: Lives
  readonly server: WorldServer.WorldServer
  readonly store: WorldStore
  /** The owner's, where the login is another program's too. */
  readonly file: WorldFile | undefined
  readonly network: WorldNetwork
  readonly processes: WorldProcesses
  /** The access token that a resource server refuses although it has not ended, where the scenario has one. */
  readonly badToken: string | undefined
  faultsLeft: number
  stallsLeft: number
  /** What happened how often since this world was made or forked, so that "holds" can show that it could have failed. */
  readonly happened: Record<string, number> = {}
  /** What has gone wrong so far, and how often. */
  readonly faulted: Partial<Record<Fault, number>> = {}
  readonly #options: WorldOptions
  readonly #faults: WorldFaults
  /** Longer than any story goes that comes to an end: a stall lasts no longer than a token. */
  readonly #horizonMillis: number
  #epilogue: "none" | "halfway" | "asked" = "none"
  #rank: Array<number> = []

  /** `origin`: the world that this one goes on from, in its own way. */
  constructor(scenario: Scenario, options: WorldOptions, origin?: World) {
    this.scenario = scenario
    this.#options = options
    this.sim = new Sim.Simulation(options.record ?? false)
    this.#faults = new WorldFaults(this)
    const lifetimeMillis = scenario.server.accessLifetimeMillis ?? 3_600_000
    this.#horizonMillis = (3 + options.stalls) * Math.max(3_600_000, lifetimeMillis)
    if (origin !== undefined) {
      this.lives = origin.lives
      this.sim.now = origin.sim.now
      this.faultsLeft = origin.faultsLeft
      this.stallsLeft = origin.stallsLeft
      this.badToken = origin.badToken
      this.#epilogue = origin.#epilogue
      Object.assign(this.faulted, origin.faulted)
      this.server = origin.server.fork()
      this.store = origin.store.fork(this)
      this.file = origin.file?.fork(this)
      this.network = new WorldNetwork(this)
      this.processes = new WorldProcesses(this)
      this.processes.goOnFrom(origin.processes)
      const { members } = origin.processes
      const twin = (process: Sim.Process): Sim.Process =>
        process.alive ? this.processes.members[process.index]!.process : process
      this.monitor = origin.monitor.fork(twin)
      this.network.goOnFrom(origin.network, (member) => this.processes.members[members.indexOf(member)] ?? member)
      return
    }
    this.lives = options.lives ?? new Lives(options.parts ?? realParts)
    this.faultsLeft = options.faults
    this.stallsLeft = options.stalls
    const left = { fresh: lifetimeMillis, inWindow: lifetimeMillis * 0.1, ended: -1 }[scenario.token]
    this.server = WorldServer.make(scenario.server, this.sim.now + left)
    const { replacesSuccessor, reuse } = this.server.policy
    const isOncePerToken = scenario.owner !== undefined && reuse !== "notRotating"
    this.monitor = new Monitor(options.watched, forgivesReuse(reuse), replacesSuccessor, isOncePerToken)
    const first = { ...this.server.first, expiresAt: this.sim.now + left }
    this.file = scenario.owner && new WorldFile(this, scenario.owner.habit, first)
    this.store = new WorldStore(this, undefined)
    this.store.stored = this.lives.same(this.store.credential(this.server.first, this.sim.now + left))
    this.network = new WorldNetwork(this)
    this.processes = new WorldProcesses(this)
    const isRefused = scenario.processes.some(({ calls }) => calls.includes("refused"))
    this.badToken = isRefused ? this.server.first.accessToken : undefined
    if (this.badToken !== undefined) this.server.withdraw(this.badToken)
    for (const [index, { calls, host, skewMillis }] of scenario.processes.entries()) {
      const refused = calls.map((call) => call === "refused")
      this.processes.spawn(index, `P${index}`, host ?? "h1", skewMillis ?? 0, refused)
    }
    for (const [index, calls] of (scenario.owner?.calls ?? []).entries()) {
      const refused = Array.from({ length: calls }, () => false)
      this.processes.spawn(scenario.processes.length + index, `${ownerName}${index}`, "h1", 0, refused)
    }
  }

  /** The same world once more, so that each can go its own way. */
  fork(): World {
    return new World(this.scenario, this.#options, this)
  }

  /** For hosts' clocks: a pause moves the one that tells the time. */
  get moment(): Moment {
    const { now } = this.sim
    return { now, uptime: now - pauseMillis * (this.faulted.pause ?? 0) }
  }

  count(what: string): void {
    this.happened[what] = (this.happened[what] ?? 0) + 1
  }

  // ------------------------------------------------------------------ what can happen next

  enabled(): Array<Sim.Action> {
    const actions = [...this.processes.steps(), ...this.network.steps()]
    // When somebody uses the owner's program is not ours to say: the time may pass before it.
    const busy = actions.some(({ id }) => !(id.startsWith(ownerName) && id.includes(":call")))
    const next = this.#nextInstant
    const quiet = actions.length === 0 && this.#isQuiet
    if (next !== Infinity && !quiet && (!busy || this.stallsLeft > 0)) actions.push(this.#timePasses(next, busy))
    if (quiet && this.scenario.epilogue && this.#epilogue !== "asked") actions.push(this.#askOnceMore())
    if (this.faultsLeft > 0) actions.push(...this.#faults.steps(actions))
    return actions
  }

  /** Nobody waits, nothing is on the wire, and no token is held that the store has not taken. */
  get #isQuiet(): boolean {
    const { rotations } = this.monitor
    const isHeld = rotations.some(({ fate, holder }) => fate === "delivered" && holder?.alive === true)
    return this.network.isQuiet && !isHeld && this.processes.isQuiet
  }

  get #nextInstant(): number {
    const next = this.processes.nextInstant
    // A store that is down comes back whether or not somebody sleeps until then, and so does a file.
    return Math.min(next, this.store.isDown ? this.store.downUntil : Infinity, this.file?.nextInstant ?? Infinity)
  }

  #timePasses(next: number, busy: boolean): Sim.Action {
    const { sim } = this
    const run = (): void => {
      if (busy) this.stallsLeft--
      sim.wrote = Sim.Everything
      const still = busy ? ", and everybody else stands still" : ""
      sim.log("Clock", "Clock", `${(next - sim.now) / 1000} s pass${still}`, "time")
      sim.now = next
      if (sim.now - sim.start > this.#horizonMillis) this.monitor.fail("I9 every waiter ends", "it goes on for ever")
    }
    return { id: "time", process: -1, fault: 0, stall: busy ? 1 : 0, local: false, run }
  }

  #askOnceMore(): Sim.Action {
    const { processes, sim, store } = this
    const run = (): void => {
      const isHalfway = this.#epilogue === "halfway"
      if (isHalfway) OwnerJudge.agree(this)
      sim.wrote = Sim.Everything
      this.#epilogue = this.#epilogue === "none" && this.file !== undefined ? "halfway" : "asked"
      this.faultsLeft = 0
      this.stallsLeft = 0
      for (const { process } of processes.members) process.die()
      if (!isHalfway) {
        sim.now = this.#whenAllIsOver + 1
        sim.log("Clock", "Clock", "later: the token has ended, and everything works again", "time")
      }
      if (store.stored !== undefined) processes.spawn(processes.members.length, this.#lastCaller, "h1", 0, [false])
    }
    return { id: "epilogue", process: -1, fault: 0, stall: 0, local: false, run }
  }

  /** Where there is an owner, it asks too: first where it alone can refresh, and otherwise after us. */
  get #lastCaller(): string {
    const { owner } = this.scenario
    if (owner === undefined) return epilogueName
    const isFirst = this.#epilogue === "halfway"
    return isFirst === (owner.mode === "borrow") ? `${ownerName}Z` : epilogueName
  }

  /** The token has ended, and nothing that was stored or broken makes anybody wait any more. */
  get #whenAllIsOver(): number {
    const { sim, store } = this
    const { pause, ticket, tokens } = store.stored ?? {}
    const end = tokens?.expiry._tag === "Known" ? tokens.expiry.at : sim.now
    // After a doubt the last presentation waits for a while: five minutes, and some more for a clock that is behind.
    const calm = ticket === undefined ? 0 : ticket.issuedAt + 600_000
    const [torn, stuck] = [this.file?.tornUntil ?? 0, this.file?.stuckUntil ?? 0]
    const inFile = this.file?.login?.expiresAt ?? 0
    return Math.max(end, inFile, ticket?.drainedAt ?? 0, calm, pause?.until ?? 0, store.downUntil, torn, stuck, sim.now)
  }

  // ------------------------------------------------------------------ what the explorer asks for

  step(action: Sim.Action): void {
    this.sim.step(action)
  }

  access(): Access {
    return [this.sim.read, this.sim.wrote]
  }

  violation(): Violation | undefined {
    return this.monitor.violation
  }

  /** At a state from which nothing follows. */
  atEnd(): void {
    if (this.#epilogue === "asked") OwnerJudge.agree(this)
    for (const { calls, process } of this.processes.members) {
      if (!process.alive || calls.every(({ done }) => done !== undefined)) continue
      const said = calls.map(({ done }) => done ?? "waiting").join(", ")
      return this.monitor.fail("I9 every waiter ends", `${process.name} never answers (${said})`)
    }
    for (const { accessToken, fate, holder } of this.monitor.rotations) {
      if (fate === "delivered" && holder?.alive === true && !this.store.isDown && holder.sleepers.length === 0) {
        this.monitor.fail("I4 what was granted is stored", `${holder.name} has ${accessToken} and never stored it`)
      }
      if (fate === "journaled" && this.#epilogue === "asked") {
        this.monitor.fail(
          "I4 what was granted is stored",
          `nobody made anything of ${accessToken}, which is written down`,
        )
      }
    }
  }

  /** One way out of here whose alternatives need not be tried: alone in its process, touching nothing shared. */
  ample(actions: ReadonlyArray<Sim.Action>): number {
    if (this.faultsLeft > 0 || this.stallsLeft > 0) return -1
    const isAlone = (index: number): boolean => actions.filter(({ process }) => process === index).length === 1
    const awaits = (index: number): boolean =>
      this.network.messages.some(({ process, state }) => process.index === index && state === "sent")
    return actions.findIndex(({ local, process }) => local && process >= 0 && isAlone(process) && !awaits(process))
  }

  /** The state, named by what can influence the future. With `symmetry`, processes that differ in number only are equal. */
  key(symmetry: boolean, last: number): string {
    const { monitor, server, sim, store } = this
    const { members } = this.processes
    const holder = store.stored?.ticket?.holder.instance
    const parts = members.map((member) => {
      const { process } = member
      const marks = `${process.index === last ? "*" : ""}${holder === process.name ? "T" : ""}`
      return `${this.#memory(member)}${marks}${this.network.digest(process)}${monitor.marks(process)}${this.#beside(member)}`
    })
    if (symmetry) {
      const order = parts.map((_, index) => index)
      order.sort((a, b) => (parts[a]! < parts[b]! ? -1 : parts[a]! > parts[b]! ? 1 : a - b))
      this.#rank = []
      for (const [rank, index] of order.entries()) this.#rank[index] = rank
      parts.sort()
    }
    const isTicketGone = holder !== undefined && !members.some(({ process }) => process.name === holder)
    const stored = `${store.name}${isTicketGone ? "G" : ""}|${store.newest}|${store.downUntil}`
    const budget = `${this.#epilogue}|${this.faultsLeft},${this.stallsLeft}`
    const file = this.file === undefined ? "" : `${this.file.name}|`
    return `${sim.now}|${file}${stored}|${server.digest()}|${monitor.digest()}|${budget}|${parts.join("|")}`
  }

  /** A process that is dead, or that has nothing left to do, has a past and no future. */
  #memory(member: Member): string {
    const { calls, process, started } = member
    if (!process.alive) return "dead"
    const isBusy = process.pending.length > 0 || process.sleepers.length > 0
    if (!isBusy && started === calls.length && calls.every(({ isWaiting }) => !isWaiting)) return "over"
    return this.scenario.memory === "history" ? process.history : this.processes.memory(member)
  }

  /** What of a process's past its deeds beside an owner are judged by. */
  #beside({ calls, hasRead, process }: Member): string {
    if (this.file === undefined) return ""
    const then = calls.map(({ fileThen, isWaiting }) => (isWaiting && fileThen === this.file?.text ? "=" : "~"))
    const seen = `${hasRead?.refreshToken}${hasRead?.isLate ? "!" : ""}${hasRead?.isStuck ? "?" : ""}`
    return `${process.isOwner ? process.name : ""}${this.file.marks(process)}${seen}${then.join("")}`
  }

  /** The action's name without the accident of how processes are numbered. */
  canonical(id: string): string {
    const digit = id.charCodeAt(1) - 48
    return id[0] === "P" && digit >= 0 && digit <= 9 ? `Q${this.#rank[digit]}${id.slice(2)}` : id
  }
}

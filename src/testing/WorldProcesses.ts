/**
 * The processes of a world: each a real Keeper with a clock, a store and an endpoint of its own, and callers that ask it.
 *
 * **Details**
 *
 * - Members are kept by number: the successor of a killed process takes its place, and the epilogue's comes last.
 * - Whatever a process learns is noted in its history, because that history may stand for its memory.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { TokenEndpoint } from "../exchange/TokenEndpoint.ts"
import type { Access, Handle } from "../keeper/Keeper.ts"
import * as Hooks from "../keeper/hooks.ts"
import * as Live from "../keeper/live.ts"
import { Processes } from "../keeper/Processes.ts"
import { initial, type State } from "../lifecycle/machine.ts"
import { CredentialStore } from "../store/CredentialStore.ts"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import * as Judge from "./worldJudge.ts"
import { stateName, stateText } from "./worldNames.ts"
import { credentialName } from "./WorldStore.ts"

export interface Call {
  readonly index: number
  /** The token that a resource server has refused to the caller. */
  readonly refused: string | undefined
  fiber: Fiber.Fiber<Access, unknown> | undefined
  done: string | undefined
}

export interface Member {
  readonly process: Sim.Process
  /** The machine's state, as the process remembers it. */
  state: State
  readonly calls: Array<Call>
  started: number
  handle: Handle
}

/** Who asks when all is over: its callers have no deadline. */
export const epilogueName = "Z"

export class WorldProcesses {
  readonly members: Array<Member> = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  // ------------------------------------------------------------------ a process's life

  /** `refused`: of each call, whether it is made because the first access token was refused. */
  spawn(index: number, called: string, host: string, skewMillis: number, refused: ReadonlyArray<boolean>): void {
    const { scenario, server, sim } = this.#world
    const process = new Sim.Process(index, called, host, skewMillis)
    const member: Member = {
      process,
      calls: refused.map((isRefused, call) => ({
        index: call,
        refused: isRefused ? server.first.accessToken : undefined,
        fiber: undefined,
        done: undefined,
      })),
      started: 0,
      state: initial(scenario.background ?? false),
      handle: undefined as unknown as Handle,
    }
    const keeper = Live.make({
      background: scenario.background ?? false,
      label: "program",
      exchangeDeadlineMillis: Judge.exchangeDeadlineMillis,
      // What nobody decides by needs no step of its own.
      history: false,
      clockCheckMillis: Infinity,
      callerDeadlineMillis: Infinity,
      ...scenario.options,
      ...(called === epilogueName && { callerDeadlineMillis: Infinity }),
    })
    const fiber = Effect.runForkWith(this.#services(member))(keeper, { scheduler: sim.scheduler })
    sim.drain()
    const exit = fiber.pollUnsafe()
    if (exit === undefined || Exit.isFailure(exit)) throw new Error(`${called} did not start`)
    member.handle = this.#world.parts.keeper(exit.value.credential(credentialName), this.#world, process)
    this.members[index] = member
  }

  #services(member: Member) {
    const { network, parts, sim, store } = this.#world
    const { process } = member
    const { host, index, name } = process
    return Context.make(CredentialStore, parts.store(store.service(process), process)).pipe(
      Context.add(TokenEndpoint, parts.endpoint(network.service(process), process)),
      Context.add(Processes, {
        self: { instance: name, host, bootId: "1", pid: index, startedAt: name },
        isGone: (holder) => {
          sim.read |= Sim.Alive
          return this.isGone(holder, host)
        },
      }),
      Context.add(Hooks.Decide, parts.decide),
      Context.add(Hooks.Observer, this.#observe(member)),
      Context.add(Scope.Scope, Scope.makeUnsafe()),
      Context.merge(sim.surroundings(process)),
    )
  }

  /** I2 as one process sees it: what it knows of the generation only grows, but for a token it never showed to anybody. */
  #observe(member: Member): Context.Service.Shape<typeof Hooks.Observer> {
    const { process } = member
    return (_, before, event, after) => {
      member.state = after
      const from = stateName(before)
      this.#world.count(`${from} ${event.type} ${stateName(after)}`)
      const known = before.context.view.generation
      if (after.context.view.generation < known && from !== "committing") {
        this.#world.monitor.fail("I2 generations grow", `${process.name} went back from generation ${known}`)
      }
    }
  }

  /** What somebody on `host` can know: of other hosts' processes nothing. */
  isGone(holder: { readonly instance: string; readonly host: string }, host: string): boolean {
    return (
      holder.host === host && !this.members.some(({ process }) => process.name === holder.instance && process.alive)
    )
  }

  /** Who reads: one of the calls, or the Keeper on everybody's behalf. */
  caller(process: Sim.Process, fiber: unknown): string {
    const member = this.members.find((other) => other.process === process)
    return String(member?.calls.find((call) => call.fiber === fiber)?.index ?? "keeper")
  }

  // ------------------------------------------------------------------ callers

  #start(member: Member, call: Call): void {
    const { sim } = this.#world
    const { handle, process } = member
    sim.wrote |= Sim.own(process.index)
    member.started++
    process.observe(`call${call.index}`)
    sim.log("Caller", process.name, call.refused === undefined ? "token?" : `${call.refused} was refused`, "call")
    const asked = call.refused === undefined ? handle.access() : handle.refused(call.refused)
    const fiber = Effect.runForkWith(sim.surroundings(process))(asked, { scheduler: sim.scheduler })
    call.fiber = fiber
    fiber.addObserver((exit) => this.#answered(process, call, exit))
  }

  #answered(process: Sim.Process, call: Call, exit: Exit.Exit<Access, unknown>): void {
    const { sim } = this.#world
    call.fiber = undefined
    sim.read |= Sim.Server | Sim.Store | Sim.Ghost | Sim.Time
    if (Exit.isSuccess(exit)) this.#served(process, call, exit.value)
    else this.#turnedAway(process, call, exit)
    process.observe(`done${call.index}${call.done}`)
    if (Exit.isSuccess(exit) && exit.value.note) Judge.noSecret(this.#world, process, exit.value.note)
    if (process.name === epilogueName) Judge.lastWord(this.#world, call)
  }

  #served(process: Sim.Process, call: Call, access: Access): void {
    const { server, sim } = this.#world
    const token = Redacted.value(access.token)
    call.done = token
    sim.log(process.name, "Caller", `here is ${token}`, "reply")
    Judge.served(this.#world, process, call, token)
    sim.wrote |= Sim.Server
    server.used(token)
  }

  #turnedAway(process: Sim.Process, call: Call, { cause }: Exit.Failure<Access, unknown>): void {
    const failure = cause.reasons.find((reason) => reason._tag === "Fail")
    const defect = cause.reasons.find((reason) => reason._tag === "Die")
    if (defect !== undefined) throw defect.defect
    const error = failure?.error as
      | { readonly _tag: string; readonly message: string; readonly reason?: string }
      | undefined
    call.done = error === undefined ? "gave up" : `${error._tag} ${error.reason ?? ""}`
    this.#world.sim.log(process.name, "Caller", call.done.trim(), "reply")
    if (error !== undefined) Judge.turnedAway(this.#world, process, call, error)
  }

  // ------------------------------------------------------------------ what can happen next

  /** Nobody waits, and whatever a process has under way on its own it brings to an end. */
  get isQuiet(): boolean {
    return this.members.every(({ calls, process, started, state }) => {
      if (!process.alive) return true
      if (process.sleepers.length > 0 && typeof state.value === "object") return false
      return started === calls.length && calls.every(({ done }) => done !== undefined)
    })
  }

  /** When the next sleeper wakes. */
  get nextInstant(): number {
    const { now } = this.#world.sim
    let next = Infinity
    for (const { process } of this.members) {
      for (const { deadline } of process.sleepers) if (deadline > now && deadline < next) next = deadline
    }
    return next
  }

  /** What processes can do next by themselves, and callers with them. */
  steps(): Array<Sim.Action> {
    const actions: Array<Sim.Action> = []
    for (const member of this.members) {
      const { calls, process, started } = member
      if (!process.alive) continue
      actions.push(...this.#world.sim.stepsOf(process))
      const call = calls[started]
      if (call === undefined) continue
      const id = `${process.name}:call${call.index}`
      const run = (): void => this.#start(member, call)
      actions.push({ id, process: process.index, fault: 0, stall: 0, local: true, run })
    }
    return actions
  }

  /**
   * What a process remembers, written out: its machine's state, the token at hand, what each call waits for, what it has
   * asked for and when it will wake. Many histories lead to one memory; `memory: "history"` in a scenario tells them apart.
   */
  memory({ calls, handle, process, started, state }: Member): string {
    const { store } = this.#world
    const { outcome, view } = state.context
    let text = `${stateText(state)}${store.relation(view.ticket?.id)}`
    text += `${view.ticket?.holderGone ? "g" : ""}${store.relation(outcome.doubt)}|${handle.peek() ?? ""}|${started}`
    for (const { done, fiber } of calls) text += done !== undefined ? "d" : fiber === undefined ? "." : "w"
    for (const operation of process.pending) text += `;${operation.kind}${operation.detail()}`
    for (const { deadline } of process.sleepers) text += `~${deadline}`
    return text
  }
}

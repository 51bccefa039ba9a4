/**
 * The processes of a world: each a real Keeper with a clock, a store and an endpoint of its own, and callers that ask it.
 *
 * **Details**
 *
 * - Members are kept by number: the successor of a killed process takes its place, and the epilogue's comes last.
 * - What a process does is told by its `Life`; here it takes effect. Whatever it learns is noted in its history, because
 *   that history may stand for its memory.
 */
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import type { Access } from "../keeper/Keeper.ts"
import type { Holder } from "../lifecycle/Credential.ts"
import type { Life } from "./Life.ts"
import type { Deed, Happening, Request } from "./Program.ts"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import * as OwnerJudge from "./ownerJudge.ts"
import * as Judge from "./worldJudge.ts"
import { epilogueName, ownerName, stateDigest, stateName } from "./worldNames.ts"

export interface Call {
  readonly index: number
  /** The token that a resource server has refused to the caller. */
  readonly refused: string | undefined
  isWaiting: boolean
  done: string | undefined
  /** What stood in the owner's file when it began, and could be read ever since. */
  fileThen?: string | undefined
}

export interface Member {
  readonly process: Sim.Process
  life: Life
  readonly calls: Array<Call>
  started: number
  /** The owner's login as this process read it last; whether something newer was stored by then, and nobody could write. */
  hasRead?:
    | { readonly refreshToken: string | undefined; readonly isLate: boolean; readonly isStuck: boolean }
    | undefined
  /** What its operating system knows of others. */
  readonly isGone: (holder: Holder) => boolean
}

export class WorldProcesses {
  readonly members: Array<Member> = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  // ------------------------------------------------------------------ a process's life

  /** `refused`: of each call, whether it is made because the first access token was refused. */
  spawn(index: number, name: string, host: string, skewMillis: number, refused: ReadonlyArray<boolean>): void {
    const { lives, moment, scenario, server } = this.#world
    const owner = this.#isOwners(index, name) ? scenario.owner!.habit : undefined
    const process = new Sim.Process(index, name, host, skewMillis, owner !== undefined)
    const tokens = refused.map((isRefused) => (isRefused ? server.first.accessToken : undefined))
    const options = {
      background: scenario.background ?? false,
      label: "program",
      exchangeDeadlineMillis: Judge.exchangeDeadlineMillis,
      // What nobody decides by needs no step of its own.
      history: false,
      telemetry: false,
      clockCheckMillis: Infinity,
      callerDeadlineMillis: Infinity,
      ...scenario.options,
      ...(name === epilogueName && { callerDeadlineMillis: Infinity }),
    }
    const life = lives.begin(
      { name, index, host, skewMillis, refused: tokens, options, ...(owner && { owner }) },
      moment,
    )
    const calls = tokens.map((token, call) => ({ index: call, refused: token, isWaiting: false, done: undefined }))
    const member = this.#member(process, life, calls, 0)
    this.members[index] = member
    for (const deed of life.deeds) this.#does(member, deed)
  }

  /** After the Keepers come the processes of the owner. */
  #isOwners(index: number, name: string): boolean {
    return name.startsWith(ownerName) && index >= this.#world.scenario.processes.length
  }

  /** Everybody in the world that this one is a fork of is here too, and has come as far. */
  goOnFrom({ members }: WorldProcesses): void {
    for (const { calls, hasRead, life, process, started } of members) {
      this.members.push(this.#again(process, calls, life, started))
      this.members.at(-1)!.hasRead = hasRead
    }
  }

  /** What is dead stays as it is. */
  #again(from: Sim.Process, calls: ReadonlyArray<Call>, life: Life, started: number): Member {
    const process = from.alive ? from.copy() : from
    const member = this.#member(
      process,
      life,
      calls.map((call) => ({ ...call })),
      started,
    )
    if (!from.alive) return member
    for (const { id, number, request } of from.pending) {
      process.pending.push(this.#offer(member, number!, request as Request, id))
    }
    for (const { deadline, number } of from.sleepers) process.sleepers.push(this.#sleeper(member, number!, deadline))
    return member
  }

  #member(process: Sim.Process, life: Life, calls: Array<Call>, started: number): Member {
    const { sim } = this.#world
    const isGone = (holder: Holder): boolean => {
      sim.read |= Sim.Alive
      return this.isGone(holder, process.host)
    }
    return { process, life, calls, started, isGone }
  }

  #offer(member: Member, number: number, request: Request, id?: string): Sim.Operation {
    const { file, network, store } = this.#world
    if (request._tag === "Send") return network.send(member, number, request)
    if (request._tag === "Read" || request._tag === "Change") return store.offer(member, number, request, id)
    return file!.offer(member, number, request, id)
  }

  #sleeper(member: Member, number: number, deadline: number): Sim.Sleeper {
    const wake = (): void =>
      this.happens(
        member,
        `w${number}`,
        () => ({ _tag: "Woke", number }),
        () => `wakes${deadline}`,
      )
    return { number, deadline, wake }
  }

  /**
   * Something happens to a process, and it does what it does. `name` tells it from whatever else could happen to it now,
   * and `learns` what it learns from it: process numbers must not show in it, or symmetric states look different.
   */
  happens(member: Member, name: string, happening: () => Happening, learns: () => string): void {
    const { lives, moment, scenario, sim } = this.#world
    const { process } = member
    sim.read |= Sim.Time
    sim.wrote |= Sim.own(process.index)
    if (scenario.memory === "history") process.observe(`${learns()}@${sim.now}`)
    member.life = lives.next(member.life, name, happening, moment, member.isGone)
    for (const deed of member.life.deeds) this.#does(member, deed)
  }

  #does(member: Member, deed: Deed): void {
    const { file, network, sim } = this.#world
    const { process } = member
    switch (deed._tag) {
      case "Unlocks":
        return file!.unlock(process, deed.places)
      case "Asks": {
        const { number, request } = deed
        process.operations++
        process.pending.push(this.#offer(member, number, request))
        return
      }
      case "Leaves": {
        const at = process.pending.findIndex(({ number }) => number === deed.number)
        if (at >= 0) process.pending.splice(at, 1)
        else network.hangUp(process, deed.number)
        return
      }
      case "Sleeps": {
        const { deadline, number } = deed
        process.operations++
        process.sleepers.push(this.#sleeper(member, number, deadline))
        return
      }
      case "StaysUp": {
        const at = process.sleepers.findIndex(({ number }) => number === deed.number)
        if (at >= 0) process.sleepers.splice(at, 1)
        return
      }
      case "Decides":
        return this.#decides(process, deed)
      case "Answers":
        sim.read |= Sim.Server | Sim.Store | Sim.Ghost
        return this.#answered(process, member.calls[deed.call]!, deed.exit)
    }
  }

  /** I2 as one process sees it: what it knows of the generation only grows, but for a token it never showed to anybody. */
  #decides(process: Sim.Process, { after, before, event }: Extract<Deed, { _tag: "Decides" }>): void {
    const from = stateName(before)
    this.#world.count(`${from} ${event.type} ${stateName(after)}`)
    const known = before.context.view.generation
    if (after.context.view.generation < known && from !== "committing") {
      this.#world.monitor.fail("I2 generations grow", `${process.name} went back from generation ${known}`)
    }
  }

  /** What somebody on `host` can know: of other hosts' processes nothing. */
  isGone(holder: { readonly instance: string; readonly host: string }, host: string): boolean {
    return (
      holder.host === host && !this.members.some(({ process }) => process.name === holder.instance && process.alive)
    )
  }

  // ------------------------------------------------------------------ callers

  #start(member: Member, call: Call): void {
    const { file, sim } = this.#world
    if (file !== undefined) sim.read |= Sim.File
    const { process } = member
    member.started++
    call.isWaiting = true
    call.fileThen = file?.isTorn === true ? undefined : file?.text
    sim.log("Caller", process.name, call.refused === undefined ? "token?" : `${call.refused} was refused`, "call")
    const { index } = call
    this.happens(
      member,
      `c${index}`,
      () => ({ _tag: "Called", call: index }),
      () => `call${index}`,
    )
  }

  /** A caller goes away. */
  cancel(member: Member, { index }: Call): void {
    this.#world.sim.log("Caller", member.process.name, `goes away (call ${index})`, "fault")
    this.happens(
      member,
      `x${index}`,
      () => ({ _tag: "Cancelled", call: index }),
      () => `cancel${index}`,
    )
  }

  #answered(process: Sim.Process, call: Call, exit: Exit.Exit<Access, unknown>): void {
    call.isWaiting = false
    if (Exit.isSuccess(exit)) this.#served(process, call, exit.value)
    else this.#turnedAway(process, call, exit)
    if (this.#world.scenario.memory === "history") process.observe(`done${call.index}${call.done}`)
    if (Exit.isSuccess(exit) && exit.value.note) Judge.noSecret(this.#world, process, exit.value.note)
    if (process.name === epilogueName) Judge.lastWord(this.#world, call)
    if (process.isOwner) OwnerJudge.ownerAnswered(this.#world, process, call)
  }

  #served(process: Sim.Process, call: Call, access: Access): void {
    const { server, sim } = this.#world
    const token = Redacted.value(access.token)
    call.done = token
    sim.log(process.name, "Caller", `here is ${token}`, "reply")
    if (!process.isOwner) Judge.served(this.#world, process, call, token)
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
    if (error !== undefined && !process.isOwner) Judge.turnedAway(this.#world, process, call, error)
  }

  // ------------------------------------------------------------------ what can happen next

  /** Nobody waits, and whatever a process has under way on its own it brings to an end. */
  get isQuiet(): boolean {
    return this.members.every(({ calls, life, process, started }) => {
      if (!process.alive) return true
      if (process.sleepers.length > 0 && typeof life.state.value === "object") return false
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
  memory({ calls, life, process, started }: Member): string {
    const { atHand, state } = life
    const { store } = this.#world
    const { outcome, view } = state.context
    let text = `${stateDigest(state)}${store.relation(view.ticket?.id)}`
    text += `${view.ticket?.holderGone ? "g" : ""}${store.relation(outcome.ticketId)}|${atHand}|${started}`
    for (const { done, isWaiting } of calls) text += done !== undefined ? "d" : isWaiting ? "w" : "."
    for (const operation of process.pending) text += `;${operation.kind}${operation.detail()}`
    for (const { deadline } of process.sleepers) text += `~${deadline}`
    return text
  }
}

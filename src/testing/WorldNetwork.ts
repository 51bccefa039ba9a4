/**
 * The network of a world: requests under way, and what can become of them.
 *
 * **Details**
 *
 * - An exchange takes three steps: the request leaves, the server acts, the answer arrives.
 * - Whoever stops listening loses what the server says; with the fault `late` on offer, the request may still arrive.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Answer as Written } from "../lifecycle/Credential.ts"
import { written } from "./answers.ts"
import type { Presentation, Rotation } from "./Monitor.ts"
import type { Fault } from "./Scenario.ts"
import type { Presented, Request } from "./Program.ts"
import * as OwnerJudge from "./ownerJudge.ts"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import * as Judge from "./worldJudge.ts"
import type { Member } from "./WorldProcesses.ts"
import type { Answer } from "./WorldServer.ts"

type Send = Extract<Request, { readonly _tag: "Send" }>

interface Message {
  readonly id: string
  readonly member: Member
  readonly process: Sim.Process
  /** How its process calls it, and until when it listens. */
  readonly number: number
  readonly until: number
  readonly token: string
  readonly presentation: Presentation
  /** When the exchange began, by the process's own clock. */
  readonly sentAt: number
  state: "sent" | "answered" | "abandoned"
  answer: Answer | undefined
  rotation: Rotation | undefined
  duplicated: boolean
}

export type AddFault = (kind: Fault, id: string, process: number, run: () => void) => void

const sendReads = Sim.Ghost | Sim.Store | Sim.Server | Sim.Time

export class WorldNetwork {
  messages: Array<Message> = []
  /** Those whose answer is waited for, although the network may have lost them. */
  #awaited: Array<Message> = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  /** What is under way in the world that this one is a fork of is under way here too. */
  goOnFrom(origin: WorldNetwork, twin: (member: Member) => Member): void {
    const { monitor } = this.#world
    const { monitor: books } = origin.#world
    const messages = new Map<Message, Message>()
    for (const message of new Set([...origin.messages, ...origin.#awaited])) {
      const member = twin(message.member)
      messages.set(message, {
        ...message,
        member,
        process: member.process,
        presentation: monitor.twin(books, message.presentation),
        rotation: message.rotation && monitor.rotations[books.rotations.indexOf(message.rotation)],
      })
    }
    this.messages = origin.messages.map((message) => messages.get(message)!)
    this.#awaited = origin.#awaited.map((message) => messages.get(message)!)
  }

  // ------------------------------------------------------------------ an exchange

  /** What `member` is about to send, as a step that it can take. */
  send(member: Member, number: number, request: Send): Sim.Operation {
    const { credential, since, until } = request
    const { processes, sim } = this.#world
    const { process } = member
    const token = Redacted.value(credential.tokens.refreshToken!)
    const operation: Sim.Operation = {
      id: `${process.name}:send`,
      kind: "send",
      number,
      request,
      detail: () => `${token}@${until}`,
      // A process that wakes after its deadline runs its timers first: the request never leaves.
      enabled: () => sim.now < until,
      run: () => {
        process.pending.splice(process.pending.indexOf(operation), 1)
        sim.read |= sendReads
        sim.wrote |= Sim.Ghost | Sim.network(process.index)
        this.#leave(member, number, token, credential, since, until)
        processes.happens(
          member,
          `${number}left`,
          () => ({ _tag: "Left", number }),
          () => `${number}send${token}`,
        )
      },
    }
    return operation
  }

  #leave(member: Member, number: number, token: string, credential: Presented, since: number, until: number): void {
    const { monitor, sim } = this.#world
    const { process } = member
    const isRace = OwnerJudge.beside(this.#world, member, token)
    const scene = Judge.scene(this.#world, process)
    const presentation = monitor.presented(process, token, credential, since, scene, isRace)
    sim.log(process.name, "AS", `refresh ${token}`, "call")
    let id = `${process.name}>${token}`
    while (this.messages.some((other) => other.id === id)) id += "+"
    const message: Message = {
      id,
      member,
      process,
      number,
      until,
      token,
      presentation,
      sentAt: since + process.skewMillis,
      state: "sent",
      answer: undefined,
      rotation: undefined,
      duplicated: false,
    }
    this.messages.push(message)
    this.#awaited.push(message)
  }

  /** The server acts on a request: this is where a refresh token is consumed, whoever still listens. */
  #arrive(message: Message): void {
    const { file, monitor, server, sim } = this.#world
    sim.wrote |= Sim.Server | Sim.Ghost | Sim.network(message.process.index)
    sim.read |= Sim.Time | Sim.Store | Sim.Ghost
    const answer = server.present(message.token, sim.now)
    sim.log("AS", "AS", answer.words, "note")
    message.answer = answer
    // Where the newest answer ends all others, one that nobody hears any more does.
    const isHeard = message.process.alive && sim.now < message.until
    if (server.policy.replacesSuccessor && !isHeard) monitor.excuse ??= "a request arrived after its sender was gone"
    if (answer.granted !== undefined) {
      const { accessToken, refreshToken } = answer.granted
      if (refreshToken !== undefined) file?.gave(refreshToken)
      let rotation = monitor.rotations.find((known) => known.accessToken === accessToken)
      if (rotation === undefined) {
        const to = refreshToken ?? message.token
        rotation = { from: message.token, to, accessToken, at: sim.now, fate: "answering", holder: undefined }
        monitor.rotations.push(rotation)
      } else if (rotation.fate === "lost") {
        rotation.fate = "answering"
      }
      message.rotation = rotation
    }
    if (message.state === "abandoned" || !message.process.alive) this.#vanish(message)
    else message.state = "answered"
  }

  #deliver(message: Message): void {
    const { lives, monitor, processes, sim, store } = this.#world
    const { presentation, process, rotation } = message
    const answer = message.answer!
    sim.wrote |= Sim.own(process.index) | Sim.network(process.index) | Sim.Ghost
    sim.read |= Sim.Time
    this.#take(message)
    this.#awaited = this.#awaited.filter((sent) => sent !== message)
    presentation.outcome = answer.granted !== undefined || answer.unsure ? "told" : answer.dead ? "dead" : "harmless"
    if (answer.unsure) monitor.forgotten(presentation)
    if (answer.granted !== undefined && (rotation?.fate === "answering" || rotation?.fate === "lost")) {
      rotation.fate = "delivered"
      rotation.holder = process
      // Signed out, or replaced: what is stored by now is not what was asked with. Where each answer ends the one before,
      // this one is kept beside what is stored, unless somebody has signed in or out.
      const { stored } = store
      const isBeside =
        this.#world.server.policy.replacesSuccessor && stored?.seed === this.#world.server.first.refreshToken
      const isAsked = stored?.tokens.refreshToken && Redacted.value(stored.tokens.refreshToken) === message.token
      if (!isAsked && !isBeside && !process.isOwner) monitor.dropped(rotation)
    }
    sim.log("AS", process.name, answer.words, "reply")
    const { member, number } = message
    const heard = (): Written => written(answer.wire, message.sentAt, sim.now + process.skewMillis)
    processes.happens(
      member,
      `${number}${lives.numberOf(lives.same(answer.wire))}`,
      () => ({ _tag: "Answered", number, answer: Effect.succeed(heard()) }),
      () => `answer${message.token}${answer.words}`,
    )
  }

  /** Only a deadline that has passed excuses a process that does not listen any more. */
  hangUp(process: Sim.Process, number: number): void {
    const { monitor, sim } = this.#world
    const message = this.#awaited.find((sent) => sent.process === process && sent.number === number)!
    this.#awaited = this.#awaited.filter((sent) => sent !== message)
    if (sim.now < message.until) {
      monitor.fail("I4 what was granted is stored", `${process.name} hangs up on the answer to ${message.token}`)
    }
    this.#abandon(message)
  }

  /** The process stopped listening: its deadline passed, or it is gone. */
  #abandon(message: Message): void {
    const { monitor, scenario, sim } = this.#world
    sim.wrote |= Sim.Ghost | Sim.network(message.process.index)
    monitor.forgotten(message.presentation)
    if (message.state !== "answered" && scenario.faults.includes("late")) message.state = "abandoned"
    else this.#vanish(message)
  }

  /** The message is gone, and with it what it carried. */
  #vanish(message: Message): void {
    const { rotation } = message
    this.#take(message)
    const isCarried = this.messages.some((other) => other.rotation === rotation)
    if (rotation?.fate === "answering" && !isCarried) this.#world.monitor.lose(rotation)
  }

  /** An abandoned message that vanishes may have been taken before. */
  #take(message: Message): void {
    const at = this.messages.indexOf(message)
    if (at >= 0) this.messages.splice(at, 1)
  }

  /** A process was killed: requests that are on their way still arrive. */
  killed(process: Sim.Process): void {
    for (const message of this.messages.filter((sent) => sent.process === process)) {
      this.#world.monitor.forgotten(message.presentation)
      if (message.state === "answered") this.#vanish(message)
    }
  }

  // ------------------------------------------------------------------ what can happen next

  /** Nothing is under way that anybody listens for. */
  get isQuiet(): boolean {
    return this.messages.every(({ state }) => state === "abandoned")
  }

  /** What the network can do next by itself. */
  steps(): Array<Sim.Action> {
    const actions: Array<Sim.Action> = []
    for (const message of this.messages) {
      const { id, process, state } = message
      const free = { process: process.index, fault: 0, stall: 0 } as const
      if (state === "sent") {
        actions.push({ ...free, id: `${id}:server`, local: false, run: () => this.#arrive(message) })
      } else if (state === "answered") {
        actions.push({ ...free, id: `${id}:answer`, local: true, run: () => this.#deliver(message) })
      }
    }
    return actions
  }

  /** What can become of messages at the cost of a fault. */
  faults(kind: Fault, add: AddFault): void {
    for (const message of this.messages) {
      const run = this.#fault(kind, message)
      if (run === undefined) continue
      const { id, process } = message
      add(kind, id, process.index, () => {
        this.#world.sim.wrote |= Sim.network(process.index) | Sim.own(process.index) | Sim.Ghost
        run()
      })
    }
  }

  /** What `kind` does to this message, where it can happen to it now. */
  #fault(kind: Fault, message: Message): (() => void) | undefined {
    const { monitor, server, sim } = this.#world
    const { state, token } = message
    if (state === "sent" && (kind === "busyBefore" || kind === "rateLimited")) {
      return () => {
        message.answer = server.refuse(kind === "busyBefore" ? 503 : 429, sim.now)
        message.state = "answered"
        sim.log("AS", "AS", message.answer.words, "fault")
      }
    }
    if (state === "sent" && kind === "busyAfter") return () => this.#loseBehindGateway(message)
    if (state === "sent" && kind === "lostRequest") {
      return () => {
        sim.log("Net", "Net", `the request with ${token} is lost`, "fault")
        this.#take(message)
      }
    }
    if (state === "answered" && kind === "lostAnswer") {
      return () => {
        sim.log("Net", "Net", `the answer to ${token} is lost`, "fault")
        this.#vanish(message)
      }
    }
    if (state === "abandoned" && kind === "late") {
      return () => {
        sim.log("Net", "Net", `a late request with ${token} still arrives`, "fault")
        monitor.excuse ??= "a request arrived after its sender was gone"
        this.#arrive(message)
      }
    }
    if (state === "sent" && kind === "twice" && !message.duplicated) return () => this.#arriveTwice(message)
    return undefined
  }

  #loseBehindGateway(message: Message): void {
    const { monitor, server, sim } = this.#world
    this.#arrive(message)
    if (message.state !== "answered") return
    message.answer = server.refuse(502, sim.now)
    if (message.rotation?.fate === "answering") monitor.lose(message.rotation)
    sim.log("AS", "AS", "has done it, and the gateway says 502", "fault")
  }

  /** The copy arrives first; nobody listens for its answer. */
  #arriveTwice(message: Message): void {
    const { monitor, server, sim } = this.#world
    sim.log("Net", "Net", `the request with ${message.token} arrives twice`, "fault")
    message.duplicated = true
    monitor.excuse ??= "the network delivered a request twice"
    const answer = server.present(message.token, sim.now)
    sim.wrote |= Sim.Server
    sim.log("AS", "AS", answer.words, "note")
  }

  /** What is under way of `process` and its predecessors, for the name of the state. */
  digest(process: Sim.Process): string {
    let text = ""
    for (const { answer, duplicated, process: sender, state, token } of this.messages) {
      if (sender.index !== process.index) continue
      text += `;${sender === process ? "" : "^"}${token}${state}${answer?.words ?? ""}${duplicated ? "2" : ""}`
    }
    return text
  }
}

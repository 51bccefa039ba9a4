/**
 * The network of a foreign world: requests under way, and what can become of them.
 *
 * **Details**
 *
 * - A token request takes three steps: it leaves, the server acts, the answer arrives. Elsewhere nothing is consumed, so
 *   a request and the server's look at it are one step; a metadata document is the same at any time and takes one.
 * - Whoever aborts a request takes it off the wire. When the server has done its work by then, what it said is lost.
 */
import type { Answer } from "./answers.ts"
import { type ForeignFault, issuer } from "./Foreign.ts"
import { accessTokensIn, type Presented, refreshTokensIn, type Rotated } from "./ForeignMonitor.ts"
import { offer, type Stage } from "./foreignStage.ts"
import { paths } from "./metadata.ts"
import { revokesFamily } from "./Policy.ts"
import { type Asked, parametersOf, route } from "./routes.ts"
import * as Sim from "./Simulation.ts"
import * as Spellings from "./spellings.ts"

/** What comes back: an answer, or the end of the connection. */
export type Settled = Answer | "reset"

/** Who made a request, and what is to become of it. */
export interface Sender {
  readonly settle: (settled: Settled) => void
  /** The request has left. */
  readonly left?: () => void
  /** After this instant it does not leave any more. */
  readonly until?: number
}

interface Message {
  readonly id: string
  readonly process: Sim.Process
  readonly asked: Asked
  readonly settle: (settled: Settled) => void
  readonly isToken: boolean
  /** What it presents, for the reader of a trace. */
  readonly about: string
  presentation: Presented | undefined
  rotation: Rotated | undefined
  state: "sent" | "answered" | "silent"
  answer: Answer | undefined
}

const gatewayTrouble = { busyBefore: "unavailable", rateLimited: "busySeconds", busyAfter: "htmlBadGateway" } as const

export type AddFault = (kind: ForeignFault, id: string, process: Sim.Process, run: () => void) => void

export class ForeignNetwork {
  messages: Array<Message> = []
  readonly #stage: Stage

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** A request that a process makes. Gives back how to give it up. */
  request(process: Sim.Process, asked: Asked, sender: Sender): () => void {
    const { pathname } = asked.url
    if (asked.url.origin !== issuer) {
      return offer(this.#stage, process, `page/${asked.url.host}`, { read: 0, wrote: 0 }, () => sender.settle("reset"))
    }
    if (pathname === paths.token && asked.method === "POST") return this.#send(process, asked, sender, true)
    if (!pathname.startsWith("/.well-known/")) return this.#send(process, asked, sender, false)
    return offer(this.#stage, process, `page${pathname}`, { read: 0, wrote: 0 }, () => {
      const answer = route(this.#stage.server, asked, this.#stage.sim.now)
      process.observe(String(answer.status))
      this.#stage.sim.log(process.name, "AS", `GET ${pathname}`, "call")
      sender.settle(answer)
    })
  }

  #send(process: Sim.Process, asked: Asked, sender: Sender, isToken: boolean): () => void {
    const stage = this.#stage
    const { monitor, sim } = stage
    const parameters = isToken ? parametersOf(asked) : undefined
    const presented = parameters?.get("refresh_token") ?? undefined
    const about = isToken
      ? (presented ?? parameters!.get("grant_type") ?? "no token")
      : (accessTokensIn(asked.authorization ?? "")[0] ?? "no token")
    const kind = `${isToken ? "token" : asked.url.pathname.slice(1)}/${about.replace(" ", "-")}`
    let message: Message | undefined
    const leave = (): void => {
      sender.left?.()
      message = {
        id: this.#name(`${process.name}:${kind}`),
        process,
        asked,
        settle: sender.settle,
        isToken,
        about,
        presentation: undefined,
        rotation: undefined,
        state: "sent",
        answer: undefined,
      }
      this.messages.push(message)
      sim.log(process.name, isToken ? "AS" : "API", `${asked.method} ${asked.url.pathname} ${about}`.trim(), "call")
      if (presented !== undefined) message.presentation = monitor.presented(process, presented)
      if (!isToken) {
        const { body, url } = asked
        if (url.pathname !== paths.revoke) {
          monitor.sent(process, url.pathname, `${url.href} ${asked.authorization ?? ""} ${body}`)
        }
        this.#act(message)
      }
    }
    const touches = { read: Sim.Time, wrote: Sim.network(process.index) }
    // A process that wakes after its deadline runs its timers first: the request never leaves.
    const inTime = (): boolean => sender.until === undefined || sim.now < sender.until
    const withdraw = offer(stage, process, kind, touches, leave, inTime)
    return () => {
      withdraw()
      if (message !== undefined && this.messages.includes(message)) this.#abandon(message)
    }
  }

  #name(wanted: string): string {
    let id = wanted
    while (this.messages.some((other) => other.id === id)) id += "+"
    return id
  }

  /** The server acts on a request: this is where a refresh token is consumed, whoever still listens. */
  #act(message: Message): void {
    const { monitor, server, sim } = this.#stage
    const { asked, isToken, presentation, process } = message
    sim.read |= Sim.Server | Sim.Time
    sim.wrote |= Sim.network(process.index)
    message.state = "answered"
    if (!isToken) {
      // A use of a token may end what its predecessor was kept for.
      const isUse = asked.url.pathname === paths.resource
      if (!isUse || server.policy().reuse === "untilSuccessorUsed") sim.wrote |= Sim.Server
      if (asked.url.pathname === paths.revoke) monitor.excused("a client gave its login back")
      message.answer = route(server, asked, sim.now)
      return
    }
    sim.wrote |= Sim.Server
    const parameters = parametersOf(asked)
    const known = presentation && server.inspect(presentation.token, sim.now)
    const answer = server.exchange({ parameters, authorization: asked.authorization }, sim.now)
    message.answer = answer
    const [refreshToken] = refreshTokensIn(answer.body)
    const granted = answer.status === 200 && accessTokensIn(answer.body).length > 0
    if (presentation !== undefined && granted && refreshToken !== undefined && refreshToken !== presentation.token) {
      message.rotation = monitor.rotated(process, presentation.token, refreshToken)
    }
    const isReuse = !granted && known?.was === "reuse"
    const revoked = isReuse && revokesFamily(server.policy()) ? " The whole family is revoked." : ""
    sim.log("AS", "AS", `${this.#words(message)}${revoked}`, "note")
    this.#stage.count(granted ? "granted" : isReuse ? "reuse found" : "denied")
  }

  #words({ about, answer }: Message): string {
    const { body, status } = answer!
    const got = [...accessTokensIn(body), ...refreshTokensIn(body)].join(" and ")
    const error = /"error(?:_description)?":"([^"]*)"/g
    const said = got !== "" ? got : [...body.matchAll(error)].map(([, text]) => text).join(": ")
    return `${status} to ${about}${said === "" ? "" : `: ${said}`}`
  }

  /** The message is gone, and with it what it carried. */
  #vanish(message: Message): void {
    const { monitor, sim } = this.#stage
    sim.wrote |= Sim.network(message.process.index)
    this.messages.splice(this.messages.indexOf(message), 1)
    if (message.state === "answered") monitor.lost(message.presentation, message.rotation)
    else if (message.presentation?.outcome === "flying") {
      sim.wrote |= Sim.Ghost
      message.presentation.outcome = "harmless"
    }
  }

  #abandon(message: Message): void {
    this.#stage.sim.log(message.process.name, "Net", `gives up ${message.about}`, "note")
    this.#vanish(message)
  }

  #deliver(message: Message): void {
    const { sim } = this.#stage
    const { presentation, process, rotation } = message
    const answer = message.answer!
    sim.wrote |= Sim.own(process.index) | Sim.network(process.index)
    this.messages.splice(this.messages.indexOf(message), 1)
    if (presentation?.outcome === "flying") {
      sim.wrote |= Sim.Ghost
      const denied = answer.status >= 400 && answer.status < 500 && answer.status !== 429
      presentation.outcome = answer.status === 200 ? "told" : denied ? "dead" : "harmless"
    }
    if (rotation?.fate === "answering") rotation.fate = "delivered"
    process.observe(`${message.id.slice(process.name.length)}${this.#words(message)}@${sim.now}`)
    sim.log(message.isToken ? "AS" : "API", process.name, this.#words(message), "reply")
    message.settle(answer)
  }

  /** The connection ends, and the sender cannot know whether the server has seen the request. */
  #reset(message: Message): void {
    const { sim } = this.#stage
    const { process } = message
    sim.wrote |= Sim.own(process.index)
    this.#vanish(message)
    process.observe(`${message.id.slice(process.name.length)}reset@${sim.now}`)
    message.settle("reset")
  }

  killed(process: Sim.Process): void {
    for (const message of this.messages.filter((one) => one.process === process)) this.#vanish(message)
  }

  /** What the network can do next by itself. */
  steps(): Array<Sim.Action> {
    const actions: Array<Sim.Action> = []
    const add = (id: string, process: Sim.Process, run: () => void): void => {
      actions.push({ id, process: process.index, fault: 0, stall: 0, local: false, run })
    }
    for (const message of this.messages) {
      const { id, process, state } = message
      if (state === "sent") add(`${id}:server`, process, () => this.#act(message))
      else if (state === "answered") add(`${id}:answer`, process, () => this.#deliver(message))
    }
    return actions
  }

  faults(kind: ForeignFault, add: AddFault): void {
    const { sim } = this.#stage
    for (const message of this.messages) {
      const { about, id, isToken, process, state } = message
      if (!isToken) continue
      const fault = (words: string, run: () => void): void =>
        add(kind, id, process, () => {
          sim.wrote |= Sim.network(process.index) | Sim.own(process.index)
          sim.log("Net", "Net", words, "fault")
          run()
        })
      if (state === "sent" && kind === "lostRequest") {
        fault(`the request with ${about} is lost`, () => this.#reset(message))
      } else if (state === "sent" && (kind === "busyBefore" || kind === "rateLimited")) {
        fault(`the server turns ${about} away`, () => this.#replace(message, kind))
      } else if (state === "answered" && kind === "busyAfter" && message.rotation !== undefined) {
        fault(`the gateway replaces the answer to ${about} by a 502`, () => {
          this.#stage.monitor.lost(message.presentation, message.rotation)
          this.#replace(message, kind)
        })
      } else if (state === "answered" && kind === "lostAnswer") {
        fault(`the answer to ${about} is lost`, () => this.#reset(message))
      } else if (state === "answered" && kind === "silence") {
        fault(`nothing more is heard of ${about}`, () => {
          this.#stage.monitor.lost(message.presentation, message.rotation)
          message.state = "silent"
        })
      }
    }
  }

  #replace(message: Message, kind: keyof typeof gatewayTrouble): void {
    message.answer = Spellings.trouble(gatewayTrouble[kind], this.#stage.sim.now)
    message.state = "answered"
  }

  digest(process: Sim.Process): string {
    let text = ""
    for (const message of this.messages) {
      if (message.process.index !== process.index) continue
      text += `;${message.id.slice(process.name.length)}${message.state}${message.answer === undefined ? "" : this.#words(message)}`
    }
    return text
  }
}

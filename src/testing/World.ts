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
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Outcome, TokenEndpoint } from "../exchange/TokenEndpoint.ts"
import type { Access, Handle } from "../keeper/Keeper.ts"
import * as Hooks from "../keeper/hooks.ts"
import * as Live from "../keeper/live.ts"
import { Processes } from "../keeper/Processes.ts"
import { apply, type Change } from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import { usableUntil } from "../lifecycle/freshness.ts"
import { decide, initial, type State } from "../lifecycle/machine.ts"
import { longestHesitationMillis } from "../lifecycle/rules.ts"
import { CredentialStore, StoreUnavailable } from "../store/CredentialStore.ts"
import type { Access as Touched, Explorable } from "./explore.ts"
import { remembered } from "./remembered.ts"
import { type Invariant, Monitor, type Presentation, type Rotation, type Scene, type Violation } from "./Monitor.ts"
import type { Scenario } from "./Scenario.ts"
import * as Sim from "./Simulation.ts"
import * as WorldServer from "./WorldServer.ts"

const exchangeDeadlineMillis = 20_000
const name = "github"

/** What a test may put in the place of a part, to see whether the explorer notices. Production uses the defaults. */
export interface Parts {
  readonly decide: typeof decide
  readonly apply: typeof apply
  readonly keeper: (keeper: Handle, world: World, process: Sim.Process) => Handle
  readonly store: (store: CredentialStore["Service"], process: Sim.Process) => CredentialStore["Service"]
  readonly endpoint: (endpoint: TokenEndpoint["Service"], process: Sim.Process) => TokenEndpoint["Service"]
}

const down = new StoreUnavailable({ reason: "full", path: "keep.db", message: "keep.db: the disk is full" })

const decideOnce = remembered(decide)
export const realParts: Parts = {
  decide: decideOnce,
  apply,
  keeper: (keeper) => keeper,
  store: (store) => store,
  endpoint: (endpoint) => endpoint,
}

const stateNames = new WeakMap<State, string>()

/** The innermost state: `committing` for `{ refreshing: { busy: "committing" } }`. */
const stateName = (state: State): string => {
  const known = stateNames.get(state)
  if (known !== undefined) return known
  let value: unknown = state.value
  while (typeof value === "object" && value !== null) value = Object.values(value)[0]
  const name = String(value)
  stateNames.set(state, name)
  return name
}

const ticketNames: ReadonlySet<string> = new Set(["id", "doubt", "holderGone"])

const stateTexts = new WeakMap<State, string>()

/** The machine's state without the names of tickets, which betray the process's number. */
const stateText = (state: State): string => {
  const known = stateTexts.get(state)
  if (known !== undefined) return known
  const text = JSON.stringify(state, (key, value) => (ticketNames.has(key) ? undefined : value))
  stateTexts.set(state, text)
  return text
}

interface Message {
  readonly id: string
  readonly process: Sim.Process
  readonly token: string
  readonly presentation: Presentation
  readonly resume: (outcome: Effect.Effect<Outcome>) => void
  state: "sent" | "answered" | "abandoned"
  answer: WorldServer.Answer | undefined
  rotation: Rotation | undefined
  duplicated: boolean
}

interface Call {
  readonly index: number
  readonly refused: string | undefined
  fiber: Fiber.Fiber<Access, unknown> | undefined
  done: string | undefined
}

interface Member {
  readonly process: Sim.Process
  /** The machine's state, as the process remembers it. */
  state: State
  readonly calls: Array<Call>
  started: number
  handle: Handle
}

export class World implements Explorable {
  readonly sim: Sim.Simulation
  readonly monitor: Monitor
  readonly scenario: Scenario
  readonly parts: Parts
  readonly server: WorldServer.WorldServer
  stored: Credential | undefined
  newest: number
  members: Array<Member> = []
  messages: Array<Message> = []
  faultsLeft: number
  stallsLeft: number
  epilogue: "none" | "asked" = "none"
  /** Counts of what happened, so that "holds" can show that it could have failed. */
  readonly happened: Record<string, number> = {}
  rank: Array<number> = []
  #storeDownUntil = 0
  readonly #badToken: string | undefined
  /** Longer than any story goes that comes to an end: a stall lasts no longer than a token. */
  readonly #horizonMillis: number

  constructor(scenario: Scenario, options: { faults: number; stalls: number; record?: boolean; parts?: Parts; watched?: ReadonlySet<Invariant> | undefined }) {
    this.scenario = scenario
    this.parts = options.parts ?? realParts
    this.sim = new Sim.Simulation(options.record ?? false)
    this.monitor = new Monitor(options.watched)
    this.faultsLeft = options.faults
    this.stallsLeft = options.stalls
    const lifetimeMillis = scenario.server.accessLifetimeMillis ?? 3_600_000
    this.#horizonMillis = (3 + options.stalls) * Math.max(3_600_000, lifetimeMillis)
    const left = { fresh: lifetimeMillis, inWindow: lifetimeMillis * 0.1, ended: -1 }[scenario.token]
    this.server = WorldServer.make(scenario.server, this.sim.now + left)
    this.stored = this.#credential(this.server.first, this.sim.now + left)
    this.newest = 1
    this.#badToken = scenario.processes.some(({ calls }) => calls.includes("refused"))
      ? this.server.first.accessToken
      : undefined
    if (this.#badToken !== undefined) this.server.withdraw(this.#badToken)
    for (const [index, { calls, host, skewMillis }] of scenario.processes.entries()) {
      this.#spawn(index, `P${index}`, host ?? "h1", skewMillis ?? 0, calls.map((call) => call === "refused"))
    }
  }

  #credential(grant: WorldServer.Grant, expiresAt: number): Credential {
    const { believed, server } = this.scenario
    const { accessLifetimeMillis: lifetimeMillis, graceMillis, reuse } = this.server.policy
    return {
      name,
      generation: 1,
      provider: "generic",
      tokenEndpoint: "https://as.example/token",
      client: { clientId: "client", authMethod: "none" },
      tokens: {
        accessToken: Redacted.make(grant.accessToken),
        refreshToken: Redacted.make(grant.refreshToken),
        tokenType: "Bearer",
        expiry: { _tag: "Known", at: expiresAt, lifetimeMillis },
        obtainedAt: expiresAt - lifetimeMillis,
      },
      reuse: believed ?? { class: server.reuse ?? reuse, graceMillis },
      forced: 0,
    }
  }

  // ------------------------------------------------------------------ processes

  #spawn(index: number, called: string, host: string, skewMillis: number, refused: ReadonlyArray<boolean>): Member {
    const { parts, scenario, sim } = this
    const process = new Sim.Process(index, called, host, skewMillis)
    const member: Member = {
      process,
      calls: refused.map((isRefused, call) => ({
        index: call,
        refused: isRefused ? this.server.first.accessToken : undefined,
        fiber: undefined,
        done: undefined,
      })),
      started: 0,
      state: initial(scenario.background ?? false),
      handle: undefined as unknown as Handle,
    }
    const services = Context.make(CredentialStore, parts.store(this.#store(process), process)).pipe(
      Context.add(TokenEndpoint, parts.endpoint(this.#endpoint(process), process)),
      Context.add(Processes, {
        self: { instance: called, host, bootId: "1", pid: index, startedAt: called },
        isGone: (holder) => {
          sim.read |= Sim.Alive
          return holder.host === host && !this.members.some((other) => other.process.name === holder.instance && other.process.alive)
        },
      }),
      Context.add(Hooks.Decide, parts.decide),
      Context.add(Hooks.Observer, this.#observe(member)),
      Context.add(Scope.Scope, Scope.makeUnsafe()),
      Context.merge(sim.surroundings(process))
    )
    const fiber = Effect.runForkWith(services)(
      Live.make({ background: scenario.background ?? false, label: "program", exchangeDeadlineMillis, clockCheckMillis: Infinity, callerDeadlineMillis: Infinity, ...scenario.options, ...(called === "Z" && { callerDeadlineMillis: Infinity }) }),
      { scheduler: sim.scheduler }
    )
    sim.drain()
    const exit = fiber.pollUnsafe()
    if (exit === undefined || Exit.isFailure(exit)) throw new Error(`${called} did not start`)
    member.handle = parts.keeper(exit.value.credential(name), this, process)
    this.members[index] = member
    return member
  }

  /** I2 as one process sees it: what it knows of the generation only grows, but for a token it never showed to anybody. */
  #observe(member: Member): Context.Service.Shape<typeof Hooks.Observer> {
    const { process } = member
    return (_, before, event, after) => {
      member.state = after
      const from = stateName(before)
      this.count(`${from} ${event.type} ${stateName(after)}`)
      if (after.context.view.generation < before.context.view.generation && from !== "committing") {
        this.monitor.fail("I2 generations grow", `${process.name} went back from generation ${before.context.view.generation}`)
      }
    }
  }

  count(what: string): void {
    this.happened[what] = (this.happened[what] ?? 0) + 1
  }

  // ------------------------------------------------------------------ the store

  #words(credential: Credential | undefined): string {
    if (credential === undefined) return "nothing"
    const { generation, pause, ticket, tokens, verdict } = credential
    const refresh = tokens.refreshToken === undefined ? "" : `/${Redacted.value(tokens.refreshToken)}`
    return (
      `g${generation} ${Redacted.value(tokens.accessToken)}${refresh}` +
      (ticket ? ` ticket of ${ticket.holder.instance}${ticket.attempt === 2 ? " (2nd)" : ""}${ticket.vanishedAt ? ", in doubt" : ""}` : "") +
      (pause ? ` paused ${(pause.until - this.sim.now) / 1000}s` : "") +
      (verdict ? ` dead: ${verdict.reason}` : "")
    )
  }

  /** The record without process numbers, seen by `process`, or by nobody in particular for the state hash. */
  #digest(credential: Credential | undefined, process: Sim.Process | undefined): string {
    if (credential === undefined) return "-"
    const { forced, generation, pause, reuse, ticket, tokens, verdict } = credential
    const expiry = tokens.expiry._tag === "Known" ? tokens.expiry.at : tokens.expiry._tag
    let text = `${generation},${Redacted.value(tokens.accessToken)},${tokens.refreshToken ? Redacted.value(tokens.refreshToken) : ""},${expiry},${forced},${reuse.class}`
    if (ticket) {
      const whose = process === undefined ? "" : ticket.holder.instance === process.name ? "mine" : this.#isGone(ticket.holder.instance, ticket.holder.host, process) ? "gone" : "other"
      text += `,t${ticket.attempt}${ticket.vanishedAt === undefined ? "" : "v"}@${ticket.issuedAt}${whose}${ticket.first ? `<${ticket.first.issuedAt}` : ""}`
    }
    if (pause) text += `,p${pause.until}.${pause.failures}`
    if (verdict) text += `,d${verdict.reason}`
    return text
  }

  #isGone(instance: string, host: string, process: Sim.Process): boolean {
    return host === process.host && !this.members.some((other) => other.process.name === instance && other.process.alive)
  }

  get storeIsDown(): boolean {
    return this.sim.now < this.#storeDownUntil
  }

  /** Who reads: one of the calls, or the Keeper on everybody's behalf. */
  #reader(process: Sim.Process, fiber: unknown): string {
    const member = this.members.find((other) => other.process === process)
    return String(member?.calls.find((call) => call.fiber === fiber)?.index ?? "keeper")
  }

  #store(process: Sim.Process): CredentialStore["Service"] {
    const { monitor, sim } = this
    const failing = <A>(): readonly [Effect.Effect<A, StoreUnavailable>, string] => {
      sim.log("Store", process.name, "fails: the disk is full", "fault")
      return [Effect.fail(down), "down"]
    }
    return {
      read: () =>
        Effect.withFiber((fiber) =>
          sim.operation(process, "read", () => this.#reader(process, fiber), Sim.Store | Sim.Alive | Sim.Time, 0, () => {
            if (this.storeIsDown) return failing<Credential | undefined>()
            sim.log(process.name, "Store", "read", "call")
            sim.log("Store", process.name, this.#words(this.stored), "reply")
            return [Effect.succeed(this.stored), this.#digest(this.stored, process)]
          })
        ),
      compareAndSwap: (_, change) =>
        sim.operation(process, change._tag.toLowerCase(), () => this.#changeDigest(change), Sim.Store | Sim.Alive | Sim.Time | Sim.Server | Sim.Ghost, Sim.Store | Sim.Ghost, () => {
          if (this.storeIsDown) return failing<{ applied: boolean; credential: Credential | undefined }>()
          const next = this.parts.apply(this.stored, this.newest, change)
          sim.log(process.name, "Store", this.#changeWords(change), "call")
          this.#judgeChange(process, change, next !== undefined)
          if (next !== undefined) {
            if (change._tag === "Claim") this.#claimed(process, next)
            this.#write(process, next)
          }
          sim.log("Store", process.name, `${next === undefined ? "no: " : "ok: "}${this.#words(this.stored)}`, "reply")
          monitor.rotations.forEach((rotation) => rotation.holder === process && change._tag === "Commit" && next === undefined && this.#dropped(rotation))
          return [
            Effect.succeed({ applied: next !== undefined, credential: this.stored }),
            `${next !== undefined}${this.#digest(this.stored, process)}`,
          ]
        }),
      list: Effect.sync(() => (this.stored === undefined ? [] : [this.stored])),
      remove: () => Effect.die("not in this world"),
      changes: Stream.empty,
    }
  }

  #claimed(process: Sim.Process, next: Credential): void {
    const token = next.tokens.refreshToken
    this.#judgeNeed(process, next)
    if (token === undefined) return
    const pause = this.stored?.pause
    if (pause !== undefined && this.sim.now + process.skewMillis < pause.until) {
      this.monitor.fail("no refresh without need", `${process.name} claims ${Redacted.value(token)} although everybody has been told to wait`)
    }
    // Won so long after it was asked for, it is given back unused.
    if (this.sim.now + process.skewMillis - (next.ticket?.issuedAt ?? 0) > longestHesitationMillis) return
    // Whatever the record says: it is a second time for a token that somebody has presented.
    const first = next.ticket?.first?.issuedAt ?? this.monitor.inDoubtSince(Redacted.value(token), next.generation)
    if (first !== undefined) this.monitor.claimedAgain(process, Redacted.value(token), first, this.scene(process))
  }

  /** How a ticket that somebody remembers is related to the one that is stored: all that a conditional write asks. */
  #relation(ticketId: string | undefined): string {
    const ticket = this.stored?.ticket
    if (ticketId === undefined) return "-"
    return ticketId === ticket?.id ? "now" : ticketId === ticket?.first?.id ? "before" : "old"
  }

  #changeDigest(change: Change): string {
    switch (change._tag) {
      case "Claim":
        return `${change.generation}.${change.ticket.attempt}@${change.ticket.issuedAt}${this.#relation(change.after)}`
      case "Commit":
        return `${change.generation}${Redacted.value(change.tokens.accessToken)}${change.forced}`
      case "Release":
        return `${change.generation}${this.#relation(change.ticketId)}${change.pause?.until ?? ""}`
      case "Condemn":
        return `${change.generation}${change.verdict.reason}${this.#relation(change.doubt)}`
      case "Doubt":
        return `${change.generation}${this.#relation(change.ticketId)}`
      case "Put":
        return "put"
    }
  }

  #messageName(process: Sim.Process, token: string): string {
    let id = `${process.name}>${token}`
    while (this.messages.some((other) => other.id === id)) id += "+"
    return id
  }

  #changeWords(change: Change): string {
    switch (change._tag) {
      case "Claim":
        return `claim g${change.generation}${change.ticket.attempt === 2 ? " for the second time" : ""}`
      case "Commit":
        return `commit g${change.generation} -> ${Redacted.value(change.tokens.accessToken)}`
      case "Release":
        return `release g${change.generation}${change.pause ? " and pause" : ""}`
      case "Condemn":
        return `condemn g${change.generation}: ${change.verdict.reason}`
      case "Doubt":
        return `nobody knows what became of g${change.generation}`
      case "Put":
        return "put"
    }
  }

  /** Who may write what, said once more without `apply`: only what is known of the stored generation, and that always. */
  #judgeChange(process: Sim.Process, change: Change, applied: boolean): void {
    if (change._tag !== "Commit" && change._tag !== "Condemn") return
    const stored = this.stored?.generation
    if (applied && stored !== change.generation) {
      this.monitor.fail("I3 nothing older replaces", `${process.name} writes what it knows of generation ${change.generation} over generation ${stored}`)
    }
    if (!applied && change._tag === "Commit" && stored === change.generation) {
      this.monitor.fail("I4 what was granted is stored", `${process.name} may not store ${Redacted.value(change.tokens.accessToken)}, and nothing newer is stored`)
    }
  }

  /** Somebody newer was stored first: the token this process held is nobody's loss. */
  #dropped(rotation: Rotation): void {
    rotation.fate = "stored"
    rotation.holder = undefined
  }

  #write(process: Sim.Process, next: Credential): void {
    const { monitor, server, sim } = this
    const before = this.stored
    const refresh = next.tokens.refreshToken && Redacted.value(next.tokens.refreshToken)
    const changed = before !== undefined && Redacted.value(before.tokens.accessToken) !== Redacted.value(next.tokens.accessToken)
    if (before !== undefined && next.generation < before.generation) {
      monitor.fail("I2 generations grow", `${process.name} stores generation ${next.generation} over ${before.generation}`)
    }
    if (changed && next.generation === before.generation) {
      monitor.fail("I2 generations grow", `${process.name} stores other tokens under generation ${next.generation}`)
    }
    if (changed && monitor.excuse === undefined && refresh !== undefined && !server.accepts(refresh, sim.now) && before.tokens.refreshToken !== undefined && server.accepts(Redacted.value(before.tokens.refreshToken), sim.now)) {
      monitor.fail("I3 nothing older replaces", `${process.name} replaces a refresh token that is good by one that is not`)
    }
    if (before?.tokens.refreshToken !== undefined && next.tokens.refreshToken === undefined) {
      monitor.fail("I3 nothing older replaces", `${process.name} deletes the refresh token`)
    }
    if (next.verdict !== undefined && before?.verdict === undefined && next.verdict.reason !== "lostInRotation" && refresh !== undefined && server.accepts(refresh, sim.now)) {
      monitor.fail("I8 no false death", `${process.name} declares ${refresh} dead (${next.verdict.reason}), and the server would take it`)
    }
    if (next.verdict?.reason === "lostInRotation" && before?.verdict === undefined) {
      if (before?.ticket?.attempt !== 2) {
        monitor.fail("I8 no false death", `${process.name} gives up a rotation that was not tried a second time`)
      }
      monitor.excuse ??= "two presentations went unanswered, and there is never a third"
    }
    this.stored = next
    this.newest = Math.max(this.newest, next.generation)
    for (const rotation of monitor.rotations) {
      if (rotation.accessToken === Redacted.value(next.tokens.accessToken)) this.#dropped(rotation)
    }
  }

  // ------------------------------------------------------------------ the network

  /** As `process` can know it: whether a token has ended is told by its own clock. */
  scene(process: Sim.Process): Scene {
    const { server, sim } = this
    sim.read |= Sim.Store | Sim.Server | Sim.Time | Sim.Ghost
    const stored = this.stored
    const token = stored && Redacted.value(stored.tokens.accessToken)
    return {
      now: sim.now,
      deadlineMillis: exchangeDeadlineMillis,
      drainMillis: exchangeDeadlineMillis,
      reuse: server.policy.reuse,
      graceMillis: server.policy.graceMillis,
      storedTokenWorks: stored !== undefined && token !== this.#badToken && sim.now + process.skewMillis < usableUntil(stored.tokens) && this.server.works(token!, sim.now),
    }
  }

  #endpoint(process: Sim.Process): TokenEndpoint["Service"] {
    const { monitor, sim } = this
    return {
      exchange: (credential, deadlineMillis) => {
        const token = Redacted.value(credential.tokens.refreshToken!)
        const until = sim.now + deadlineMillis
        let message: Message | undefined
        const send = Effect.callback<Outcome>((resume) => {
          const offered = sim.operation(
            process,
            "send",
            () => `${token}@${until}`,
            Sim.Ghost | Sim.Store | Sim.Server | Sim.Time,
            Sim.Ghost | Sim.network(process.index),
            () => {
              const presentation = monitor.presented(process, token, credential, this.scene(process))
              sim.log(process.name, "AS", `refresh ${token}`, "call")
              message = { id: this.#messageName(process, token), process, token, presentation, resume, state: "sent", answer: undefined, rotation: undefined, duplicated: false }
              this.messages.push(message)
              return [Effect.void, token]
            },
            // A process that wakes after its deadline runs its timers first: the request never leaves.
            () => sim.now < until
          )
          const fiber = Effect.runForkWith(sim.surroundings(process))(offered, { scheduler: sim.scheduler })
          return Effect.sync(() => {
            fiber.interruptUnsafe()
            if (message === undefined) return
            // Only a deadline that has passed excuses a process that does not listen any more.
            if (process.alive && sim.now < until) monitor.fail("I4 what was granted is stored", `${process.name} hangs up on the answer to ${token}`)
            this.#abandon(message)
          })
        })
        return send.pipe(
          Effect.timeoutOption(deadlineMillis),
          Effect.map(
            Option.getOrElse((): Outcome =>
              message === undefined ? { _tag: "NotSent", cause: "no connection in time" } : { _tag: "Ambiguous", cause: "no answer in time" }
            )
          )
        )
      },
    }
  }

  /**
   * A1, I6: the right to spend a refresh token is taken only when a refresh is due, or on a token that a resource server
   * has refused. Judged where it is decided: what happens between this and the request nobody can prevent.
   */
  #judgeNeed(process: Sim.Process, { tokens: { accessToken, expiry } }: Credential): void {
    if (expiry._tag !== "Known") return
    const lifetime = expiry.lifetimeMillis ?? 0
    const due = this.sim.now + process.skewMillis >= expiry.at - Math.max(lifetime * 0.2, 70_000)
    const token = Redacted.value(accessToken)
    if (due || token === this.#badToken) return
    const left = (expiry.at - this.sim.now) / 1000
    // Whoever spends one too many where a token was refused was made to by that refusal.
    const invariant = this.#badToken === undefined ? "no refresh without need" : "I6 one forced refresh"
    this.monitor.fail(invariant, `${process.name} refreshes ${token}, good for ${left} s, that nobody refused`)
  }

  /** The server acts on a request: this is where a refresh token is consumed, whoever still listens. */
  #arrive(message: Message): void {
    const { monitor, server, sim } = this
    sim.wrote |= Sim.Server | Sim.Ghost | Sim.network(message.process.index)
    sim.read |= Sim.Time | Sim.Store | Sim.Ghost
    const answer = server.present(message.token, sim.now)
    sim.log("AS", "AS", answer.words, "note")
    message.answer = answer
    if (answer.granted !== undefined) {
      const { accessToken, refreshToken } = answer.granted
      let rotation = monitor.rotations.find((known) => known.accessToken === accessToken)
      if (rotation === undefined) {
        rotation = { from: message.token, to: refreshToken ?? message.token, accessToken, at: sim.now, fate: "answering", holder: undefined }
        monitor.rotations.push(rotation)
      } else if (rotation.fate === "lost") {
        rotation.fate = "answering"
      }
      message.rotation = rotation
    }
    if (message.state === "abandoned" || !message.process.alive) this.#vanish(message)
    else message.state = "answered"
  }

  /** The message is gone, and with it what it carried. */
  #vanish(message: Message): void {
    const at = this.messages.indexOf(message)
    if (at >= 0) this.messages.splice(at, 1)
    if (message.rotation?.fate === "answering" && !this.messages.some(({ rotation }) => rotation === message.rotation)) this.monitor.lose(message.rotation)
  }

  /** The process stopped listening: its deadline passed, or it is gone. */
  #abandon(message: Message): void {
    const { sim } = this
    sim.wrote |= Sim.Ghost | Sim.network(message.process.index)
    this.monitor.forgotten(message.presentation)
    if (message.state === "answered") this.#vanish(message)
    else if (this.scenario.faults.includes("late")) message.state = "abandoned"
    else this.#vanish(message)
  }

  #deliver(message: Message): void {
    const { monitor, sim } = this
    const { process, presentation, rotation } = message
    const answer = message.answer!
    sim.wrote |= Sim.own(process.index) | Sim.network(process.index) | Sim.Ghost
    sim.read |= Sim.Time
    this.messages.splice(this.messages.indexOf(message), 1)
    presentation.outcome = answer.granted !== undefined || answer.unsure ? "told" : answer.dead ? "dead" : "harmless"
    if (answer.unsure) monitor.forgotten(presentation)
    if (rotation?.fate === "answering" || rotation?.fate === "lost") {
      if (answer.granted !== undefined) {
        rotation.fate = "delivered"
        rotation.holder = process
        // Signed out, or replaced: what is stored by now is not what was asked with.
        const current = this.stored?.tokens.refreshToken
        if (current === undefined || Redacted.value(current) !== message.token) this.#dropped(rotation)
      }
    }
    process.observe(`answer${message.token}${answer.words}@${sim.now}`)
    sim.log("AS", process.name, answer.words, "reply")
    message.resume(Effect.succeed(this.server.outcome(answer, sim.now + process.skewMillis)))
  }

  // ------------------------------------------------------------------ callers

  #start(member: Member, call: Call): void {
    const { monitor, sim } = this
    const { process } = member
    sim.wrote |= Sim.own(process.index)
    member.started++
    process.observe(`call${call.index}`)
    sim.log("Caller", process.name, call.refused === undefined ? "token?" : `${call.refused} was refused`, "call")
    const asked = call.refused === undefined ? member.handle.access() : member.handle.refused(call.refused)
    const fiber = Effect.runForkWith(sim.surroundings(process))(asked, { scheduler: sim.scheduler })
    call.fiber = fiber
    fiber.addObserver((exit) => {
      call.fiber = undefined
      sim.read |= Sim.Server | Sim.Store | Sim.Ghost | Sim.Time
      if (Exit.isSuccess(exit)) {
        call.done = Redacted.value(exit.value.token)
        this.#served(process, call, exit.value)
      } else {
        const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")
        const defect = exit.cause.reasons.find((reason) => reason._tag === "Die")
        if (defect !== undefined) throw defect.defect
        const error = failure?.error as { readonly _tag: string; readonly message: string; readonly reason?: string } | undefined
        call.done = error === undefined ? "gave up" : `${error._tag} ${error.reason ?? ""}`
        sim.log(process.name, "Caller", call.done.trim(), "reply")
        if (error !== undefined) this.#turnedAway(process, call, error)
      }
      process.observe(`done${call.index}${call.done}`)
      if (exit._tag === "Success" && exit.value.note) this.#noSecret(process, exit.value.note)
      if (member.process.name === "Z") this.#lastWord(call, monitor)
    })
  }

  #served(process: Sim.Process, call: Call, access: Access): void {
    const { monitor, server, sim } = this
    const token = Redacted.value(access.token)
    sim.log(process.name, "Caller", `here is ${token}`, "reply")
    if (token === call.refused) monitor.fail("the token works", `${process.name} gives back ${token}, which was just refused`)
    // That a resource server refuses a token is known to those who were told.
    const unknown = token === this.#badToken && call.refused === undefined
    if (!unknown && !server.works(token, sim.now) && monitor.excuse === undefined) {
      monitor.fail("the token works", `${process.name} hands out ${token}, which no resource server accepts`)
    }
    const isHeld = monitor.rotations.some(({ accessToken, fate }) => accessToken === token && fate === "delivered")
    if (isHeld && this.happened["storeFails"] === undefined) {
      monitor.fail("I4 what was granted is stored", `${process.name} hands out ${token} before it is stored`)
    }
    sim.wrote |= Sim.Server
    server.used(token)
  }

  #turnedAway(process: Sim.Process, call: Call, error: { readonly _tag: string; readonly message: string }): void {
    const { monitor, stored } = this
    this.#noSecret(process, error.message)
    const token = stored && Redacted.value(stored.tokens.accessToken)
    // What the store holds while it cannot be read, nobody can know.
    if (this.storeIsDown || (error._tag === "StoreUnavailable" && this.happened["storeFails"] !== undefined)) return
    if (stored !== undefined && token !== call.refused && this.scene(process).storedTokenWorks) {
      monitor.fail("I5 no error while a token works", `${process.name} says ${error._tag} although the store has ${token}, which works`)
    }
    const refresh = stored?.tokens.refreshToken && Redacted.value(stored.tokens.refreshToken)
    if (error._tag === "SignInRequired" && refresh !== undefined && this.server.accepts(refresh, this.sim.now) && monitor.excuse === undefined) {
      monitor.fail("I8 no false death", `${process.name} asks for a new login although the stored ${refresh} is good`)
    }
  }

  #noSecret(process: Sim.Process, text: string): void {
    for (const secret of this.server.secrets()) {
      if (text.includes(secret)) this.monitor.fail("I10 no secret", `${process.name} says a secret to a person`)
    }
  }

  #lastWord(call: Call, monitor: Monitor): void {
    if (call.done?.startsWith("SignInRequired") && monitor.excuse === undefined) {
      monitor.fail("the session is kept", `afterwards a login is needed (${call.done}), and no fault explains it`)
    }
    if (call.done?.startsWith("TemporarilyUnavailable") && this.stored?.pause === undefined && monitor.excuse === undefined) {
      monitor.fail("I9 every waiter ends", "afterwards, with everything working again, there is still no token")
    }
  }

  // ------------------------------------------------------------------ what can happen next

  /** Nobody waits, nothing is on the wire, and no token is held that the store has not taken. */
  get #quiet(): boolean {
    if (this.messages.some(({ state }) => state !== "abandoned")) return false
    if (this.monitor.rotations.some(({ fate, holder }) => fate === "delivered" && holder?.alive === true)) return false
    return this.members.every(({ calls, process, started, state }) => {
      if (!process.alive) return true
      // What a process has under way on its own it brings to an end, whether or not somebody waits for it.
      if (process.sleepers.length > 0 && typeof state.value === "object") return false
      return started === calls.length && calls.every(({ done }) => done !== undefined)
    })
  }

  #nextInstant(): number {
    let next = Infinity
    for (const { process } of this.members) {
      for (const { deadline } of process.sleepers) if (deadline > this.sim.now && deadline < next) next = deadline
    }
    // A store that is down comes back whether or not somebody sleeps until then.
    return this.storeIsDown ? Math.min(next, this.#storeDownUntil) : next
  }

  enabled(): Array<Sim.Action> {
    const { scenario, sim } = this
    const actions: Array<Sim.Action> = []
    for (const member of this.members) {
      const { calls, process, started } = member
      if (!process.alive) continue
      actions.push(...sim.stepsOf(process))
      const call = calls[started]
      if (call !== undefined) {
        actions.push({ id: `${process.name}:call${call.index}`, process: process.index, fault: 0, stall: 0, local: true, run: () => this.#start(member, call) })
      }
    }
    for (const message of this.messages) {
      const { id, process, state } = message
      if (state === "sent") actions.push({ id: `${id}:server`, process: process.index, fault: 0, stall: 0, local: false, run: () => this.#arrive(message) })
      if (state === "answered") actions.push({ id: `${id}:answer`, process: process.index, fault: 0, stall: 0, local: true, run: () => this.#deliver(message) })
    }
    const busy = actions.length > 0
    const next = this.#nextInstant()
    if (next !== Infinity && !(this.#quiet && !busy) && (!busy || this.stallsLeft > 0)) actions.push(this.#timePasses(next, busy))
    if (!busy && this.#quiet && scenario.epilogue && this.epilogue === "none") actions.push(this.#epilogue())
    if (this.faultsLeft > 0) this.#faults(actions)
    return actions
  }

  #timePasses(next: number, busy: boolean): Sim.Action {
    const { sim } = this
    return {
      id: "time",
      process: -1,
      fault: 0,
      stall: busy ? 1 : 0,
      local: false,
      run: () => {
        if (busy) this.stallsLeft--
        sim.wrote = Sim.Everything
        sim.log("Clock", "Clock", `${(next - sim.now) / 1000} s pass${busy ? ", and everybody else stands still" : ""}`, "time")
        sim.now = next
        if (sim.now - sim.start > this.#horizonMillis) this.monitor.fail("I9 every waiter ends", "it goes on for ever")
      },
    }
  }

  #epilogue(): Sim.Action {
    const { sim } = this
    return {
      id: "epilogue",
      process: -1,
      fault: 0,
      stall: 0,
      local: false,
      run: () => {
        sim.wrote = Sim.Everything
        this.epilogue = "asked"
        this.faultsLeft = 0
        this.stallsLeft = 0
        for (const { process } of this.members) process.die()
        const stored = this.stored
        const end = stored?.tokens.expiry._tag === "Known" ? stored.tokens.expiry.at : sim.now
        // After a doubt the last presentation waits for a while: five minutes, and some more for a clock that is behind.
        const calm = stored?.ticket === undefined ? 0 : stored.ticket.issuedAt + 600_000
        const latest = Math.max(end, stored?.ticket?.drainedAt ?? 0, calm, stored?.pause?.until ?? 0, this.#storeDownUntil, sim.now)
        sim.now = latest + 1
        sim.log("Clock", "Clock", "later: the token has ended, and everything works again", "time")
        if (stored !== undefined) this.#spawn(this.members.length, "Z", "h1", 0, [false])
      },
    }
  }

  #faults(actions: Array<Sim.Action>): void {
    const { scenario, sim } = this
    const add = (kind: string, id: string, process: number, run: () => void): void => {
      actions.push({
        id: `${id}!${kind}`,
        process,
        fault: 1,
        stall: 0,
        local: false,
        run: () => {
          this.faultsLeft--
          this.count(kind)
          sim.wrote |= Sim.Budget
          run()
        },
      })
    }
    for (const kind of scenario.faults) {
      if (kind === "crash") {
        for (const member of this.members) {
          const { calls, process, started } = member
          const idle = started === calls.length && calls.every(({ done }) => done !== undefined) && !this.messages.some((message) => message.process === process) && process.pending.length === 0
          if (process.alive && process.operations > 0 && !idle) add(kind, process.name, process.index, () => this.#crash(member))
        }
      } else if (kind === "cancel") {
        for (const { calls, process } of this.members) {
          for (const call of calls) {
            if (call.fiber !== undefined && process.alive) add(kind, `${process.name}:call${call.index}`, process.index, () => this.#cancel(process, call))
          }
        }
      } else if (kind === "revoke") {
        if (!this.server.isRevoked()) {
          add(kind, "AS", -1, () => {
            sim.wrote = Sim.Everything
            this.server.revoke()
            this.monitor.excuse ??= "an administrator revoked the grant"
            sim.log("AS", "AS", "an administrator revokes the grant", "fault")
          })
        }
      } else if (kind === "storeFails") {
        if (!this.storeIsDown) {
          add(kind, "Store", -1, () => {
            sim.wrote = Sim.Everything
            this.#storeDownUntil = sim.now + 2_500
            sim.log("Store", "Store", "the disk is full for 2.5 s", "fault")
          })
        }
      } else if (kind === "signIn") {
        if (this.happened["signIn"] === undefined) add(kind, "Person", -1, () => this.#signIn())
      } else if (kind === "signOut") {
        if (this.stored !== undefined) {
          add(kind, "Person", -1, () => {
            sim.wrote = Sim.Everything
            this.stored = undefined
            this.newest++
            for (const rotation of this.monitor.rotations) if (rotation.fate === "delivered") this.#dropped(rotation)
            this.monitor.excuse ??= "a person signed out"
            sim.log("Person", "Store", "signs out", "fault")
          })
        }
      } else if (kind === "pause") {
        if (actions.some(({ fault, stall }) => fault === 0 && stall === 0)) {
          add(kind, "Clock", -1, () => {
            sim.wrote = Sim.Everything
            sim.log("Clock", "Clock", "everything stands still for ten minutes", "fault")
            sim.now += 600_000
          })
        }
      } else {
        for (const message of [...this.messages]) this.#messageFault(kind, message, add)
      }
    }
  }

  #messageFault(kind: string, message: Message, add: (kind: string, id: string, process: number, run: () => void) => void): void {
    const { sim } = this
    const { id, process, state, token } = message
    const offer = (run: () => void): void =>
      add(kind, id, process.index, () => {
        sim.wrote |= Sim.network(process.index) | Sim.own(process.index) | Sim.Ghost
        run()
      })
    if (state === "sent" && (kind === "busyBefore" || kind === "rateLimited")) {
      offer(() => {
        message.answer = this.server.refuse(kind === "busyBefore" ? 503 : 429, sim.now)
        message.state = "answered"
        sim.log("AS", "AS", message.answer.words, "fault")
      })
    } else if (state === "sent" && kind === "busyAfter") {
      offer(() => {
        this.#arrive(message)
        if (message.state !== "answered") return
        message.answer = this.server.refuse(502, sim.now)
        if (message.rotation?.fate === "answering") this.monitor.lose(message.rotation)
        sim.log("AS", "AS", "has done it, and the gateway says 502", "fault")
      })
    } else if (state === "sent" && kind === "lostRequest") {
      offer(() => {
        sim.log("Net", "Net", `the request with ${token} is lost`, "fault")
        this.messages.splice(this.messages.indexOf(message), 1)
      })
    } else if (state === "answered" && kind === "lostAnswer") {
      offer(() => {
        sim.log("Net", "Net", `the answer to ${token} is lost`, "fault")
        this.#vanish(message)
      })
    } else if (state === "abandoned" && kind === "late") {
      offer(() => {
        sim.log("Net", "Net", `a late request with ${token} still arrives`, "fault")
        this.monitor.excuse ??= "a request arrived after its sender was gone"
        this.#arrive(message)
      })
    } else if (state === "sent" && kind === "twice" && !message.duplicated) {
      offer(() => {
        sim.log("Net", "Net", `the request with ${token} arrives twice`, "fault")
        message.duplicated = true
        this.monitor.excuse ??= "the network delivered a request twice"
        const answer = this.server.present(token, sim.now)
        sim.wrote |= Sim.Server
        sim.log("AS", "AS", answer.words, "note")
      })
    }
  }

  #crash(member: Member): void {
    const { monitor, scenario, sim } = this
    const { process } = member
    sim.wrote |= Sim.own(process.index) | Sim.network(process.index) | Sim.Ghost | Sim.Alive
    sim.log(process.name, process.name, "is killed", "fault")
    process.die()
    for (const message of this.messages.filter((sent) => sent.process === process)) {
      monitor.forgotten(message.presentation)
      if (message.state === "answered") this.#vanish(message)
    }
    for (const rotation of monitor.rotations) {
      if (rotation.fate === "delivered" && rotation.holder === process) monitor.lose(rotation)
    }
    for (const all of monitor.presentations.values()) {
      for (const presentation of all) {
        if (presentation.process === process && this.stored?.verdict === undefined) monitor.forgotten(presentation)
      }
    }
    if (scenario.restart > 0) {
      const refused = Array.from({ length: scenario.restart }, () => false)
      this.#spawn(process.index, `${process.name}'`, process.host, process.skewMillis, refused)
    }
  }

  #cancel(process: Sim.Process, call: Call): void {
    const { sim } = this
    sim.wrote |= Sim.own(process.index)
    process.observe(`cancel${call.index}`)
    sim.log("Caller", process.name, `goes away (call ${call.index})`, "fault")
    call.fiber!.interruptUnsafe()
  }

  #signIn(): void {
    const { sim } = this
    sim.wrote = Sim.Everything
    const grant = this.server.issue(sim.now)
    const { generation: _, ...credential } = this.#credential(grant, sim.now + this.server.policy.accessLifetimeMillis)
    const next = apply(this.stored, this.newest, { _tag: "Put", credential })!
    this.stored = next
    this.newest = next.generation
    sim.log("Person", "Store", `signs in: ${this.#words(next)}`, "fault")
  }

  // ------------------------------------------------------------------ what the explorer asks for

  step(action: Sim.Action): void {
    this.sim.step(action)
  }

  access(): Touched {
    return [this.sim.read, this.sim.wrote]
  }

  violation(): Violation | undefined {
    return this.monitor.violation
  }

  /** At a state from which nothing follows. */
  atEnd(): void {
    for (const { calls, process } of this.members) {
      if (!process.alive) continue
      if (calls.some(({ done }) => done === undefined)) {
        return this.monitor.fail("I9 every waiter ends", `${process.name} never answers (${calls.map(({ done }) => done ?? "waiting").join(", ")})`)
      }
    }
    for (const { accessToken, fate, holder } of this.monitor.rotations) {
      if (fate === "delivered" && holder?.alive === true && !this.storeIsDown && holder.sleepers.length === 0) {
        this.monitor.fail("I4 what was granted is stored", `${holder.name} has ${accessToken} and never stored it`)
      }
    }
  }

  /** One way out of here whose alternatives need not be tried: alone in its process, touching nothing shared. */
  ample(actions: ReadonlyArray<Sim.Action>): number {
    if (this.faultsLeft > 0 || this.stallsLeft > 0) return -1
    return actions.findIndex(
      ({ local, process }) => local && process >= 0 && actions.filter((other) => other.process === process).length === 1 && !this.messages.some((message) => message.process.index === process && message.state === "sent")
    )
  }

  /** The state, named by what can influence the future. With `symmetry`, processes that differ in number only are equal. */
  key(symmetry: boolean, last: number): string {
    const { sim } = this
    const holder = this.stored?.ticket?.holder.instance
    const exact = this.scenario.memory === "history"
    const parts = this.members.map((member) => {
      const { calls, process, started } = member
      // A process that is dead, or that has nothing left to do, has a past and no future.
      const isOver = !process.alive || (started === calls.length && process.pending.length === 0 && process.sleepers.length === 0 && calls.every(({ fiber }) => fiber === undefined))
      const memory = process.alive ? (isOver ? "over" : exact ? process.history : this.#memory(member)) : "dead"
      let text = `${memory}${process.index === last ? "*" : ""}${holder === process.name ? "T" : ""}`
      for (const { answer, duplicated, process: sender, state, token } of this.messages) {
        if (sender.index === process.index) text += `;${sender === process ? "" : "^"}${token}${state}${answer?.words ?? ""}${duplicated ? "2" : ""}`
      }
      return text + this.monitor.marks(process)
    })
    if (symmetry) {
      const order = parts.map((_, index) => index)
      order.sort((a, b) => (parts[a]! < parts[b]! ? -1 : parts[a]! > parts[b]! ? 1 : a - b))
      this.rank = []
      for (const [rank, index] of order.entries()) this.rank[index] = rank
      parts.sort()
    }
    const ticketGone = holder !== undefined && !this.members.some(({ process }) => process.name === holder) ? "G" : ""
    return `${sim.now}|${this.#digest(this.stored, undefined)}${ticketGone}|${this.newest}|${this.#storeDownUntil}|${this.server.digest()}|${this.monitor.digest()}|${this.epilogue}|${this.faultsLeft},${this.stallsLeft}|${parts.join("|")}`
  }

  /**
   * What a process remembers, written out: its machine's state, the token at hand, what each call waits for, what it has
   * asked for and when it will wake. Many histories lead to one memory; `memory: "history"` in a scenario tells them apart.
   */
  #memory({ calls, handle, process, started, state }: Member): string {
    const { view } = state.context
    let text = `${stateText(state)}${this.#relation(view.ticket?.id)}`
    text += `${view.ticket?.holderGone ? "g" : ""}${this.#relation(state.context.outcome.doubt)}|${handle.peek() ?? ""}|${started}`
    for (const { done, fiber } of calls) text += done !== undefined ? "d" : fiber === undefined ? "." : "w"
    for (const operation of process.pending) text += `;${operation.kind}${operation.detail()}`
    for (const { deadline } of process.sleepers) text += `~${deadline}`
    return text
  }

  /** The action's name without the accident of how processes are numbered. */
  canonical(id: string): string {
    const digit = id.charCodeAt(1) - 48
    return id[0] === "P" && digit >= 0 && digit <= 9 ? `Q${this.rank[digit]}${id.slice(2)}` : id
  }
}

/**
 * The store of a world: one record, read and written by conditional changes, that a disk or a person may interfere with.
 *
 * **Details**
 *
 * - Each operation is one step, and what is judged of it is judged within that step.
 * - What a process learns is digested without process numbers, or symmetric states would look different.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { apply, type Change } from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import { inMode } from "../interop/modes.ts"
import { StoreUnavailable } from "../store/CredentialStore.ts"
import { fileOf } from "./loginFile.ts"
import { credentialName, type Request } from "./Program.ts"
import type { Scenario } from "./Scenario.ts"
import { shortName } from "./SeenStates.ts"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import * as Judge from "./worldJudge.ts"
import { changeWords, credentialWords, once } from "./worldNames.ts"
import type { Member } from "./WorldProcesses.ts"
import type { Grant } from "./WorldServer.ts"

const down = new StoreUnavailable({ reason: "full", path: "keep.db", message: "keep.db: the disk is full" })

const readTouches = Sim.Store | Sim.Time
const changeTouches = readTouches | Sim.Server | Sim.Ghost

type StoreRequest = Extract<Request, { readonly _tag: "Read" | "Change" }>

interface Answer {
  /** Tells it from all other answers that could be given now. */
  readonly name: string
  readonly answer: Effect.Effect<unknown, StoreUnavailable>
}

/** The same login as it stands in its owner's file too. */
const besideOwner = (credential: Credential, { habit, mode }: NonNullable<Scenario["owner"]>): Credential => {
  const { entry, owner, place, program } = fileOf[habit]
  const { generation, ...grant } = credential
  return { generation, ...inMode(grant, { owner, program, place, entry, mode, signIn: program }) }
}

/** What decisions depend on. `pace` is left out: no exploration presents as often as it takes to matter. */
const recordText = (record: Credential, whose: string): string => {
  const { alternates, forced, foreign, generation, pause, reuse, ticket, tokens, verdict } = record
  const expiry = tokens.expiry._tag === "Known" ? tokens.expiry.at : tokens.expiry._tag
  const refresh = tokens.refreshToken ? Redacted.value(tokens.refreshToken) : ""
  let text = `${generation},${Redacted.value(tokens.accessToken)},${refresh},${expiry},${forced},${reuse.class}`
  if (ticket) {
    const first = ticket.first ? `<${ticket.first.issuedAt}` : ""
    text += `,t${ticket.attempt}${ticket.vanishedAt === undefined ? "" : "v"}@${ticket.issuedAt}${whose}${first}`
    if (ticket.answer) text += `,a${ticket.answer.sentAt}-${ticket.answer.at}${Redacted.value(ticket.answer.body)}`
  }
  for (const { accessToken } of alternates ?? []) text += `,+${Redacted.value(accessToken)}`
  if (foreign) text += `,f${foreign.mode}${foreign.earlier?.join("") ?? ""}`
  if (pause) text += `,p${pause.until}.${pause.failures}`
  if (verdict) text += `,d${verdict.reason}`
  return text
}

const recordName = once((record: Credential) => shortName(recordText(record, "")))

export class WorldStore {
  stored: Credential | undefined
  /** The highest generation there has been, deleted records included. */
  newest = 1
  /** Until when the disk is full. */
  downUntil = 0
  readonly #world: World

  constructor(world: World, stored: Credential | undefined) {
    this.#world = world
    this.stored = stored
  }

  /** What a sign-in leaves. */
  credential(grant: Grant, expiresAt: number): Credential {
    const { believed, owner, provider, server } = this.#world.scenario
    const { accessLifetimeMillis: lifetimeMillis, graceMillis, reuse } = this.#world.server.policy
    const own: Credential = {
      name: credentialName,
      generation: 1,
      provider: provider ?? "generic",
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
      seed: grant.refreshToken,
      forced: 0,
    }
    return owner === undefined ? own : besideOwner(own, owner)
  }

  fork(world: World): WorldStore {
    const next = new WorldStore(world, this.stored)
    next.newest = this.newest
    next.downUntil = this.downUntil
    return next
  }

  get isDown(): boolean {
    return this.#world.sim.now < this.downUntil
  }

  /** What `member` asks of the store, as a step that it can take. */
  offer(member: Member, number: number, request: StoreRequest, id?: string): Sim.Operation {
    const { processes, sim } = this.#world
    const { process } = member
    const isRead = request._tag === "Read"
    const kind = isRead ? "read" : request.change._tag.toLowerCase()
    const operation: Sim.Operation = {
      id: id ?? Sim.nameOf(process, kind),
      kind,
      number,
      request,
      detail: () => (isRead ? request.caller : this.#changeDigest(request.change)),
      enabled: () => true,
      run: () => {
        process.pending.splice(process.pending.indexOf(operation), 1)
        sim.read |= isRead ? readTouches : changeTouches
        if (!isRead) sim.wrote |= Sim.Store | Sim.Ghost
        const { answer, name } = this.isDown
          ? this.#fails(process)
          : isRead
            ? this.#read(process)
            : this.#change(process, request.change)
        processes.happens(
          member,
          `${number}${name}`,
          () => ({ _tag: "Answered", number, answer }),
          () => `${number}${kind}${name === "down" ? name : `${name[0]}${this.digest(process)}`}`,
        )
      },
    }
    return operation
  }

  #fails(process: Sim.Process): Answer {
    this.#world.sim.log("Store", process.name, "fails: the disk is full", "fault")
    return { name: "down", answer: Effect.fail(down) }
  }

  #read(process: Sim.Process): Answer {
    const { lives, sim } = this.#world
    sim.log(process.name, "Store", "read", "call")
    sim.log("Store", process.name, this.#words(), "reply")
    return { name: `r${lives.numberOf(this.stored)}`, answer: Effect.succeed(this.stored) }
  }

  #change(process: Sim.Process, change: Change): Answer {
    const { lives, monitor, sim } = this.#world
    const next = lives.applied(this.stored, this.newest, change)
    const applied = next !== undefined
    sim.log(process.name, "Store", changeWords(change), "call")
    if (change._tag === "Journal") monitor.offered(process)
    Judge.changed(this.#world, process, change, next)
    if (applied) {
      if (change._tag === "Claim") Judge.claimed(this.#world, process, next)
      this.#write(process, next)
    }
    sim.log("Store", process.name, `${applied ? "ok: " : "no: "}${this.#words()}`, "reply")
    if (change._tag === "Commit" && !applied) {
      for (const rotation of monitor.rotations) if (rotation.holder === process) monitor.dropped(rotation)
    }
    const credential = this.stored
    return {
      name: `${applied ? "y" : "n"}${lives.numberOf(credential)}`,
      answer: Effect.succeed({ applied, credential }),
    }
  }

  #write(process: Sim.Process, next: Credential): void {
    const { monitor } = this.#world
    Judge.written(this.#world, process, next)
    const isNew = next.generation > (this.stored?.generation ?? 0)
    this.stored = next
    this.newest = Math.max(this.newest, next.generation)
    const { alternates = [], ticket, tokens } = next
    for (const { accessToken } of [tokens, ...alternates]) monitor.stored(Redacted.value(accessToken))
    if (isNew) monitor.overtaken()
    if (ticket?.answer !== undefined) monitor.journaled(Redacted.value(tokens.refreshToken!), process)
  }

  // ------------------------------------------------------------------ people and disks

  /** A person signs in again: a write that asks nothing. */
  signIn(grant: Grant): void {
    const { lives, monitor, server, sim } = this.#world
    monitor.overtaken()
    const { generation: _, ...credential } = this.credential(grant, sim.now + server.policy.accessLifetimeMillis)
    const next = apply(this.stored, this.newest, { _tag: "Put", credential })!
    this.stored = lives.same(next)
    this.newest = next.generation
    sim.log("Person", "Store", `signs in: ${this.#words()}`, "fault")
  }

  /** A person signs out. What a process holds by then has nowhere to go, and is nobody's loss. */
  signOut(): void {
    const { monitor, sim } = this.#world
    monitor.overtaken()
    this.stored = undefined
    this.newest++
    for (const rotation of monitor.rotations) if (rotation.fate === "delivered") monitor.dropped(rotation)
    monitor.excuse ??= "a person signed out"
    sim.log("Person", "Store", "signs out", "fault")
  }

  /** The disk is full for a while. */
  fillDisk(): void {
    const { sim } = this.#world
    this.downUntil = sim.now + 2_500
    sim.log("Store", "Store", "the disk is full for 2.5 s", "fault")
  }

  // ------------------------------------------------------------------ for traces and names of states

  #words(): string {
    return credentialWords(this.stored, this.#world.sim.now)
  }

  /** The record without process numbers, as `process` sees it. */
  digest(process: Sim.Process): string {
    if (this.stored === undefined) return "-"
    const { ticket } = this.stored
    return recordText(this.stored, ticket === undefined ? "" : this.#whose(ticket.holder, process))
  }

  /** The record as nobody in particular sees it, in short, for the state hash. */
  get name(): string {
    return this.stored === undefined ? "-" : recordName(this.stored)
  }

  #whose(holder: { readonly instance: string; readonly host: string }, process: Sim.Process): string {
    if (holder.instance === process.name) return "mine"
    return this.#world.processes.isGone(holder, process.host) ? "gone" : "other"
  }

  /** How a ticket that somebody remembers is related to the one that is stored: all that a conditional write asks. */
  relation(ticketId: string | undefined): string {
    const ticket = this.stored?.ticket
    if (ticketId === undefined) return "-"
    return ticketId === ticket?.id ? "now" : ticketId === ticket?.first?.id ? "before" : "old"
  }

  /** All that the rest of the program will make of a change that is about to be asked for. */
  #changeDigest(change: Change): string {
    switch (change._tag) {
      case "Claim":
        return `${change.generation}.${change.ticket.attempt}@${change.ticket.issuedAt}${this.relation(change.after)}`
      case "Journal":
        return `${change.generation}${this.relation(change.ticketId)}${Redacted.value(change.answer.body)}@${change.answer.at}`
      case "Commit":
        return `${change.generation}${Redacted.value(change.tokens.accessToken)}${change.forced}`
      case "Release":
        return `${change.generation}${this.relation(change.ticketId)}${change.pause?.until ?? ""}`
      case "Condemn":
        return `${change.generation}${change.verdict.reason}${this.relation(change.ticketId)}`
      case "Doubt":
        return `${change.generation}${this.relation(change.ticketId)}`
      case "Pardon":
        return `${change.generation}`
      case "Put":
        return "put"
    }
  }
}

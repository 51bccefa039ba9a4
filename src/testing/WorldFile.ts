/**
 * Another program's file in a world, and the locks beside it: read and written by that program and by Keepers that keep the
 * login in it together with it.
 *
 * **Details**
 *
 * - Each look, each write and each taking of locks is one step. Locks are the kernel's: they end with their holder, and
 *   giving them back is no step of its own, since all that could come in between is somebody's waiting a little longer.
 * - What is judged of a write is judged within its step.
 */
import * as Effect from "effect/Effect"
import { fileOf, type Login, type LoginFile } from "./loginFile.ts"
import type { Habit } from "./ownerProgram.ts"
import type { Request } from "./Program.ts"
import { shortName } from "./SeenStates.ts"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import * as OwnerJudge from "./ownerJudge.ts"
import type { Member } from "./WorldProcesses.ts"

type FileRequest = Extract<Request, { readonly _tag: "FileRead" | "FileProbe" | "FileWrite" | "Lock" }>

/** Locks as people call them: the one of a single login has a hash for a name. */
const called = (places: ReadonlyArray<string>): string =>
  places.map((place) => place.replace(/^.*\//, "").replace(/^[0-9a-f]{64}\./, "login.")).join(" and ")

/** How long a fault of the file lasts. */
const faultMillis = 2_500

interface Answer {
  readonly name: string
  readonly answer: Effect.Effect<unknown, { readonly message: string }>
}

const kinds = { FileRead: "look", FileProbe: "probe", FileWrite: "write", Lock: "lock" } as const

export class WorldFile {
  text: string
  readonly form: LoginFile
  readonly habit: Habit
  /** Until when only half of it is there, and until when nobody may write it. */
  tornUntil = 0
  stuckUntil = 0
  /** By whom each lock is held that is held. */
  readonly locks = new Map<string, string>()
  /** The refresh tokens of its login, in the order in which the server gave them. */
  readonly given: Array<string>
  readonly #world: World

  constructor(world: World, habit: Habit, login: Login, origin?: WorldFile) {
    this.#world = world
    this.habit = habit
    this.form = fileOf[habit]
    this.text = origin?.text ?? this.form.written(login)
    this.given = origin === undefined ? [login.refreshToken] : [...origin.given]
    if (origin === undefined) return
    this.tornUntil = origin.tornUntil
    this.stuckUntil = origin.stuckUntil
    for (const [place, holder] of origin.locks) this.locks.set(place, holder)
  }

  fork(world: World): WorldFile {
    return new WorldFile(world, this.habit, this.login!, this)
  }

  /** What stands in it, whoever can read it now. */
  get login(): Login | undefined {
    return this.form.login(this.text)
  }

  get isTorn(): boolean {
    return this.#world.sim.now < this.tornUntil
  }

  get isStuck(): boolean {
    return this.#world.sim.now < this.stuckUntil
  }

  /** The place of a refresh token in the order in which the server gave them. */
  ageOf(refreshToken: string | undefined): number {
    return refreshToken === undefined ? -1 : this.given.indexOf(refreshToken)
  }

  gave(refreshToken: string): void {
    if (!this.given.includes(refreshToken)) this.given.push(refreshToken)
  }

  /** When something about it ends that somebody may wait for. */
  get nextInstant(): number {
    return Math.min(this.isTorn ? this.tornUntil : Infinity, this.isStuck ? this.stuckUntil : Infinity)
  }

  // ------------------------------------------------------------------ what a process asks

  /** What `member` asks of it, as a step that it can take. */
  offer(member: Member, number: number, request: FileRequest, id?: string): Sim.Operation {
    const { processes, sim } = this.#world
    const { process } = member
    const kind = kinds[request._tag]
    const operation: Sim.Operation = {
      id: id ?? Sim.nameOf(process, kind),
      kind,
      number,
      request,
      detail: () => (request._tag === "FileWrite" ? shortName(`${request.over}>${request.text}`) : ""),
      enabled: () => request._tag !== "Lock" || request.places.every((place) => !this.locks.has(place)),
      run: () => {
        process.pending.splice(process.pending.indexOf(operation), 1)
        sim.read |= Sim.File | Sim.Time
        const { answer, name } = this.#answer(member, request)
        processes.happens(
          member,
          `${number}${name}`,
          () => ({ _tag: "Answered", number, answer }),
          () => `${number}${kind}${name}`,
        )
      },
    }
    return operation
  }

  #answer(member: Member, request: FileRequest): Answer {
    switch (request._tag) {
      case "FileRead":
        return this.#read(member)
      case "FileProbe":
        return this.#probe(member)
      case "FileWrite":
        return this.#write(member, request)
      case "Lock":
        return this.#lock(member, request.places)
    }
  }

  #read(member: Member): Answer {
    const { sim } = this.#world
    const text = this.isTorn ? this.text.slice(0, this.text.length / 2) : this.text
    sim.log(member.process.name, "File", "read", "call")
    sim.log("File", member.process.name, this.isTorn ? "only half of it" : this.words(), "reply")
    if (!this.isTorn) OwnerJudge.hasRead(this.#world, member)
    return { name: `f${shortName(text)}`, answer: Effect.succeed(text) }
  }

  #probe({ process }: Member): Answer {
    const { sim } = this.#world
    sim.log(process.name, "File", "can it be written?", "call")
    sim.log("File", process.name, this.isStuck ? "no" : "yes", "reply")
    return this.isStuck ? this.#denied() : { name: "p", answer: Effect.void }
  }

  #denied(): Answer {
    return { name: "denied", answer: Effect.fail({ message: "access is denied" }) }
  }

  /** `over`: only where this still stands there. */
  #write(member: Member, { over, text }: Extract<FileRequest, { readonly _tag: "FileWrite" }>): Answer {
    const { sim } = this.#world
    const { process } = member
    sim.wrote |= Sim.File | Sim.Ghost
    sim.read |= Sim.Ghost | Sim.Store | Sim.Server
    sim.log(process.name, "File", `write ${this.words(text)}`, "call")
    if (this.isStuck) {
      sim.log("File", process.name, "it cannot be written", "fault")
      OwnerJudge.notWritten(this.#world, process)
      return this.#denied()
    }
    if (over !== undefined && over !== this.text) {
      sim.log("File", process.name, "no: somebody else has written it", "reply")
      return { name: "changed", answer: Effect.fail({ message: "somebody else wrote it meanwhile" }) }
    }
    OwnerJudge.overwritten(this.#world, process, text)
    this.text = text
    sim.log("File", process.name, "ok", "reply")
    return { name: "written", answer: Effect.void }
  }

  #lock({ process }: Member, places: ReadonlyArray<string>): Answer {
    const { sim } = this.#world
    sim.read |= Sim.Locks
    sim.wrote |= Sim.Locks
    for (const place of places) this.locks.set(place, process.name)
    sim.log(process.name, "File", `lock ${called(places)}`, "call")
    return { name: "locked", answer: Effect.void }
  }

  unlock({ name }: Sim.Process, places: ReadonlyArray<string>): void {
    const { sim } = this.#world
    sim.wrote |= Sim.Locks
    for (const place of places) if (this.locks.get(place) === name) this.locks.delete(place)
    sim.log(name, "File", `unlock ${called(places)}`, "call")
  }

  /** What a process held that was killed. */
  killed(process: Sim.Process): void {
    const places = [...this.locks].filter(([, holder]) => holder === process.name).map(([place]) => place)
    if (places.length > 0) this.unlock(process, places)
  }

  // ------------------------------------------------------------------ what goes wrong with it, and people

  /** Its owner writes it in place, and is slow. */
  tear(): void {
    const { processes, sim } = this.#world
    this.tornUntil = sim.now + faultMillis
    for (const { calls } of processes.members) for (const call of calls) call.fileThen = undefined
    sim.log("File", "File", "only half of it is there for 2.5 s", "fault")
  }

  stick(): void {
    this.stuckUntil = this.#world.sim.now + faultMillis
    this.#world.sim.log("File", "File", "it cannot be written for 2.5 s", "fault")
  }

  /** A person signs out there; the server is not told. */
  signOut(): void {
    const { monitor, sim } = this.#world
    this.text = this.form.with(this.text, undefined)
    monitor.excuse ??= "a person signed out"
    sim.log("Person", "File", "signs out", "fault")
  }

  /** A person signs in there once more. */
  signIn(login: Login): void {
    this.gave(login.refreshToken)
    this.text = this.form.with(this.text, login)
    this.#world.sim.log("Person", "File", `signs in: ${this.words()}`, "fault")
  }

  // ------------------------------------------------------------------ for traces and names of states

  words(text = this.text): string {
    const login = this.form.login(text)
    return login === undefined ? "signed out" : `${login.accessToken}/${login.refreshToken}`
  }

  get name(): string {
    return `${shortName(this.text)}${this.tornUntil},${this.stuckUntil},${this.given.join()}`
  }

  /** What of it is `process`'s. */
  marks({ name }: Sim.Process): string {
    return [...this.locks.values()].some((holder) => holder === name) ? "L" : ""
  }
}

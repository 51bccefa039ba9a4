/**
 * One process's program in a simulated world: a real Keeper and its callers, alone with what happens to them.
 *
 * **Details**
 *
 * - It meets the world in two words only. A `Happening` goes in: a call, an answer, a timer's end. What it then does until
 *   it can only wait comes out as `Deed`s, in order: it asks the store, sends, sleeps, answers a caller.
 * - Everything in between is one uninterruptible step, which is exact for Node: nothing can come between two awaits.
 * - What it does is a function of its birth and of what has happened to it, and of nothing else. `Life` builds on that.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { read } from "../exchange/read.ts"
import { type Outcome, TokenEndpoint, type Witness } from "../exchange/TokenEndpoint.ts"
import { ForeignDisk } from "../interop/ForeignDisk.ts"
import type { Access } from "../keeper/Keeper.ts"
import * as Hooks from "../keeper/hooks.ts"
import * as Live from "../keeper/live.ts"
import { Owners } from "../keeper/Owners.ts"
import { Processes } from "../keeper/Processes.ts"
import type { Change } from "../lifecycle/Change.ts"
import type { Answer, Credential, Holder } from "../lifecycle/Credential.ts"
import { initial, type State } from "../lifecycle/machine.ts"
import type { Command, Event } from "../lifecycle/protocol.ts"
import { CredentialStore } from "../store/CredentialStore.ts"
import * as OwnerProgram from "./ownerProgram.ts"
import type { Parts } from "./Parts.ts"
import * as ProgramDisk from "./programDisk.ts"
import * as Sim from "./Simulation.ts"
import { fileOf } from "./loginFile.ts"

export const credentialName = "github"

/** All that a process is born with. */
export interface Birth {
  readonly name: string
  readonly index: number
  readonly host: string
  /** Its host's clock is ahead of the world's by this much. */
  readonly skewMillis: number
  /** Of each caller, the token that a resource server has refused to it. */
  readonly refused: ReadonlyArray<string | undefined>
  readonly options: Live.KeeperOptions
  /** It is no Keeper but the program in whose file the login stands, and has this habit. */
  readonly owner?: OwnerProgram.Habit | undefined
}

/** What presenting a refresh token takes. */
export type Presented = Pick<Credential, "generation" | "ticket"> & {
  readonly tokens: Pick<Credential["tokens"], "refreshToken">
}

/** When something happens: by the world's clock, and by one that stops while everything stands still. */
export interface Moment {
  readonly now: number
  readonly uptime: number
}

export type Request =
  | { readonly _tag: "Read"; caller: string }
  | { readonly _tag: "Change"; readonly change: Change }
  | { readonly _tag: "Send"; readonly credential: Presented; readonly since: number; readonly until: number }
  | { readonly _tag: "FileRead" | "FileProbe" }
  /** `over`: only where this still stands there. */
  | { readonly _tag: "FileWrite"; readonly text: string; readonly over: string | undefined }
  | { readonly _tag: "Lock"; readonly places: ReadonlyArray<string> }

/** Requests and sleeps are numbered together, in the order in which they begin. */
export type Happening =
  | { readonly _tag: "Called"; readonly call: number }
  | { readonly _tag: "Cancelled"; readonly call: number }
  | { readonly _tag: "Woke"; readonly number: number }
  | { readonly _tag: "Answered"; readonly number: number; readonly answer: Effect.Effect<unknown, unknown> }
  /** A request to the server has left: from now on it may have been carried out. */
  | { readonly _tag: "Left"; readonly number: number }

export type Deed =
  | { readonly _tag: "Asks"; readonly number: number; readonly request: Request }
  /** It does not want the answer any more. */
  | { readonly _tag: "Leaves"; readonly number: number }
  | { readonly _tag: "Sleeps"; readonly number: number; readonly deadline: number }
  | { readonly _tag: "StaysUp"; readonly number: number }
  | { readonly _tag: "Unlocks"; readonly places: ReadonlyArray<string> }
  | {
      readonly _tag: "Decides"
      readonly before: State
      readonly event: Event
      readonly after: State
      readonly commands: ReadonlyArray<Command>
    }
  | { readonly _tag: "Answers"; readonly call: number; readonly exit: Exit.Exit<Access, unknown> }

/** What callers ask, whatever the program is. */
interface Asked {
  readonly access: () => Effect.Effect<Access, unknown>
  readonly refused: (token: string) => Effect.Effect<Access, unknown>
  readonly peek: () => string | undefined
}

/** All that an owner tells its caller. */
const ownersAccess = (token: string): Access => ({
  token: Redacted.make(token),
  tokenType: "Bearer",
  expiresAt: undefined,
  generation: 0,
  scope: undefined,
  resource: undefined,
  dpopKey: undefined,
  note: undefined,
})

type Resume = (effect: Effect.Effect<never, never>) => void

export class Program {
  readonly #birth: Birth
  readonly #sim = new Sim.Simulation(false)
  readonly #process: Sim.Process
  readonly #handle: Asked
  readonly #disk: typeof ForeignDisk.Service
  readonly #calls: Array<Fiber.Fiber<Access, unknown> | undefined> = []
  readonly #waiting = new Map<number, Resume>()
  readonly #requests = new Map<number, Request>()
  readonly #sent = new Set<Request>()
  #deeds: Array<Deed> = []
  /** Who reads is known only when the step is over: a call's fiber has no name before it has begun. */
  #readers: Array<readonly [{ caller: string }, unknown]> = []
  #decided: Array<readonly [State, ReadonlyArray<Command>]> = []
  #numbers = 0
  #uptime = 0
  #isGone: (holder: Holder) => boolean = () => false
  state: State

  constructor(birth: Birth, parts: Parts, moment: Moment) {
    const { background = false } = birth.options
    this.#birth = birth
    this.#process = new Sim.Process(birth.index, birth.name, birth.host, birth.skewMillis)
    this.state = initial(background)
    this.#at(moment)
    this.#disk = parts.disk(ProgramDisk.make(this.#asking), this.#process)
    this.#handle = birth.owner === undefined ? this.#keeper(parts) : this.#owner(birth.owner)
  }

  #keeper(parts: Parts): Asked {
    const keeper = Live.make(this.#birth.options)
    const fiber = Effect.runForkWith(this.#services(parts))(keeper, { scheduler: this.#sim.scheduler })
    this.#sim.drain()
    const exit = fiber.pollUnsafe()
    if (exit === undefined || Exit.isFailure(exit)) throw new Error(`${this.#birth.name} did not start`)
    const clock = { now: () => this.#sim.now, uptime: () => this.#uptime }
    return parts.keeper(exit.value.credential(credentialName), clock, this.#process)
  }

  #owner(habit: OwnerProgram.Habit): Asked {
    const file = fileOf[habit]
    const called = OwnerProgram.call(habit, file, ProgramDisk.ownerGround(this.#asking, file))
    return {
      access: () => Effect.map(called, ownersAccess),
      refused: () => Effect.die("not its way"),
      peek: () => undefined,
    }
  }

  #at({ now, uptime }: Moment): void {
    this.#sim.now = now
    this.#uptime = uptime
  }

  /** What it has at hand without asking anybody. */
  get atHand(): string {
    return this.#handle.peek() ?? ""
  }

  /** `isGone`: whether another process of this host has ended, as the operating system would tell. */
  happens(happening: Happening, moment: Moment, isGone: (holder: Holder) => boolean): ReadonlyArray<Deed> {
    this.#at(moment)
    this.#isGone = isGone
    this.#run(happening)
    this.#sim.drain()
    return this.done()
  }

  /** The same happens again, and the same is decided. */
  happensAgain(
    happening: Happening,
    deeds: ReadonlyArray<Deed>,
    moment: Moment,
    isGone: (holder: Holder) => boolean,
  ): ReadonlyArray<Deed> {
    this.#decided = deeds.flatMap((deed) => (deed._tag === "Decides" ? [[deed.after, deed.commands] as const] : []))
    const again = this.happens(happening, moment, isGone)
    this.#decided = []
    return again
  }

  /** What it has done since it was asked last. */
  done(): ReadonlyArray<Deed> {
    for (const [request, reader] of this.#readers) {
      const call = this.#calls.indexOf(reader as Fiber.Fiber<Access, unknown>)
      request.caller = call < 0 ? "keeper" : String(call)
    }
    this.#readers = []
    const deeds = this.#deeds
    this.#deeds = []
    return deeds
  }

  #run(happening: Happening): void {
    switch (happening._tag) {
      case "Called":
        return this.#call(happening.call)
      case "Cancelled":
        return void this.#calls[happening.call]?.interruptUnsafe()
      case "Woke":
        return this.#resume(happening.number, Effect.void as Effect.Effect<never>)
      case "Answered":
        return this.#resume(happening.number, happening.answer as Effect.Effect<never, never>)
      case "Left":
        return void this.#sent.add(this.#requests.get(happening.number)!)
    }
  }

  #resume(number: number, answer: Effect.Effect<never, never>): void {
    const resume = this.#waiting.get(number)
    this.#waiting.delete(number)
    resume?.(answer)
  }

  #call(call: number): void {
    const refused = this.#birth.refused[call]
    const asked = refused === undefined ? this.#handle.access() : this.#handle.refused(refused)
    const fiber = Effect.runForkWith(this.#surroundings())(asked, { scheduler: this.#sim.scheduler })
    this.#calls[call] = fiber
    fiber.addObserver((exit) => {
      this.#calls[call] = undefined
      this.#deeds.push({ _tag: "Answers", call, exit })
    })
  }

  // ------------------------------------------------------------------ what the Keeper stands on

  #surroundings(): Context.Context<never> {
    return this.#sim
      .surroundings(this.#process, (deadline, resume) => {
        const number = ++this.#numbers
        this.#waiting.set(number, resume as Resume)
        this.#deeds.push({ _tag: "Sleeps", number, deadline })
        return Effect.sync(() => {
          if (this.#waiting.delete(number)) this.#deeds.push({ _tag: "StaysUp", number })
        })
      })
      .pipe(Context.add(ForeignDisk, this.#disk))
  }

  readonly #asking: ProgramDisk.Asking = {
    ask: (request) => Effect.suspend(() => this.#ask({ ...request })),
    unlock: (places) => void this.#deeds.push({ _tag: "Unlocks", places }),
    now: () => this.#sim.now,
  }

  #services(parts: Parts) {
    const { host, index, name } = this.#birth
    return Context.make(CredentialStore, parts.store(this.#store, this.#process)).pipe(
      Context.add(TokenEndpoint, parts.endpoint({ exchange: (...asked) => this.#exchange(...asked) }, this.#process)),
      Context.add(Processes, {
        self: { instance: name, host, bootId: "1", pid: index, startedAt: name },
        isGone: (holder) => this.#isGone(holder),
      }),
      Context.add(Hooks.Decide, (state, event) => this.#decided.shift() ?? parts.decide(state, event)),
      Context.add(Hooks.Observer, (_, before, event, after, commands) => {
        this.state = after
        this.#deeds.push({ _tag: "Decides", before, event, after, commands })
      }),
      Context.add(Owners, parts.owners(ProgramDisk.owners, this.#process)),
      Context.add(Scope.Scope, Scope.makeUnsafe()),
      Context.merge(this.#surroundings()),
    )
  }

  /** Suspends until the world answers. */
  #ask<A, E>(request: Request): Effect.Effect<A, E> {
    return Effect.callback<A, E>((resume) => {
      const number = ++this.#numbers
      this.#waiting.set(number, resume as Resume)
      this.#requests.set(number, request)
      this.#deeds.push({ _tag: "Asks", number, request })
      return Effect.sync(() => {
        if (this.#waiting.delete(number)) this.#deeds.push({ _tag: "Leaves", number })
      })
    })
  }

  get #store(): CredentialStore["Service"] {
    return {
      read: () =>
        Effect.withFiber((fiber) => {
          const request = { _tag: "Read" as const, caller: "keeper" }
          this.#readers.push([request, fiber])
          return this.#ask(request)
        }),
      compareAndSwap: (_, change) => this.#ask({ _tag: "Change", change }),
      list: Effect.die("not in this world"),
      remove: () => Effect.die("not in this world"),
      append: () => Effect.void,
      history: () => Effect.succeed([]),
      changes: Stream.empty,
    }
  }

  #exchange(credential: Credential, deadlineMillis: number, witness: Witness = {}): Effect.Effect<Outcome> {
    return Effect.suspend(() => {
      const since = this.#sim.now
      const request = { _tag: "Send", credential, since, until: since + deadlineMillis } as const
      return this.#ask<Answer, never>(request).pipe(
        Effect.timeoutOption(deadlineMillis),
        Effect.flatMap(
          Option.match({
            onNone: () =>
              Effect.succeed<Outcome>(
                this.#sent.has(request)
                  ? { _tag: "Ambiguous", cause: "no answer in time" }
                  : { _tag: "NotSent", cause: "no connection in time" },
              ),
            onSome: (answer) => Effect.as(witness.answered?.(answer) ?? Effect.void, read(credential, answer)),
          }),
        ),
      )
    })
  }
}

/**
 * Processes whose every step is somebody's choice: the ground on which the race explorer stands.
 *
 * Real Effect programs run here under a scheduler that never yields by itself and a clock that never moves by itself.
 * Each operation of a simulated service suspends its fiber and offers an `Action`; running the action resumes the fiber
 * and runs everything that follows from it, up to the next operations. That is exact for Node, where nothing can come
 * between two awaits.
 *
 * **Invariants**
 *
 * - A step is synchronous: no promise, no microtask. `Effect.promise` and friends cannot be simulated.
 * - Every step records what it read and wrote, its monitors included, so that the explorer knows which steps commute.
 * - A process's memory is a function of what it has observed, so a hash of that history can stand for its memory.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scheduler from "effect/Scheduler"
import { named } from "./loginFile.ts"

/** What a step touches, as bits: the shared parts, then one private part and one network a process. */
export const Store = 1
export const Server = 2
export const Time = 4
export const Budget = 8
export const Ghost = 16
export const Alive = 32
export const File = 64
export const Locks = 128
export const own = (index: number): number => 1 << (8 + index)
export const network = (index: number): number => 1 << (16 + index)
export const Everything = -1

/** One possible next step. `fault` and `stall` say what it costs of the budget, `process` whose step it is (-1: nobody's). */
export interface Action {
  readonly id: string
  readonly process: number
  readonly fault: 0 | 1
  readonly stall: 0 | 1
  /** It touches nothing but its own process: alone there, it needs no alternatives once no fault is left. */
  readonly local: boolean
  readonly run: () => void
}

export interface Operation {
  readonly id: string
  readonly kind: string
  /** How its process calls it. */
  readonly number?: number
  /** What it asks for, in its program's words. */
  readonly request?: unknown
  /** All that the rest of the program will make of the answer, beyond what the process remembers anyway. */
  readonly detail: () => string
  readonly enabled: () => boolean
  readonly run: () => void
}

export interface Sleeper {
  /** How its process calls it. */
  readonly number?: number
  readonly deadline: number
  readonly wake: () => void
}

/** How a sleep begins; what it gives ends it early. */
export type Sleep = (deadline: number, resume: (effect: Effect.Effect<void>) => void) => Effect.Effect<void>

/** One line of a trace. */
export interface Line {
  readonly at: number
  readonly from: string
  readonly to: string
  readonly text: string
  readonly kind: "call" | "reply" | "note" | "fault" | "time"
}

const mix = (hash: number, text: string): number => {
  let mixed = hash
  for (let i = 0; i < text.length; i++) mixed = Math.imul(mixed ^ text.charCodeAt(i), 0x01000193)
  return mixed
}

/** One incarnation of one process: its pending operations, its sleepers, and a hash of all it has observed. */
export class Process {
  readonly index: number
  readonly name: string
  readonly host: string
  /** Its host's clock is ahead of the world's by this much. */
  readonly skewMillis: number
  /** It is the program whose login others keep together with it. */
  readonly isOwner: boolean
  alive = true
  /** How many operations it has asked for. */
  operations = 0
  pending: Array<Operation> = []
  sleepers: Array<Sleeper> = []
  #first = 0x811c9dc5 | 0
  #second = 0x01234567 | 0

  constructor(index: number, name: string, host: string, skewMillis: number, isOwner = false) {
    this.isOwner = isOwner
    this.index = index
    this.name = name
    this.host = host
    this.skewMillis = skewMillis
  }

  observe(what: string): void {
    this.#first = mix(this.#first, what)
    this.#second = mix(this.#second, what) ^ (this.#first >>> 7)
  }

  get history(): string {
    return `${this.#first}.${this.#second}`
  }

  /** The same once more, as far as it has come; what it asks for and its sleepers are its owner's to bring along. */
  copy(): Process {
    const next = new Process(this.index, this.name, this.host, this.skewMillis, this.isOwner)
    next.operations = this.operations
    next.#first = this.#first
    next.#second = this.#second
    return next
  }

  /** SIGKILL: nothing of it runs any more, finalizers included. */
  die(): void {
    this.alive = false
    this.pending = []
    this.sleepers = []
  }
}

/** The name of a step that `process` can take: told apart where it asks for two of a kind at once. */
export const nameOf = (process: Process, kind: string): string => {
  let id = `${process.name}:${kind}`
  while (process.pending.some((other) => other.id === id)) id += "+"
  return id
}

export class Simulation {
  readonly start = 1_000_000_000
  /** Epoch milliseconds of the world; each host may think otherwise. */
  now = this.start
  /** What the current step has read and written. */
  read = 0
  wrote = 0
  lines: Array<Line> | undefined
  readonly #tasks: Array<() => void> = []
  readonly scheduler: Scheduler.Scheduler

  constructor(record: boolean) {
    if (record) this.lines = []
    const tasks = this.#tasks
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (task) => void tasks.push(task),
      flush: () => {},
    }
    this.scheduler = { executionMode: "sync", shouldYield: () => false, makeDispatcher: () => dispatcher }
  }

  log(from: string, to: string, text: string, kind: Line["kind"]): void {
    this.lines?.push({ at: this.now - this.start, from, to, text: named(text), kind })
  }

  /** Runs everything that can run without a choice being made. */
  drain(): void {
    const tasks = this.#tasks
    for (let i = 0; i < tasks.length; i++) tasks[i]!()
    tasks.length = 0
  }

  step(action: Action): void {
    this.read = 0
    this.wrote = 0
    action.run()
    this.drain()
  }

  /** The process's clock: it stands still within a step, and its sleepers wake when the explorer lets time pass. */
  clock(process: Process, sleep: Sleep): Clock.Clock {
    const millis = (): number => {
      this.read |= Time
      return this.now + process.skewMillis
    }
    const nanos = (): bigint => BigInt(millis()) * 1_000_000n
    return {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.callback((resume) => sleep(this.now + Math.max(0, Math.ceil(Duration.toMillis(duration))), resume)),
    }
  }

  /** Sleepers that wake when the explorer says so. */
  sleeping(process: Process): Sleep {
    return (deadline, resume) => {
      this.read |= Time
      process.operations++
      const wake = (): void => {
        process.observe(`wakes${deadline}@${this.now}`)
        resume(Effect.void)
      }
      const sleeper: Sleeper = { deadline, wake }
      process.sleepers.push(sleeper)
      return Effect.sync(() => {
        const at = process.sleepers.indexOf(sleeper)
        if (at >= 0) process.sleepers.splice(at, 1)
      })
    }
  }

  /** What every simulated process gets whatever it is: its clock, and a randomness that is always the same. */
  surroundings(process: Process, sleep: Sleep = this.sleeping(process)): Context.Context<never> {
    return Context.make(Clock.Clock, this.clock(process, sleep)).pipe(
      Context.add(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => 0.5 }),
    ) as Context.Context<never>
  }

  /** The steps that a process can make by itself now: its operations, and its sleepers whose time has come. */
  stepsOf(process: Process): Array<Action> {
    const actions: Array<Action> = []
    for (const { enabled, id, kind, run } of process.pending) {
      if (!enabled()) continue
      actions.push({ id, process: process.index, fault: 0, stall: 0, local: kind === "send", run })
    }
    // Node runs due timers in the order of their deadlines: which of a process's own comes first is not a choice.
    let next: Sleeper | undefined
    for (const sleeper of process.sleepers) {
      if (sleeper.deadline <= this.now && (next === undefined || sleeper.deadline < next.deadline)) next = sleeper
    }
    if (next !== undefined) {
      const sleeper = next
      const run = (): void => {
        process.sleepers.splice(process.sleepers.indexOf(sleeper), 1)
        this.wrote |= own(process.index)
        this.read |= Time
        sleeper.wake()
      }
      actions.push({ id: `${process.name}:wakes`, process: process.index, fault: 0, stall: 0, local: true, run })
    }
    return actions
  }
}

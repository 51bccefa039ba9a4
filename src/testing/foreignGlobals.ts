/**
 * The globals through which a program that is not ours reads the clock, waits, rolls dice and reaches the network: the
 * world's while a step of it runs, and the platform's own before and after.
 *
 * **Invariants**
 *
 * - What was replaced is put back exactly as it was, also when the step throws.
 * - One at a time: two explorations that take turns in one process would each put back the other's.
 */
// @effect-diagnostics globalDate:off globalTimers:off globalFetch:off globalRandom:off This replaces them.

/** What stands in for them. */
export interface Virtual {
  readonly now: () => number
  /** What `performance.now` counts from. */
  readonly origin: number
  readonly fetch: typeof globalThis.fetch
  /** Gives back how to call it off. */
  readonly sleep: (callback: () => void, millis: number) => () => void
  /** From 0 up to 1. */
  readonly random: () => number
}

type Replacement = readonly [target: object, key: string, value: unknown]

const turn = globalThis.setImmediate

let entered = false
/** Calls of the Web Crypto API that are under way in another thread. */
let outstanding = 0

class Timer {
  readonly #sleep: () => () => void
  #cancel: () => void
  constructor(sleep: () => () => void) {
    this.#sleep = sleep
    this.#cancel = sleep()
  }
  close(): this {
    this.#cancel()
    return this
  }
  refresh(): this {
    this.#cancel()
    this.#cancel = this.#sleep()
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
  [Symbol.dispose](): void {
    this.#cancel()
  }
}

const realClear = globalThis.clearTimeout

const clear = (timer: unknown): void => {
  if (timer instanceof Timer) timer.close()
  // It may have been set before the step, by somebody else.
  else realClear(timer as NodeJS.Timeout | undefined)
}

const millisOf = (millis: unknown): number => Math.max(0, Number(millis) || 0)

const timers = ({ sleep }: Virtual): ReadonlyArray<Replacement> => {
  const setTimeout = (
    callback: (...given: ReadonlyArray<unknown>) => void,
    millis?: number,
    ...given: ReadonlyArray<unknown>
  ) => new Timer(() => sleep(() => callback(...given), millisOf(millis)))
  const setInterval = (
    callback: (...given: ReadonlyArray<unknown>) => void,
    millis?: number,
    ...given: ReadonlyArray<unknown>
  ) => {
    const period = Math.max(1, millisOf(millis))
    const timer: Timer = new Timer(() => {
      const again = (): void => {
        timer.refresh()
        callback(...given)
      }
      return sleep(again, period)
    })
    return timer
  }
  const timeout = (millis: number): AbortSignal => {
    const controller = new AbortController()
    const late = () => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"))
    sleep(late, millisOf(millis))
    return controller.signal
  }
  return [
    [globalThis, "setTimeout", setTimeout],
    [globalThis, "clearTimeout", clear],
    [globalThis, "setInterval", setInterval],
    [globalThis, "clearInterval", clear],
    [AbortSignal, "timeout", timeout],
  ]
}

const RealDate = globalThis.Date

const dates = ({ now, origin }: Virtual): ReadonlyArray<Replacement> => {
  const date = new Proxy(RealDate, {
    construct: (target, given, newTarget) => Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
  })
  return [
    [globalThis, "Date", date],
    [Object.getPrototypeOf(performance) as object, "now", () => now() - origin],
  ]
}

const dice = ({ random }: Virtual): ReadonlyArray<Replacement> => {
  const fill = <A extends ArrayBufferView>(array: A): A => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random() * 256)
    return array
  }
  const uuid = (): string => {
    const hex = Buffer.from(fill(new Uint8Array(16))).toString("hex")
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
  }
  return [
    [Math, "random", random],
    [Crypto.prototype, "getRandomValues", fill],
    [Crypto.prototype, "randomUUID", uuid],
  ]
}

/** Web Crypto works in other threads: its calls are counted, so that a step can wait for them. */
const counted: ReadonlyArray<Replacement> = Object.entries(
  Object.getOwnPropertyDescriptors(Object.getPrototypeOf(globalThis.crypto.subtle) as object),
).flatMap(([name, { value }]) => {
  if (typeof value !== "function" || name === "constructor") return []
  const call = function (this: unknown, ...given: ReadonlyArray<unknown>): Promise<unknown> {
    outstanding++
    return (value as (...given: ReadonlyArray<unknown>) => Promise<unknown>)
      .apply(this, [...given])
      .finally(() => void outstanding--)
  }
  return [[Object.getPrototypeOf(globalThis.crypto.subtle) as object, name, call] as const]
})

/** Replaces the globals from each call on, until its answer is called. */
export const make = (virtual: Virtual): (() => () => void) => {
  const replacements: ReadonlyArray<Replacement> = [
    ...dates(virtual),
    ...timers(virtual),
    ...dice(virtual),
    ...counted,
    [globalThis, "fetch", virtual.fetch],
  ]
  const before = replacements.map(([target, key]) => (target as Record<string, unknown>)[key])
  const leave = (): void => {
    for (let i = 0; i < replacements.length; i++) {
      const [target, key] = replacements[i]!
      ;(target as Record<string, unknown>)[key] = before[i]
    }
    entered = false
  }
  return () => {
    if (entered) throw new Error("another exploration is under way in this process: await it first")
    entered = true
    for (let i = 0; i < replacements.length; i++) {
      const [target, key, value] = replacements[i]!
      before[i] = (target as Record<string, unknown>)[key]
      ;(target as Record<string, unknown>)[key] = value
    }
    return leave
  }
}

/** What Node lists when a callback is due that is nobody's choice: an immediate, or a file that is being read. */
const isUnfinished = (what: string): boolean => what === "Immediate" || what === "CloseReq" || what.startsWith("FSReq")

/** Until everything that follows from a step by itself has happened. */
export const rest = async (): Promise<void> => {
  for (let turns = 0; turns < 100_000; turns++) {
    // All microtasks run before it, whatever they add to themselves.
    await new Promise<void>((resolve) => void turn(resolve))
    if (outstanding === 0 && !process.getActiveResourcesInfo().some(isUnfinished)) return
  }
  throw new Error("the client does not come to rest: it waits for something that is not simulated")
}

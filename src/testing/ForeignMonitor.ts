/**
 * The invariants as far as they can be asked of any token client: it is judged by what it sends, by what it leaves in the
 * storage and by what it gives its callers, and nothing is known of its inside.
 *
 * | invariant | what breaks it |
 * |---|---|
 * | I1 | a refresh token is presented while it is on the wire or after its answer has arrived, and the server minds |
 * | I3 | the last good refresh token is overwritten or deleted |
 * | I5 | a call fails although nothing went wrong, or although a stored access token works |
 * | I7 | a process presents a token that it was told is dead |
 * | I9 | a call never ends |
 * | I10 | a refresh token is sent to somebody else than its server's own endpoints |
 * | the token works | a call gives a token that no resource server takes |
 * | the session is kept | in the end a new process gets no token, and no fault explains it |
 *
 * What it looks at counts as read by the step, or two steps that only it can tell apart would be taken for independent.
 */
import type { AuthorizationServer } from "./AuthorizationServer.ts"
import { allKeys, type Stage } from "./foreignStage.ts"
import type { Invariant, Violation } from "./Monitor.ts"
import * as Sim from "./Simulation.ts"

/** One presentation of a refresh token: whether the server consumed it, and what its presenter can know of that. */
export interface Presented {
  readonly process: Sim.Process
  readonly token: string
  outcome: "flying" | "harmless" | "told" | "dead" | "unknown"
}

/** One rotation, from the server's work to the storage. */
export interface Rotated {
  readonly process: Sim.Process
  readonly from: string
  readonly to: string
  fate: "answering" | "delivered" | "stored" | "lost"
}

/** The simulated server's names: nothing else looks like them. */
export const refreshTokensIn = (text: string): ReadonlyArray<string> => [
  ...new Set(text.match(/\brt-(?:g\d+-)?\d+\b/g)),
]

export const accessTokensIn = (text: string): ReadonlyArray<string> => [
  ...new Set(text.match(/\bat-(?:g\d+-)?\d+\b|\beyJ[\w-]+\.[\w-]+\.unsigned\b/g)),
]

export class ForeignMonitor {
  violation: Violation | undefined
  /** Why losing the session would not be the client's doing: told to the reader of a trace. */
  excuse: string | undefined
  readonly presentations: Array<Presented> = []
  readonly rotations: Array<Rotated> = []
  readonly #sim: Sim.Simulation
  readonly #server: AuthorizationServer
  readonly #stage: Pick<Stage, "everything" | "isDisturbed">
  readonly #watched: ReadonlySet<Invariant> | undefined

  constructor(stage: Omit<Stage, "monitor">, watched: ReadonlyArray<Invariant> | undefined) {
    this.#sim = stage.sim
    this.#server = stage.server
    this.#stage = stage
    this.#watched = watched && new Set(watched)
  }

  fail(invariant: Invariant, detail: string): void {
    if (this.violation === undefined && (this.#watched?.has(invariant) ?? true)) this.violation = { invariant, detail }
  }

  excused(why: string): void {
    this.#sim.wrote |= Sim.Ghost
    this.excuse ??= why
  }

  #honoured(token: string): boolean {
    this.#sim.read |= Sim.Server | Sim.Time
    return this.#server.inspect(token, this.#sim.now).honoured
  }

  /** Unconsumed, and the server would take it. */
  #isGood(token: string): boolean {
    this.#sim.read |= Sim.Server | Sim.Time
    const { honoured, was } = this.#server.inspect(token, this.#sim.now)
    return honoured && was === "current"
  }

  works(accessToken: string): boolean {
    this.#sim.read |= Sim.Server | Sim.Time
    return this.#server.introspect(accessToken, this.#sim.now).active
  }

  presented(process: Sim.Process, token: string): Presented {
    this.#sim.read |= Sim.Ghost | Sim.Alive
    this.#sim.wrote |= Sim.Ghost
    const { reuse } = this.#server.policy()
    const minds = reuse === "strict" || reuse === "rejectOnly" || !this.#honoured(token)
    const before = this.presentations.filter((one) => one.token === token && one.outcome !== "harmless")
    const told = before.find(({ outcome }) => outcome === "told")
    const flying = before.find((one) => one.outcome === "flying" && one.process.alive)
    const who = `${process.name} presents ${token} again`
    if (before.some((one) => one.outcome === "dead" && one.process === process)) {
      this.fail("I7 dead costs nothing", `${who}, after it was told that the token is dead`)
    } else if (minds && flying !== undefined) {
      this.fail("I1 presented at most once", `${who} while ${flying.process.name}'s request is on the wire`)
    } else if (minds && told !== undefined) {
      this.fail("I1 presented at most once", `${who} although ${told.process.name} has the answer`)
    } else if (minds && before.some(({ outcome }) => outcome === "unknown")) {
      this.excused(`${token} had to be presented again: nobody could know what became of it`)
    }
    const presentation: Presented = { process, token, outcome: "flying" }
    this.presentations.push(presentation)
    return presentation
  }

  /** The server honoured a presentation. */
  rotated(process: Sim.Process, from: string, to: string): Rotated {
    this.#sim.wrote |= Sim.Ghost
    const rotation: Rotated = { process, from, to, fate: "answering" }
    this.rotations.push(rotation)
    return rotation
  }

  /** Nobody will learn any more what the server said. */
  lost(presentation: Presented | undefined, rotation: Rotated | undefined): void {
    this.#sim.wrote |= Sim.Ghost
    if (presentation?.outcome === "flying" || presentation?.outcome === "told") presentation.outcome = "unknown"
    if (rotation === undefined || rotation.fate === "stored") return
    rotation.fate = "lost"
    this.excused(`the answer that rotated ${rotation.from} was lost`)
  }

  /** A process is gone, and with it what it alone knew. */
  killed(process: Sim.Process): void {
    for (const rotation of this.rotations) {
      if (rotation.process !== process || rotation.fate === "stored") continue
      const presentation = this.presentations.find((one) => one.process === process && one.token === rotation.from)
      this.lost(presentation, rotation)
    }
    for (const presentation of this.presentations) {
      if (presentation.process === process && presentation.outcome === "flying") presentation.outcome = "unknown"
    }
  }

  /** `before` and `after`: everything that is stored anywhere. */
  stored(process: Sim.Process, what: string, before: string, after: string): void {
    this.#sim.read |= allKeys | Sim.Store
    const now = refreshTokensIn(after)
    if (this.rotations.some(({ fate }) => fate !== "stored")) {
      this.#sim.read |= Sim.Ghost
      this.#sim.wrote |= Sim.Ghost
      for (const rotation of this.rotations) if (now.includes(rotation.to)) rotation.fate = "stored"
    }
    const gone = refreshTokensIn(before).filter((token) => !now.includes(token) && this.#isGood(token))
    if (gone.length > 0 && !now.some((token) => this.#isGood(token))) {
      const instead = now.length === 0 ? "" : ` and leaves ${now.join(" and ")}`
      this.fail("I3 nothing older replaces", `${process.name} ${what} ${gone.join(" and ")}, which is good,${instead}`)
    }
  }

  /** A request to anywhere but the token endpoint. */
  sent(process: Sim.Process, where: string, content: string): void {
    const [token] = refreshTokensIn(content)
    if (token !== undefined) this.fail("I10 no secret", `${process.name} sends ${token} to ${where}`)
  }

  served(process: Sim.Process, token: string): void {
    this.#sim.read |= Sim.Ghost
    if (this.excuse === undefined && !this.works(token)) {
      this.fail("the token works", `${process.name} hands out ${token}, which no resource server takes`)
    }
  }

  failed(process: Sim.Process, why: string): void {
    this.#sim.read |= allKeys | Sim.Store | Sim.Budget
    const working = accessTokensIn(this.#stage.everything()).find((token) => this.works(token))
    if (working !== undefined) {
      this.fail("I5 no error while a token works", `${process.name}: ${why}, although ${working} is stored and works`)
    } else if (!this.#stage.isDisturbed()) {
      this.fail("I5 no error while a token works", `${process.name}: ${why}, although nothing has gone wrong`)
    }
  }

  /** In the end, somebody new asked in vain. */
  loggedOut(why: string): void {
    this.#sim.read |= Sim.Ghost
    if (this.excuse !== undefined) return
    this.fail("the session is kept", `afterwards a new process gets no token (${why}), and no fault explains it`)
  }

  /** What influences later judgements, for the state hash; who is who is said by `marks`. */
  digest(): string {
    const presented = this.presentations.map(({ outcome, token }) => `${token}${outcome}`)
    const rotated = this.rotations.map(({ fate, from, to }) => `${from}>${to}${fate}`)
    return `${this.excuse === undefined ? "" : "E"}${presented.toSorted().join()}/${rotated.toSorted().join()}`
  }

  /** What of it concerns `process`. */
  marks(process: Sim.Process): string {
    let text = ""
    for (const one of this.presentations) if (one.process === process) text += `^${one.token}${one.outcome}`
    for (const one of this.rotations) if (one.process === process) text += `#${one.to}${one.fate}`
    return text
  }
}

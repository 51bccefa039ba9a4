/**
 * The invariants of the design, watched while the world runs.
 *
 * The monitor knows what nobody inside can know: what became of every rotation, and who could still learn of it. What it
 * looks at counts as read by the step, or two steps that only it can tell apart would be taken for independent.
 */
import type { Credential, ReuseClass } from "../lifecycle/Credential.ts"
import { forgivesReuse } from "../lifecycle/Credential.ts"
import { named } from "./loginFile.ts"
import type { Process } from "./Simulation.ts"

export const invariants = [
  "I1 presented at most once",
  "I2 generations grow",
  "I3 nothing older replaces",
  "I4 what was granted is stored",
  "I5 no error while a token works",
  "I6 one forced refresh",
  "I7 dead costs nothing",
  "I8 no false death",
  "I9 every waiter ends",
  "I10 no secret",
  "no refresh without need",
  "the token works",
  "the session is kept",
  "borrowed is not presented",
  "the owner stays signed in",
  "file and store agree in the end",
  "the rest of the file stays",
] as const
export type Invariant = (typeof invariants)[number]

export interface Violation {
  readonly invariant: Invariant
  readonly detail: string
}

/** One presentation of one refresh token. */
export interface Presentation {
  readonly process: Process
  /** When the exchange began, from where its deadline counts. */
  readonly at: number
  /** The ticket it was presented on. */
  readonly ticket: string | undefined
  /** Whether the server consumed the token, and whether the presenter can still learn or has learnt what it said. */
  outcome: "flying" | "harmless" | "told" | "dead" | "unknown"
}

/** One rotation by the server, from the grant to the store. */
export interface Rotation {
  readonly from: string
  readonly to: string
  readonly accessToken: string
  readonly at: number
  fate: "answering" | "delivered" | "journaled" | "stored" | "lost"
  holder: Process | undefined
  /** Its holder has asked the store to write the answer down, whatever came of it. */
  offered?: boolean
}

/** What the monitor may look at when it judges. */
export interface Scene {
  readonly now: number
  readonly deadlineMillis: number
  readonly drainMillis: number
  readonly reuse: ReuseClass
  readonly graceMillis: number
  /** The stored access token works at the resource server, and its holder would hand it out. */
  readonly storedTokenWorks: boolean
}

export class Monitor {
  violation: Violation | undefined
  readonly presentations = new Map<string, Array<Presentation>>()
  readonly rotations: Array<Rotation> = []
  /** Why losing the session would not be ours: told to the reader of a trace. */
  excuse: string | undefined
  /** Why a token that is handed out need not work: it excuses no lost session. */
  tokenExcuse: string | undefined
  readonly #watched: ReadonlySet<Invariant> | undefined
  readonly #losesNothing: boolean
  readonly #newestOnly: boolean
  readonly #isOncePerToken: boolean

  /**
   * `losesNothing`: the server answers as often as one asks, so that a lost answer is no excuse. `newestOnly`: each of its
   * answers ends the one before. `isOncePerToken`: a refresh token is one generation's, whoever presents it.
   */
  constructor(
    watched: ReadonlySet<Invariant> | undefined,
    losesNothing: boolean,
    newestOnly: boolean,
    isOncePerToken: boolean,
  ) {
    this.#isOncePerToken = isOncePerToken
    this.#watched = watched
    this.#losesNothing = losesNothing
    this.#newestOnly = newestOnly
  }

  /** The same once more, so that each can go its own way; `twin` says which process there stands for one of here. */
  fork(twin: (process: Process) => Process): Monitor {
    const next = new Monitor(this.#watched, this.#losesNothing, this.#newestOnly, this.#isOncePerToken)
    next.violation = this.violation
    next.excuse = this.excuse
    next.tokenExcuse = this.tokenExcuse
    for (const [name, all] of this.presentations) {
      next.presentations.set(
        name,
        all.map((one) => ({ ...one, process: twin(one.process) })),
      )
    }
    for (const rotation of this.rotations) {
      next.rotations.push({ ...rotation, holder: rotation.holder && twin(rotation.holder) })
    }
    return next
  }

  /** What `presentation` of `origin` is here, in its fork. */
  twin(origin: Monitor, presentation: Presentation): Presentation {
    for (const [name, all] of origin.presentations) {
      const at = all.indexOf(presentation)
      if (at >= 0) return this.presentations.get(name)![at]!
    }
    throw new Error("a presentation that is in nobody's books")
  }

  fail(invariant: Invariant, detail: string): void {
    if (this.violation === undefined && (this.#watched?.has(invariant) ?? true))
      this.violation = { invariant, detail: named(detail) }
  }

  /** What a presentation goes by: a server that does not rotate keeps one token for many generations. */
  nameOf(token: string, generation: number): string {
    return this.#isOncePerToken ? token : `${token}.${generation}`
  }

  /** The refresh token of a generation leaves a process. `isRace`: what two programs do to it is nobody's fault here. */
  presented(
    process: Process,
    token: string,
    { generation, ticket }: Pick<Credential, "generation" | "ticket">,
    since: number,
    scene: Scene,
    isRace: boolean,
  ): Presentation {
    const name = this.nameOf(token, generation)
    const all = this.presentations.get(name) ?? []
    this.presentations.set(name, all)
    const open = all.filter(({ outcome }) => outcome !== "harmless")
    const [first] = open
    // What one program was told the other cannot know, and what an owner makes of it is its own business.
    const own = open.filter(({ process: { isOwner } }) => !isOwner && !process.isOwner)
    // As with an answer that is told: a process that stands still with it for too long counts as gone.
    if (own.some(({ at, outcome }) => outcome === "dead" && scene.now < at + scene.drainMillis)) {
      this.fail("I7 dead costs nothing", `${process.name} presents ${token}, which the server has called dead`)
    } else if (own.length >= 2 && !forgivesReuse(scene.reuse)) {
      this.fail("I1 presented at most once", `${process.name} presents ${token} for the third time`)
    } else if (first !== undefined && !isRace) {
      this.#second(process, token, first, scene)
    }
    if (ticket !== undefined && all.some((earlier) => earlier.ticket === ticket.id)) {
      this.fail("I1 presented at most once", `${process.name} presents ${token} twice on one ticket`)
    }
    const presentation: Presentation = { process, at: since, ticket: ticket?.id, outcome: "flying" }
    all.push(presentation)
    return presentation
  }

  /** When the refresh token of a generation was presented first, if nobody knows what became of that. */
  inDoubtSince(token: string, generation: number): number | undefined {
    const all = this.presentations.get(this.nameOf(token, generation))
    return all?.find(({ outcome, process }) => outcome === "unknown" && !process.isOwner)?.at
  }

  #second(process: Process, token: string, first: Presentation, scene: Scene): void {
    const who = `${process.name} presents ${token} again`
    const flying = first.outcome === "flying" && first.process.alive && scene.now < first.at + scene.deadlineMillis
    if (flying)
      return this.fail("I1 presented at most once", `${who} while ${first.process.name}'s request is on the wire`)
    // A process that stands still for longer than any answer can take cannot be told from one that is gone.
    if (first.outcome === "told" && process.isOwner && !first.process.isOwner) {
      const why = `${who}: ${first.process.name} has the answer and has not written it`
      return this.excuse === undefined ? this.fail("the owner stays signed in", why) : undefined
    }
    if (first.outcome === "told" && scene.now < first.at + scene.drainMillis)
      return this.fail("I1 presented at most once", `${who} although ${first.process.name} has the answer`)
    // The owner cannot read what was written down by somebody who did not live to tell it.
    const isTold = !process.isOwner || first.outcome !== "unknown"
    if (isTold && this.rotations.some(({ fate, from }) => from === token && fate === "journaled"))
      return this.fail("I1 presented at most once", `${who} although its answer is written down`)
    const why = `${token} had to be presented again: nobody could know what became of it`
    if (!this.#losesNothing) this.excuse ??= why
    else if (this.#newestOnly) this.tokenExcuse ??= why
  }

  /**
   * The right to a second presentation was won. While the access token works there is nothing to gain by it, except
   * where the server is known to forgive. Judged here and not when the request leaves: between the two a process that
   * stood still may commit what it had in hand, and nobody can prevent that.
   */
  claimedAgain(process: Process, token: string, firstIssuedAt: number, scene: Scene): void {
    const inGrace = scene.now - firstIssuedAt < scene.graceMillis
    const forgiving =
      forgivesReuse(scene.reuse) || ((scene.reuse === "idempotent" || scene.reuse === "fork") && inGrace)
    if (!forgiving && scene.storedTokenWorks) {
      this.fail(
        "I1 presented at most once",
        `${process.name} claims ${token} again, in doubt, although the stored access token still works`,
      )
    }
  }

  /** Nobody will learn any more what the server said to these presentations. */
  forgotten(presentation: Presentation | undefined): void {
    if (presentation !== undefined && presentation.outcome !== "harmless") presentation.outcome = "unknown"
  }

  lose(rotation: Rotation): void {
    if (rotation.fate === "stored" || rotation.fate === "journaled") return
    rotation.fate = "lost"
    rotation.holder = undefined
    if (!this.#losesNothing) this.excuse ??= `the answer that rotated ${rotation.from} was lost`
    this.#excuseOlder()
  }

  /** It is stored, or somebody newer was stored first: the token this process held is nobody's loss. */
  dropped(rotation: Rotation): void {
    rotation.fate = "stored"
    rotation.holder = undefined
  }

  stored(accessToken: string): void {
    for (const rotation of this.rotations) if (rotation.accessToken === accessToken) this.dropped(rotation)
    this.#excuseOlder()
  }

  /** Where each answer ends the one before, an older one is stored in vain when the newest is lost. */
  #excuseOlder(): void {
    if (!this.#newestOnly) return
    const isInVain = this.rotations.some(
      ({ fate, from }, index) =>
        fate === "stored" &&
        this.rotations.slice(index + 1).some((later) => later.from === from && later.fate === "lost"),
    )
    if (isInVain) this.excuse ??= "an older answer was stored, and the newest was lost"
  }

  /** A process asks the store to write down the answer to this refresh token. */
  offered(by: Process): void {
    for (const rotation of this.rotations) {
      if (rotation.fate === "delivered" && rotation.holder === by) rotation.offered = true
    }
  }

  /** Other tokens have been stored while this answer was only written down: its loss, if these are the ones to live. */
  overtaken(): void {
    for (const rotation of this.rotations) {
      if (rotation.fate !== "journaled") continue
      this.dropped(rotation)
      if (this.#newestOnly)
        this.excuse ??= `who had written down the answer to ${rotation.from} did not live to store it`
    }
  }

  /** The answer is written down as it came: from now on it does not depend on the process that heard it. */
  journaled(refreshToken: string, by: Process): void {
    for (const rotation of this.rotations) {
      const { fate, from, holder } = rotation
      if (from === refreshToken && fate === "delivered" && holder === by) rotation.fate = "journaled"
    }
  }

  /** What influences later judgements, for the state hash; who is who is said by `marks`. */
  digest(): string {
    let text = `${this.excuse === undefined ? "" : "E"}${this.tokenExcuse === undefined ? "" : "T"}`
    for (const [token, all] of this.presentations) {
      text += `${token}:`
      for (const { at, outcome } of all) text += `${outcome}@${at}`
    }
    for (const { fate, from, to } of this.rotations) text += `${from}>${to}${fate}`
    return text
  }

  /** What of it concerns `process`. */
  marks(process: Process): string {
    let text = ""
    for (const [token, all] of this.presentations) {
      for (const presentation of all) {
        if (presentation.process === process) text += `^${token}${presentation.outcome}${process.alive ? "" : "x"}`
      }
    }
    for (const { holder, to } of this.rotations) if (holder === process) text += `#${to}`
    return text
  }
}

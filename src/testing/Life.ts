/**
 * What programs have done: a tree of lives, in which every branch has been lived once by a real program.
 *
 * **Details**
 *
 * - A program is a function of its birth and of what happens to it. Where the same happens again, what it did is read off
 *   instead of being done again: an exploration meets the same few thousand lives in millions of orders.
 * - A branch not yet known is lived by a real program, brought there by living its life from the start. That is compared
 *   with what it did the first time: a program that is not deterministic is found out, not remembered.
 * - What a program asks of the world within a step, whether another process is gone, is part of what happens to it.
 */
import * as Redacted from "effect/Redacted"
import type { Change } from "../lifecycle/Change.ts"
import type { Credential, Holder } from "../lifecycle/Credential.ts"
import type { State } from "../lifecycle/machine.ts"
import type { Parts } from "./Parts.ts"
import { type Birth, type Deed, type Happening, type Moment, Program } from "./Program.ts"

interface Sighting {
  readonly holder: Holder
  readonly isGone: boolean
}

/** One moment of one life: what has happened so far, and what came of the last of it. */
export interface Life {
  readonly birth: Birth
  readonly before: Life | undefined
  readonly happening: Happening | undefined
  readonly moment: Moment
  readonly sightings: ReadonlyArray<Sighting>
  readonly deeds: ReadonlyArray<Deed>
  readonly state: State
  /** The token at hand, or "". */
  readonly atHand: string
  readonly branches: Map<string, Array<Life>>
}

type IsGone = (holder: Holder) => boolean

export class Lives {
  readonly #parts: Parts
  readonly #births = new Map<string, Life>()
  /** For each birth the program that lived last, and how far. */
  readonly #living = new Map<Life, { readonly program: Program; at: Life }>()
  readonly #numbers = new WeakMap<object, number>()
  readonly #known = new Map<string, object>()
  readonly #applied = new WeakMap<object, Map<string, Credential | undefined>>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  begin(birth: Birth, moment: Moment): Life {
    const key = JSON.stringify([birth, moment])
    const known = this.#births.get(key)
    if (known !== undefined) return known
    const program = new Program(birth, this.#parts, moment)
    const life = this.#moment(program, {
      birth,
      before: undefined,
      happening: undefined,
      moment,
      sightings: [],
      deeds: program.done(),
    })
    this.#births.set(key, life)
    this.#living.set(life, { program, at: life })
    return life
  }

  /** `name`: what happens, in a word that tells it from whatever else could happen to this life at this moment. */
  next(life: Life, name: string, happening: () => Happening, moment: Moment, isGone: IsGone): Life {
    const key = `${name}@${moment.now}.${moment.uptime}`
    const branches = life.branches.get(key)
    const known = branches?.find(({ sightings }) => sightings.every((seen) => isGone(seen.holder) === seen.isGone))
    if (known !== undefined) return known
    const program = this.#programAt(life)
    const sightings: Array<Sighting> = []
    const happens = happening()
    const deeds = program.happens(happens, moment, (holder) => {
      const sighting = { holder, isGone: isGone(holder) }
      sightings.push(sighting)
      return sighting.isGone
    })
    const next = this.#moment(program, {
      birth: life.birth,
      before: life,
      happening: happens,
      moment,
      sightings,
      deeds,
    })
    if (branches === undefined) life.branches.set(key, [next])
    else branches.push(next)
    this.#living.set(first(life), { program, at: next })
    return next
  }

  #moment(program: Program, life: Omit<Life, "state" | "atHand" | "branches">): Life {
    return { ...life, state: program.state, atHand: program.atHand, branches: new Map() }
  }

  #programAt(life: Life): Program {
    const living = this.#living.get(first(life))
    if (living?.at === life) return living.program
    const path: Array<Life> = []
    let root = life
    for (; root.before !== undefined; root = root.before) path.push(root)
    const program = new Program(root.birth, this.#parts, root.moment)
    program.done()
    for (const { deeds, happening, moment, sightings } of path.toReversed()) {
      let next = 0
      const again = program.happensAgain(happening!, deeds, moment, () => sightings[next++]?.isGone ?? false)
      if (outline(again) !== outline(deeds) || next !== sightings.length) {
        throw new Error(`not deterministic: ${outline(again)} in the place of ${outline(deeds)}`)
      }
    }
    return program
  }

  // ------------------------------------------------------------------ what lives are told by

  /** The one value that stands for all that are written alike. */
  same<A extends object>(value: A): A {
    if (this.#numbers.has(value)) return value
    const written = JSON.stringify(value, revealed)
    const known = this.#known.get(written)
    if (known !== undefined) return known as A
    this.#known.set(written, value)
    this.#numbers.set(value, this.#known.size)
    return value
  }

  /** What a change makes of a record. */
  applied(stored: Credential | undefined, newest: number, change: Change): Credential | undefined {
    let known = this.#applied.get(change)
    if (known === undefined) this.#applied.set(change, (known = new Map()))
    const key = `${this.numberOf(stored)}.${newest}`
    if (known.has(key)) return known.get(key)
    const next = this.#parts.apply(stored, newest, change)
    const applied = next && this.same(next)
    known.set(key, applied)
    return applied
  }

  /** The number of a value that `same` has given. */
  numberOf(value: object | undefined): number {
    return value === undefined ? 0 : this.#numbers.get(value)!
  }
}

/** What can be told of deeds without looking into them. */
const outline = (deeds: ReadonlyArray<Deed>): string =>
  deeds
    .map((deed) => {
      const what = deed._tag === "Asks" ? deed.request._tag : deed._tag === "Decides" ? deed.event.type : ""
      return `${deed._tag}${"number" in deed ? deed.number : ""}${what}`
    })
    .join(" ")

/** Secrets count, and "never" is no "null". */
function revealed(this: Record<string, unknown>, key: string, written: unknown): unknown {
  const value = this[key]
  if (Redacted.isRedacted(value)) return Redacted.value(value)
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : written
}

const first = (life: Life): Life => {
  let root = life
  while (root.before !== undefined) root = root.before
  return root
}

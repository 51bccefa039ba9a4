/**
 * The states that an exploration has seen, in a table of numbers: about twenty bytes a state, whatever a state is.
 *
 * **Details**
 *
 * - A state is known by a 53-bit fingerprint of its name. Two of a million states share one with a chance of 1 in 18,000.
 * - With each state goes one small number: how much was left to spend when it was seen, or which steps slept then.
 *   Sleeping steps come in few combinations, which are kept once.
 */

/** A 53-bit fingerprint instead of the state's text. Never 0. */
export const fingerprint = (text: string): number => {
  let a = 0xdeadbeef | 0
  let b = 0x41c6ce57 | 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x9e3779b1)
    b = Math.imul(b ^ code, 0x5f356495)
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return (b & 0x1fffff) * 4294967296 + (a >>> 0) || 1
}

/** A long text's short name, for texts that are compared and not read. */
export const shortName = (text: string): string => fingerprint(text).toString(36)

const firstSlots = 1 << 10

export class SeenStates {
  size = 0
  /** Open addressing, at most three quarters full; 0 is a free slot. */
  #fingerprints = new Float64Array(firstSlots)
  #values = new Uint32Array(firstSlots)
  readonly #combinations: Array<ReadonlySet<string>> = []
  readonly #numbers = new Map<string, number>()

  /** What was noted with a state, or `undefined` when it has not been seen. */
  get(state: number): number | undefined {
    const slot = this.#slot(state)
    return this.#fingerprints[slot] === 0 ? undefined : this.#values[slot]
  }

  set(state: number, value: number): void {
    if ((this.size + 1) * 4 > this.#fingerprints.length * 3) this.#grow()
    const slot = this.#slot(state)
    if (this.#fingerprints[slot] === 0) this.size++
    this.#fingerprints[slot] = state
    this.#values[slot] = value
  }

  /** The number of a combination of steps. */
  numberOf(steps: ReadonlySet<string>): number {
    const name = [...steps].toSorted().join(" ")
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.#combinations.push(steps) - 1
      this.#numbers.set(name, number)
    }
    return number
  }

  combination(number: number): ReadonlySet<string> {
    return this.#combinations[number]!
  }

  /** Where a state is, or where it would go. */
  #slot(state: number): number {
    const last = this.#fingerprints.length - 1
    let slot = (state ^ (state / 4294967296)) & last
    for (;;) {
      const there = this.#fingerprints[slot]
      if (there === state || there === 0) return slot
      slot = (slot + 1) & last
    }
  }

  #grow(): void {
    const fingerprints = this.#fingerprints
    const values = this.#values
    this.#fingerprints = new Float64Array(fingerprints.length * 2)
    this.#values = new Uint32Array(fingerprints.length * 2)
    for (const [from, state] of fingerprints.entries()) {
      if (state === 0) continue
      const slot = this.#slot(state)
      this.#fingerprints[slot] = state
      this.#values[slot] = values[from]!
    }
  }
}

/**
 * A pure decision function that remembers its answers. The explorer visits the same state thousands of times, and one
 * XState transition costs more than all the rest of a step.
 */
import type { decide as realDecide, State } from "../lifecycle/machine.ts"
import type { Event } from "../lifecycle/protocol.ts"

type Decide = typeof realDecide

/** `JSON.stringify` writes an infinite number as null; here both mean "never". */
const nameOf = (event: Event): string => JSON.stringify(event)

export const remembered = (decide: Decide): Decide => {
  const answers = new WeakMap<State, Map<string, ReturnType<Decide>>>()
  return (state, event) => {
    const name = nameOf(event)
    let known = answers.get(state)
    if (known === undefined) answers.set(state, (known = new Map()))
    const answer = known.get(name) ?? decide(state, event)
    known.set(name, answer)
    return answer
  }
}

/** A planted bug: what is put in the place of which part, where it shows, and which invariant notices. */
import type { Invariant } from "../../src/testing/Monitor.ts"
import { type Parts, realParts } from "../../src/testing/Parts.ts"
import { type Scenario, scenario } from "../../src/testing/Scenario.ts"

export interface Mutant {
  readonly name: string
  /** The mistake, in one sentence. */
  readonly bug: string
  readonly parts: Parts
  readonly scenario: Scenario
  readonly caughtBy: Invariant
}

export const mutant = (
  name: string,
  bug: string,
  parts: Partial<Parts>,
  caughtBy: Invariant,
  over: Pick<Scenario, "processes"> & Partial<Scenario>,
): Mutant => ({
  name,
  bug,
  parts: { ...realParts, ...parts },
  caughtBy,
  scenario: scenario({ name, about: bug, memory: "history", ...over }),
})

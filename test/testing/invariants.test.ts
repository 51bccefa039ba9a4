/** Every invariant that the monitor knows can be broken: by a planted bug that it notices. */
import { assert, it } from "@effect/vitest"
import type { Invariant } from "../../src/testing/Monitor.ts"
import { mutants } from "./mutants.ts"

/** All of them; the type says when one is missing. */
const invariants = Object.keys({
  "I1 presented at most once": 0,
  "I2 generations grow": 0,
  "I3 nothing older replaces": 0,
  "I4 what was granted is stored": 0,
  "I5 no error while a token works": 0,
  "I6 one forced refresh": 0,
  "I7 dead costs nothing": 0,
  "I8 no false death": 0,
  "I9 every waiter ends": 0,
  "I10 no secret": 0,
  "no refresh without need": 0,
  "the token works": 0,
  "the session is kept": 0,
  "borrowed is not presented": 0,
  "the owner stays signed in": 0,
  "file and store agree in the end": 0,
  "the rest of the file stays": 0,
} satisfies Record<Invariant, 0>)

it.each(invariants)("%s: a mutant breaks it", (invariant) => {
  assert.include(
    mutants.map(({ caughtBy }) => caughtBy as string),
    invariant,
  )
})

it("each of I1 to I10 is among them", () => {
  const numbers = invariants.flatMap((name) => /^I(\d+) /.exec(name)?.slice(1) ?? []).map(Number)
  assert.deepStrictEqual(
    numbers,
    Array.from({ length: 10 }, (_, index) => index + 1),
  )
})

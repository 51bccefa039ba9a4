/**
 * The explorer finds every planted bug with its cheapest counterexample, and finds nothing where none was planted. A
 * mutant that is not found is a hole in the invariants.
 */
import { assert, describe, it } from "@effect/vitest"
import { explore, replay, shortest } from "../../src/testing/explore.ts"
import { toText } from "../../src/testing/sequence.ts"
import { mutants } from "./mutants.ts"

describe.each(mutants)("$name", ({ caughtBy, name, parts, scenario }) => {
  it("is found, and its story can be told again", async () => {
    const { bounds, found } = await shortest(scenario, { parts })
    assert.isDefined(found, "no interleaving within the bounds breaks an invariant")
    const world = replay(scenario, found.schedule, { bounds, parts })
    const story = toText({ title: name, lines: world.sim.lines ?? [], violation: world.violation() })
    assert.strictEqual(found.violation.invariant, caughtBy, story)
    assert.deepStrictEqual(world.violation(), found.violation)
    // Whatever the bounds allow, no fault is in the story that is not needed.
    const faults = found.schedule.filter((step) => step.includes("!")).length
    assert.strictEqual(faults, bounds.faults, story)
    // With an owner, each look at its file and each of its locks is a step too.
    assert.isAtMost(found.schedule.length, scenario.owner === undefined ? 30 : 60, story)
  })

  it("is all that is wrong there", async () => {
    const { found, verdict } = await explore({
      ...scenario,
      memory: scenario.owner === undefined ? "written" : "history",
    })
    assert.deepStrictEqual(found, [])
    assert.strictEqual(verdict, "holds")
  })
})

it("are at least the twenty that were asked for, each under its own name", () => {
  assert.isAtLeast(new Set(mutants.map(({ name }) => name)).size, 20)
})

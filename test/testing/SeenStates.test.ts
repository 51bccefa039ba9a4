import { assert, describe, it } from "@effect/vitest"
import { seeded } from "../../src/testing/random.ts"
import { fingerprint, SeenStates } from "../../src/testing/SeenStates.ts"

describe("the table of seen states", () => {
  it("finds what was put there, and nothing else, however much it has grown", () => {
    const seen = new SeenStates()
    const model = new Map<number, number>()
    const chance = seeded(1)
    for (let i = 0; i < 20_000; i++) {
      const state = fingerprint(String(Math.floor(chance() * 15_000)))
      assert.strictEqual(seen.get(state), model.get(state))
      model.set(state, i)
      seen.set(state, i)
    }
    for (const [state, value] of model) assert.strictEqual(seen.get(state), value)
    assert.strictEqual(seen.size, model.size)
    assert.isUndefined(seen.get(fingerprint("another")))
  })

  it("tells texts apart: no two of 200,000 alike", () => {
    const fingerprints = new Set(Array.from({ length: 200_000 }, (_, index) => fingerprint(`state ${index}`)))
    assert.strictEqual(fingerprints.size, 200_000)
  })

  it("keeps a combination of steps once, in whatever order they come", () => {
    const seen = new SeenStates()
    const number = seen.numberOf(new Set(["a", "b"]))
    assert.strictEqual(seen.numberOf(new Set(["b", "a"])), number)
    assert.notStrictEqual(seen.numberOf(new Set(["a"])), number)
    assert.deepStrictEqual([...seen.combination(number)], ["a", "b"])
  })
})

/**
 * Longer lives than exploration reaches: thousands of virtual days, all faults, one life after the other, each a function
 * of its seed. What fails is shrunk and told, and becomes a scenario.
 */
import { assert, describe, it } from "@effect/vitest"
import { explain, type Kind, ofSeed, shrink } from "./lives.ts"

const day = 24 * 60 * 60_000

/** Lives with the seeds from 1 on; what happened in all of them together. */
const live = (kind: Kind, count: number) => {
  const happened: Record<string, number> = {}
  let days = 0
  let unexcused = 0
  for (let seed = 1; seed <= count; seed++) {
    const life = ofSeed(kind, seed)
    if (life.violation !== undefined) assert.fail(explain(kind, seed, shrink(life, kind, 10_000)))
    assert.isTrue(life.ended, `${kind} ${seed} does not come to an end`)
    const { monitor, sim } = life.world
    days += (sim.now - sim.start) / day
    if (monitor.excuse === undefined) unexcused++
    for (const [what, times] of Object.entries(life.world.happened)) happened[what] = (happened[what] ?? 0) + times
  }
  return { days, happened, unexcused }
}

const assertMet = (happened: Readonly<Record<string, number>>, times: number, faults: ReadonlyArray<string>): void => {
  for (const fault of faults) assert.isAtLeast(happened[fault] ?? 0, times, fault)
}

describe("a life", { timeout: 60_000 }, () => {
  it("of months goes on, whatever passing trouble there is with the network, the disk and the server", () => {
    const { days, happened, unexcused } = live("harmless", 300)
    assert.isAbove(days, 3_000)
    // A life in which a lost session could be explained away would show nothing.
    assert.isAbove(unexcused, 100)
    assertMet(happened, 40, ["cancel", "busyBefore", "rateLimited", "storeFails", "signIn", "pause"])
  })

  it("of months keeps the rules, whatever happens", () => {
    const { days, happened } = live("anything", 300)
    assert.isAbove(days, 2_000)
    assertMet(happened, 3, ["crash", "lostRequest", "lostAnswer", "late", "twice", "busyAfter", "signOut", "revoke"])
  })

  it("of any sort keeps the rules: all servers, hosts, ages, callers and faults", () => {
    const { happened } = live("short", 3_000)
    assertMet(happened, 3, ["crash", "lostRequest", "lostAnswer", "late", "twice", "busyAfter", "signOut", "revoke"])
    assert.isAbove(Object.keys(happened).length, 140, "so many of the machine's transitions and the faults were met")
  })
})

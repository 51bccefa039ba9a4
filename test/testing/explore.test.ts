import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import { allReductions, explore, noReductions, type Reductions, replay, shortest } from "../../src/testing/explore.ts"
import { alike, type Scenario, scenario } from "../../src/testing/Scenario.ts"
import { toMermaid, toText } from "../../src/testing/sequence.ts"
import { plots, tell } from "../../src/testing/stories.ts"
import { realParts } from "../../src/testing/Parts.ts"

const two = scenario({ name: "two", about: "", processes: alike(2, "token"), epilogue: false })
const one = scenario({
  name: "one",
  about: "",
  processes: alike(1, "token", "token"),
  faults: ["crash", "cancel", "lostAnswer", "busyBefore", "storeFails"],
  restart: 1,
  bounds: { faults: 1, stalls: 0 },
})
const refusedEarly = scenario({
  name: "refused",
  about: "",
  processes: alike(2, "refused"),
  token: "fresh",
  epilogue: false,
})

/** Whatever can happen, in worlds small enough to be tried without any shortcut. */
const everything: ReadonlyArray<Scenario> = [
  scenario({
    name: "the network, in the background",
    about: "",
    processes: alike(2, "token"),
    token: "inWindow",
    background: true,
    server: { reuse: "strict" },
    faults: ["crash", "lostRequest", "lostAnswer", "busyBefore", "busyAfter", "rateLimited"],
    bounds: { faults: 1, stalls: 0 },
    restart: 1,
  }),
  scenario({
    name: "late and twice",
    about: "",
    processes: alike(1, "token", "token"),
    server: { reuse: "fork", graceMillis: 60_000 },
    faults: ["crash", "late", "twice", "lostAnswer"],
    bounds: { faults: 2, stalls: 1 },
    restart: 1,
  }),
  scenario({
    name: "people, disks and clocks",
    about: "",
    processes: [{ calls: ["refused"] }, { calls: ["token"], host: "h2", skewMillis: 120_000 }],
    token: "fresh",
    server: { reuse: "idempotent", graceMillis: 60_000 },
    faults: ["cancel", "storeFails", "pause", "signIn", "signOut", "revoke"],
    bounds: { faults: 1, stalls: 0 },
    restart: 1,
  }),
]

const crashes = scenario({
  name: "two die",
  about: "",
  processes: alike(2, "token"),
  faults: ["crash", "busyAfter"],
  bounds: { faults: 2, stalls: 0 },
  restart: 1,
})

/** A bug that interleaving alone reveals: the ticket can be won by anybody at any time. */
const noTicket = {
  ...realParts,
  apply: ((current, newest, change) =>
    realParts.apply(
      change._tag === "Claim" && current ? withoutTicket(current) : current,
      newest,
      change,
    )) as typeof realParts.apply,
}
const withoutTicket = (current: NonNullable<Parameters<typeof realParts.apply>[0]>) => {
  const { ticket: _, ...free } = current
  return free
}

/** What an exploration can be compared by: where it can end, and what it found. */
const outcome = async (set: Scenario, reductions: Reductions, parts = realParts) => {
  const finals = new Set<string>()
  const report = await explore(set, { reductions, finals, parts, stopAtFirst: false })
  const found = new Set(report.found.map(({ violation }) => violation.invariant))
  return { report, finals: [...finals].toSorted(), found: [...found].toSorted() }
}

describe("the reductions lose nothing", () => {
  const variants: ReadonlyArray<readonly [string, Reductions]> = [
    ["all of them", allReductions],
    ["sleep sets alone", { ...noReductions, sleepSets: true }],
    ["state hashing alone", { ...noReductions, stateHash: true }],
    ["hashing with symmetry", { ...noReductions, stateHash: true, symmetry: true }],
    ["sleep sets and hashing", { ...noReductions, sleepSets: true, stateHash: true }],
    ["remembered lives alone", { ...noReductions, lives: true }],
    ["copied worlds alone", { ...noReductions, forks: true }],
  ]
  for (const [what, reductions] of variants) {
    it(`${what}: the same ends as the plain search, and nothing found`, { timeout: 120_000 }, async () => {
      for (const set of [one, refusedEarly]) {
        const plain = await outcome(set, noReductions)
        const reduced = await outcome(set, reductions)
        assert.strictEqual(plain.report.verdict, "holds")
        assert.strictEqual(reduced.report.verdict, "holds")
        assert.deepStrictEqual(reduced.finals, plain.finals)
        assert.isAtMost(reduced.report.executions, plain.report.executions)
      }
    })
  }

  it("all of them: the same violations as the plain search, where there is a bug", { timeout: 120_000 }, async () => {
    const plain = await outcome(two, noReductions, noTicket)
    const reduced = await outcome(two, allReductions, noTicket)
    assert.isAbove(plain.found.length, 0)
    assert.deepStrictEqual(reduced.found, plain.found)
  })

  const shortcuts: ReadonlyArray<readonly [string, Partial<Reductions>]> = [
    ["remembered lives", { lives: false }],
    ["copied worlds", { forks: false }],
    ["both", { lives: false, forks: false }],
  ]
  for (const [what, without] of shortcuts) {
    it(`without ${what} an exploration is slower, and otherwise the very same`, { timeout: 120_000 }, async () => {
      for (const set of everything) {
        const short = await outcome(set, allReductions)
        const long = await outcome(set, { ...allReductions, ...without })
        const { ends, executions, found, states, verdict } = long.report
        assert.isAbove(ends, 0, set.name)
        assert.deepInclude(short.report, { ends, executions, found, states, verdict }, set.name)
        assert.deepStrictEqual(short.finals, long.finals)
      }
    })
  }

  it("all of them: the same ends as hashing alone, where two processes race and more goes wrong", async () => {
    const hashing = { ...noReductions, stateHash: true, lives: true, forks: true }
    for (const set of [...everything, crashes]) {
      const plain = await outcome(set, hashing)
      const reduced = await outcome(set, allReductions)
      assert.strictEqual(plain.report.verdict, "holds", set.name)
      assert.deepStrictEqual(reduced.finals, plain.finals, set.name)
      assert.isBelow(reduced.report.executions, plain.report.executions, set.name)
    }
  })

  it("memory written out and the history of all observations lead to the same ends", async () => {
    const written = await outcome({ ...one, memory: "written" }, allReductions)
    const history = await outcome({ ...one, memory: "history" }, allReductions)
    assert.strictEqual(written.report.verdict, history.report.verdict)
    assert.isAtMost(written.report.states, history.report.states)
  })
})

describe("a schedule", () => {
  it("is the same every time: one hash for 1,000 replays", { timeout: 60_000 }, async () => {
    const { found } = await shortest(two, { parts: noTicket })
    const hashes = new Set<string>()
    for (let i = 0; i < 1_000; i++) {
      const world = replay(two, found!.schedule, { parts: noTicket })
      const lines = world.sim.lines ?? []
      const text = toText({ title: "", lines, violation: world.violation() }) + world.key(false, -3)
      hashes.add(Crypto.createHash("sha256").update(text).digest("hex"))
    }
    assert.lengthOf([...hashes], 1)
  })

  it("that is shortest has no fault where none is needed, and is told as text and as a diagram", async () => {
    const { bounds, found } = await shortest(
      { ...two, bounds: { faults: 1, stalls: 1 }, faults: ["crash"] },
      { parts: noTicket },
    )
    assert.deepStrictEqual(bounds, { faults: 0, stalls: 0 })
    const world = replay(two, found!.schedule, { parts: noTicket })
    const story = { title: "two", lines: world.sim.lines ?? [], violation: world.violation() }
    assert.include(toText(story), "XXX I1")
    assert.match(toMermaid(story), /sequenceDiagram[\s\S]*VIOLATED I1/)
    assert.isAtMost(found!.schedule.length, 14)
  })

  it("of another program is refused, and says what can happen instead", () => {
    assert.throws(() => replay(two, ["P0:call0", "P0:nonsense"]), /P0:nonsense cannot happen here; what can: /)
  })
})

describe("an exploration", () => {
  it("of a program that is not the same every time is given up", async () => {
    let reads = 0
    const moody = {
      ...realParts,
      store: ((store) => ({
        ...store,
        read: (name) => (++reads % 7 === 0 ? Effect.andThen(store.read(name), store.read(name)) : store.read(name)),
      })) as typeof realParts.store,
    }
    for (const shortcuts of [{}, { lives: false, forks: false }]) {
      const error = await explore(one, { parts: moody, reductions: { ...allReductions, ...shortcuts } }).catch(
        (error: unknown) => error,
      )
      assert.match(String(error), /not deterministic/)
    }
  })

  it("that is cut short is incomplete, and never holds", async () => {
    const report = await explore({ ...one, bounds: { faults: 1, stalls: 0 } }, { maxExecutions: 5 })
    assert.strictEqual(report.verdict, "incomplete")
  })

  it("counts what happened, so that it can be seen that something could have gone wrong", async () => {
    const { happened } = await explore(one)
    for (const fault of one.faults) assert.isAbove(happened[fault] ?? 0, 0, fault)
  })
})

it("every story for the pictures is told to its end, and no invariant is violated in it", () => {
  for (const plot of plots) assert.isUndefined(tell(plot).violation, plot.scenario.name)
})

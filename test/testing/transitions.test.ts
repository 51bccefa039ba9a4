/**
 * Every transition of the machine is taken, in an exploration (`models/scenarios.md`) or in a random life, or explained in
 * `untaken.ts`.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"
import { chart } from "../../src/lifecycle/Chart.ts"
import { decide } from "../../src/lifecycle/machine.ts"
import {
  answersIn,
  type Explanation,
  leavesOf,
  nameOf,
  takenBy,
  type Transition,
  transitionsOf,
} from "../../src/lifecycle/transitions.ts"
import { seeded, walk } from "../../src/testing/random.ts"
import { remembered } from "../../src/testing/remembered.ts"
import { realParts } from "../../src/testing/Parts.ts"
import { World } from "../../src/testing/World.ts"
import { kinds } from "./lives.ts"
import { late, untaken } from "./untaken.ts"

const machine = chart()
const all = transitionsOf(machine)
const taken = new Set<string>()
/** What a state was told and does not hear, as `dead Granted`. */
const unheard = new Set<string>()

/** The rows of `Transitions taken`. */
const explored = (): ReadonlyArray<readonly [from: string, event: string, to: string]> => {
  const page = fs.readFileSync(path.join(import.meta.dirname, "../../models/scenarios.md"), "utf8")
  const [, rows = ""] = page.split("## Transitions taken")
  return [...rows.matchAll(/^\| (\w+) \| (\w+) \| (\w+) \| \d+ \|$/gm)].map(([, from, event, to]) => [
    from!,
    event!,
    to!,
  ])
}

/** A row tells where it led and not by which guard, so it counts where only one transition leads there. */
const takeExplored = (): void => {
  const weighed = (event: string, to: string) =>
    all.filter((one) => one.from === "weigh" && one.event === event && one.answer.target === to)
  for (const [from, event, to] of explored()) {
    const leaf = leavesOf(machine).find(({ key }) => key === from)
    assert.isDefined(leaf, `models/scenarios.md: there is no state ${from}: run \`npm run explore\``)
    const answers = answersIn(machine, leaf!, event)
    if (answers.length === 0) unheard.add(`${from} ${event}`)
    const direct = answers.filter(({ target }) => (target ?? from) === to)
    const questions = answers.some(({ target }) => target === "weigh") ? weighed(event, to) : []
    const [only, ...others] = [...direct.map((answer) => ({ from, event, answer })), ...questions]
    if (only === undefined || others.length > 0) {
      // Several questions lead there: which of them is open, and that the event was weighed is not.
      if (direct.length === 0 && questions.length > 0) taken.add(`${from} ${event}`)
      continue
    }
    taken.add(nameOf(only))
    if (only.from === "weigh") {
      for (const answer of answers) if (answer.target === "weigh") taken.add(nameOf({ from, event, answer }))
    }
  }
}

/** As many lives as take a few seconds. */
const takeLives = (): void => {
  const parts = {
    ...realParts,
    decide: remembered((state, event) => {
      for (const transition of takenBy(machine, state, event)) taken.add(nameOf(transition))
      return decide(state, event)
    }),
  }
  for (const [kind, count] of [
    ["short", 2_000],
    ["harmless", 100],
    ["anything", 100],
  ] as const) {
    for (let seed = 1; seed <= count; seed++) {
      const chance = seeded(seed)
      const scenario = kinds[kind].from(chance)
      const world = new World(scenario, { ...scenario.bounds, parts })
      walk(world, chance, kinds[kind].pace)
      for (const what of Object.keys(world.happened)) {
        const [from, event] = what.split(" ")
        const leaf = leavesOf(machine).find(({ key }) => key === from)
        if (event !== undefined && answersIn(machine, leaf!, event).length === 0) unheard.add(`${from} ${event}`)
      }
    }
  }
}

const covers = (
  { events, from, guards }: Explanation,
  transition: Pick<Transition, "event" | "from"> & { readonly guard?: string | undefined },
): boolean =>
  from.includes(transition.from) &&
  events.includes(transition.event) &&
  (guards === undefined || guards.includes(transition.guard ?? ""))

const explains = (explanation: Explanation, { answer: { guard }, event, from }: Transition): boolean =>
  covers(explanation, { event, from, guard })

describe("every transition of the machine", { timeout: 60_000 }, () => {
  beforeAll(() => {
    takeExplored()
    takeLives()
  })

  it("is one of the chart's", () => {
    const names = new Set(all.map(nameOf))
    assert.deepStrictEqual(
      [...taken].filter((name) => !names.has(name)),
      [],
    )
    assert.lengthOf(names, all.length, "a name for each")
    assert.isAbove(taken.size, 100)
  })

  it("is taken in some exploration or life, or explained", () => {
    const open = all.filter((one) => !taken.has(nameOf(one)) && !untaken.some((why) => explains(why, one)))
    const advice = "neither taken nor explained: write a scenario that takes it, or say in untaken.ts why there is none"
    assert.deepStrictEqual(open.map(nameOf), [], advice)
  })

  it("that is called impossible is never taken", () => {
    const wrong = all.filter((one) => {
      const whys = untaken.filter((why) => explains(why, one))
      return taken.has(nameOf(one)) && whys.length > 0 && whys.every(({ isRare }) => isRare === undefined)
    })
    assert.deepStrictEqual(wrong.map(nameOf), [])
  })

  it("that is explained exists", () => {
    for (const why of untaken) {
      const idle = why.events.flatMap((event) => why.from.map((from) => ({ event, from })))
      for (const { event, from } of idle) {
        assert.isTrue(
          all.some((one) => one.event === event && one.from === from && explains(why, one)),
          `untaken.ts: ${from} ${event}: ${why.why}`,
        )
      }
    }
  })

  it("and what a state does not hear does not reach it, but late", () => {
    const surprises = [...unheard].filter((name) => {
      const [from = "", event = ""] = name.split(" ")
      return !late.some((why) => covers(why, { from, event }))
    })
    assert.deepStrictEqual(surprises, [])
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { chart, weigh } from "../../src/lifecycle/Chart.ts"
import { json } from "../../src/lifecycle/diagram.ts"
import { decide, initial, machine } from "../../src/lifecycle/machine.ts"
import { table } from "../../src/lifecycle/table.ts"
import { leavesOf, nameOf, takenBy, transitionsOf } from "../../src/lifecycle/transitions.ts"
import { late, untaken } from "../testing/untaken.ts"
import { alphabet } from "./views.ts"

const statechart = chart()
const leafOf = (value: unknown): string =>
  typeof value === "string" ? value : leafOf(Object.values(value as Record<string, unknown>)[0])
const known = new Set(transitionsOf(statechart).map(nameOf))
const bare = (command: string): string => command.replace(/\(.*/, "")

interface Answer {
  readonly guard?: string
  readonly target?: string
  readonly commands: ReadonlyArray<string>
  readonly remembers: boolean
}
interface Node {
  readonly on: Record<string, ReadonlyArray<Answer>>
  readonly states?: Record<string, Node>
}
const parsed = JSON.parse(json(statechart)) as Node & { readonly choices: Record<string, ReadonlyArray<Answer>> }

/** The answers of the JSON form that a leaf gives, its own first, as somebody would read them who has nothing else. */
const readFromJson = (value: unknown, event: string): ReadonlyArray<Answer> => {
  const path: Array<Node> = [parsed]
  for (
    let rest = value;
    rest !== undefined;
    rest = typeof rest === "string" ? undefined : Object.values(rest as object)[0]
  ) {
    const key = typeof rest === "string" ? rest : Object.keys(rest as object)[0]!
    path.unshift(path[0]!.states![key]!)
  }
  return path.flatMap(({ on }) => on[event] ?? [])
}

const events = fc.array(fc.constantFrom(...alphabet), { maxLength: 60 })

describe("the chart's transitions", () => {
  it("are what the machine does, whatever happens: the state after it and the commands", () => {
    fc.assert(
      fc.property(events, fc.boolean(), (sequence, background) => {
        let state = initial(background)
        for (const event of sequence) {
          const taken = takenBy(statechart, state, event)
          const [next, commands] = decide(state, event)
          const from = leafOf(state.value)
          for (const transition of taken) assert.isTrue(known.has(nameOf(transition)), nameOf(transition))
          assert.strictEqual(taken[0]?.from ?? from, from)
          assert.strictEqual(taken.length === 2, taken[0]?.answer.target === weigh)
          const decisive = taken.at(-1)?.answer
          assert.strictEqual(leafOf(next.value), decisive?.target ?? from)
          assert.deepStrictEqual(
            commands.map(({ type }) => type as string),
            (decisive?.commands ?? []).map(bare),
          )
          state = next
        }
      }),
    )
  })

  it("are in the JSON form, in the order in which their guards are asked", () => {
    fc.assert(
      fc.property(events, fc.boolean(), (sequence, background) => {
        let state = initial(background)
        for (const event of sequence) {
          const [first] = takenBy(statechart, state, event)
          const told = readFromJson(state.value, event.type)
          const guard = first?.answer.guard
          const found = told.find((answer) => answer.guard === (guard === "else" ? undefined : guard))
          if (first === undefined) assert.isTrue(told.every((answer) => answer.guard !== undefined))
          else assert.deepInclude(first.answer, { ...found })
          state = decide(state, event)[0]
        }
      }),
    )
    assert.deepStrictEqual(
      parsed.choices[weigh]!.map(({ guard, target }) => [guard, target]),
      statechart.questions.map(({ guard, target }) => [guard === "else" ? undefined : guard, target]),
    )
    assert.deepStrictEqual(Object.keys(parsed.on).toSorted(), [...machine.root.transitions.keys()].toSorted())
  })
})

describe("the table of states and events", () => {
  const page = table(statechart, { late, untaken })

  it("has a cell for each of them", () => {
    const [head = "", , ...rows] = page.split("\n").filter((line) => line.startsWith("| "))
    const columns = head.split(" | ").length
    const overview = rows.slice(0, leavesOf(statechart).length)
    assert.strictEqual(columns - 1, new Set(alphabet.map(({ type }) => type)).size)
    for (const [index, row] of overview.entries()) {
      assert.lengthOf(row.split(" | "), columns)
      assert.include(row, `**${leavesOf(statechart)[index]!.key}**`)
    }
  })

  it("says of an event that it cannot be where the machine does not hear it", () => {
    const dead = page.split("\n").find((line) => line.startsWith("| **dead**"))
    const valid = page.split("\n").find((line) => line.startsWith("| **valid**"))
    assert.include(dead, "| late |")
    assert.include(valid, "| cannot |")
    assert.notInclude(dead, "cannot")
  })

  it("has a line for every answer that is not weighed", () => {
    for (const { answer, event, from } of transitionsOf(statechart)) {
      if (from === weigh || answer.target === weigh) continue
      const next = answer.target ?? (answer.commands.length > 0 || answer.remembers ? "stays" : "ignored")
      assert.include(page, `| ${from} | ${event} | ${answer.guard ?? ""} | ${next} | ${answer.commands.join(", ")}`)
    }
  })
})

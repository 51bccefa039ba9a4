import { assert, describe, it } from "@effect/vitest"
import { outdated } from "../../scripts/models.ts"
import { chart } from "../../src/lifecycle/Chart.ts"
import { mermaid, text } from "../../src/lifecycle/diagram.ts"
import { dot } from "../../src/lifecycle/dot.ts"
import { machine } from "../../src/lifecycle/machine.ts"

type Node = typeof machine.root

const nodes = (node: Node): ReadonlyArray<Node> => [node, ...Object.values(node.states).flatMap(nodes)]
const all = nodes(machine.root)
const around = (node: Node): ReadonlyArray<Node> => (node.parent ? [node, ...around(node.parent)] : [node])

const lines = mermaid(chart())
  .split("\n")
  .map((line) => line.trim())

/** Straight from the machine's configuration, where the shared list is one and the same array in every place. */
const configured = (node: Node, event: string): ReadonlyArray<unknown> => {
  const list: unknown = Reflect.get(node.config.on ?? {}, event)
  if (list === undefined) return []
  return Array.isArray(list) ? list : [list]
}
const questions = configured(machine.root, "Asked")
const isWeighed = (node: Node, event: string): boolean => configured(node, event).at(-1) === questions.at(-1)

const commandsOf = (actions: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  actions.flatMap((action) =>
    typeof action === "object" && action !== null ? [String(Reflect.get(action, "type"))] : [],
  )

describe("the diagrams", () => {
  it("show every state, and nothing that is none", () => {
    for (const node of all.slice(1)) {
      const leaf = Object.keys(node.states).length === 0
      assert.include(lines, leaf ? `${node.key} : ${node.key}` : `state ${node.key} {`)
      assert.include(text(chart()), `${node.key}\n`.trimEnd())
      assert.include(dot(chart()), `>${node.key}<`)
    }
    const drawn = lines.flatMap((line) => line.match(/^(?:(\w+) : \1|state (\w+) \{)$/)?.slice(1) ?? []).filter(Boolean)
    assert.deepStrictEqual(
      drawn.toSorted(),
      all
        .slice(1)
        .map(({ key }) => key)
        .toSorted(),
    )
  })

  it("show every transition with its guard, its commands and its place in the order", () => {
    let arrows = 0
    for (const node of all) {
      for (const [event, transitions] of node.transitions) {
        const own = isWeighed(node, event) ? transitions.slice(0, -questions.length) : transitions
        const shown = node === machine.root ? (event === "Asked" ? transitions : []) : own
        for (const [index, { actions, guard, target }] of shown.entries()) {
          const asked = guard === undefined && index > 0 ? "else" : guard
          const name = node === machine.root ? `${index + 1}.` : event
          const begin = name + (asked === undefined ? "" : ` [${asked}]`)
          const from = target ? `${node === machine.root ? "weigh" : node.key} --> ${target[0]?.key} : ` : ""
          const commands = commandsOf(actions)
          const found = lines.filter((line) => {
            const said = from === "" ? line.replace(`${node.key} : `, "") : line
            if (commands.length === 0 && said.startsWith("ignores ")) return said.includes(event)
            const rest = said.startsWith(from + begin) ? said.slice(from.length + begin.length) : undefined
            const wishes = rest?.replace(/^ \/ /, "").replaceAll(/\(.*?\)/g, "")
            return wishes === (commands.length === 0 ? wishes : commands.join(", "))
          })
          assert.isNotEmpty(found, `${node.key}: ${from}${begin} / ${commands.join(", ")}`)
          if (target) arrows++
        }
      }
    }
    const drawn = lines.filter((line) => line.includes(" --> ") && !/^\[\*\]|--> weigh/.test(line))
    assert.strictEqual(drawn.length, arrows)
  })

  it("send to the questions what the machine weighs, and nothing else", () => {
    const arrows = lines.flatMap((line) => {
      const [, key = "", events = ""] = line.match(/^(\w+) --> weigh : (.*)$/) ?? []
      return key === "" ? [] : [{ key, events: events.split(", ") }]
    })
    const events = new Set(all.flatMap((node) => [...node.transitions.keys()]))
    for (const leaf of all.filter(({ states }) => Object.keys(states).length === 0)) {
      const path = around(leaf)
      for (const event of events) {
        const decides = path.find((node) => configured(node, event).length > 0)
        const expected = decides !== undefined && isWeighed(decides, event)
        const drawn = arrows.some((arrow) => path.some(({ key }) => key === arrow.key) && arrow.events.includes(event))
        assert.strictEqual(drawn, expected, `${leaf.key} hears ${event}`)
      }
    }
  })

  it("in models/ are current", async () => {
    assert.deepStrictEqual(await outdated(), [])
  })
})

/**
 * The statechart in three spellings: Mermaid for pages that render it, plain text for terminals and for reading in
 * order, and DOT, from which `scripts/models.ts` draws `models/lifecycle.svg`.
 *
 * All three are deterministic: the same machine gives the same text, so `models/` can be checked for being current.
 */
import type { Answer, Chart, State } from "./Chart.ts"
import { weigh } from "./Chart.ts"

const list = (words: ReadonlyArray<string>): string => words.join(", ")

/** `Event [guard] / commands`, as in UML. */
const label = (event: string, { commands, guard }: Answer): string =>
  event + (guard === undefined ? "" : ` [${guard}]`) + (commands.length === 0 ? "" : ` / ${list(commands)}`)

const ignored = (answers: ReadonlyArray<Answer>): boolean =>
  answers.every(({ commands, remembers, target }) => target === undefined && commands.length === 0 && !remembers)

/** What a state does with an event while it stays where it is, one line each. */
const insideLines = (state: State): ReadonlyArray<string> => {
  const unheard = state.hears.filter(({ answers }) => ignored(answers)).map(({ event }) => event)
  const stays = state.hears
    .filter(({ answers }) => !ignored(answers))
    .flatMap(({ answers, event }) => answers.filter(({ target }) => target === undefined).map((answer) => ({ answer, event })))
    .map(({ answer, event }) => label(event, answer) + (ignored([answer]) ? " / nothing" : answer.commands.length === 0 ? " / remember" : ""))
  return unheard.length === 0 ? stays : [...stays, `ignores ${list(unheard)}`]
}

/** The steps from one state to another, without those to `weigh`. */
const steps = (state: State): ReadonlyArray<{ readonly event: string; readonly answer: Answer; readonly target: string }> =>
  state.hears.flatMap(({ answers, event }) =>
    answers.flatMap((answer) =>
      answer.target === undefined || answer.target === weigh ? [] : [{ event, answer, target: answer.target }],
    ),
  )

const leaves = (chart: Chart, key: string): ReadonlyArray<State> =>
  chart.states.filter((state) => state.leaf && (state.key === key || state.inside.includes(key)))

const childrenOf = (chart: Chart, parent: string | undefined): ReadonlyArray<State> =>
  chart.states.filter(({ inside }) => inside.at(-1) === parent)

/** Which events are weighed where: one entry for a whole state when all its leaves agree. */
const weighings = (chart: Chart, parent?: string): ReadonlyArray<readonly [key: string, events: ReadonlyArray<string>]> =>
  childrenOf(chart, parent).flatMap(({ key }) => {
    const [first, ...others] = leaves(chart, key).map(({ weighs }) => weighs)
    if (first === undefined || first.length === 0) return []
    return others.every((weighs) => list(weighs) === list(first)) ? [[key, first] as const] : weighings(chart, key)
  })

/** Mermaid, `stateDiagram-v2`. */
export const mermaid = (chart: Chart): string => {
  const lines: Array<string> = []
  const draw = (parent: string | undefined, indent: string): void => {
    for (const state of childrenOf(chart, parent)) {
      const inner = insideLines(state)
      if (state.leaf) {
        lines.push(`${indent}${state.key} : ${state.key}`, ...inner.map((line) => `${indent}${state.key} : ${line}`))
      } else {
        lines.push(`${indent}state ${state.key} {`)
        draw(state.key, `${indent}  `)
        lines.push(`${indent}}`)
        if (inner.length > 0) lines.push(`${indent}note left of ${state.key}`, ...inner.map((line) => `${indent}  ${line}`), `${indent}end note`)
      }
    }
  }
  draw(undefined, "  ")
  lines.push(`  state ${weigh} <<choice>>`, `  [*] --> ${chart.initial}`)
  for (const [key, events] of weighings(chart)) lines.push(`  ${key} --> ${weigh} : ${list(events)}`)
  chart.questions.forEach((question, index) => {
    lines.push(`  ${weigh} --> ${question.target} : ${label(`${index + 1}.`, { ...question, guard: question.guard ?? "else" })}`)
  })
  for (const state of chart.states) {
    for (const { answer, event, target } of steps(state)) lines.push(`  ${state.key} --> ${target} : ${label(event, answer)}`)
  }
  return ["stateDiagram-v2", "  direction LR", ...lines, ""].join("\n")
}

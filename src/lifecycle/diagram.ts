/**
 * The statechart in three spellings: Mermaid for pages that render it, plain text for terminals and for reading in
 * order, and DOT, from which `scripts/models.ts` draws `models/lifecycle.svg`.
 *
 * All three are deterministic: the same machine gives the same text, so `models/` can be checked for being current.
 */
import type { Answer, Chart, State } from "./Chart.ts"
import { weigh } from "./Chart.ts"

const ink = "#212529"
const grey = "#5c636a"
const neutral = { fill: "#f1f3f5", line: "#495057" }
const colours: Readonly<Record<string, { readonly fill: string; readonly line: string }>> = {
  valid: { fill: "#e6f4ea", line: "#1e7b3c" },
  expiring: { fill: "#fff4d9", line: "#9a6700" },
  refreshing: { fill: "#e5f0fd", line: "#1f5fa8" },
  dead: { fill: "#fce8e6", line: "#b3261e" },
}

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
    .flatMap(({ answers, event }) =>
      answers.filter(({ target }) => target === undefined).map((answer) => ({ answer, event })),
    )
    .map(
      ({ answer, event }) =>
        label(event, answer) + (ignored([answer]) ? " / nothing" : answer.commands.length === 0 ? " / remember" : ""),
    )
  return unheard.length === 0 ? stays : [...stays, `ignores ${list(unheard)}`]
}

/** The steps from one state to another, without those to `weigh`. */
const steps = (
  state: State,
): ReadonlyArray<{ readonly event: string; readonly answer: Answer; readonly target: string }> =>
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
const weighings = (
  chart: Chart,
  parent?: string,
): ReadonlyArray<readonly [key: string, events: ReadonlyArray<string>]> =>
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
        if (inner.length > 0)
          lines.push(
            `${indent}note left of ${state.key}`,
            ...inner.map((line) => `${indent}  ${line}`),
            `${indent}end note`,
          )
      }
    }
  }
  draw(undefined, "  ")
  lines.push(`  state ${weigh} <<choice>>`, `  [*] --> ${chart.initial}`)
  for (const [key, events] of weighings(chart)) lines.push(`  ${key} --> ${weigh} : ${list(events)}`)
  chart.questions.forEach((question, index) => {
    const numbered = label(`${index + 1}.`, question)
    lines.push(`  ${weigh} --> ${question.target} : ${numbered}`)
  })
  for (const state of chart.states)
    for (const { answer, event, target } of steps(state))
      lines.push(`  ${state.key} --> ${target} : ${label(event, answer)}`)
  for (const [key, { fill, line }] of Object.entries(colours)) {
    lines.push(`  classDef ${key}Colour fill:${fill},stroke:${line},color:${ink}`)
    lines.push(
      `  class ${leaves(chart, key)
        .map((state) => state.key)
        .join(",")} ${key}Colour`,
    )
  }
  return ["stateDiagram-v2", "  direction LR", ...lines, ""].join("\n")
}

/** A readable outline: first the questions, then the states with what they mean and do. */
export const text = (chart: Chart): string => {
  const width = (words: ReadonlyArray<string>): number => Math.max(...words.map((word) => word.length))
  const guards = width(chart.questions.map(({ guard }) => guard ?? ""))
  const targets = width(chart.questions.map(({ target }) => target ?? ""))
  const lines = [
    `${weigh}  (${list(chart.weighed)})`,
    "  What a resting state does with whatever it hears. The first question that holds decides.",
    "",
    ...chart.questions.map(
      (question, index) =>
        `  ${String(index + 1).padStart(2)}. ${(question.guard ?? "").padEnd(guards)}  -> ${(question.target ?? "").padEnd(targets)}  ${list(question.commands)}`,
    ),
  ]
  for (const state of chart.states) {
    const indent = "  ".repeat(state.inside.length)
    lines.push(
      "",
      `${indent}${state.key}${state.key === chart.initial ? "  (where the machine starts)" : ""}`,
      `${indent}  ${state.description}`,
    )
    const events = state.hears.flatMap(({ answers, event }) =>
      answers.map((answer) => {
        const does = ignored([answer]) ? "nothing" : answer.commands.length > 0 ? list(answer.commands) : "remembers it"
        return answer.target === weigh
          ? `${label(event, answer)} -> ${weigh}`
          : `${label(event, { ...answer, commands: [] })} -> ${answer.target ?? "stays"}: ${does}`
      }),
    )
    const own = new Set(state.hears.map(({ event }) => event))
    const inherited = state.weighs.filter((event) => !own.has(event))
    if (inherited.length > 0) events.push(`${list(inherited)} -> ${weigh}`)
    lines.push(...events.map((line) => `${indent}  - ${line}`))
  }
  return `${lines.join("\n")}\n`
}

const escaped = (words: string): string =>
  words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** In as few lines of at most `columns` as will do, and those about equally long. */
const wrapped = (words: string, columns: number): ReadonlyArray<string> => {
  const at = (width: number): ReadonlyArray<string> =>
    words.split(" ").reduce<ReadonlyArray<string>>((lines, word) => {
      const last = lines.at(-1)
      return last === undefined || last.length + word.length >= width
        ? [...lines, word]
        : [...lines.slice(0, -1), `${last} ${word}`]
    }, [])
  const fewest = at(columns).length
  let width = columns
  while (width > 1 && at(width - 1).length === fewest) width--
  return at(width)
}

const cell = (lines: ReadonlyArray<string>, attributes = ""): string =>
  `<tr><td align="left" balign="left"${attributes}>${lines.join("<br/>")}</td></tr>`

const font = (words: string, colour: string, size: number): string =>
  `<font color="${colour}" point-size="${size}">${escaped(words)}</font>`

const bold = (words: string, colour: string, size: number): string =>
  `<font color="${colour}" point-size="${size}"><b>${escaped(words)}</b></font>`

/** Graphviz's DOT. The list of questions is drawn as a table, with an arrow from each row. */
export const dot = (chart: Chart): string => {
  const colourOf = (key: string): { readonly fill: string; readonly line: string } => {
    const state = chart.states.find((candidate) => candidate.key === key)
    return colours[state?.inside[0] ?? key] ?? neutral
  }
  const everything = list(chart.weighed)
  const box = (state: State): string => {
    const { fill, line } = colourOf(state.key)
    const inner = insideLines(state).map((words) => font(words, ink, 12))
    const weighs = list(state.weighs) === everything ? "all it hears" : list(state.weighs)
    const rows = [
      cell([`${bold(state.key, line, 16)}`]),
      cell(wrapped(state.description, 36).map((words) => font(words, grey, 12))),
      ...(inner.length === 0 ? [] : ["<hr/>", cell(inner)]),
      ...(weighs === "" ? [] : ["<hr/>", cell([font(`weighs ${weighs}`, grey, 12)])]),
    ]
    return `${state.key} [label=<<table border="1.5" style="rounded" cellborder="0" cellspacing="0" cellpadding="4" bgcolor="${state.inside.length === 0 ? fill : "white"}" color="${line}">${rows.join("")}</table>>]`
  }
  const cluster = (state: State): ReadonlyArray<string> => {
    const { fill, line } = colourOf(state.key)
    // A state with states that nest further is wide, and arrows to its inside pass over its left corner.
    const nests = childrenOf(chart, state.key).some(({ leaf }) => !leaf)
    const heading = [
      cell([`${bold(state.key, line, 18)}`]),
      cell(wrapped(state.description, 70).map((words) => font(words, grey, 12))),
      ...insideLines(state).map((words) => cell([font(words, ink, 12)])),
    ]
    return [
      `subgraph cluster_${state.key} {`,
      `graph [style="rounded,filled" fillcolor="${state.inside.length === 0 ? fill : "#ffffff80"}" color="${line}" margin=16 labeljust=${nests ? "r" : "l"}]`,
      `label=<<table border="0" cellborder="0" cellspacing="0" cellpadding="1">${heading.join("")}</table>>`,
      ...draw(state.key),
      "}",
    ]
  }
  const draw = (parent: string | undefined): ReadonlyArray<string> =>
    childrenOf(chart, parent).flatMap((state) => (state.leaf ? [box(state)] : cluster(state)))

  const question = (answer: Answer, index: number): string => {
    const { fill, line } = colourOf(answer.target ?? "")
    const row = [
      `<td align="right">${font(String(index + 1), grey, 12)}</td>`,
      `<td align="left">${font(answer.guard ?? "", ink, 12)}</td>`,
      `<td align="left">${font(list(answer.commands), ink, 12)}</td>`,
      `<td align="left" port="q${index}" bgcolor="${fill}">${bold(answer.target ?? "", line, 12)}</td>`,
    ]
    return `<tr>${row.join("")}</tr>`
  }
  const title = [
    cell([`${bold("The lifecycle of one credential", ink, 24)}`]),
    cell([
      font(
        "Event [guard] / commands. What a state weighs goes through the table; what it is not shown to hear changes nothing.",
        grey,
        13,
      ),
    ]),
  ].join("")
  const about = [
    cell([`${bold(weigh, ink, 18)}`]),
    cell(
      wrapped("What a resting state hears goes through these questions. The first that holds decides.", 60).map(
        (words) => font(words, grey, 12),
      ),
    ),
    cell(wrapped(everything, 60).map((words) => font(words, ink, 12))),
  ].join("")
  const table = [
    `<tr><td colspan="4" align="left"><table border="0" cellspacing="0" cellpadding="2">${about}</table></td></tr>`,
    ...chart.questions.map(question),
  ]
  const arrows = [
    ...chart.questions.map(
      ({ target }, index) => `${weigh}:q${index}:e -> ${target} [color="${colourOf(target ?? "").line}" penwidth=1.4]`,
    ),
    ...chart.states.flatMap((state) =>
      steps(state).map(({ answer, event, target }) => {
        const words = [
          `${bold(event, ink, 12)}${answer.guard === undefined ? "" : font(` [${answer.guard}]`, ink, 11)}`,
          ...(answer.commands.length === 0 ? [] : [font(`/ ${list(answer.commands)}`, ink, 11)]),
        ]
        return `${state.key} -> ${target} [color="${colourOf(target).line}" label=<<table border="0" cellspacing="0" cellpadding="1">${words.map((line) => cell([line])).join("")}</table>>]`
      }),
    ),
  ]
  return [
    "digraph lifecycle {",
    'graph [rankdir=LR fontsize=12 nodesep=0.28 ranksep=0.7 pad=0.3 bgcolor=white fontname="Arial" labelloc=t labeljust=l]',
    `label=<<table border="0" cellspacing="0" cellpadding="2">${title}</table>>`,
    'node [shape=plain fontname="Arial" fontsize=12]',
    'edge [fontname="Arial" fontsize=12 arrowsize=0.8]',
    `${weigh} [label=<<table border="1" cellborder="1" cellspacing="0" cellpadding="6" color="#adb5bd" bgcolor="white">${table.join("")}</table>>]`,
    ...draw(undefined),
    `start [shape=circle style=filled fillcolor="${ink}" label="" width=0.16]`,
    `start -> ${chart.initial} [color="${ink}"]`,
    ...arrows,
    "}",
    "",
  ].join("\n")
}

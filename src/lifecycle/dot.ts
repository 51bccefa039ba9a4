/**
 * The statechart in Graphviz's DOT, from which `scripts/models.ts` draws `models/lifecycle.svg`.
 *
 * The list of questions is a table with an arrow from each row. What a state weighs is written in it and not drawn:
 * those arrows would all end at the table.
 */
import * as Chart from "./Chart.ts"
import { colours, ink, insideLines, list } from "./diagram.ts"

const grey = "#5c636a"

const escaped = (words: string): string =>
  words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const font = (words: string, colour: string, size: number): string =>
  `<font color="${colour}" point-size="${size}">${escaped(words)}</font>`

const bold = (words: string, colour: string, size: number): string => `<b>${font(words, colour, size)}</b>`

const cell = (...lines: ReadonlyArray<string>): string =>
  `<tr><td align="left" balign="left">${lines.join("<br/>")}</td></tr>`

const table = (attributes: string, ...rows: ReadonlyArray<string>): string =>
  `<<table cellspacing="0" ${attributes}>${rows.join("")}</table>>`

const filled = (words: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of words.split(" ")) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

/** In as few lines of at most `columns` as will do, and those about equally long. */
const paragraph = (words: string, columns: number, colour = grey): string => {
  const fewest = filled(words, columns).length
  let width = columns
  while (width > 1 && filled(words, width - 1).length === fewest) width--
  return cell(...filled(words, width).map((line) => font(line, colour, 12)))
}

/** DOT, for Graphviz's `dot` engine. */
export const dot = (chart: Chart.Chart): string => {
  const colourOf = (key: string | undefined): { readonly fill: string; readonly line: string } => {
    const outermost = chart.states.find((state) => state.key === key)?.inside[0] ?? key ?? ""
    return colours[outermost] ?? { fill: "#f1f3f5", line: "#495057" }
  }

  const leaf = (state: Chart.State): string => {
    const { fill, line } = colourOf(state.key)
    const inner = insideLines(state)
    const weighs = state.weighs.length === chart.weighed.length ? "all it hears" : list(state.weighs)
    const rows = [
      cell(bold(state.key, line, 16)),
      paragraph(state.description, 36),
      ...(inner.length === 0 ? [] : ["<hr/>", cell(...inner.map((words) => font(words, ink, 12)))]),
      ...(weighs === "" ? [] : ["<hr/>", cell(font(`weighs ${weighs}`, grey, 12))]),
    ]
    const background = state.inside.length === 0 ? fill : "white"
    const look = `style="rounded" border="1.5" cellborder="0" cellpadding="4" color="${line}" bgcolor="${background}"`
    return `${state.key} [label=${table(look, ...rows)}]`
  }

  const cluster = (state: Chart.State): ReadonlyArray<string> => {
    const { fill, line } = colourOf(state.key)
    // A state with states that nest further is wide, and arrows to its inside pass over its left corner.
    const side = Chart.childrenOf(chart, state.key).every((child) => child.leaf) ? "l" : "r"
    const background = state.inside.length === 0 ? fill : "#ffffff80"
    const heading = [
      cell(bold(state.key, line, 18)),
      paragraph(state.description, 70),
      ...insideLines(state).map((words) => cell(font(words, ink, 12))),
    ]
    return [
      `subgraph cluster_${state.key} {`,
      `graph [style="rounded,filled" fillcolor="${background}" color="${line}" margin=16 labeljust=${side}]`,
      `label=${table(`border="0" cellpadding="1"`, ...heading)}`,
      ...statesIn(state.key),
      "}",
    ]
  }

  const statesIn = (parent: string | undefined): ReadonlyArray<string> =>
    Chart.childrenOf(chart, parent).flatMap((state) => (state.leaf ? [leaf(state)] : cluster(state)))

  const questions = chart.questions.map(({ commands, guard = "", target = "" }, index) => {
    const { fill, line } = colourOf(target)
    const columns = [
      `<td align="right">${font(String(index + 1), grey, 12)}</td>`,
      `<td align="left">${font(guard, ink, 12)}</td>`,
      `<td align="left">${font(list(commands), ink, 12)}</td>`,
      `<td align="left" bgcolor="${fill}" port="q${index}">${font(target, line, 12)}</td>`,
    ]
    return `<tr>${columns.join("")}</tr>`
  })
  const aboutQuestions = table(
    `border="0" cellpadding="2"`,
    cell(bold(Chart.weigh, ink, 18)),
    paragraph("What a resting state hears goes through these questions. The first that holds decides.", 60),
    paragraph(list(chart.weighed), 60, ink),
  ).slice(1, -1)
  const title = table(
    `border="0" cellpadding="2"`,
    cell(bold("The lifecycle of one credential", ink, 24)),
    cell(font("Event [guard] / commands. What a state weighs goes through the table.", grey, 13)),
  )

  const arrows = chart.states.flatMap((state) =>
    Chart.stepsOf(state).map(({ answer, event, target }) => {
      const guard = answer.guard === undefined ? "" : font(` [${answer.guard}]`, ink, 11)
      const commands = answer.commands.length === 0 ? [] : [cell(font(`/ ${list(answer.commands)}`, ink, 11))]
      const label = table(`border="0" cellpadding="1"`, cell(bold(event, ink, 12) + guard), ...commands)
      return `${state.key} -> ${target} [color="${colourOf(target).line}" label=${label}]`
    }),
  )

  // The font is one whose widths Graphviz knows: without them, words would run over the edges of their boxes.
  return [
    "digraph lifecycle {",
    `graph [rankdir=LR nodesep=0.28 ranksep=0.9 pad=0.3 bgcolor=white fontname="Arial" labelloc=t labeljust=l]`,
    `node [shape=plain fontname="Arial" fontsize=12]`,
    `edge [fontname="Arial" fontsize=12 arrowsize=0.8]`,
    `label=${title}`,
    `${Chart.weigh} [label=${table(
      `border="1" cellborder="1" cellpadding="6" color="#adb5bd" bgcolor="white"`,
      `<tr><td colspan="4" align="left">${aboutQuestions}</td></tr>`,
      ...questions,
    )}]`,
    ...statesIn(undefined),
    `start [shape=circle style=filled fillcolor="${ink}" label="" width=0.16]`,
    `start -> ${chart.initial} [color="${ink}"]`,
    ...chart.questions.map(
      ({ target }, index) => `${Chart.weigh}:q${index}:e -> ${target} [color="${colourOf(target).line}" penwidth=1.4]`,
    ),
    ...arrows,
    "}",
    "",
  ].join("\n")
}

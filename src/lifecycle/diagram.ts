/**
 * The statechart as Mermaid, for pages that render it, as plain text, for terminals and for reading in order, and as JSON,
 * for programs. `dot.ts` draws the picture.
 *
 * The same machine always gives the same text, so a test can tell whether `models/` is current.
 */
import * as Chart from "./Chart.ts"

export const list = (words: ReadonlyArray<string>): string => words.join(", ")

/** `Event [guard] / commands`, as in UML. */
const label = (event: string, { commands, guard }: Chart.Answer): string =>
  event + (guard === undefined ? "" : ` [${guard}]`) + (commands.length === 0 ? "" : ` / ${list(commands)}`)

const changesNothing = ({ commands, remembers, target }: Chart.Answer): boolean =>
  target === undefined && commands.length === 0 && !remembers

const ignoredBy = ({ hears }: Chart.State): Chart.State["hears"] =>
  hears.filter(({ answers }) => answers.every(changesNothing))

/** What a state does with events while it stays where it is, one line each. */
export const insideLines = (state: Chart.State): ReadonlyArray<string> => {
  const ignored = ignoredBy(state)
  const lines = state.hears
    .filter((hearing) => !ignored.includes(hearing))
    .flatMap(({ answers, event }) =>
      answers
        .filter(({ target }) => target === undefined)
        .map((answer) => {
          const silent = changesNothing(answer) ? " / nothing" : " / remember"
          return label(event, answer) + (answer.commands.length === 0 ? silent : "")
        }),
    )
  return ignored.length === 0 ? lines : [...lines, `ignores ${list(ignored.map(({ event }) => event))}`]
}

/** The four states' colours, which the picture has too. */
export const colours: Readonly<Record<string, { readonly fill: string; readonly line: string }>> = {
  valid: { fill: "#e6f4ea", line: "#1e7b3c" },
  expiring: { fill: "#fff4d9", line: "#9a6700" },
  refreshing: { fill: "#e5f0fd", line: "#1f5fa8" },
  dead: { fill: "#fce8e6", line: "#b3261e" },
}
export const ink = "#212529"

/** Where which events are weighed: one entry for a whole state when all its leaves agree. */
const weighings = (chart: Chart.Chart, parent?: string): ReadonlyArray<readonly [key: string, events: string]> =>
  Chart.childrenOf(chart, parent).flatMap(({ key }) => {
    const [first = "", ...others] = Chart.leavesOf(chart, key).map(({ weighs }) => list(weighs))
    if (others.some((events) => events !== first)) return weighings(chart, key)
    return first === "" ? [] : [[key, first] as const]
  })

const indented = (head: ReadonlyArray<string>, body: ReadonlyArray<string>, foot: string): ReadonlyArray<string> =>
  head.concat(
    body.map((line) => `  ${line}`),
    foot,
  )

/** Mermaid, `stateDiagram-v2`. */
export const mermaid = (chart: Chart.Chart): string => {
  const statesIn = (parent: string | undefined): ReadonlyArray<string> =>
    Chart.childrenOf(chart, parent).flatMap((state) => {
      const lines = insideLines(state)
      if (state.leaf) return [state.key, ...lines].map((line) => `${state.key} : ${line}`)
      const inner = indented([`state ${state.key} {`], statesIn(state.key), "}")
      return lines.length === 0 ? inner : inner.concat(indented([`note left of ${state.key}`], lines, "end note"))
    })
  const lines = [
    ...statesIn(undefined),
    `state ${Chart.weigh} <<choice>>`,
    `[*] --> ${chart.initial}`,
    ...weighings(chart).map(([key, events]) => `${key} --> ${Chart.weigh} : ${events}`),
    ...chart.questions.map(
      (question, index) => `${Chart.weigh} --> ${question.target} : ${label(`${index + 1}.`, question)}`,
    ),
    ...chart.states.flatMap((state) =>
      Chart.stepsOf(state).map(({ answer, event, target }) => `${state.key} --> ${target} : ${label(event, answer)}`),
    ),
    ...Object.entries(colours).flatMap(([key, { fill, line }]) => [
      `classDef ${key}Colour fill:${fill},stroke:${line},color:${ink}`,
      `class ${Chart.leavesOf(chart, key).map((leaf) => leaf.key)} ${key}Colour`,
    ]),
  ]
  return indented(["stateDiagram-v2", "  direction LR"], lines, "").join("\n")
}

const longest = (words: ReadonlyArray<string>): number => Math.max(...words.map((word) => word.length))

/** A readable outline: first the questions, then the states with what they mean and what they do. */
export const text = (chart: Chart.Chart): string => {
  const rows = chart.questions.map(({ commands, guard = "", target = "" }) => ({ commands, guard, target }))
  const guards = longest(rows.map(({ guard }) => guard))
  const targets = longest(rows.map(({ target }) => target))
  const questions = rows.map(({ commands, guard, target }, index) => {
    const number = String(index + 1).padStart(2)
    return `  ${number}. ${guard.padEnd(guards)}  -> ${target.padEnd(targets)}  ${list(commands)}`
  })

  const does = (event: string, answer: Chart.Answer): string => {
    const heard = label(event, { ...answer, commands: [] })
    if (answer.target === Chart.weigh) return `${heard} -> ${Chart.weigh}`
    const silent = answer.remembers ? "remembers it" : "nothing"
    return `${heard} -> ${answer.target ?? "stays"}: ${answer.commands.length === 0 ? silent : list(answer.commands)}`
  }
  const states = chart.states.flatMap((state) => {
    const indent = "  ".repeat(state.inside.length)
    const inherited = state.weighs.filter((event) => !state.hears.some((own) => own.event === event))
    const ignored = ignoredBy(state)
    const lines = [
      ...state.hears
        .filter((hearing) => !ignored.includes(hearing))
        .flatMap(({ answers, event }) => answers.map((answer) => does(event, answer))),
      ...(ignored.length === 0 ? [] : [`${list(ignored.map(({ event }) => event))}: ignored`]),
      ...(inherited.length === 0 ? [] : [`${list(inherited)} -> ${Chart.weigh}`]),
    ]
    const start = state.key === chart.initial ? "  (where the machine starts)" : ""
    return [
      "",
      `${indent}${state.key}${start}`,
      `${indent}  ${state.description}`,
      ...lines.map((line) => `${indent}  - ${line}`),
    ]
  })

  return [
    Chart.weigh,
    `  What a resting state hears goes through these questions. The first that holds decides.`,
    `  (${list(chart.weighed)})`,
    "",
    ...questions,
    ...states,
    "",
  ].join("\n")
}

/**
 * The statechart for programs: a tree of `states`, each with what it does `on` an event. The first answer whose `guard`
 * holds counts, and one without a guard holds always; when none holds, the state around it answers. No `target`: the
 * machine stays where it is. A target among the `choices` stands for that list of answers, asked in the same way.
 */
export const json = (chart: Chart.Chart): string => {
  const answer = ({ commands, guard, remembers, target }: Chart.Answer) => ({
    ...(guard !== undefined && guard !== Chart.otherwise && { guard }),
    ...(target !== undefined && { target }),
    commands,
    remembers,
  })
  const on = (hears: Chart.State["hears"]) =>
    Object.fromEntries(hears.map(({ answers, event }) => [event, answers.map(answer)]))
  const states = (parent: string | undefined): object =>
    Object.fromEntries(
      Chart.childrenOf(chart, parent).map(({ description, hears, key, leaf }) => [
        key,
        { description, on: on(hears), ...(!leaf && { states: states(key) }) },
      ]),
    )
  const weighed = { guard: undefined, target: Chart.weigh, commands: [], remembers: false }
  const whole = {
    initial: chart.initial,
    events: Chart.eventsOf(chart),
    on: on(chart.weighed.map((event) => ({ event, answers: [weighed] }))),
    states: states(undefined),
    choices: { [Chart.weigh]: chart.questions.map(answer) },
  }
  return `${JSON.stringify(whole, undefined, 2)}\n`
}

/**
 * What every state does with every event, as Markdown: an overview with a row for each state, and then each answer on a
 * line of its own, so that a change of the machine is a change of a line.
 */
import * as Chart from "./Chart.ts"
import { answersIn, type Explanation, leavesOf } from "./transitions.ts"

/** What people have to say about it: `models/` shows it beside what the machine says. */
export interface Remarks {
  /** Events that a state does not hear, and that reach it all the same. */
  readonly late: ReadonlyArray<Explanation>
  /** Transitions that no exploration and no life takes. */
  readonly untaken: ReadonlyArray<Explanation>
}

const markdown = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`)

const isSilent = ({ commands, remembers, target }: Chart.Answer): boolean =>
  target === undefined && commands.length === 0 && !remembers

const nextOf = (answer: Chart.Answer): string => answer.target ?? (isSilent(answer) ? "ignored" : "stays")

const commandsOf = (answer: Chart.Answer): string => {
  if (answer.commands.length > 0) return answer.commands.join(", ")
  return answer.remembers && answer.target === undefined ? "none, it is remembered" : ""
}

/** Where it may lead, in the order in which the guards are asked. */
const nexts = (answers: ReadonlyArray<Chart.Answer>): string => {
  const falls = answers.some(Chart.always) ? [] : ["ignored"]
  return [...new Set([...answers.map(nextOf), ...falls])].join(", ")
}

const isWeighed = ([first, ...others]: ReadonlyArray<Chart.Answer>): boolean =>
  first?.target === Chart.weigh && others.length === 0

const legend = `
- \`${Chart.weigh}\`: the questions below decide, the first that holds.
- \`stays\`: something is done or remembered, and the state is the same. \`ignored\`: nothing at all.
- \`cannot\`: it answers something that is not under way here. \`late\`: nor is it here, and it comes all the same.
`

/** Each claim in \`remarks\` is held against explorations and random lives by \`test/testing/transitions.test.ts\`. */
export const table = (chart: Chart.Chart, { late, untaken }: Remarks): string => {
  const events = Chart.eventsOf(chart)
  const leaves = leavesOf(chart)
  const isLate = (leaf: Chart.State, event: string): boolean =>
    late.some((one) => one.from.includes(leaf.key) && one.events.includes(event))
  const cell = (leaf: Chart.State, event: string): string => {
    const answers = answersIn(chart, leaf, event)
    if (answers.length > 0) return nexts(answers)
    return isLate(leaf, event) ? "late" : "cannot"
  }

  const overview = leaves.map((leaf) => [`**${leaf.key}**`, ...events.map((event) => cell(leaf, event))])
  const questions = chart.questions.map((question, index) => [
    String(index + 1),
    question.guard ?? "",
    nextOf(question),
    commandsOf(question),
  ])
  const answers = leaves.flatMap((leaf) =>
    events.flatMap((event) => {
      const own = answersIn(chart, leaf, event)
      if (isWeighed(own)) return []
      return own.map((answer) => [leaf.key, event, answer.guard ?? "", nextOf(answer), commandsOf(answer)])
    }),
  )
  const explained = [...untaken, ...late].map(({ events: heard, from, guards, isRare, why }) => [
    from.join(", "),
    heard.join(", "),
    guards?.join("; ") ?? "",
    isRare ? "rare" : "never",
    why,
  ])
  return [
    "# What every state does with every event",
    legend,
    ...markdown(["state", ...events], overview),
    "",
    `## ${Chart.weigh}`,
    "",
    ...markdown(["", "if", "next", "commands"], questions),
    "",
    "## Everything that is not weighed",
    "",
    "The first answer whose guard holds counts; when none does, the event is ignored.",
    "",
    ...markdown(["state", "event", "if", "next", "commands"], answers),
    "",
    "## What is never taken, and why",
    "",
    "All other transitions are taken in some exploration (`scenarios.md`) or random life, or else a test fails. `rare`: it",
    "can happen, and too seldom to be waited for.",
    "",
    ...markdown(["from", "event", "if", "", "why"], explained),
    "",
  ].join("\n")
}

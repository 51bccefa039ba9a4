/**
 * A recorded schedule as people read it: a text for the terminal, and a Mermaid sequence diagram for a review.
 */
import type { Violation } from "./Monitor.ts"
import type { Line } from "./Simulation.ts"

/** What was recorded, and how it ended. */
export interface Story {
  readonly title: string
  readonly lines: ReadonlyArray<Line>
  readonly violation: Violation | undefined
}

const seconds = (millis: number): string => `${Number((millis / 1000).toFixed(3))} s`

const sentence = ({ from, kind, text, to }: Line): string => {
  switch (kind) {
    case "call":
      return `${from} -> ${to}: ${text}`
    case "reply":
      return `${from} --> ${to}: ${text}`
    case "time":
      return `~~~ ${text}`
    case "fault":
      return `!!! ${from === to ? text : `${from} -> ${to}: ${text}`}`
    case "note":
      return `${from}: ${text}`
  }
}

/** One line a step, the time in front where it changes. */
export const toText = ({ lines, violation }: Story): string => {
  let last = Number.NaN
  const written = lines.map((line) => {
    const time = line.at === last ? "" : seconds(line.at)
    last = line.at
    return `${time.padStart(12)}  ${sentence(line)}`
  })
  if (violation !== undefined) written.push(`${"".padStart(12)}  XXX ${violation.invariant}: ${violation.detail}`)
  return written.join("\n")
}

/** Incarnations share a lifeline; Mermaid wants names without quotes. */
const lifeline = (name: string): string => name.replaceAll("'", "")

const escaped = (text: string): string => text.replaceAll(";", ",").replaceAll("#", "no. ")

const placed = { Caller: 0, Person: 0, Store: 2, AS: 3, File: 4, Owner0: 5 } as const

const participants = (lines: ReadonlyArray<Line>): ReadonlyArray<string> => {
  const names = new Set(lines.flatMap(({ from, kind, to }) => (kind === "time" ? [] : [from, to])).map(lifeline))
  for (const name of ["Net", "Clock"]) names.delete(name)
  names.add("AS")
  const place = (name: string): number => placed[name as keyof typeof placed] ?? 1
  return [...names].toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
}

const labels: Readonly<Record<string, string>> = {
  AS: "authorization server",
  Store: "store",
  Caller: "callers",
  Person: "a person",
  File: "the owner's file",
  Owner0: "its owner",
}

/** A Mermaid `sequenceDiagram`. */
export const toMermaid = (story: Story): string => {
  const names = participants(story.lines)
  const over = `${names[0]},${names.at(-1)}`
  const written = names.map((name) => {
    const word = name === "Caller" || name === "Person" ? "actor" : "participant"
    return `  ${word} ${name}${labels[name] === undefined ? "" : ` as ${labels[name]}`}`
  })
  for (const line of story.lines) {
    const [from, to, text] = [lifeline(line.from), lifeline(line.to), escaped(line.text)]
    const known = names.includes(from) ? from : "AS"
    if (line.kind === "call") written.push(`  ${from}->>${to}: ${text}`)
    else if (line.kind === "reply") written.push(`  ${from}-->>${to}: ${text}`)
    else if (line.kind === "time") written.push(`  Note over ${over}: ${text} (${seconds(line.at)})`)
    else if (line.kind === "fault")
      written.push(`  Note over ${known}: FAULT ${from === "Net" || from === to ? "" : `${line.from}: `}${text}`)
    else written.push(`  Note over ${known}: ${text}`)
  }
  if (story.violation !== undefined) {
    written.push(
      `  Note over ${over}: VIOLATED ${escaped(story.violation.invariant)}: ${escaped(story.violation.detail)}`,
    )
  }
  // The head is YAML, in which a title with a colon has to stand in quotes.
  return ["---", `title: ${JSON.stringify(story.title)}`, "---", "sequenceDiagram", ...written, ""].join("\n")
}

/**
 * A schedule that breaks an invariant, as a person gets it: what is broken, the story as text and as a Mermaid sequence
 * diagram, and the line that tells it again.
 */
import { type Story, toMermaid, toText } from "./sequence.ts"

/** What `tokenkeep explore --replay`, `Check.replays` and `replay` take: the steps by name, with blanks between them. */
export const spelled = (schedule: ReadonlyArray<string>): string => schedule.join(" ")

export const parseSchedule = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((step) => step !== "")

/** `again`: the line that replays it, wherever this is printed. */
export const describe = (story: Story, again: string): string =>
  [toText(story), toMermaid(story).trimEnd(), again].join("\n\n")

/** A plain error, so that every test runner shows all of it. */
export class Counterexample extends Error {
  override readonly name = "Counterexample"
  readonly story: Story
  readonly schedule: string

  constructor(story: Story, schedule: ReadonlyArray<string>) {
    const { invariant = "", detail = "" } = story.violation ?? {}
    const again = `To keep it as a test: await Check.replays(scenario, ${JSON.stringify(spelled(schedule))})`
    super(`${story.title}: ${invariant}: ${detail}\n\n${describe(story, again)}\n`)
    this.story = story
    this.schedule = spelled(schedule)
  }
}

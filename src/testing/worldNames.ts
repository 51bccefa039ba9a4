/**
 * What a world calls things: states of the machine, credentials and changes, in the few words that a trace or a state's
 * name has room for. Nothing here looks at a world.
 */
import * as Redacted from "effect/Redacted"
import type { Change } from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import type { State } from "../lifecycle/machine.ts"

const stateNames = new WeakMap<State, string>()

/** The innermost state: `committing` for `{ refreshing: { busy: "committing" } }`. */
export const stateName = (state: State): string => {
  const known = stateNames.get(state)
  if (known !== undefined) return known
  let value: unknown = state.value
  while (typeof value === "object" && value !== null) value = Object.values(value)[0]
  const name = String(value)
  stateNames.set(state, name)
  return name
}

const ticketNames: ReadonlySet<string> = new Set(["id", "ticketId", "holderGone"])

const stateTexts = new WeakMap<State, string>()

/** The machine's state without the names of tickets, which betray the process's number. */
export const stateText = (state: State): string => {
  const known = stateTexts.get(state)
  if (known !== undefined) return known
  const text = JSON.stringify(state, (key, value) => (ticketNames.has(key) ? undefined : value))
  stateTexts.set(state, text)
  return text
}

/** A record, for the reader of a trace. */
export const credentialWords = (credential: Credential | undefined, now: number): string => {
  if (credential === undefined) return "nothing"
  const { alternates, generation, pause, ticket, tokens, verdict } = credential
  const refresh = tokens.refreshToken === undefined ? "" : `/${Redacted.value(tokens.refreshToken)}`
  const second = ticket?.attempt === 2 ? " (2nd)" : ""
  return (
    `g${generation} ${Redacted.value(tokens.accessToken)}${refresh}` +
    (ticket
      ? ` ticket of ${ticket.holder.instance}${second}${ticket.vanishedAt ? ", in doubt" : ""}${ticket.answer ? ", answered" : ""}`
      : "") +
    (alternates ? ` or ${alternates.map(({ accessToken }) => Redacted.value(accessToken)).join(", ")}` : "") +
    (pause ? ` paused ${(pause.until - now) / 1000}s` : "") +
    (verdict ? ` dead: ${verdict.reason}` : "")
  )
}

/** A conditional write, for the reader of a trace. */
export const changeWords = (change: Change): string => {
  switch (change._tag) {
    case "Claim":
      return `claim g${change.generation}${change.ticket.attempt === 2 ? " for the second time" : ""}`
    case "Journal":
      return `the answer to g${change.generation}, unread`
    case "Commit":
      return `commit g${change.generation} -> ${Redacted.value(change.tokens.accessToken)}`
    case "Release":
      return `release g${change.generation}${change.pause ? " and pause" : ""}`
    case "Condemn":
      return `condemn g${change.generation}: ${change.verdict.reason}`
    case "Doubt":
      return `nobody knows what became of g${change.generation}`
    case "Pardon":
      return `try g${change.generation} again`
    case "Put":
      return "put"
  }
}

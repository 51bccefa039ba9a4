/**
 * What a world calls things: states of the machine, credentials and changes, in the few words that a trace or a state's
 * name has room for. Nothing here looks at a world.
 */
import * as Redacted from "effect/Redacted"
import type { Change } from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import type { State } from "../lifecycle/machine.ts"
import { shortName } from "./SeenStates.ts"

/** Who asks when all is over: its callers have no deadline. */
export const epilogueName = "Z"
/** The processes of the program whose login it is too. */
export const ownerName = "Owner"

/** A few thousand values are named once each, and millions of states are told apart by these names. */
export const once = <A extends WeakKey>(name: (value: A) => string): ((value: A) => string) => {
  const names = new WeakMap<A, string>()
  return (value) => {
    let known = names.get(value)
    if (known === undefined) names.set(value, (known = name(value)))
    return known
  }
}

/** The innermost state: `committing` for `{ refreshing: { busy: "committing" } }`. */
export const stateName = once((state: State): string => {
  let value: unknown = state.value
  while (typeof value === "object" && value !== null) value = Object.values(value)[0]
  return String(value)
})

const ticketNames: ReadonlySet<string> = new Set(["id", "ticketId", "holderGone"])

/** A short name for all of the machine's state but the names of tickets, which betray the process's number. */
export const stateDigest = once((state: State) =>
  shortName(JSON.stringify(state, (key, value) => (ticketNames.has(key) ? undefined : value))),
)

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

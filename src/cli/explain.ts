/** The history of a credential as sentences: what happened, when, through whom, and what came of it. No secret is in it. */
import type { Line } from "../lifecycle/History.ts"
import { exactTime } from "./times.ts"

const tokens = ({ access, refresh }: Line): string =>
  [access && `access token ${access}`, refresh && `refresh token ${refresh}`].filter(Boolean).join(", ")

const inDetail = (text: string | undefined): string => (text === undefined || text === "" ? "" : `: ${text}`)

const stateWords: Readonly<Record<string, string>> = {
  "expiring.due": "the token still works",
  "expiring.lapsed": "the token has ended",
  "expiring.pausing": "the token still works, and the next try has to wait",
  "expiring.ending": "the token works to its end, and no other will follow without a person",
  "refreshing.following": "it waits for another process, which is refreshing",
  "refreshing.backingOff": "there is no usable token, and the next try has to wait",
  "refreshing.doubting": "nobody knows what the server did with the refresh token",
  "refreshing.holding": "the store does not take the new token, so it is served from memory",
  "refreshing.unrecorded": "the store does not take the outcome, which is written as soon as it can be",
  "refreshing.replaying": "it reads an answer that another process had written down and not acted on",
  valid: "the token is valid",
  dead: "a person must sign in",
}

const whereTo = ({ to = "" }: Line): string => stateWords[to] ?? `it is ${to.replace(".", ", ")}`

/** Why the machine moved, where it took the right to refresh. */
const whyRefreshed = ({ access, caller, event }: Line): string => {
  switch (event) {
    case "Asked":
      return `${caller ?? "a caller"} asked for a token and the one at hand would not do`
    case "Refused":
      return `a resource server refused access token ${access ?? "?"}, says ${caller ?? "a caller"}`
    case "Woke":
      return "it was time"
    default:
      return "the store said that it is due"
  }
}

/** What one line says, without when and who. */
const sentence = (line: Line): string => {
  const { cause, code, event, generation, parameters, to = "" } = line
  const sent = parameters === undefined ? "" : ` The request had ${parameters.join(", ")}.`
  switch (event) {
    case "GrantStored":
      return `a grant was stored as generation ${generation} (${tokens(line)})`
    case "Removed":
      return "it was signed out: the tokens are forgotten here"
    case "Pardoned":
      return `a person wants the dead generation ${generation} tried once more`
    case "Granted":
      if (parameters === undefined) return `generation ${generation} is here (${tokens(line)})`
      return `the server granted generation ${generation} (${tokens(line)}).${sent}`
    case "OwnerRefreshed":
      return `its owner has other tokens, which are generation ${generation} here (${tokens(line)})`
    case "OwnerTold":
      return `generation ${generation} was written into its owner's file`
    case "Denied":
      if (line.refresh === undefined) return `no other token will come${inDetail(cause)}`
      return `the server refused refresh token ${line.refresh} for good${code === undefined ? "" : ` (${code})`}${inDetail(cause)}.${sent}`
    case "Unavailable":
      return `nothing came of it, for a reason that passes${inDetail(cause)}.${sent}`
    case "Vanished":
      return `the request was sent and no answer came that says what became of it${inDetail(cause)}.${sent}`
    case "Claimed":
      return to.endsWith("exchanging")
        ? line.refresh === undefined
          ? `asks for the successor of generation ${generation}`
          : `presents refresh token ${line.refresh} of generation ${generation}`
        : "stood still for too long after it won the right to refresh, and gives it back unused"
    case "StoreFailed":
      return `the store failed${inDetail(cause)}; ${whereTo(line)}`
    case "Refused":
      if (!to.endsWith("claiming")) return `${whyRefreshed(line)}; ${whereTo(line)}`
  }
  if (to.endsWith("claiming")) return `wants to refresh generation ${generation}, because ${whyRefreshed(line)}`
  if (to.endsWith("recording")) return "gives the rotation up as lost: both presentations went unanswered"
  if (event === "Superseded") return `another process was faster; ${whereTo(line)}`
  return event === "Stored" ? `stored; ${whereTo(line)}` : whereTo(line)
}

/** One line of the history, as a line for a person. */
export const words = (line: Line): string => `${exactTime(line.at)}  ${line.by}: ${sentence(line)}`

/**
 * What the requests of a history differ in: the first question after a refusal that came out of nowhere is whether the
 * request was the same as the one before.
 */
export const differences = (lines: ReadonlyArray<Line>): ReadonlyArray<string> => {
  const requests = lines.filter(({ parameters }) => parameters !== undefined)
  return requests.slice(1).flatMap((line, index) => {
    const [before, after] = [requests[index]!.parameters!, line.parameters!]
    const added = after.filter((name) => !before.includes(name))
    const missing = before.filter((name) => !after.includes(name))
    if (added.length === 0 && missing.length === 0) return []
    return [[...added.map((name) => `+${name}`), ...missing.map((name) => `-${name}`)].join(" ")]
  })
}

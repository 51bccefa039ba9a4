/**
 * What goes wrong with a token request, as data: a script for the server's next requests. The core says what, and each
 * front carries it out: over HTTP on the socket, in process on Effect's clock.
 *
 * A fault says three things: whether the server does its work (`processed`), what then leaves it (`answer`), and how
 * long either takes. A lost request and a lost answer look the same to the client; only `processed` differs.
 */
import { fingerprint } from "../lifecycle/fingerprint.ts"
import type { Answer } from "./answers.ts"
import { type Trouble, trouble } from "./spellings.ts"

/** The requests that a fault is for: those to which everything applies that is said here. */
export interface Aim {
  readonly grantType?: string | undefined
  readonly client?: string | undefined
  /** Of the refresh token or code that is presented. */
  readonly fingerprint?: string | undefined
}

/** Something else than the server's own answer: a dropped connection, silence, or somebody else's words. */
export type Replacement = "drop" | "never" | { readonly trouble: Trouble } | Answer

/** The server's own answer: as it is, half of it before the connection drops, or a byte at a time. */
export type OwnAnswer = "own" | "half" | { readonly dripMillis: number }

interface Common {
  readonly aim?: Aim | undefined
  /** How many requests it hits, 1 when nothing is said. */
  readonly times?: number | undefined
  /** Before the server looks at the request. */
  readonly beforeMillis?: number | undefined
  /** Before an answer leaves. */
  readonly afterMillis?: number | undefined
}

export type Fault = Common &
  (
    | { readonly processed: false; readonly answer: Replacement }
    | { readonly processed?: true | undefined; readonly answer?: Replacement | OwnAnswer | undefined }
  )

/** The connection breaks, and the server has not seen the request. */
export const lostRequest: Fault = { processed: false, answer: "drop" }

/** The server has done its work, and the connection breaks before its answer is out. */
export const lostAnswer: Fault = { answer: "drop" }

export const halfAnswer: Fault = { answer: "half" }

/** The server has done its work, and never says so. */
export const silence: Fault = { answer: "never" }

export const slow = (beforeMillis: number, afterMillis = 0): Fault => ({ beforeMillis, afterMillis })

export const drip = (dripMillis: number): Fault => ({ answer: { dripMillis } })

/** The server turns the request away with other words than it would have used, and does not do its work. */
export const instead = (name: Trouble): Fault => ({ processed: false, answer: { trouble: name } })

/** The server has done its work, and somebody replaces its answer on the way. */
export const spoiled = (name: Trouble): Fault => ({ answer: { trouble: name } })

export const isProcessed = (fault: Fault | undefined): boolean => fault?.processed !== false

/** The answer that takes the place of the server's own, if one does. */
export const replacement = (fault: Fault | undefined, now: number): Answer | undefined => {
  const answer = fault?.answer
  if (typeof answer !== "object" || "dripMillis" in answer) return undefined
  return "trouble" in answer ? trouble(answer.trouble, now) : answer
}

/** What leaves of the server's own answer, unless something else does. */
export const ownAnswer = (fault: Fault | undefined): OwnAnswer | undefined => {
  const answer = fault?.answer ?? "own"
  return answer === "own" || answer === "half" || (typeof answer === "object" && "dripMillis" in answer)
    ? answer
    : undefined
}

/** Whom a request is from and what it presents, as far as it says. */
export interface Target {
  readonly grantType: string
  readonly client: string | undefined
  readonly presented: string | undefined
}

export const hits = ({ aim }: Fault, { client, grantType, presented }: Target): boolean =>
  aim === undefined ||
  ((aim.grantType ?? grantType) === grantType &&
    (aim.client ?? client) === client &&
    (aim.fingerprint === undefined || (presented !== undefined && aim.fingerprint === fingerprint(presented))))

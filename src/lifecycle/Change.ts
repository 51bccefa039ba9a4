/**
 * The four jobs of the refresh protocol as changes to a stored credential (facts: ticket, lease, commit, verdict).
 *
 * A store runs `apply` atomically on what it holds; every rule about who may write what stands here, once, and not in
 * the stores. A change that is refused writes nothing, and its author learns what is stored instead.
 *
 * | job | guard | why |
 * |---|---|---|
 * | Claim | generation, no verdict, no pause, no ticket (attempt 2: exactly the ticket in doubt) | won once per generation |
 * | Journal | generation and own ticket | the answer is safe before anybody reads it |
 * | Commit | generation alone, never ticket or lease | a 200 from the server is the truth, however late it arrives |
 * | Release | generation and own ticket | only the holder knows that nothing was consumed |
 * | Doubt | generation and own ticket | the holder's word that nobody is at work on it any more |
 * | Condemn | generation, and the ticket on which it was found | never a newer generation (I3), nor what somebody else may yet be granted |
 * | Pardon | generation, and there is a verdict | a person wants it tried once more |
 * | Put | none | a person signed in: the newest word there is, unless it is an old document once more |
 */
import * as Redacted from "effect/Redacted"
import {
  accessFingerprint,
  type Answer,
  type Credential,
  encode,
  type Foreign,
  forgivesReuse,
  hostOf,
  type Pause,
  processOf,
  type Ticket,
  type Tokens,
  type Verdict,
} from "./Credential.ts"
import { fingerprint } from "./fingerprint.ts"
import * as Pace from "./pace.ts"

export type Change =
  | { readonly _tag: "Claim"; readonly generation: number; readonly ticket: Ticket; readonly after: string | undefined }
  | { readonly _tag: "Journal"; readonly generation: number; readonly ticketId: string; readonly answer: Answer }
  | {
      readonly _tag: "Commit"
      readonly generation: number
      /** Of which grant: a sign-in in between began another. */
      readonly seed: string | undefined
      readonly tokens: Tokens
      readonly forced: number
    }
  | {
      readonly _tag: "Release"
      readonly generation: number
      readonly ticketId: string
      readonly pause: Pause | undefined
    }
  | {
      readonly _tag: "Condemn"
      readonly generation: number
      readonly verdict: Verdict
      /** The ticket that the verdict is about: whoever holds another may have been granted what it denies. */
      readonly ticketId: string | undefined
    }
  | { readonly _tag: "Doubt"; readonly generation: number; readonly ticketId: string; readonly at: number }
  | { readonly _tag: "Pardon"; readonly generation: number }
  | { readonly _tag: "Put"; readonly credential: Omit<Credential, "generation"> }

/** A second presentation is the last, so there is one other answer; and one more from a network that delivers twice. */
const longestAlternates = 2

/** `omit` keeps absent keys absent: the stored form knows no `undefined`. */
const without = (
  credential: Credential,
  ...keys: ReadonlyArray<"ticket" | "pause" | "verdict" | "alternates" | "pace">
): Credential => {
  const copy = { ...credential }
  for (const key of keys) delete (copy as Record<string, unknown>)[key]
  return copy
}

/** The ticket that attempt 2 leaves behind when it was answered without being consumed: still the doubt of attempt 1. */
const backToFirst = (ticket: Ticket): Ticket | undefined => ticket.first && { ...ticket.first, attempt: 1 }

const claimed = (current: Credential, ticket: Ticket, after: string | undefined): Credential | undefined => {
  if (current.verdict !== undefined) return undefined
  // Somebody has been told to wait since this process last looked: the pause is everybody's.
  if (current.pause !== undefined && ticket.issuedAt < current.pause.until) return undefined
  if (ticket.issuedAt < Pace.openAt(current)) return undefined
  const pace = Pace.presented(current, ticket.issuedAt)
  if (ticket.attempt === 1) return current.ticket === undefined ? { ...current, ticket, pace } : undefined
  if (current.ticket === undefined || current.ticket.id !== after || current.ticket.answer !== undefined)
    return undefined
  if (current.ticket.attempt === 2 && !forgivesReuse(current.reuse.class)) return undefined
  const { answer: _, attempt: __, first: earlier, ...last } = current.ticket
  return { ...current, ticket: { ...ticket, first: earlier ?? last }, pace }
}

const refreshTokenOf = ({ tokens }: Pick<Credential, "tokens">): string | undefined =>
  tokens.refreshToken && Redacted.value(tokens.refreshToken)

/** The document that is put was put before, and its refresh token has been used since: the newer tokens stay. */
const outlived = (current: Credential, next: Pick<Credential, "seed">): boolean => {
  const held = refreshTokenOf(current)
  return next.seed !== undefined && current.seed === next.seed && held !== undefined && fingerprint(held) !== next.seed
}

/** So many access tokens of the past tell an owner's file that has fallen behind from one in which the owner was faster. */
const longestEarlier = 10

/** A co-owned login, whose file holds one of the tokens that were before: those of `current`, and `former`. */
const remembering = (foreign: Foreign, current: Credential, former: Tokens | undefined): Foreign => {
  if (foreign.mode !== "co-own") return foreign
  const known = current.foreign?.place === foreign.place ? (current.foreign.earlier ?? []) : []
  const print = former && accessFingerprint(former)
  const earlier = print === undefined || known.includes(print) ? known : [...known, print].slice(-longestEarlier)
  return earlier.length === 0 ? foreign : { ...foreign, earlier }
}

/**
 * A sign-in replaces what was there. Putting what is there already changes nothing, and putting the same refresh token
 * again does not undo that somebody may be presenting it.
 */
const put = (current: Credential | undefined, newest: number, document: Omit<Credential, "generation">) => {
  if (current === undefined) return { ...document, generation: newest + 1 }
  const isOld = outlived(current, document)
  const grant = {
    ...document,
    ...(isOld && { tokens: current.tokens }),
    ...(document.foreign && { foreign: remembering(document.foreign, current, isOld ? document.tokens : undefined) }),
  }
  const tokens = { ...grant.tokens, obtainedAt: current.tokens.obtainedAt }
  const isSame =
    encode({ ...grant, tokens, generation: 0 }) ===
    encode({ ...without(current, "ticket", "pause", "alternates", "pace"), generation: 0 })
  if (isSame) return undefined
  const isSameToken = refreshTokenOf(grant) === refreshTokenOf(current)
  const open = isSameToken && current.ticket ? { ticket: current.ticket } : {}
  const paced = isSameToken && current.pace !== undefined ? { pace: current.pace } : {}
  return { ...grant, ...open, ...paced, generation: newest + 1 }
}

/** What RFC 6749 lets a server leave out stays as it was: the refresh token (§6) and an unchanged scope (§5.1). */
const succeeding = (old: Tokens, next: Tokens): Tokens => ({
  ...(old.refreshToken && { refreshToken: old.refreshToken }),
  ...(old.idToken && { idToken: old.idToken }),
  ...(old.scope !== undefined && { scope: old.scope }),
  ...next,
})

/**
 * The server answered two presentations of one token, and somebody else's answer came first: ours may be the one that
 * lives on, so it is kept beside it (refresh-protocol §4.7).
 */
const keptBeside = (current: Credential, seed: string | undefined, tokens: Tokens): Credential | undefined => {
  const { alternates = [] } = current
  const isNews =
    tokens.refreshToken !== undefined &&
    ![current.tokens, ...alternates].some((known) => refreshTokenOf({ tokens: known }) === refreshTokenOf({ tokens }))
  return isNews && seed !== undefined && seed === current.seed
    ? { ...current, alternates: [...alternates, tokens].slice(-longestAlternates) }
    : undefined
}

/** A lost rotation is told with who lost it: nobody else can say so once the ticket is gone. */
const told = (verdict: Verdict, ticket: Ticket | undefined): Verdict => {
  if (verdict.reason !== "lostInRotation" || ticket === undefined) return verdict
  const { holder, issuedAt } = ticket.first ?? ticket
  return { ...verdict, lost: { by: processOf(holder), host: hostOf(holder), at: issuedAt } }
}

/** A verdict is on one pair of tokens. Where the server gave another, that one is tried before a person is asked. */
const condemned = (current: Credential, verdict: Verdict): Credential => {
  const [next, ...others] = verdict.reason === "clientRejected" ? [] : (current.alternates ?? [])
  const rest = without(current, "ticket", "pause", "alternates")
  if (next === undefined) return { ...without(current, "ticket", "pause"), verdict: told(verdict, current.ticket) }
  return {
    ...rest,
    generation: current.generation + 1,
    tokens: next,
    forced: 0,
    ...(current.foreign && { foreign: remembering(current.foreign, current, current.tokens) }),
    ...(others.length > 0 && { alternates: others }),
  }
}

/**
 * The record after `change`, or `undefined` when its guard does not hold. `current` is what is stored now, with the
 * newest generation ever stored under the name in `newest` (a removed credential leaves its generation behind, so that
 * no process ever sees the number shrink).
 */
export const apply = (current: Credential | undefined, newest: number, change: Change): Credential | undefined => {
  if (change._tag === "Put") return put(current, newest, change.credential)
  if (current === undefined) return undefined
  if (current.generation !== change.generation) {
    return change._tag === "Commit" && current.generation > change.generation
      ? keptBeside(current, change.seed, change.tokens)
      : undefined
  }
  switch (change._tag) {
    case "Claim":
      return claimed(current, change.ticket, change.after)
    case "Journal":
      if (current.ticket?.id !== change.ticketId) return undefined
      return { ...current, ticket: { ...current.ticket, answer: change.answer } }
    case "Commit":
      return {
        ...without(current, "ticket", "pause", "verdict", "alternates"),
        generation: current.generation + 1,
        tokens: succeeding(current.tokens, change.tokens),
        forced: change.forced,
        ...(current.foreign && { foreign: remembering(current.foreign, current, current.tokens) }),
      }
    case "Release": {
      if (current.ticket?.id !== change.ticketId) return undefined
      const first = backToFirst(current.ticket)
      return {
        ...without(current, "ticket", "pause"),
        ...(first && { ticket: first }),
        ...(change.pause && { pause: change.pause }),
      }
    }
    case "Doubt": {
      if (current.ticket?.id !== change.ticketId) return undefined
      const { answer: _, ...ticket } = current.ticket
      return { ...current, ticket: { ...ticket, vanishedAt: change.at } }
    }
    case "Condemn":
      return change.ticketId === current.ticket?.id ? condemned(current, change.verdict) : undefined
    case "Pardon":
      return current.verdict === undefined ? undefined : without(current, "verdict", "pause")
  }
}

/** Where a credential stands, in words for a person and as data for a program. No secret is in either. */
import * as GrantDocument from "../interop/GrantDocument.ts"
import { timestamp } from "../interop/timestamp.ts"
import type { Status } from "../keeper/Keeper.ts"
import { canRefresh, type Credential, type Foreign, type Mint, processOf } from "../lifecycle/Credential.ts"
import { deadWords, lostWords, originOf, signInAdvice } from "../keeper/wording.ts"
import { relative, when } from "./times.ts"

const life = ({ credential: { tokens } }: Status, now: number): string => {
  if (tokens.expiry._tag !== "Known") return "valid with no known end"
  return tokens.expiry.at > now
    ? `valid until ${when(tokens.expiry.at, now)}`
    : `ended at ${when(tokens.expiry.at, now)}`
}

/** Whether this access token is the last: nothing follows it without a person. */
const isLast = ({ credential }: Status): boolean => credential.verdict !== undefined || !canRefresh(credential)

/** Why there is no other token without a person. */
const why = ({ credential: { verdict } }: Status, now: number): string =>
  `${deadWords(verdict?.reason ?? "noRefreshToken")}${verdict === undefined ? "" : ` (since ${when(verdict.at, now)}${lostWords(verdict)})`}`

const pause = ({ credential }: Status, now: number): string =>
  credential.pause === undefined
    ? "the next refresh is put off"
    : `${credential.pause.cause}; next try from ${when(credential.pause.until, now)}`

const holder = ({ credential: { ticket } }: Status): string =>
  ticket === undefined ? "another process" : processOf(ticket.holder)

/** What nobody knows, since when, through whom, and what is done about it. */
const doubt = ({ credential: { ticket, tokens } }: Status, now: number): string => {
  const who = ticket && `${processOf(ticket.holder)} at ${when(ticket.issuedAt, now)}`
  const isUsable = tokens.expiry._tag !== "Known" || tokens.expiry.at > now
  const then = isUsable ? "it is served to its end, and then" : "soon"
  return `the answer to the refresh by ${who ?? "another process"} was lost; ${then} the refresh token is tried a last time`
}

/** The state in one sentence. */
const stateWords = (status: Status, now: number): string => {
  const [state, detail] = status.state
  const token = life(status, now)
  if (state === "dead") return `a person must sign in: ${why(status, now)}`
  if (isLast(status)) return `${token}, and no other will follow: ${why(status, now)}`
  switch (detail) {
    case "lapsed":
      return `${token}, refreshed at the next request`
    case "due":
      return `${token}, a refresh is due`
    case "pausing":
    case "backingOff":
      return `${token}; ${pause(status, now)}`
    case "doubting":
      return `${token}; ${doubt(status, now)}`
    case "following":
      return `${token}; ${holder(status)} is refreshing it`
  }
  if (state === "refreshing") return `${token}, being refreshed`
  return status.refreshAt === undefined ? token : `${token}, refreshed from ${when(status.refreshAt, now)}`
}

/** One word for a column. */
export const stateWord = ({ state: [state, detail], usable }: Status): string =>
  state === "dead" ? "sign in" : usable ? (state === "valid" ? "valid" : "usable") : (detail ?? state)

const advice = (status: Status): string | undefined =>
  isLast(status) ? signInAdvice(status.credential.name, originOf(status.credential)) : status.advice

const nextStep = (status: Status): string => advice(status) ?? `tokenkeep token ${status.credential.name}`

/** Where it stands and what happens next, in two sentences. */
export const outlook = (status: Status, now: number): ReadonlyArray<string> => [
  `Now: ${stateWords(status, now)}`,
  `Next: ${nextStep(status)}`,
]

const mintWords = (mint: Mint): string =>
  mint._tag === "ClientCredentials"
    ? "the client asks for each token in its own name"
    : `each token is had by the word of ${mint.parent}'s identity provider`

/** How its owner's file stands to what is kept here, where that is worth a word. */
const ownerWords = ({ credential, owner }: Status): string => {
  switch (owner?._tag) {
    case undefined:
    case "InStep":
      return ""
    case "Moved":
      return "; newer tokens are there, which the next request takes over"
    case "Behind":
      return `; its file is behind, and is written with the next tokenkeep token ${credential.name}`
    case "Apart":
    case "SignedOut":
    case "Unclear":
      return `; ${owner.cause}`
  }
}

/** Why there is no refresh token. */
const withoutRefresh = ({ foreign, mint }: Credential): string => {
  if (foreign?.mode === "borrow") return `none here: ${foreign.program}'s is never used`
  return mint === undefined ? "none" : `none: ${mintWords(mint)}`
}

/** Whose login it is too, and who keeps it fresh. */
const foreignWords = ({ entry, mode, place, program }: Foreign): string => {
  const login = `${entry} of ${program} (${place})`
  switch (mode) {
    case "import":
      return `taken over from ${login}, which may use the same refresh token`
    case "borrow":
      return `borrowed: ${login}, which keeps it fresh`
    case "co-own":
      return `kept fresh together with ${login}`
  }
}

/** The detail of one credential, a line each. */
export const lines = (status: Status, now: number): ReadonlyArray<string> => {
  const { credential } = status
  const document = GrantDocument.toDocument(credential)
  const { client, tokens } = document
  const noRefresh = withoutRefresh(credential)
  const reuse = document.grace > 0 ? `${document.reuse}, ${document.grace} s of grace` : document.reuse
  const rows: ReadonlyArray<readonly [string, string | undefined]> = [
    ["state", stateWords(status, now)],
    ["generation", `${credential.generation}, obtained ${relative(credential.tokens.obtainedAt, now)}`],
    ["issuer", document.issuer],
    ["endpoint", credential.foreign?.mode === "borrow" ? undefined : document.token_endpoint],
    ["resource", document.resource],
    ["scope", tokens.scope],
    ["client", `${client.client_id} (${client.token_endpoint_auth_method})`],
    ["provider", `${document.provider}, a reused refresh token: ${reuse}`],
    ["access token", `fingerprint ${tokens.access_token_fingerprint}`],
    ["refresh token", tokens.refresh_token_fingerprint ? `fingerprint ${tokens.refresh_token_fingerprint}` : noRefresh],
    ["mode", credential.foreign && `${foreignWords(credential.foreign)}${ownerWords(status)}`],
    ["next", nextStep(status)],
  ]
  return [
    credential.name,
    ...rows.flatMap(([label, value]) => (value === undefined ? [] : [`  ${label.padEnd(15)}${value}`])),
  ]
}

/** The import document without its secrets, and where the credential stands. Instants in RFC 3339. */
export const json = (status: Status) => {
  const { credential, refreshAt, state, usable } = status
  const { pause, ticket, verdict } = credential
  return {
    name: credential.name,
    generation: credential.generation,
    state: state[0],
    detail: state[1],
    usable,
    refresh_at: isLast(status) ? undefined : timestamp(refreshAt),
    obtained_at: timestamp(credential.tokens.obtainedAt),
    advice: advice(status),
    verdict: verdict && {
      reason: verdict.reason,
      code: verdict.code,
      at: timestamp(verdict.at),
      by: verdict.by,
      lost: verdict.lost && { ...verdict.lost, at: timestamp(verdict.lost.at) },
    },
    pause: pause && { until: timestamp(pause.until), failures: pause.failures, cause: pause.cause },
    ticket: ticket && {
      attempt: ticket.attempt,
      issued_at: timestamp(ticket.issuedAt),
      holder: { label: ticket.holder.label, pid: ticket.holder.pid, host: ticket.holder.host },
    },
    foreign: credential.foreign && {
      owner: credential.foreign.owner,
      place: credential.foreign.place,
      entry: credential.foreign.entry,
      mode: credential.foreign.mode,
      sight: status.owner?._tag,
    },
    ...GrantDocument.toDocument(credential),
  }
}

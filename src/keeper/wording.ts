/**
 * What people are told: what happened, to which credential, and the command to run next. One place, so that the library,
 * the command line and the proxy say the same. No secret can reach it: it sees names, reasons and instants only.
 */
import * as DateTime from "effect/DateTime"
import type { Credential, DeadReason, Foreign, Ticket, Verdict } from "../lifecycle/Credential.ts"
import type { StoreUnavailable } from "../store/CredentialStore.ts"
import { CredentialNotFound, SignInRequired, TemporarilyUnavailable } from "./errors.ts"
import { isShared } from "./Owners.ts"

const reasons: Record<DeadReason, string> = {
  rejected: "the server no longer accepts the refresh token",
  expired: "the refresh token has expired",
  reused: "the refresh token was used twice, so the server revoked the grant",
  revoked: "the grant was revoked",
  lostInRotation: "the answer to a refresh was lost, and with it the new refresh token",
  noRefreshToken: "the access token has ended and the grant has no refresh token",
  clientRejected: "the server does not accept this client; the refresh token itself may still be good",
  signedOut: "it was signed out",
}

const instant = (at: number): string => DateTime.formatIso(DateTime.makeUnsafe(at)).replace(/\.\d+Z$/, "Z")

export const deadWords = (reason: DeadReason): string => reasons[reason]

/** How a credential came here. `signedIn`: by a sign-in, which can be repeated by its name. */
export interface Origin {
  readonly signedIn: boolean
  readonly foreign: Foreign | undefined
}

export const imported: Origin = { signedIn: false, foreign: undefined }
const bySignIn: Origin = { signedIn: true, foreign: undefined }

/** A process may hold a million of them, so the usual ones are two. */
export const originOf = ({ foreign, signedIn }: Credential): Origin => {
  const usual = signedIn === undefined ? imported : bySignIn
  return foreign === undefined ? usual : { ...usual, foreign }
}

/** The command that brings it back: the way it came here. */
export const signInAdvice = (name: string, { foreign, signedIn }: Origin): string => {
  if (foreign === undefined) return signedIn ? `tokenkeep login ${name}` : `tokenkeep import FILE --name ${name}`
  const there = foreign.signIn
  return isShared(foreign) ? there : `${there}; tokenkeep import --from ${foreign.owner} --name ${name}`
}

/** Whose answer it was that nobody got. */
export const lostWords = (verdict: Verdict | undefined): string =>
  verdict?.lost === undefined
    ? ""
    : `; lost by ${verdict.lost.by} on ${verdict.lost.host}, which had asked at ${instant(verdict.lost.at)}`

export const signInRequired = (
  name: string,
  reason: DeadReason,
  since: number,
  verdict: Verdict | undefined,
  origin: Origin,
): SignInRequired =>
  new SignInRequired({
    credential: name,
    reason,
    since,
    advice: signInAdvice(name, origin),
    message:
      `${name}: a person must sign in again: ${reasons[reason]}` +
      `${verdict?.code === undefined ? "" : ` (${verdict.code})`}, since ${instant(since)}` +
      `${verdict?.by === undefined ? "" : `, found by ${verdict.by}`}${lostWords(verdict)}. Next: ${signInAdvice(name, origin)}`,
  })

/** Why nobody asks for another token yet: the newest one was minted a moment ago. */
export const refusedTrouble = "a resource server has refused the newest token"

/** Said while the pace of presentations is at its limit. */
export const paceTrouble = "it has been refreshed as often as is allowed for now (tokenkeep explain tells by whom)"

export const temporarilyUnavailable = (
  name: string,
  retryAt: number,
  trouble: string | undefined,
): TemporarilyUnavailable =>
  new TemporarilyUnavailable({
    credential: name,
    retryAt,
    message: `${name}: no usable token now: ${trouble ?? "a refresh is under way"}. Try again at ${instant(retryAt)}`,
  })

export const notFound = (name: string): CredentialNotFound =>
  new CredentialNotFound({
    credential: name,
    message: `${name}: no such credential. See what there is: tokenkeep list. Bring it in: tokenkeep login ${name}, or tokenkeep import FILE --name ${name}`,
  })

/** A name that holds nothing, to a client of the MCP server `url`. The query may hold a secret, and is no part of a resource. */
export const notSignedIn = (name: string, { origin, pathname }: URL, now: number): SignInRequired => {
  const advice = `tokenkeep login ${name} --mcp ${origin}${pathname}`
  return new SignInRequired({
    credential: name,
    reason: "notSignedIn",
    since: now,
    advice,
    message: `${name}: a person must sign in: nobody has yet, or it was forgotten. Next: ${advice}`,
  })
}

/** Said by a process that was not there when it happened. */
export const vanishedTrouble = ({ holder, issuedAt }: Ticket): string =>
  `the answer to the refresh of ${instant(issuedAt)} (${holder.label}, pid ${holder.pid}) never came`

/** Why a caller was served an older token than it should get by now. */
export const staleNote = (name: string, trouble: string, usableUntil: number): string =>
  `${name}: ${trouble}; serving the token at hand${Number.isFinite(usableUntil) ? `, good until ${instant(usableUntil)}` : ""}`

export const endingNote = (name: string, reason: DeadReason, usableUntil: number, origin: Origin): string =>
  `${name}: the token at hand works${Number.isFinite(usableUntil) ? ` until ${instant(usableUntil)}` : ""}, ` +
  `but no other will follow: ${reasons[reason]}. Next: ${signInAdvice(name, origin)}`

/** Said where a login's owner does not have the newest tokens yet. */
export const owedNote = (name: string, owed: string): string =>
  `${name}: the token works, but ${owed}. It is written with the next tokenkeep token ${name}`

export const unstoredNote = (name: string, trouble: StoreUnavailable): string =>
  `${name}: the new token is only in this process's memory, because the store does not take it: ${trouble.message}`

/**
 * The owners of logins that stand in other programs' files: what `keeper/Owners` asks, answered from those files.
 *
 * **Invariants**
 *
 * - A borrowed login's file is only read, and nothing of it is ever sent to a token endpoint.
 * - A co-owned login's refresh token is presented only while it is the file's too, under the owner's locks where it has any,
 *   and after a rehearsal of the write.
 * - What the server granted is not thrown away for a file that cannot be written: it is stored here, and written later.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import type { Outcome } from "../exchange/TokenEndpoint.ts"
import { ahead, Owners, type Sight } from "../keeper/Owners.ts"
import type { Credential, Foreign, Tokens } from "../lifecycle/Credential.ts"
import type { Surroundings } from "../store/home.ts"
import * as Home from "../store/home.ts"
import * as ForeignFiles from "./foreignFiles.ts"
import type { CoOwning, Entry } from "./ForeignStore.ts"
import * as GrantDocument from "./GrantDocument.ts"
import { compare } from "./inStep.ts"
import { owners } from "./owners.ts"

/** What the file holds for one login, or why it holds nothing. */
type Seen =
  | { readonly _tag: "Tokens"; readonly tokens: Tokens; readonly clientId: string; readonly key: string }
  | Extract<Sight, { readonly _tag: "SignedOut" | "Unclear" }>

const fileOf = ({ entry, place, program }: Foreign): string => `${program}'s ${entry} (${place})`

const tokensIn = (credential: Credential, { held, key }: Entry, now: number): Seen => {
  const where = fileOf(credential.foreign!)
  switch (held._tag) {
    case "Grant": {
      const document = Redacted.value(held.document)
      // Only the tokens are of interest: the rest was settled when it was taken over.
      const taken = GrantDocument.toCredential(
        { ...document, provider: undefined, token_endpoint: credential.tokenEndpoint },
        credential.name,
        now,
      )
      return Result.isFailure(taken)
        ? { _tag: "Unclear", cause: `${where} cannot be understood: ${taken.failure.message}` }
        : { _tag: "Tokens", tokens: taken.success.tokens, clientId: document.client.client_id, key }
    }
    case "SignedOut":
    case "NotAGrant":
      return { _tag: "SignedOut", cause: `${where}: ${held.reason}` }
    case "Busy":
    case "Unreadable":
      return { _tag: "Unclear", cause: `${where}: ${held.reason}` }
  }
}

const see = (credential: Credential, surroundings: Surroundings, now: number): Seen => {
  const foreign = credential.foreign!
  const owner = owners.find(({ id }) => id === foreign.owner)
  if (owner === undefined) return { _tag: "Unclear", cause: `${foreign.program} is not known to this version` }
  const { entries, isMissing, problem } = ForeignFiles.at(owner, foreign.place, surroundings)
  if (isMissing) return { _tag: "SignedOut", cause: `${fileOf(foreign)} is not there any more` }
  if (problem !== undefined) return { _tag: "Unclear", cause: `${fileOf(foreign)}: ${problem}` }
  const entry = entries.find(({ name }) => name === foreign.entry)
  return entry === undefined
    ? { _tag: "SignedOut", cause: `${fileOf(foreign)} is not there any more` }
    : tokensIn(credential, entry, now)
}

const sightOf = (credential: Credential, seen: Seen, now: number): Sight => {
  if (seen._tag !== "Tokens") return seen
  const foreign = credential.foreign!
  const isBorrowed = foreign.mode === "borrow"
  const order = compare(credential, seen.tokens, now)
  if (!isBorrowed && order !== "InStep" && seen.clientId !== credential.client.clientId) {
    return { _tag: "Apart", cause: `${fileOf(foreign)} is of another client now: take it over anew` }
  }
  if (order === "Moved") return { _tag: "Moved", tokens: isBorrowed ? withoutRefreshToken(seen.tokens) : seen.tokens }
  return order === "Apart"
    ? { _tag: "Apart", cause: `${fileOf(foreign)} holds another login, or an old copy of this one` }
    : { _tag: order }
}

/** What of an owner's tokens is kept where its login is only borrowed. */
const withoutRefreshToken = ({ refreshToken: _, ...tokens }: Tokens): Tokens => tokens

/** How a login of `owner` at `place` is kept fresh together with it, where that can be done. */
export const coOwningOf = (owner: string, place: string): CoOwning | undefined => {
  const found = owners.find(({ id }) => id === owner)
  const coOwning = found && ForeignFiles.kindOf(found, place, Home.current()).coOwning
  return typeof coOwning === "string" ? undefined : coOwning
}

const aheadMillis = ({ mode, owner, place }: Foreign): number =>
  mode === "co-own" ? (coOwningOf(owner, place)?.aheadMillis ?? 0) : 0

/** A grant out of an owner's file, as it is kept in the mode of `foreign`. */
export const inMode = (grant: GrantDocument.Grant, foreign: Foreign): GrantDocument.Grant => {
  const { seed: _, ...unseeded } = grant
  return foreign.mode === "borrow"
    ? {
        ...unseeded,
        foreign,
        tokens: withoutRefreshToken(grant.tokens),
        reuse: { class: "notRotating", graceMillis: 0 },
      }
    : { ...grant, foreign, tokens: ahead(grant.tokens, aheadMillis(foreign)) }
}

/** A borrowed login has no other tokens than those in the file. */
const borrowed = ({ foreign }: Credential, sight: Sight): Outcome => {
  const { program } = foreign!
  switch (sight._tag) {
    case "Moved":
      return { _tag: "Rotated", tokens: sight.tokens }
    case "SignedOut":
      return { _tag: "Rejected", cause: sight.cause, dead: { reason: "signedOut", code: undefined }, retryAt: 0 }
    case "InStep":
    case "Behind":
      return {
        _tag: "Rejected",
        cause: `it is borrowed, and ${program} has not refreshed it yet: use ${program} once, which refreshes it`,
        dead: undefined,
        retryAt: 0,
      }
    case "Apart":
    case "Unclear":
      return { _tag: "Rejected", cause: sight.cause, dead: undefined, retryAt: 0 }
  }
}

const revision = ({ place }: Foreign): string => {
  // A database's newest pages are in the log beside it.
  const stats = [place, `${place}-wal`].map((each) => fs.statSync(each, { throwIfNoEntry: false }))
  return stats.map((each) => (each === undefined ? "" : `${each.ino}.${each.size}.${each.mtimeMs}`)).join(" ")
}

const look = (credential: Credential): Effect.Effect<Sight> =>
  Effect.map(Clock.currentTimeMillis, (now) => sightOf(credential, see(credential, Home.current(), now), now))

export const layer = Layer.succeed(Owners, {
  look,
  exchange: (credential, _deadlineMillis, _present) =>
    Effect.map(look(credential), (sight) => borrowed(credential, sight)),
  catchUp: () => Effect.undefined,
  aheadMillis,
  revision,
})

/**
 * What another program's file says of a login that stands here too. Reading only: nothing is locked, and nothing changes.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Sight } from "../keeper/Owners.ts"
import type { Credential, Foreign, Tokens } from "../lifecycle/Credential.ts"
import * as Home from "../store/home.ts"
import { ForeignDisk } from "./ForeignDisk.ts"
import * as ForeignFiles from "./foreignFiles.ts"
import type { Entry, Owner, StoreFile } from "./ForeignStore.ts"
import * as GrantDocument from "./GrantDocument.ts"
import { compare } from "./inStep.ts"
import { owners } from "./owners.ts"

/** What the file holds for one login, or why it holds nothing. */
export type Seen =
  | { readonly _tag: "Tokens"; readonly tokens: Tokens; readonly clientId: string; readonly key: string }
  | Extract<Sight, { readonly _tag: "SignedOut" | "Unclear" }>

export const fileOf = ({ entry, place, program }: Foreign): string => `${program}'s ${entry} (${place})`

const tokensIn = (credential: Credential, { held, key }: Entry, now: number): Seen => {
  const where = fileOf(credential.foreign!)
  switch (held._tag) {
    case "Grant": {
      // Only the tokens are of interest: the rest was settled when it was taken over.
      const { provider: _, ...document } = Redacted.value(held.document)
      const found = { ...document, token_endpoint: credential.tokenEndpoint }
      const taken = GrantDocument.toCredential(found, credential.name, now)
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

const ownerOf = ({ owner }: Pick<Foreign, "owner">): Owner | undefined => owners.find(({ id }) => id === owner)

/** Which of its owner's files the login stands in. */
export const storeFileOf = (foreign: Foreign): StoreFile | undefined => {
  const owner = ownerOf(foreign)
  return owner && ForeignFiles.kindOf(owner, foreign.place, Home.current())
}

/** What the file holds at this moment. */
export const see = Effect.fnUntraced(function* (credential: Credential): Effect.fn.Return<Seen> {
  const foreign = credential.foreign!
  const owner = ownerOf(foreign)
  if (owner === undefined) return { _tag: "Unclear", cause: `${foreign.program} is not known to this version` }
  const disk = yield* ForeignDisk
  const { entries, isMissing, problem } = yield* disk.at(owner, foreign.place)
  if (isMissing) return { _tag: "SignedOut", cause: `${fileOf(foreign)} is not there any more` }
  if (problem !== undefined) return { _tag: "Unclear", cause: `${fileOf(foreign)}: ${problem}` }
  return seenAmong(credential, entries, yield* Clock.currentTimeMillis)
})

/** The same, of entries that have been read already. */
export const seenAmong = (credential: Credential, entries: ReadonlyArray<Entry>, now: number): Seen => {
  const foreign = credential.foreign!
  const entry = entries.find(({ name }) => name === foreign.entry)
  return entry === undefined
    ? { _tag: "SignedOut", cause: `${fileOf(foreign)} is not there any more` }
    : tokensIn(credential, entry, now)
}

/** How that stands to what is kept here. */
export const sightOf = (credential: Credential, seen: Seen, now: number): Sight => {
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
export const withoutRefreshToken = ({ refreshToken: _, ...tokens }: Tokens): Tokens => tokens

export const look = Effect.fnUntraced(function* (credential: Credential): Effect.fn.Return<Sight> {
  const seen = yield* see(credential)
  return sightOf(credential, seen, yield* Clock.currentTimeMillis)
})

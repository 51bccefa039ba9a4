/**
 * Where another program keeps its logins, and what such a file says: an `Entry` for each login in it.
 *
 * **Invariants**
 *
 * - Reading changes nothing, and whatever stands in the file becomes an entry or a reason: a reader never throws.
 * - A sentinel of an owner (empty tokens, an expiry of 0, a marker in a token's place) is never taken for a token.
 * - Tokens are `Redacted`, and no reason quotes the file (I10).
 */
import * as Redacted from "effect/Redacted"
import * as Expiry from "../lifecycle/Expiry.ts"
import { fingerprint } from "../lifecycle/fingerprint.ts"
import type { Surroundings } from "../store/home.ts"
import type { GrantDocument } from "./GrantDocument.ts"

/** A grant document of which the token endpoint may yet have to be found: by its issuer, or else by its resource. */
export type Document = Omit<typeof GrantDocument.Type, "token_endpoint"> & { readonly token_endpoint?: string }

export type Held =
  | {
      readonly _tag: "Grant"
      readonly document: Redacted.Redacted<Document>
      readonly accessFingerprint: string
      /** Absent: no other access token follows this one. */
      readonly refreshFingerprint: string | undefined
      /** Epoch milliseconds, where the file or the token itself (a JWT's `exp`) says it. */
      readonly expiresAt: number | undefined
    }
  | {
      readonly _tag:
        | "SignedOut"
        /** Its owner is refreshing it at this moment. */
        | "Busy"
        /** An API key or the like, which nobody has to keep alive. */
        | "NotAGrant"
        | "Unreadable"
      readonly reason: string
    }

export interface Entry {
  /** As its owner calls it. */
  readonly name: string
  /** Where it stands in the file: the key of an object, the index in a list; empty where the file holds one login only. */
  readonly key: string
  readonly held: Held
  /** Why its owner does nothing with it, or never refreshes it, although it may be good; and what to do. */
  readonly ignored?: string
}

/** A value out of JSON, of which nothing is known. */
export type Json = unknown

/** The tokens that follow those of an entry. Instants in epoch milliseconds. */
export interface Successor {
  readonly accessToken: string
  /** The server need not give another: then it is the one that was there. Absent where there never was one. */
  readonly refreshToken: string | undefined
  readonly idToken: string | undefined
  /** Absent: nobody knows when it ends. */
  readonly expiresAt: number | undefined
  readonly scope: string | undefined
  readonly issuer: string | undefined
  readonly obtainedAt: number
}

/** One member of a file that gets another value; the rest of the file stays as it is, to the letter. */
export interface Edit {
  readonly path: ReadonlyArray<string | number>
  readonly value: Json
}

/** A lock of an owner, as it is taken to keep that owner out. */
export interface LockPlan {
  /** `flock`: the kernel's (BSD). `folder`: the protocol of proper-lockfile. `file`: a file that is created exclusively. */
  readonly kind: "flock" | "folder" | "file"
  readonly place: string
  /** From which age on an owner takes it over, so that we may too. A kernel's lock ends with its holder instead. */
  readonly staleMillis?: number
  /** Of a file that we make for it. By default only its user may touch it. */
  readonly mode?: number
  /** How often its holder has to show that it is alive: a third of the least age at which any version takes it over. */
  readonly heartbeatMillis?: number
}

/** Where a login stands. */
export interface Spot {
  /** The file, by the real path of its folder: locks are beside it. */
  readonly place: string
  /** Where that leads, if the file itself is a symbolic link; otherwise the same. */
  readonly target: string
  /** The entry's. */
  readonly key: string
  readonly surroundings: Surroundings
}

/** How a login is kept fresh together with its owner, where the owner's own protocol makes that safe. */
export interface CoOwning {
  /**
   * Taken in this order before the file is read again, and held until the successor is in it: whoever takes them too does
   * not ask the server meanwhile.
   */
  readonly refreshing?: (spot: Spot) => ReadonlyArray<LockPlan>
  /** Taken for the write alone, after those. */
  readonly writing?: (spot: Spot) => ReadonlyArray<LockPlan>
  /** How long before its end a token is refreshed: so early that the owner finds a fresh one. */
  readonly aheadMillis?: number
  /**
   * From so long before its end on the owner asks the server itself, and takes no lock for that: it may be doing so at this
   * moment, and is given the time to come to its end. Absent where its locks say so.
   */
  readonly unguardedMillis?: number
  /** The owner rewrites the whole file without a lock: what was written is read again, and written again if it is gone. */
  readonly verifies?: boolean
  /** What somebody should know before choosing it. */
  readonly risk?: string
  /** Why this one entry is not written although the others are, if so; `content` is the file as it is. */
  readonly refuses?: (spot: Spot, content: Json) => string | undefined
  /** What is to be set in the file so that the owner finds the successor; nothing where the entry is not there. */
  readonly edits: (key: string, next: Successor, content: Json) => ReadonlyArray<Edit>
}

/** One file, or folder, of another program. */
export interface StoreFile {
  /** Where it is by default, by the variables that its owner honours. `*` stands for any name. */
  readonly places: (surroundings: Surroundings) => ReadonlyArray<string>
  /** Which loader turns it into the JSON value that `read` is given. `variable`: one of the environment, `$NAME`. */
  readonly kind: "json" | "database" | "folder" | "keyring" | "variable"
  /** The JSON text of a file in which that is encrypted; nothing where the key is another one. */
  readonly decode?: (source: string) => string | undefined
  /** Its owner keeps its logins here and nowhere else, so that it is told of when it cannot be reached. */
  readonly expected?: (surroundings: Surroundings) => boolean
  /** Why the owner does not read it, or no longer does, and what to do. */
  readonly retired?: (surroundings: Surroundings) => string | undefined
  /** A text: why its logins are never written. */
  readonly coOwning: CoOwning | string
  readonly read: (content: Json, surroundings: Surroundings) => ReadonlyArray<Entry>
}

/** Why the login at `spot` is not written, if so; `content` is the file as it is. */
export const refusal = (file: StoreFile, spot: Spot, content: Json): string | undefined =>
  typeof file.coOwning === "string"
    ? file.coOwning
    : (file.retired?.(spot.surroundings) ?? file.coOwning.refuses?.(spot, content))

/** What a loader throws where the cause is known: the message is for people, and quotes nothing. */
export class Unreadable extends Error {}

/** A lock that the owner takes while it refreshes. Those of the kernel (`flock`) vanish with their holder. */
export interface LockFile {
  readonly places: (surroundings: Surroundings) => ReadonlyArray<string>
  readonly kind: "file" | "folder"
  /** From which age on its owner takes it over. */
  readonly staleMillis: number
  /** Its owner goes by the process that is named in it. */
  readonly byPid?: boolean
}

export interface Owner {
  readonly id: string
  readonly name: string
  /** The command by which a person signs in there. */
  readonly signIn: string
  /** The first is the one that a file of unknown name is taken for. */
  readonly locks?: ReadonlyArray<LockFile>
  readonly files: readonly [StoreFile, ...ReadonlyArray<StoreFile>]
}

/** `base` below the user's own folder, or the folder that one of `variables` names. */
export const folderOf = (
  { env, homedir }: Surroundings,
  variables: ReadonlyArray<string>,
  ...base: ReadonlyArray<string>
): string => {
  const named = variables.map((name) => env[name]).find((value) => value)
  return named ?? [env["HOME"] || homedir(), ...base].join("/")
}

export const members = (value: Json): Readonly<Record<string, Json>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, Json>>)
    : undefined

export const text = (value: Json): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

const numeric = (value: Json): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

/** Scopes, which some keep as a list and some as a text. */
const scopeText = (value: Json): string | undefined =>
  Array.isArray(value) ? text(value.filter((each) => text(each)).join(" ")) : text(value)

export const signedOut: Held = { _tag: "SignedOut", reason: "no tokens are in it" }
export const apiKey: Held = { _tag: "NotAGrant", reason: "an API key, which nobody has to keep alive" }
export const unreadable = (reason: string): Held => ({ _tag: "Unreadable", reason })
export const notAnObject = unreadable("the entry is not a JSON object")

/** What a reader found, as it stands in the file. */
export interface Found {
  readonly access: Json
  readonly refresh: Json
  /** In epoch milliseconds; 0 or less is an access token that its owner wants refreshed. */
  readonly expiresAt?: Json
  readonly scope?: Json
  readonly tokenType?: Json
  readonly provider?: string | undefined
  readonly clientId: Json
  readonly clientSecret?: Json
  readonly authMethod?: Json
  readonly tokenEndpoint?: Json
  readonly issuer?: Json
  readonly resource?: Json
}

const isAbsent = (value: Json): boolean => value === undefined || value === null || value === ""

const authMethods = ["none", "client_secret_basic", "client_secret_post"] as const

/** What stands in the way of a grant, if anything does. */
const obstacle = ({ access, clientId, issuer, refresh, resource, tokenEndpoint }: Found): Held | undefined => {
  if (isAbsent(access) && isAbsent(refresh)) return signedOut
  if (!isAbsent(access) && typeof access !== "string") return unreadable("the access token is not a text")
  if (!isAbsent(refresh) && typeof refresh !== "string") return unreadable("the refresh token is not a text")
  if (isAbsent(access)) return unreadable("there is a refresh token and no access token: let its owner use it once")
  if (text(clientId) === undefined) return unreadable("the client id is missing, and a refresh token is bound to one")
  if ([tokenEndpoint, issuer, resource].every((url) => text(url) === undefined)) {
    return unreadable("nothing in it tells which authorization server it is of")
  }
  return undefined
}

/** The grant of an entry, or why there is none. */
export const heldOf = (found: Found): Held => {
  const problem = obstacle(found)
  if (problem !== undefined) return problem
  const [accessToken, refreshToken] = [found.access as string, text(found.refresh)]
  const expiresAt = numeric(found.expiresAt)
  const [issuer, resource, tokenEndpoint] = [text(found.issuer), text(found.resource), text(found.tokenEndpoint)]
  const [clientSecret, scope, tokenType] = [text(found.clientSecret), scopeText(found.scope), text(found.tokenType)]
  const authMethod = clientSecret && authMethods.find((each) => each === found.authMethod)
  const document: Document = {
    ...(found.provider && { provider: found.provider }),
    ...(issuer && { issuer }),
    ...(tokenEndpoint && { token_endpoint: tokenEndpoint }),
    ...(resource && { resource }),
    client: {
      client_id: found.clientId as string,
      ...(clientSecret && { client_secret: clientSecret }),
      ...(authMethod && { token_endpoint_auth_method: authMethod }),
    },
    tokens: {
      access_token: accessToken,
      ...(refreshToken && { refresh_token: refreshToken }),
      // Some write `bearer`; RFC 6749 §7.1: the type is case insensitive.
      ...(tokenType && { token_type: /^bearer$/i.test(tokenType) ? "Bearer" : tokenType }),
      ...(expiresAt !== undefined && { expires_at: Math.max(0, expiresAt) / 1000 }),
      ...(scope && { scope }),
    },
  }
  const inToken = Expiry.fromDocument(undefined, accessToken)
  return {
    _tag: "Grant",
    document: Redacted.make(document, { label: "grant" }),
    accessFingerprint: fingerprint(accessToken),
    refreshFingerprint: refreshToken && fingerprint(refreshToken),
    expiresAt: expiresAt ?? (inToken?._tag === "Known" ? inToken.at : undefined),
  }
}

/** A name goes to a terminal, and nobody knows who wrote it. */
export const printable = (name: string): string => name.replaceAll(/[^\x20-\x7e]+/g, "?").slice(0, 200)

/** An entry for each member of an object: `name` may give it a better name than its key, if that is the only one. */
export const entriesOf = (
  content: Json,
  held: (value: Readonly<Record<string, Json>>, key: string) => Held,
  name: (value: Readonly<Record<string, Json>>, key: string) => string = (_, key) => key,
): ReadonlyArray<Entry> => {
  const all = members(content)
  if (all === undefined) return [{ name: "(all)", key: "", held: unreadable("the file holds no JSON object") }]
  const named = Object.entries(all).map(([key, value]) => {
    const found = members(value)
    return found === undefined
      ? { key, name: key, held: notAnObject }
      : { key, name: name(found, key), held: held(found, key) }
  })
  const isTaken = (name: string): boolean => named.filter((each) => each.name === name).length > 1
  return named.map(({ held, key, name }) => ({ name: printable(isTaken(name) ? key : name), key, held }))
}

/**
 * Where the key of a sealed store is kept: a file of one's own, or the keyring of the operating system. Neither is beside
 * the records, or whoever copies the one has the other.
 */
import * as Crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Keyring from "./keyring.ts"
import { keyBytes } from "./seal.ts"
import * as Failure from "./sqliteFailure.ts"

export type Place =
  | { readonly kind: "file"; readonly path: string }
  /** `account` tells the stores of one user apart. */
  | { readonly kind: "keyring"; readonly account: string }

const service = "tokenkeep"

/** What a person calls the place. */
export const words = (place: Place): string =>
  place.kind === "file" ? place.path : `the keyring (service ${service}, account ${place.account})`

const entryOf = (file: string, account: string): Keyring.Item => {
  const keyring = Keyring.load()
  if (keyring === undefined) throw Failure.noKeyring(file)
  return new keyring.Entry(service, account)
}

/** As it is written: 64 hex characters, so that a person can copy it. */
const decode = (text: string): Buffer | undefined => {
  const trimmed = text.trim()
  return /^[0-9a-f]+$/i.test(trimmed) && trimmed.length === keyBytes * 2 ? Buffer.from(trimmed, "hex") : undefined
}

const readFile = (file: string, place: string): string | undefined => {
  try {
    return fs.readFileSync(place, "utf8")
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw Failure.keyUnreadable(file, place, (cause as NodeJS.ErrnoException).code ?? "unknown cause")
  }
}

const readKeyring = (file: string, place: Extract<Place, { readonly kind: "keyring" }>): string | undefined => {
  const entry = entryOf(file, place.account)
  try {
    return entry.getPassword() ?? undefined
  } catch {
    throw Failure.keyUnreadable(file, words(place), "the keyring refuses")
  }
}

/** The key, or `undefined` where there is none. `file` is the store it is for. */
export const load = (file: string, place: Place): Buffer | undefined => {
  const text = place.kind === "file" ? readFile(file, place.path) : readKeyring(file, place)
  if (text === undefined) return undefined
  const key = decode(text)
  if (key === undefined) throw Failure.keyUnreadable(file, words(place), "it is not 64 hex characters")
  return key
}

/** A new key at a place that has none. */
const create = (file: string, place: Place): Buffer => {
  const key = Crypto.randomBytes(keyBytes)
  try {
    if (place.kind === "keyring") entryOf(file, place.account).setPassword(key.toString("hex"))
    else {
      fs.mkdirSync(path.dirname(place.path), { recursive: true, mode: 0o700 })
      fs.writeFileSync(place.path, `${key.toString("hex")}\n`, { mode: 0o600, flag: "wx" })
      const written = fs.openSync(place.path, "r")
      fs.fsyncSync(written)
      fs.closeSync(written)
    }
  } catch (cause) {
    if ((cause as { readonly _tag?: unknown })._tag === "StoreUnavailable") throw cause
    throw Failure.keyUnreadable(file, words(place), (cause as NodeJS.ErrnoException).code ?? "the keyring refuses")
  }
  return key
}

/** The key at the place, made where there is none. */
export const loadOrCreate = (file: string, place: Place): Buffer => load(file, place) ?? create(file, place)

/**
 * Reads other programs' files, and does nothing else to them: no lock is taken, nothing is created, and a database is
 * opened in a way that leaves no file beside it. What they keep in the system's keyring, or are given in a variable, is
 * read like a file.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { Surroundings } from "../store/home.ts"
import { openUnchanged } from "../store/sqliteLook.ts"
import * as ForeignKeyring from "./foreignKeyring.ts"
import { type Entry, type Json, type Owner, type Spot, type StoreFile, text, Unreadable } from "./ForeignStore.ts"

/** One place where an owner's logins are, and what is in it. */
export interface ForeignFile {
  readonly owner: Owner
  readonly place: string
  /** Permission bits; absent on Windows, which has none. */
  readonly mode: number | undefined
  readonly entries: ReadonlyArray<Entry>
  /** Why nothing of it can be read. */
  readonly problem: string | undefined
  /** It is not there, which is a reason that does not pass by itself. */
  readonly isMissing?: boolean
  /** The owner no longer reads it, and what to do. */
  readonly retired?: string | undefined
}

/** More than any login file has. Read in one go, and the process's memory is not the file's to fill. */
export const longestFile = 16 * 1024 * 1024

export const parse = (source: string): Json => {
  if (source.trim() === "") return {}
  try {
    return JSON.parse(source.replace(/^\uFEFF/, ""))
  } catch {
    throw new Unreadable("it is not JSON, or only the first part of it: its owner may be writing it. Try again")
  }
}

const readText = (place: string): string => {
  const { size } = fs.statSync(place)
  if (size > longestFile) throw new Unreadable("it is far too large for what it should be")
  return fs.readFileSync(place, "utf8")
}

const readFolder = (place: string): Json => {
  const files = fs.readdirSync(place).filter((file) => file.endsWith(".json"))
  const values = files.map((file) => {
    try {
      return [file, parse(readText(path.join(place, file)))] as const
    } catch {
      // The others are of other servers.
      return [file, undefined] as const
    }
  })
  return Object.fromEntries(values)
}

/** The tables of interest, each with the columns of its key and its JSON. */
const tables = [
  ["config_machine_state", "state_key", "value_json"],
  ["auth_profile_store", "store_key", "store_json"],
  ["mcp_oauth_stores", "store_key", "store_json"],
] as const

const isDatabase = (place: string): boolean => {
  const file = fs.openSync(place, "r")
  try {
    const start = Buffer.alloc(16)
    return fs.readSync(file, start) === 16 && start.toString("latin1") === "SQLite format 3\0"
  } finally {
    fs.closeSync(file)
  }
}

const readDatabase = (place: string): Json => {
  if (!isDatabase(place)) throw new Unreadable("it is no SQLite database")
  const database = openUnchanged(place)
  if (database === undefined) {
    throw new Unreadable("its owner was ended in the middle of a write: start it once, then try again")
  }
  try {
    const known = new Set(
      database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .all()
        .map(({ name }) => name),
    )
    const found = tables.flatMap(([table, key, value]) => {
      if (!known.has(table)) return []
      const rows = database.prepare(`SELECT ${key} AS key, ${value} AS value FROM ${table}`).all()
      return [[table, Object.fromEntries(rows.map((row) => [row["key"], parse(text(row["value"]) ?? "")]))] as const]
    })
    return Object.fromEntries(found)
  } finally {
    database.close()
  }
}

const decoded = ({ decode = (source) => source }: StoreFile, source: string): Json => {
  const text = decode(source)
  if (text === undefined) throw new Unreadable("it is encrypted, and not for this user on a machine of this name")
  return parse(text)
}

export const existing = (source: string | undefined): string => {
  if (source === undefined) throw Object.assign(new Error(), { code: "ENOENT" })
  return source
}

const loaders: Record<StoreFile["kind"], (place: string, file: StoreFile, surroundings: Surroundings) => Json> = {
  json: (place, file) => decoded(file, readText(place)),
  database: readDatabase,
  folder: readFolder,
  keyring: (place) => parse(existing(ForeignKeyring.read(place))),
  variable: (place, _, { env }) => parse(existing(env[place.slice(1)] || undefined)),
}

const isOnDisk = (file: StoreFile): boolean => file.kind !== "keyring" && file.kind !== "variable"

/** In words for people, without anything of the file. */
export const why = (error: unknown): string => {
  if (error instanceof Unreadable) return error.message
  const { code } = error as NodeJS.ErrnoException
  if (code === "EACCES" || code === "EPERM") return "access is denied"
  if (code === "ENOENT") return "it is not there"
  return `it cannot be read (${code ?? "of a form that nobody foresaw"})`
}

const trouble = (error: unknown) => ({
  problem: why(error),
  isMissing: (error as NodeJS.ErrnoException).code === "ENOENT",
})

const beginningWith = (folder: string, start: string): ReadonlyArray<string> => {
  try {
    return fs
      .readdirSync(folder)
      .filter((name) => name.startsWith(start))
      .toSorted()
  } catch {
    return []
  }
}

/** The places that `pattern` stands for: a `*` is any name, or the rest of one, in a folder. */
export const expand = (pattern: string): ReadonlyArray<string> => {
  const [root = "", ...parts] = pattern.split("/")
  return parts.reduce<ReadonlyArray<string>>(
    (places, part) =>
      places.flatMap((place) =>
        part.includes("*")
          ? beginningWith(place, part.slice(0, part.indexOf("*"))).map((name) => `${place}/${name}`)
          : [`${place}/${part}`],
      ),
    [root],
  )
}

const read = (owner: Owner, file: StoreFile, place: string, surroundings: Surroundings): ForeignFile => {
  const base = { owner, place, mode: undefined, entries: [] }
  try {
    const mode = isOnDisk(file) && surroundings.platform !== "win32" ? fs.statSync(place).mode & 0o777 : undefined
    const entries = file.read(loaders[file.kind](place, file, surroundings), surroundings)
    return { ...base, mode, entries, problem: undefined, retired: file.retired?.(surroundings) }
  } catch (error) {
    return { ...base, ...trouble(error) }
  }
}

/** The places of `file` that there are. Throws where a keyring cannot be asked. */
const existingPlaces = (file: StoreFile, pattern: string, { env }: Surroundings): ReadonlyArray<string> => {
  if (file.kind === "keyring") return ForeignKeyring.expand(pattern)
  if (file.kind === "variable") return env[pattern.slice(1)] ? [pattern] : []
  return expand(pattern).filter((place) => fs.existsSync(place))
}

/** The files of `owner` that are on this machine, as they are now. */
export const found = (owner: Owner, surroundings: Surroundings): ReadonlyArray<ForeignFile> =>
  owner.files.flatMap((file) =>
    file.places(surroundings).flatMap((pattern) => {
      try {
        return existingPlaces(file, pattern, surroundings).map((place) => read(owner, file, place, surroundings))
      } catch (error) {
        const unreached = { owner, place: pattern, mode: undefined, entries: [], problem: why(error) }
        return file.expected?.(surroundings) ? [unreached] : []
      }
    }),
  )

/** Where `owner` may keep logins and nobody could look, and why. */
export const unreached = (owner: Owner, surroundings: Surroundings): ReadonlyArray<string> =>
  owner.files.flatMap((file) =>
    file.places(surroundings).flatMap((pattern) => {
      try {
        existingPlaces(file, pattern, surroundings)
        return []
      } catch (error) {
        return [`${pattern}: ${why(error)}`]
      }
    }),
  )

/** Where `owner` would keep its logins. */
export const places = (owner: Owner, surroundings: Surroundings): ReadonlyArray<string> =>
  owner.files.flatMap((file) => file.places(surroundings))

/** Which of the owner's files this is: by its name, and a database or a folder by what it is. */
export const kindOf = (owner: Owner, place: string, surroundings: Surroundings): StoreFile => {
  const stats = fs.statSync(place, { throwIfNoEntry: false })
  const unlike = ForeignKeyring.isPlace(place) ? "keyring" : place.startsWith("$") ? "variable" : undefined
  const kind = unlike ?? (stats?.isDirectory() ? "folder" : stats?.isFile() && isDatabase(place) ? "database" : "json")
  const ofKind = owner.files.filter((file) => file.kind === kind)
  const named = ofKind.find((file) =>
    file.places(surroundings).some((each) => path.basename(each) === path.basename(place)),
  )
  return named ?? ofKind[0] ?? owner.files[0]
}

/** What `owner` keeps in the file, or folder, at `place`. */
export const at = (owner: Owner, place: string, surroundings: Surroundings): ForeignFile => {
  try {
    const file = kindOf(owner, place, surroundings)
    return read(owner, file, isOnDisk(file) ? path.resolve(place) : place, surroundings)
  } catch (error) {
    return { owner, place, mode: undefined, entries: [], ...trouble(error) }
  }
}

/** Where the entry `key` of the file at `place` stands, symbolic links resolved. */
export const spotOf = (place: string, key: string, surroundings: Surroundings): Spot => {
  if (ForeignKeyring.isPlace(place)) return { place, target: place, key, surroundings }
  const folder = fs.realpathSync(path.dirname(place))
  return { place: path.join(folder, path.basename(place)), target: fs.realpathSync(place), key, surroundings }
}

/** In the place of a path: there is only a text. */
export const standardInput = "standard input"

/** What `owner` keeps in a file whose text is `source`, such as a keyring's entry. */
export const inText = (owner: Owner, source: string, surroundings: Surroundings): ForeignFile => {
  const base = { owner, place: standardInput, mode: undefined, entries: [] }
  const file = owner.files.find(({ kind }) => kind === "json")
  if (file === undefined) return { ...base, problem: `${owner.name} keeps no JSON file: name its folder` }
  try {
    return { ...base, entries: file.read(parse(source), surroundings), problem: undefined }
  } catch (error) {
    return { ...base, problem: why(error) }
  }
}

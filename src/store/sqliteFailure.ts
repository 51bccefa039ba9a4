/**
 * What went wrong with the database file, told so that a person can act: what happened, in which file, and the command
 * to run next.
 *
 * **Invariants**
 *
 * - Messages hold paths, names and SQLite's own words, which never quote a bound value; never a record (I10).
 * - An error nobody foresaw is told by its class alone, because its message may quote what it choked on.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { StoreUnavailable } from "./CredentialStore.ts"

type Reason = StoreUnavailable["reason"]

const word = (text: string): string => (/^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

const upgrade = "Upgrade tokenkeep: npm install -g tokenkeep@latest"

const folder = (file: string): string => word(path.dirname(file))

/** The file and its log belong together: only both can be mended. */
const setAside = (file: string): string => {
  const aside = `${word(file)}.bad`
  return `mkdir ${aside} && mv ${word(file)} ${word(file)}-* ${aside}/`
}

const unavailable = (reason: Reason, file: string, message: string): StoreUnavailable =>
  new StoreUnavailable({ reason, path: file, message })

export const cannotCreate = (home: string, code: string): StoreUnavailable =>
  unavailable(
    "missing",
    home,
    `The folder ${home} is missing and cannot be created (${code}). ` +
      `Create it: mkdir -p -m 700 ${word(home)}, or name another folder in TOKENKEEP_HOME.`,
  )

export const replaced = (file: string): StoreUnavailable =>
  unavailable(
    "missing",
    file,
    `${file} was removed or replaced while this program had it open. What it wrote would be lost, so it writes ` +
      `nothing more. Start it again; see what is there now: ls -la ${folder(file)}`,
  )

export const withoutItsDatabase = (file: string): StoreUnavailable =>
  unavailable(
    "corrupt",
    file,
    `${file} is missing or empty, but its log is not, and opening it would delete the log. Nothing was changed. ` +
      `Put the file back, or set the log aside: mv ${word(`${file}-wal`)} ${word(`${file}-wal.bad`)}`,
  )

export const unreadLog = (file: string): StoreUnavailable =>
  unavailable(
    "other",
    file,
    `${file} has a log that cannot be read without being mended: whoever wrote it was ended in the middle, and the machine ` +
      `with it. Nothing was changed. Any command that opens it mends it: tokenkeep list`,
  )

export const ownedBySomebodyElse = (place: string, owner: number, user: number): StoreUnavailable =>
  unavailable(
    "notOurs",
    place,
    `${place} belongs to user ${owner} and this program runs as user ${user}. Nothing was changed. Run it as user ` +
      `${owner}, name another folder in TOKENKEEP_HOME, or take it over: sudo chown -R ${user} ${word(place)}`,
  )

export const foreign = (file: string): StoreUnavailable =>
  unavailable(
    "notOurs",
    file,
    `${file} is the database of another program. Nothing was changed. Name another folder in TOKENKEEP_HOME, or move ` +
      `the file aside: ${setAside(file)}`,
  )

export const newerSchema = (file: string, found: number, known: number): StoreUnavailable =>
  unavailable(
    "newerSchema",
    file,
    `${file} has schema version ${found}, and this tokenkeep knows versions up to ${known}. Nothing was changed. ` +
      upgrade,
  )

export const corruptRecord = (file: string, name: string): StoreUnavailable =>
  unavailable(
    "corrupt",
    file,
    `The record of ${JSON.stringify(name)} in ${file} cannot be understood. Nothing was overwritten, and the other ` +
      `credentials are not affected. Forget it and sign in again: ` +
      `tokenkeep logout ${word(name)} && tokenkeep login ${word(name)}`,
  )

export const keyMissing = (file: string, place: string): StoreUnavailable =>
  unavailable(
    "sealed",
    file,
    `The records of ${file} are sealed, and their key is not in ${place}. Nothing was changed. Put the key back; if it ` +
      `is lost, the tokens are too: set the store aside and sign in again: ${setAside(file)}`,
  )

export const wrongKey = (file: string, place: string): StoreUnavailable =>
  unavailable(
    "sealed",
    file,
    `The records of ${file} are sealed, and the key in ${place} is another one. Nothing was changed. Put the right key ` +
      `there; if it is lost, the tokens are too: set the store aside and sign in again: ${setAside(file)}`,
  )

export const keyUnreadable = (file: string, place: string, cause: string): StoreUnavailable =>
  unavailable(
    "sealed",
    file,
    `The key for ${file} in ${place} cannot be used (${cause}). Nothing was changed. Make it accessible, or keep the ` +
      `key in a file: tokenkeep seal --key-file FILE`,
  )

export const noKeyring = (file: string): StoreUnavailable =>
  unavailable(
    "sealed",
    file,
    `The key for ${file} belongs in the system's keyring, and the package that reaches it is not installed. Nothing was ` +
      `changed. Install it where tokenkeep is: npm install @napi-rs/keyring, or keep the key in a file: ` +
      `tokenkeep seal --key-file FILE`,
  )

export const noLog = (file: string): StoreUnavailable =>
  unavailable(
    "other",
    file,
    `The file system of ${file} cannot hold a write-ahead log. Name a folder on a local disk in TOKENKEEP_HOME; see ` +
      `what this one is on: df -T ${folder(file)}`,
  )

export const noSqlite = (file: string): StoreUnavailable =>
  unavailable(
    "other",
    file,
    `This runtime has no node:sqlite, so ${file} cannot be opened. Use Node 22.19 or later: node --version`,
  )

/** `cause` is what the operating system or SQLite called it. */
const messages: { readonly [K in Reason]: (file: string, cause: string) => string } = {
  missing: (file, cause) => `${file} is not there (${cause}). See what is: ls -la ${folder(file)}`,
  notOurs: (file, cause) => `${file} cannot be used (${cause}). See who owns it: ls -la ${folder(file)}`,
  readOnly: (file, cause) =>
    `${file} cannot be opened or written (${cause}). Nothing was changed. Make it writable: ` +
    `chmod 700 ${folder(file)} && chmod 600 ${word(file)}; if its file system is mounted read-only, see: ` +
    `findmnt -T ${folder(file)}`,
  full: (file, cause) =>
    `${file} cannot grow (${cause}): the disk is full, or a quota or a file size limit is reached. Nothing was ` +
    `overwritten. Make room: df -h ${folder(file)}; ulimit -f`,
  corrupt: (file, cause) =>
    `${file} is damaged (${cause}). Nothing was overwritten. Move the file aside and sign in again: ${setAside(file)}`,
  newerSchema: (file, cause) => `${file} is newer than this tokenkeep (${cause}). ${upgrade}`,
  sealed: (file, cause) => `The records of ${file} are sealed and cannot be read (${cause}). Nothing was changed.`,
  busy: (file, cause) =>
    `Another process keeps ${file} locked (${cause}). Nothing was changed. See which, and try again: ` +
    `fuser -v ${word(file)}`,
  other: (file, cause) => `${file} cannot be used (${cause}). Look for the cause: tokenkeep doctor`,
}

/** SQLite's result codes; an extended one (https://sqlite.org/rescode.html) goes before its primary one. */
const sqliteReasons: { readonly [code: number]: Reason } = {
  3: "readOnly",
  5: "busy",
  8: "readOnly",
  11: "corrupt",
  13: "full",
  // SQLITE_PROTOCOL: gave up on the lock of the log's index after many tries.
  15: "busy",
  26: "corrupt",
  // SQLITE_IOERR_SHORT_READ
  522: "corrupt",
  // SQLITE_READONLY_DBMOVED
  1032: "missing",
  // SQLITE_IOERR_SHMSIZE
  4874: "full",
}

const systemReasons: { readonly [code: string]: Reason } = {
  ENOENT: "missing",
  ENOTDIR: "missing",
  EACCES: "readOnly",
  EPERM: "readOnly",
  EROFS: "readOnly",
  ENOSPC: "full",
  EDQUOT: "full",
}

const accessible = (place: string, mode: number): boolean => {
  try {
    fs.accessSync(place, mode)
    return true
  } catch {
    return false
  }
}

/** SQLITE_CANTOPEN says neither why nor which: the log and its index are files beside the database. */
const whyNotOpened = (file: string): Reason => {
  if (!fs.existsSync(path.dirname(file))) return "missing"
  return accessible(file, fs.constants.R_OK | fs.constants.W_OK) && accessible(path.dirname(file), fs.constants.W_OK)
    ? "other"
    : "readOnly"
}

/** SQLITE_IOERR_WRITE: SQLite says FULL for ENOSPC alone; EDQUOT and EFBIG arrive here, and EROFS and EPERM too. */
const whyNotWritten = (file: string): Reason =>
  [file, `${file}-wal`].every((place) => !fs.existsSync(place) || accessible(place, fs.constants.W_OK))
    ? "full"
    : "readOnly"

const reasonOf = (file: string, errcode: number): Reason => {
  const primary = errcode & 0xff
  if (primary === 14) return whyNotOpened(file)
  if (errcode === 778) return whyNotWritten(file)
  return sqliteReasons[errcode] ?? sqliteReasons[primary] ?? "other"
}

/** The typed form of anything that was thrown while `file` was in use. */
export const explain = (file: string, cause: unknown): StoreUnavailable => {
  if (cause instanceof StoreUnavailable) return cause
  const { code, errcode } = cause as { readonly code?: unknown; readonly errcode?: unknown }
  if (typeof errcode === "number") {
    const reason = reasonOf(file, errcode)
    return unavailable(reason, file, messages[reason](file, `${(cause as Error).message}, SQLite ${errcode}`))
  }
  if (typeof code === "string") {
    const reason = systemReasons[code] ?? "other"
    return unavailable(reason, file, messages[reason](file, code))
  }
  return unavailable("other", file, messages.other(file, cause instanceof Error ? cause.name : "unknown cause"))
}

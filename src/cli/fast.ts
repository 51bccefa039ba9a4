/**
 * The entry of the command line: prints a token that is good as it is stored, in the time it takes to start Node, and
 * hands everything else to `main.ts`.
 *
 * It is bundled to CommonJS without any library, because each of those costs more than the answer. Whatever goes wrong
 * here is no failure: the other path looks again and finds the words for it. No credential is changed, and permissions
 * are the other path's business.
 */
import { existsSync, mkdirSync, statSync } from "node:fs"
import { currentHome } from "../store/home.ts"
import { exitCodes } from "./exitCodes.ts"
import { format } from "./format.ts"
import { tooOld } from "./nodeVersion.ts"
import { parseTokenRequest } from "./request.ts"
import { served } from "./served.ts"
import { write } from "./write.ts"

/** The store's schema version (`store/sqliteFile.ts`) that this code can read; another one is the other path's to judge. */
const schemaVersion = 2

/** The record of `name`; `undefined` when there is none to be read here. Throws when the store cannot be read like this. */
const readRecord = (name: string): string | undefined => {
  const file = `${currentHome()}/keep.db`
  // SQLite takes the log beside an empty database for a leftover and deletes it, even when it only reads.
  if (statSync(file).size === 0) return undefined
  // Node 22 warns on stderr that this module is experimental. Who asks for a token cannot do anything about it.
  const { emitWarning } = process
  process.emitWarning = () => {}
  const sqlite = process.getBuiltinModule("node:sqlite")
  process.emitWarning = emitWarning
  const database = new sqlite.DatabaseSync(file, { readOnly: true })
  try {
    const select = "SELECT user_version, record FROM credentials, pragma_user_version WHERE name = ?"
    const row = database.prepare(select).get(name)
    return row?.["user_version"] === schemaVersion && typeof row["record"] === "string" ? row["record"] : undefined
  } finally {
    database.close()
  }
}

const answer = (argv: ReadonlyArray<string>): string | undefined => {
  const request = parseTokenRequest(argv)
  if (request === undefined) return undefined
  try {
    const record = readRecord(request.name)
    const token = record === undefined ? undefined : served(record, request.name, Date.now(), request.minTtlMillis)
    return token === undefined ? undefined : format(token, request.format)
  } catch {
    return undefined
  }
}

const isOurs = (path: string): boolean => {
  const { mode, uid } = statSync(path)
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)
}

/**
 * Keeps compiled code in a folder that only this user can write, or nowhere: whoever writes there runs code here.
 * A temporary folder shared with others would not do.
 */
const cacheCode = (): void => {
  try {
    const folder = `${currentHome()}/cache`
    if (!isOurs(currentHome())) return
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
    if (isOurs(folder)) process.getBuiltinModule("node:module").enableCompileCache(folder)
  } catch {
    // No home yet, or a read-only one: it only takes a few milliseconds longer.
  }
}

const complaint = tooOld(process.versions.node)
if (complaint !== undefined) {
  write(2, `${complaint}\n`)
  process.exitCode = exitCodes.usage
} else {
  const text = answer(process.argv.slice(2))
  if (text === undefined) {
    cacheCode()
    void import("./main.ts")
  } else {
    write(1, text)
  }
}

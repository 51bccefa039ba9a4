/**
 * Databases that are only looked at, for whoever is to change nothing: our own, and those of other programs.
 *
 * **Invariants**
 *
 * - No file is made, narrowed, migrated or written: not the log, and not the log's index, as far as nobody else is at work.
 * - What can be read is read, whatever else cannot.
 */
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import type { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"
import * as Credential from "../lifecycle/Credential.ts"
import type { StoreUnavailable } from "./CredentialStore.ts"
import * as Failure from "./sqliteFailure.ts"
import * as File from "./sqliteFile.ts"
import { sealingOf } from "./sqliteSeal.ts"

/**
 * The database at `place`, for reading. Without a log beside it, it is whole, and opened as immutable: SQLite would
 * otherwise create the log and its index even to read. With one, the log is read too, by way of the index that is there.
 * `undefined`: there is a log without an index, and nobody can read that without making one.
 */
export const openUnchanged = (place: string): DatabaseSync | undefined => {
  const file = fs.realpathSync.native(place)
  const isLogged = (fs.statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
  if (isLogged && !fs.existsSync(`${file}-shm`)) return undefined
  const location = pathToFileURL(file)
  // Without readonly_shm, SQLite rebuilds an index that nobody else has open.
  location.search = isLogged ? "?mode=ro&readonly_shm=1" : "?immutable=1"
  const { DatabaseSync } = File.loadSqlite(file)
  return new DatabaseSync(location, { readOnly: true, timeout: 1_000 })
}

export interface Look {
  readonly credentials: ReadonlyArray<Credential.Credential>
  readonly problems: ReadonlyArray<StoreUnavailable>
  /** The schema is of an older version, which the next command that opens the store brings up to date. */
  readonly isOld: boolean
}

interface Row {
  readonly name: string
  readonly generation: number
  readonly record: string
}

const recordsIn = (database: DatabaseSync, file: string, version: number): Omit<Look, "isOld"> => {
  // What is sealed came with the second version.
  const open = version < 2 ? (_: string, record: string) => record : sealingOf(database, file).open
  const rows = database
    .prepare("SELECT name, generation, record FROM credentials WHERE record IS NOT NULL ORDER BY name")
    .all() as unknown as ReadonlyArray<Row>
  const read = rows.map(({ generation, name, record }) =>
    Result.try({
      try: () => {
        const decoded = Credential.decode(open(name, record))
        if (Result.isSuccess(decoded) && decoded.success.generation === generation) return decoded.success
        throw Failure.corruptRecord(file, name)
      },
      catch: (cause) => Failure.explain(file, cause),
    }),
  )
  const problems = read.flatMap((each) => (Result.isFailure(each) ? [each.failure] : []))
  return {
    credentials: read.flatMap((each) => (Result.isSuccess(each) ? [each.success] : [])),
    // A missing key is the same trouble for each record.
    problems: problems.filter(({ message }, at) => problems.findIndex((each) => each.message === message) === at),
  }
}

/** What is kept in the folder `home`; nothing where nothing was ever kept. */
export const look = (home: string): Look => {
  const place = path.join(path.resolve(home), "keep.db")
  const nothing: Look = { credentials: [], problems: [], isOld: false }
  if ((fs.statSync(place, { throwIfNoEntry: false })?.size ?? 0) === 0) return nothing
  let database: DatabaseSync | undefined
  try {
    database = openUnchanged(place)
    if (database === undefined) throw Failure.unreadLog(place)
    const version = File.identify(database, place)
    if (version === 0) return nothing
    return { ...recordsIn(database, place, version), isOld: version < File.latestVersion }
  } catch (cause) {
    return { ...nothing, problems: [Failure.explain(place, cause)] }
  } finally {
    database?.close()
  }
}

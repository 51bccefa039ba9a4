/**
 * The database file of the default store: its folder, its permissions, its schema.
 *
 * **Invariants**
 *
 * - Folder 0700 and files 0600, from the first instant, and again whenever they are found wider.
 * - A file that is not ours, not tokenkeep's or newer than this code is left byte for byte as it was.
 * - The schema only moves forward, in one transaction. A new field in a record is a new schema version as well: code
 *   that does not know the field would drop it with its next write.
 * - Nobody opens these files but SQLite. Closing any descriptor of a file drops every POSIX lock this process holds on
 *   it, so permissions are read and set by path.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type * as Sqlite from "node:sqlite"
import * as Failure from "./sqliteFailure.ts"

/** "TKEP" */
const applicationId = 0x544b4550

/** The step at index n leads from version n to n + 1. Never edit one that was released. */
const migrations: ReadonlyArray<string> = [
  // `record` is NULL once removed: the row stays, so that generations never shrink and `sequence` never repeats.
  `CREATE TABLE credentials (
     name TEXT NOT NULL PRIMARY KEY,
     generation INTEGER NOT NULL,
     record TEXT,
     sequence INTEGER NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX credentials_sequence ON credentials (sequence);`,
  // Records may hold an answer beside their ticket, alternates and a pace from here on.
  `CREATE TABLE history (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, line TEXT NOT NULL) STRICT;
   CREATE INDEX history_name ON history (name, id);
   CREATE TABLE seal (kind TEXT NOT NULL, place TEXT NOT NULL, key TEXT NOT NULL) STRICT;`,
]

export const latestVersion = migrations.length

/**
 * How long SQLite may sleep inside a call, in milliseconds. It is synchronous and sleeps in the event loop: just enough
 * to outwait another process's commit, and the rest of the patience is the caller's.
 */
const busyTimeout = 5

export interface Opened {
  readonly database: Sqlite.DatabaseSync
  /** The real path, with symbolic links resolved: where the log is. */
  readonly file: string
  readonly assertSameFile: () => void
}

/** Loaded on first use. Node 22 announces it as experimental, on the stderr of whoever uses us: that one is dropped. */
export const loadSqlite = (file: string): typeof Sqlite => {
  const { emitWarning } = process
  process.emitWarning = (warning: string | Error, ...rest: Array<unknown>): void => {
    if (String(warning).startsWith("SQLite is an experimental feature")) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  try {
    const sqlite = process.getBuiltinModule("node:sqlite")
    if (sqlite === undefined) throw Failure.noSqlite(file)
    return sqlite
  } finally {
    process.emitWarning = emitWarning
  }
}

/** Runs `body` in one transaction: all of it or nothing. */
export const transaction = <A>(database: Sqlite.DatabaseSync, kind: "DEFERRED" | "IMMEDIATE", body: () => A): A => {
  database.exec(`BEGIN ${kind}`)
  try {
    const result = body()
    database.exec("COMMIT")
    return result
  } catch (cause) {
    // After a full disk SQLite has rolled back by itself, and a second ROLLBACK would fail and hide the cause.
    if (database.isTransaction) database.exec("ROLLBACK")
    throw cause
  }
}

const number = (database: Sqlite.DatabaseSync, query: string): number =>
  Object.values(database.prepare(query).get() ?? {})[0] as number

export const assertKnownVersion = (database: Sqlite.DatabaseSync, file: string): number => {
  const version = number(database, "PRAGMA user_version")
  if (version > migrations.length) throw Failure.newerSchema(file, version, migrations.length)
  return version
}

/** The schema version, where 0 is a file that nobody has written yet. Anybody else's database is refused. */
export const identify = (database: Sqlite.DatabaseSync, file: string): number => {
  if (number(database, "PRAGMA application_id") === applicationId) return assertKnownVersion(database, file)
  const untouched =
    number(database, "PRAGMA application_id") === 0 &&
    number(database, "PRAGMA user_version") === 0 &&
    number(database, "SELECT count(*) FROM sqlite_schema") === 0
  if (!untouched) throw Failure.foreign(file)
  return 0
}

const migrate = (database: Sqlite.DatabaseSync, file: string): void =>
  transaction(database, "IMMEDIATE", () => {
    // Asked again under the lock: another process may have come first.
    for (let version = identify(database, file); version < migrations.length; version++) {
      database.exec(migrations[version] ?? "")
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version + 1}`)
    }
  })

const assertOurs = (place: string, stats: fs.Stats, widest: 0o700 | 0o600): void => {
  const user = process.geteuid?.()
  // Windows has no owner or mode to look at; a profile folder is private there.
  if (user === undefined) return
  if (stats.uid !== user) throw Failure.ownedBySomebodyElse(place, stats.uid, user)
  if ((stats.mode & 0o077) !== 0) fs.chmodSync(place, stats.mode & widest)
}

const stat = (place: string): fs.Stats | undefined => fs.statSync(place, { throwIfNoEntry: false })

const prepareFolder = (home: string): void => {
  const found = stat(home)
  if (found !== undefined) return assertOurs(home, found, 0o700)
  try {
    fs.mkdirSync(home, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw code === "ENOSPC" || code === "EDQUOT" ? cause : Failure.cannotCreate(home, code ?? "unknown cause")
  }
}

/** Creates `place` with its final mode, so that there is no instant at which somebody else could open it. */
const createFile = (place: string): void => {
  try {
    fs.closeSync(fs.openSync(place, "wx", 0o600))
  } catch (cause) {
    // Another process was faster.
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
  }
}

/** Answers with the real path of the file, which exists then, and whether it has a log. */
const prepareFile = (place: string): { readonly file: string; readonly logged: boolean } => {
  if (stat(place) === undefined) {
    if ((stat(`${place}-wal`)?.size ?? 0) > 0) throw Failure.withoutItsDatabase(place)
    createFile(place)
  }
  const file = fs.realpathSync.native(place)
  const [found, log, index] = [stat(file), stat(`${file}-wal`), stat(`${file}-shm`)]
  if (found !== undefined) assertOurs(file, found, 0o600)
  if (log !== undefined) assertOurs(`${file}-wal`, log, 0o600)
  if (index !== undefined) assertOurs(`${file}-shm`, index, 0o600)
  const logged = log !== undefined && log.size > 0
  // SQLite takes the log of an empty database for a leftover and deletes it, and with it perhaps somebody's only login.
  if (found?.size === 0 && logged) throw Failure.withoutItsDatabase(file)
  return { file, logged }
}

/**
 * Closes a database that is refused. The last connection to close writes the log into the file; a reader that outlives
 * it cannot write, so the log stays where it is.
 */
const closeUntouched = (sqlite: typeof Sqlite, database: Sqlite.DatabaseSync, file: string): void => {
  let reader: Sqlite.DatabaseSync | undefined
  try {
    reader = new sqlite.DatabaseSync(file, { readOnly: true })
    number(reader, "PRAGMA user_version")
  } catch {
    // Nothing in the log that anybody could read, hence nothing that closing could write.
  }
  database.close()
  reader?.close()
}

/** Opens the database at `place`, creating what is missing. Throws what `Failure.explain` understands. */
export const open = (place: string): Opened => {
  const sqlite = loadSqlite(place)
  prepareFolder(path.dirname(place))
  const { file, logged } = prepareFile(place)
  const before = stat(file)
  const assertSameFile = (): void => {
    const now = stat(file)
    if (now === undefined || now.ino !== before?.ino || now.dev !== before.dev) throw Failure.replaced(file)
  }
  const database = new sqlite.DatabaseSync(file, { timeout: busyTimeout })
  try {
    const version = transaction(database, "DEFERRED", () => identify(database, file))
    const mode = database.prepare("PRAGMA journal_mode = WAL").get()
    if (mode?.["journal_mode"] !== "wal") throw Failure.noLog(file)
    // FULL: a commit is on the disk before it is answered. fullfsync: on macOS too, where fsync alone does not see to
    // it. secure_delete: a replaced token does not live on in a free page.
    database.exec("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA secure_delete = ON")
    if (version < migrations.length) migrate(database, file)
    assertSameFile()
    return { database, file, assertSameFile }
  } catch (cause) {
    if (logged) closeUntouched(sqlite, database, file)
    else database.close()
    throw cause
  }
}

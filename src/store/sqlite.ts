/**
 * The default CredentialStore: one SQLite database in WAL mode, `keep.db`, shared by every process of a user.
 *
 * **Invariants**
 *
 * - A change is one `BEGIN IMMEDIATE` transaction that reads, decides by `Change.apply` and writes, and is on the disk
 *   before it is answered. Whatever fails in it, nothing was written.
 * - Once the file is sealed, no record is written in clear, whoever sealed it.
 * - A record that cannot be understood is never written over, except by `remove`, which a person asked for.
 * - Nothing is written to a file that its path no longer leads to, nor to a schema newer than this code.
 * - No call sleeps in the event loop for longer than a commit takes: the wait for a lock is a fiber's.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as path from "node:path"
import type { StatementSync } from "node:sqlite"
import * as Change from "../lifecycle/Change.ts"
import * as Credential from "../lifecycle/Credential.ts"
import * as History from "../lifecycle/History.ts"
import type { StoreUnavailable } from "./CredentialStore.ts"
import { CredentialStore } from "./CredentialStore.ts"
import * as Failure from "./sqliteFailure.ts"
import * as File from "./sqliteFile.ts"
import { sealingOf } from "./sqliteSeal.ts"
import { watch } from "./sqliteWatch.ts"

export interface Options {
  /** The folder of `keep.db`. Created when it is missing. */
  readonly home: string
}

interface Row {
  readonly generation: number
  readonly record: string | null
}

interface Changed {
  readonly name: string
  readonly sequence: number
}

/** How far somebody has heard of changes. */
interface Cursor {
  at: number
}

const patience = Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("50 millis")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "5 seconds" }),
)

const isBusy = (error: StoreUnavailable): boolean => error.reason === "busy"

/** Tries until the lock is free, which another process holds for no longer than its commit takes. */
const attempt = <A>(file: string, operation: () => A): Effect.Effect<A, StoreUnavailable> => {
  const once = Effect.try({ try: operation, catch: (cause) => Failure.explain(file, cause) })
  return Effect.catchIf(once, isBusy, () => Effect.retry(once, { while: isBusy, schedule: patience }))
}

export const make = Effect.fnUntraced(function* ({
  home,
}: Options): Effect.fn.Return<CredentialStore["Service"], StoreUnavailable, Scope.Scope> {
  const place = path.join(path.resolve(home), "keep.db")
  const { database, file, assertSameFile } = yield* Effect.acquireRelease(
    attempt(place, () => File.open(place)),
    (opened) => Effect.sync(() => opened.database.close()),
    { interruptible: true },
  )

  const lazily = (sql: string): (() => StatementSync) => {
    let statement: StatementSync | undefined
    return () => (statement ??= database.prepare(sql))
  }
  const select = lazily("SELECT generation, record FROM credentials WHERE name = ?")
  const selectAll = lazily("SELECT name, generation, record FROM credentials WHERE record IS NOT NULL ORDER BY name")
  const selectChanged = lazily("SELECT name, sequence FROM credentials WHERE sequence > ? ORDER BY sequence")
  const upsert = lazily(
    `INSERT INTO credentials (name, generation, record, sequence)
     VALUES (?, ?, ?, (SELECT coalesce(max(sequence), 0) + 1 FROM credentials))
     ON CONFLICT (name) DO UPDATE
     SET generation = excluded.generation, record = excluded.record, sequence = excluded.sequence
     RETURNING sequence`,
  )

  const selectLines = lazily("SELECT line FROM history WHERE name = ? ORDER BY id")
  const insertLine = lazily("INSERT INTO history (name, line) VALUES (?, ?)")
  const forgetLines = lazily(
    `DELETE FROM history WHERE name = ?1
     AND id <= (SELECT id FROM history WHERE name = ?1 ORDER BY id DESC LIMIT 1 OFFSET ${History.longest})`,
  )

  const opened: Cursor = {
    at: yield* attempt(file, () => {
      const latest = database.prepare("SELECT coalesce(max(sequence), 0) AS at FROM credentials").get()
      return (latest as unknown as Cursor).at
    }),
  }
  const cursors = new Set([opened])

  const sealing = yield* attempt(file, () => sealingOf(database, file))

  const understand = (name: string, row: Row | undefined): Credential.Credential | undefined => {
    if (row === undefined || row.record === null) return undefined
    const decoded = Credential.decode(sealing.open(name, row.record))
    if (Result.isSuccess(decoded) && decoded.success.generation === row.generation) return decoded.success
    // Not damaged, if a newer tokenkeep has changed the schema under this connection.
    File.assertKnownVersion(database, file)
    throw Failure.corruptRecord(file, name)
  }

  const find = (name: string): Row | undefined => select().get(name) as Row | undefined

  /** Runs `body`, which may write one row, in a transaction. */
  const change = <A>(body: (write: (name: string, generation: number, record: string | null) => void) => A) => {
    assertSameFile()
    let written: number | undefined
    const result = File.transaction(database, "IMMEDIATE", () => {
      File.assertKnownVersion(database, file)
      return body((name, generation, record) => {
        written = (upsert().get(name, generation, record) as unknown as Changed).sequence
      })
    })
    // Nobody needs to hear of our own write; but who has yet to hear of an earlier one hears of both.
    for (const cursor of cursors) if (cursor.at + 1 === written) cursor.at = written
    return result
  }

  /** In the transaction of whoever calls. */
  const append = (name: string, lines: ReadonlyArray<History.Line>): void => {
    for (const line of lines) insertLine().run(name, History.encode(line))
    if (lines.length > 0) forgetLines().run(name)
  }

  /** Forgotten means gone from the disk, and the log still holds the tokens. */
  const emptyLog = (): void => {
    try {
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
    } catch {
      // The removal itself is stored; the log is emptied by whoever closes the file last.
    }
  }

  const look = (cursor: Cursor): ReadonlyArray<string> => {
    assertSameFile()
    const changed = selectChanged().all(cursor.at) as unknown as ReadonlyArray<Changed>
    cursor.at = changed.at(-1)?.sequence ?? cursor.at
    return changed.map(({ name }) => name)
  }

  return CredentialStore.of({
    read: (name) =>
      attempt(file, () => {
        assertSameFile()
        return understand(name, find(name))
      }),
    compareAndSwap: (name, wanted, lines = []) =>
      attempt(file, () =>
        change((write) => {
          const row = find(name)
          const current = understand(name, row)
          const next = Change.apply(current, row?.generation ?? 0, wanted)
          if (next === undefined) return { applied: false, credential: current }
          write(name, next.generation, sealing.close(name, Credential.encode(next)))
          append(name, lines)
          return { applied: true, credential: next }
        }),
      ),
    list: attempt(file, () => {
      assertSameFile()
      const rows = selectAll().all() as unknown as ReadonlyArray<Row & { readonly name: string }>
      return rows.flatMap((row) => understand(row.name, row) ?? [])
    }),
    remove: (name) =>
      attempt(file, () => {
        const removed = change((write) => {
          const row = find(name)
          if (row === undefined || row.record === null) return false
          write(name, row.generation + 1, null)
          return true
        })
        if (removed) emptyLog()
        return removed
      }),
    append: (name, lines) => attempt(file, () => change(() => append(name, lines))),
    history: (name) =>
      attempt(file, () => {
        assertSameFile()
        const rows = selectLines().all(name) as unknown as ReadonlyArray<{ readonly line: string }>
        return rows.flatMap(({ line }) => History.decode(line))
      }),
    changes: Stream.callback<string, StoreUnavailable>((queue) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          // Everything since the store was opened, because its user may have read before it began to listen.
          const cursor: Cursor = { at: opened.at }
          cursors.add(cursor)
          const stop = watch(file, () => {
            try {
              Queue.offerAllUnsafe(queue, look(cursor))
            } catch (cause) {
              const error = Failure.explain(file, cause)
              if (!isBusy(error)) Queue.failCauseUnsafe(queue, Cause.fail(error))
            }
          })
          return () => {
            stop()
            cursors.delete(cursor)
          }
        }),
        (end) => Effect.sync(end),
      ),
    ),
  })
})

export const layer = (options: Options): Layer.Layer<CredentialStore, StoreUnavailable> =>
  Layer.effect(CredentialStore, make(options))

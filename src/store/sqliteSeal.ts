/**
 * A sealed `keep.db`: whether it is, with which key, and the change from one to the other. Which key it is stands in the
 * database itself, so every process knows, and no process writes a token in clear beside sealed ones.
 */
import * as Effect from "effect/Effect"
import type { DatabaseSync } from "node:sqlite"
import type { StoreUnavailable } from "./CredentialStore.ts"
import * as Seal from "./seal.ts"
import * as SealKey from "./sealKey.ts"
import * as Failure from "./sqliteFailure.ts"
import * as File from "./sqliteFile.ts"

interface Row {
  readonly kind: "file" | "keyring"
  readonly place: string
  readonly key: string
}

const placeOf = ({ kind, place }: Row): SealKey.Place =>
  kind === "file" ? { kind, path: place } : { kind, account: place }

export interface Sealing {
  /** As the record is written. */
  readonly close: (name: string, text: string) => string
  /** Throws what `Failure.explain` understands. */
  readonly open: (name: string, record: string) => string
}

/** The seal of an open database, looked up anew at each use: somebody else may seal it meanwhile. */
export const sealingOf = (database: DatabaseSync, file: string): Sealing => {
  const select = database.prepare("SELECT kind, place, key FROM seal")
  let held: Seal.Seal | undefined

  const current = (): Seal.Seal | undefined => {
    const row = select.get() as unknown as Row | undefined
    if (row === undefined) return undefined
    if (held?.id === row.key) return held
    const place = placeOf(row)
    const key = SealKey.load(file, place)
    if (key === undefined) throw Failure.keyMissing(file, SealKey.words(place))
    const seal = Seal.make(key)
    if (seal.id !== row.key) throw Failure.wrongKey(file, SealKey.words(place))
    return (held = seal)
  }

  return {
    close: (name, text) => current()?.close(name, text) ?? text,
    open: (name, record) => {
      if (!Seal.isSealed(record)) return record
      const text = current()?.open(name, record)
      if (text === undefined) throw Failure.corruptRecord(file, name)
      return text
    },
  }
}

/**
 * Seals every record with the key at `place`, which is made where there is none; `undefined` unseals. All records or none,
 * and nothing of the old form stays in the file. Answers with how many there were.
 */
export const reseal = (place: string, target: SealKey.Place | undefined): Effect.Effect<number, StoreUnavailable> =>
  Effect.try({
    try: () => {
      const { database, file } = File.open(place)
      try {
        const seal = target && Seal.make(SealKey.loadOrCreate(file, target))
        const count = File.transaction(database, "IMMEDIATE", () => {
          const old = sealingOf(database, file)
          const rows = database.prepare("SELECT name, record FROM credentials WHERE record IS NOT NULL").all()
          const update = database.prepare("UPDATE credentials SET record = ? WHERE name = ?")
          for (const { name, record } of rows as unknown as ReadonlyArray<{ name: string; record: string }>) {
            const text = old.open(name, record)
            update.run(seal?.close(name, text) ?? text, name)
          }
          database.exec("DELETE FROM seal")
          if (seal !== undefined && target !== undefined) {
            const where = target.kind === "file" ? target.path : target.account
            database.prepare("INSERT INTO seal (kind, place, key) VALUES (?, ?, ?)").run(target.kind, where, seal.id)
          }
          return rows.length
        })
        // The log still holds the records as they were.
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
        return count
      } finally {
        database.close()
      }
    },
    catch: (cause) => Failure.explain(place, cause),
  })

/**
 * What can be told of a store's place without opening it: whether anything was ever kept there, and what stands in the
 * way of keeping more. Nothing is written and nothing created, so that a command that only reads can ask.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { StoreUnavailable } from "./CredentialStore.ts"
import * as Failure from "./sqliteFailure.ts"

const filesOf = (home: string) => {
  const file = path.join(path.resolve(home), "keep.db")
  return { file, log: `${file}-wal` }
}

/** No store has been created there, or somebody has taken all of it away. */
export const isEmpty = (home: string): boolean => !Object.values(filesOf(home)).some((file) => fs.existsSync(file))

/** A change needs some pages in the log, and the log's index 32 KiB. */
const leastBytes = 65_536

const freeBytes = (file: string): number => {
  const { bavail, bfree, bsize } = fs.statfsSync(file)
  return (process.geteuid?.() === 0 ? bfree : bavail) * bsize
}

/** Why nothing can be stored there just now, as far as can be seen from outside. */
export const obstacle = (home: string): StoreUnavailable | undefined => {
  if (isEmpty(home)) return undefined
  const { file, log } = filesOf(home)
  try {
    for (const place of [path.dirname(file), file, ...(fs.existsSync(log) ? [log] : [])]) {
      fs.accessSync(place, fs.constants.W_OK)
    }
    return freeBytes(file) < leastBytes ? Failure.explain(file, { code: "ENOSPC" }) : undefined
  } catch (cause) {
    return Failure.explain(file, cause)
  }
}

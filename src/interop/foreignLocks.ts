/**
 * Lock files that owners leave behind, judged by each owner's own rule. Nothing is removed: an owner that is only slow
 * would lose its login by that.
 */
import * as fs from "node:fs"
import type { Surroundings } from "../store/home.ts"
import { expand } from "./foreignFiles.ts"
import type { LockFile, Owner } from "./ForeignStore.ts"

export interface ForeignLock {
  readonly place: string
  readonly ageMillis: number
  /** What is wrong with it; absent for one that is in use. */
  readonly problem: string | undefined
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

const pidIn = (place: string): number | undefined => {
  try {
    const { pid } = JSON.parse(fs.readFileSync(place, "utf8"))
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

/** What stands where a lock belongs and can never be one. */
export const obstruction = (
  kind: LockFile["kind"],
  stats: Pick<fs.StatsBase<unknown>, "isDirectory">,
): string | undefined => {
  if (kind === "folder" && !stats.isDirectory()) return "it is a file where its owner makes a folder"
  if (kind === "file" && stats.isDirectory()) return "it is a folder where its owner makes a file"
  return undefined
}

const problemOf = (lock: LockFile, place: string, stats: fs.Stats, ageMillis: number): string | undefined => {
  const inTheWay = obstruction(lock.kind, stats)
  if (inTheWay !== undefined) return `${inTheWay}: it blocks for ever`
  if (lock.kind === "folder" && fs.readdirSync(place).length > 0)
    return "it is not empty: its owner can never remove it"
  if (ageMillis <= lock.staleMillis) return undefined
  if (!lock.byPid) return "whoever held it is gone"
  const pid = pidIn(place)
  // Its owner never takes over a lock that names nobody.
  if (pid === undefined) return "it names no holder: its owner waits for it for ever"
  return isAlive(pid) ? undefined : `its holder (pid ${pid}) is gone`
}

/** The locks of `owner` on this machine, at `now` (epoch milliseconds). */
export const locksOf = (owner: Owner, surroundings: Surroundings, now: number): ReadonlyArray<ForeignLock> =>
  (owner.locks ?? []).flatMap((lock) =>
    lock
      .places(surroundings)
      .flatMap(expand)
      .flatMap((place) => {
        try {
          const stats = fs.statSync(place)
          const ageMillis = Math.max(0, now - stats.mtimeMs)
          return [{ place, ageMillis, problem: problemOf(lock, place, stats, ageMillis) }]
        } catch {
          // Released in between.
          return []
        }
      }),
  )

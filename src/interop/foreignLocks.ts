/**
 * Lock files that owners leave behind, judged by each owner's own rule. Nothing is removed: an owner that is only slow
 * would lose its login by that.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
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

/** What a lock says of its holder, as OpenClaw writes it. */
interface Said {
  readonly pid: number | undefined
  /** When that process began, in the clock ticks of `/proc`; elsewhere than on Linux in other units. */
  readonly startTime: number | undefined
  readonly createdAt: number | undefined
}

const saidIn = (place: string): Said => {
  try {
    const { createdAt, pid, starttime } = JSON.parse(fs.readFileSync(place, "utf8"))
    const at = DateTime.make(String(createdAt))
    return {
      pid: Number.isInteger(pid) && pid > 0 ? pid : undefined,
      startTime: Number.isInteger(starttime) ? starttime : undefined,
      createdAt: Option.isSome(at) ? DateTime.toEpochMillis(at.value) : undefined,
    }
  } catch {
    return { pid: undefined, startTime: undefined, createdAt: undefined }
  }
}

/** Field 22 of `/proc/PID/stat`, counted behind the command, which may contain anything. */
const startTimeOf = (pid: number): number | undefined => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19])
  } catch {
    return undefined
  }
}

/** By OpenClaw's rule age counts for nothing where a process is named, and nobody waits less for a lock that says nothing. */
const problemOfNamed = (place: string, staleMillis: number, ageMillis: number, now: number): string | undefined => {
  const { createdAt, pid, startTime } = saidIn(place)
  if (pid !== undefined) {
    if (!isAlive(pid)) return `its holder (pid ${pid}) is gone`
    const began = startTimeOf(pid)
    const isAnother = startTime !== undefined && began !== undefined && began !== startTime
    return isAnother ? `its holder is gone, and pid ${pid} is another process by now` : undefined
  }
  if (createdAt !== undefined) return now - createdAt > staleMillis ? "whoever held it is gone" : undefined
  // It may have been made this moment, and be written in the next.
  return ageMillis > staleMillis ? "it names no holder: its owner waits for it for ever" : undefined
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

const ageOf = ({ mtimeMs }: fs.Stats, now: number): number => Math.max(0, now - mtimeMs)

const problemOf = (lock: LockFile, place: string, stats: fs.Stats, now: number): string | undefined => {
  const ageMillis = ageOf(stats, now)
  const inTheWay = obstruction(lock.kind, stats)
  if (inTheWay !== undefined) return `${inTheWay}: it blocks for ever`
  if (lock.kind === "folder" && fs.readdirSync(place).length > 0)
    return "it is not empty: its owner can never remove it"
  if (lock.byPid) return problemOfNamed(place, lock.staleMillis, ageMillis, now)
  return ageMillis > lock.staleMillis ? "whoever held it is gone" : undefined
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
          return [{ place, ageMillis: ageOf(stats, now), problem: problemOf(lock, place, stats, now) }]
        } catch {
          // Released in between.
          return []
        }
      }),
  )

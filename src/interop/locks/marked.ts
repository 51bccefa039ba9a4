/**
 * A lock that is a thing in a folder, held by whoever made it, and shown to be alive by its time of change.
 *
 * **Invariants**
 *
 * - It is ours only while the very thing that we made is there with the very time that we gave it. The thing is kept open,
 *   so that its number is not given to another meanwhile, and it is touched through that, never by its name.
 * - Nothing is removed that is not ours.
 */
import * as fs from "node:fs"
import type { LockPlan } from "../ForeignStore.ts"
import { obstruction } from "../foreignLocks.ts"
import { type Attempt, held, type Lock } from "./Lock.ts"
import { blocked } from "./LockTrouble.ts"

export const look = (place: string): fs.BigIntStats | undefined =>
  fs.lstatSync(place, { bigint: true, throwIfNoEntry: false })

export const isSame = (one: fs.BigIntStats | undefined, other: fs.BigIntStats): boolean =>
  one !== undefined && one.ino === other.ino && one.dev === other.dev && one.mtimeNs === other.mtimeNs

/** Negative where a clock is wrong, or where its holder set a time to come, as proper-lockfile does. */
const ageOf = (stats: fs.BigIntStats, now: number): number => now - Number(stats.mtimeNs / 1_000_000n)

/** proper-lockfile's rule: older by more than that, and by the time of whoever asks. */
const isStale = (ageMillis: number, { staleMillis }: LockPlan): boolean =>
  staleMillis !== undefined && ageMillis > staleMillis

/** Contenders of the least patient version, of whose patience a heartbeat is a third. */
const patience = ({ heartbeatMillis }: LockPlan): number =>
  heartbeatMillis === undefined ? Infinity : 3 * heartbeatMillis

/**
 * What was made a moment ago. `file` has it open, where the system can; `remove` takes it away. `isIntact` is what
 * else tells that it is ours. `undefined`: it is gone already.
 */
export const own = (
  plan: LockPlan,
  file: number | undefined,
  now: number,
  { isIntact = () => true, remove }: { readonly isIntact?: () => boolean; readonly remove: () => void },
): Lock | undefined => {
  const { place } = plan
  const touch = (at: number): fs.BigIntStats | undefined => {
    if (file === undefined) fs.utimesSync(place, at / 1000, at / 1000)
    else fs.futimesSync(file, at / 1000, at / 1000)
    return file === undefined ? look(place) : fs.fstatSync(file, { bigint: true })
  }
  let mark = touch(now)
  let aliveAt = now
  const isThere = (): boolean => mark !== undefined && isSame(look(place), mark) && isIntact()
  if (!isThere()) {
    if (file !== undefined) fs.closeSync(file)
    return undefined
  }
  return {
    isOurs: (now) => now - aliveAt < patience(plan) && isThere(),
    beat: (now) => {
      if (!isThere()) return
      mark = touch(now)
      aliveAt = now
    },
    release: () => {
      try {
        if (isThere()) remove()
      } catch {
        // It ends by its age.
      } finally {
        if (file !== undefined) fs.closeSync(file)
      }
    },
  }
}

/** How a thing of one kind is made, and how a dead one is put aside. */
interface Ways {
  /** `undefined`: one is there. */
  readonly make: (plan: LockPlan, now: number, isTakenOver: boolean) => Attempt | undefined
  /** Whether the one that was `seen` is out of the way. */
  readonly putAside: (place: string, seen: fs.BigIntStats) => boolean
}

/** One try: a lock that is there is taken over by its owner's own rule, and no sooner. */
export const attemptBy =
  (kind: "file" | "folder", { make, putAside }: Ways) =>
  (plan: LockPlan, now: number): Attempt => {
    const { place } = plan
    const made = make(plan, now, false)
    if (made !== undefined) return made
    const seen = look(place)
    if (seen === undefined) return held()
    const problem = obstruction(kind, seen)
    if (problem !== undefined) throw blocked(place, problem)
    const ageMillis = Math.max(0, ageOf(seen, now))
    if (!isStale(ageMillis, plan) || !putAside(place, seen)) return held({ ageMillis })
    return make(plan, now, true) ?? held()
  }

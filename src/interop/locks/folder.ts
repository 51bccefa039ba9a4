/**
 * The lock of proper-lockfile 4.1.2: an empty folder, whose time of change its holder renews.
 *
 * **Gotchas**
 *
 * - Nothing is ever put into the folder: nobody could take it over any more.
 * - To take one over is to remove and to make a folder, and between two who do that at once the one may remove what the
 *   other has just made. So whoever did that looks again a little later, before it counts.
 */
import * as fs from "node:fs"
import type { LockPlan } from "../ForeignStore.ts"
import { type Attempt, codeOf, held, taken } from "./Lock.ts"
import { blocked } from "./LockTrouble.ts"
import { attemptBy, isSame, look, own } from "./marked.ts"

/** A folder can be kept open, but on Windows, where nobody could remove it meanwhile. */
const openFolder = (place: string): number | undefined =>
  process.platform === "win32"
    ? undefined
    : fs.openSync(place, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW)

const make = (plan: LockPlan, now: number, isTakenOver: boolean): Attempt | undefined => {
  const { place } = plan
  try {
    fs.mkdirSync(place)
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined
    throw error
  }
  try {
    const lock = own(plan, openFolder(place), now, { remove: () => fs.rmdirSync(place) })
    return lock === undefined ? held() : taken(lock, isTakenOver)
  } catch (error) {
    // Another took it for the one that it was about to take over.
    if (codeOf(error) === "ENOENT") return held()
    throw error
  }
}

/** Whether the lock that was `seen` is out of the way. */
const putAside = (place: string, seen: fs.BigIntStats): boolean => {
  if (!isSame(look(place), seen)) return false
  try {
    fs.rmdirSync(place)
  } catch (error) {
    if (codeOf(error) === "ENOTEMPTY") throw blocked(place, "it is not empty, so that its owner can never remove it")
    if (codeOf(error) !== "ENOENT") throw error
  }
  return true
}

export const attempt = attemptBy("folder", { make, putAside })

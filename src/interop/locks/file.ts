/**
 * The lock of Qwen Code: a file that is created exclusively and holds its holder's own id. One that is left over is
 * renamed and removed.
 *
 * Any process of Qwen Code that ends removes the lock, whoever holds it: then it is no longer ours, and says so.
 */
import * as Crypto from "node:crypto"
import * as fs from "node:fs"
import type { LockPlan } from "../ForeignStore.ts"
import { type Attempt, codeOf, held, taken } from "./Lock.ts"
import { attemptBy, isSame, look, own } from "./marked.ts"

const contentOf = (place: string): string | undefined => {
  try {
    return fs.readFileSync(place, "utf8")
  } catch {
    return undefined
  }
}

const make = (plan: LockPlan, now: number, isTakenOver: boolean): Attempt | undefined => {
  const { place } = plan
  let file: number
  try {
    file = fs.openSync(place, "wx", plan.mode ?? 0o600)
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined
    throw error
  }
  const id = Crypto.randomUUID()
  fs.writeSync(file, id)
  const lock = own(plan, file, now, { isIntact: () => contentOf(place) === id, remove: () => fs.unlinkSync(place) })
  return lock === undefined ? held() : taken(lock, isTakenOver)
}

/** Whether the lock that was `seen` is out of the way. */
const putAside = (place: string, seen: fs.BigIntStats): boolean => {
  const aside = `${place}.stale.${Crypto.randomUUID()}`
  try {
    fs.renameSync(place, aside)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true
    throw error
  }
  const isDead = isSame(look(aside), seen)
  try {
    // Somebody was faster, and this is the new holder's: back with it, unless there is another by now.
    if (!isDead) fs.linkSync(aside, place)
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
  } finally {
    fs.unlinkSync(aside)
  }
  return isDead
}

export const attempt = attemptBy("file", { make, putAside })

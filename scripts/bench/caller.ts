/**
 * One of the processes of `expiry.ts`: `node caller.ts HOME NAME CALLS`. It refreshes only when it is asked, so that
 * nobody is done before the start signal.
 */
import { setTimeout } from "node:timers/promises"
import { openKeeper } from "../../src/promise.ts"
import { type Answered, sharedClock, type Told } from "./expiry.ts"

const [home = "", name = "", calls = ""] = process.argv.slice(2)
const keeper = await openKeeper({ home, background: false })
const credential = keeper.credential(name)

const carryOut = async (told: Told): Promise<Answered> => {
  if (told === "prepare") {
    // Until the news has come that the token of the last round is over.
    while (credential.peek() !== undefined) await setTimeout(2)
    return "ready"
  }
  const tokens = await Promise.all(Array.from({ length: Number(calls) }, () => credential.token()))
  return { tokens, lastAt: sharedClock() }
}

process.on("message", async (told) => process.send!(await carryOut(told as Told)))
process.on("disconnect", () => keeper.close())

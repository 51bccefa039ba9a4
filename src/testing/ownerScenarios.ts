/**
 * Logins that stand in another program's file too: a Keeper or two beside that program, by each of its habits and in each
 * mode. Part of `scenarios.ts`.
 */
import { ReuseClass } from "../lifecycle/Credential.ts"
import type { Habit } from "./ownerProgram.ts"
import { alike, type Fault, type Scenario, scenario } from "./Scenario.ts"

const habits: ReadonlyArray<Habit> = ["lock", "commit", "none"]

const words: Readonly<Record<Habit, string>> = {
  lock: "an owner that holds its lock over reading, asking and writing",
  commit: "an owner that asks first, and locks to write",
  none: "an owner that takes no lock and writes its whole file back",
}

/** What can happen to either program's refresh, and to the file. */
const ordinary: ReadonlyArray<Fault> = [
  "crash",
  "lostRequest",
  "lostAnswer",
  "busyBefore",
  "busyAfter",
  "fileTorn",
  "fileStuck",
]

const few: ReadonlyArray<Fault> = ["crash", "lostAnswer", "fileTorn"]

/** What people do there, and disks. */
const people: ReadonlyArray<Fault> = ["ownerSignIn", "ownerSignOut", "revoke", "crash", "fileTorn", "storeFails"]

const beside = (
  name: string,
  about: string,
  habit: Habit,
  over: Partial<Scenario> & { readonly mode?: "borrow"; readonly reuse?: ReuseClass } = {},
): Scenario => {
  const { mode = "co-own", reuse = "strict", ...rest } = over
  const isJwt = habit === "commit"
  return scenario({
    name,
    about,
    processes: alike(1, "token"),
    owner: { habit, mode, calls: [1] },
    // ChatGPT's access tokens say themselves when they end, and Codex looks nowhere else.
    server: { reuse, graceMillis: 60_000, ...(isJwt && { accessTokens: "jwt" }) },
    faults: ordinary,
    restart: 1,
    // What a fiber knows in the middle of reading, asking and writing is in no machine's state.
    memory: "history",
    ...rest,
  })
}

const twoFaults = { faults: 2, stalls: 0 }
const oneFault = { faults: 1, stalls: 0 }
const faultAndStall = { faults: 1, stalls: 1 }

export const ownerScenarios: ReadonlyArray<Scenario> = [
  ...ReuseClass.literals.map((reuse) =>
    beside(`co-own/lock/${reuse}`, `at the token's end, ${words.lock}`, "lock", {
      reuse,
      bounds: twoFaults,
      faults: reuse === "strict" ? ["crash", "lostAnswer", "busyAfter", "fileStuck"] : few,
    }),
  ),
  ...habits.flatMap((habit) => [
    beside(`co-own/${habit}/stall`, `${words[habit]}, anybody paused once`, habit, {
      faults: habit === "lock" ? few : ["lostAnswer", "fileTorn"],
      bounds: faultAndStall,
    }),
    beside(`co-own/${habit}/people`, `somebody signs in or out there: ${words[habit]}`, habit, {
      faults: habit === "lock" ? ["ownerSignIn", "ownerSignOut", "revoke", "crash"] : people,
      bounds: habit === "lock" ? twoFaults : oneFault,
    }),
    beside(`borrow/${habit}`, `only read: the login of ${words[habit]}`, habit, {
      mode: "borrow",
      faults: [...people, "fileStuck", "lostAnswer"],
      bounds: twoFaults,
    }),
  ]),
  ...(["lock", "commit"] as const).map((habit) =>
    beside(`co-own/${habit}/two`, `two processes of ours beside ${words[habit]}`, habit, {
      processes: alike(2, "token"),
      faults: few,
      bounds: oneFault,
    }),
  ),
  ...(["commit", "none"] as const).map((habit) =>
    beside(`co-own/${habit}/ahead`, `six minutes before the token's end, before its time: ${words[habit]}`, habit, {
      token: "inWindow",
      bounds: twoFaults,
    }),
  ),
]

/** With no time for them in continuous integration. */
export const deepOwnerScenarios: ReadonlyArray<Scenario> = [
  ...habits.map((habit) =>
    beside(`deep-co-own/${habit}/two`, `two processes of ours beside ${words[habit]}`, habit, {
      processes: alike(2, "token"),
      bounds: twoFaults,
    }),
  ),
  ...habits.map((habit) =>
    beside(`deep-co-own/${habit}/stall`, `${words[habit]}, anybody paused once`, habit, {
      bounds: { faults: 2, stalls: 1 },
    }),
  ),
]

/** Bugs of programs that keep a login together with its owner, in the places of the parts that know of the owner's file. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { TokenEndpoint } from "../../src/exchange/TokenEndpoint.ts"
import type { ForeignText } from "../../src/interop/foreignText.ts"
import { see } from "../../src/interop/sight.ts"
import * as Change from "../../src/lifecycle/Change.ts"
import type { Credential } from "../../src/lifecycle/Credential.ts"
import type { Habit } from "../../src/testing/ownerProgram.ts"
import type { Parts } from "../../src/testing/Parts.ts"
import { alike, type Scenario } from "../../src/testing/Scenario.ts"
import type { Process } from "../../src/testing/Simulation.ts"
import { type Mutant, mutant } from "./mutant.ts"

const beside = (habit: Habit, over: Partial<Scenario> = {}): Pick<Scenario, "processes"> & Partial<Scenario> => ({
  processes: alike(1, "token"),
  owner: { habit, mode: "co-own", calls: [1] },
  ...over,
})

const oneFault = { faults: 1, stalls: 0 }

/** What stands in the file is dealt with in another way. */
const opening = (
  open: (text: ForeignText, again: Effect.Effect<ForeignText, { message: string }>) => ForeignText,
): Partial<Parts> => ({
  disk: (disk) => ({
    ...disk,
    open: (...where) => Effect.map(disk.open(...where), (text) => open(text, disk.open(...where))),
  }),
})

/** The file as it was before the lock was taken. */
const readBefore: Parts["disk"] = (disk) => {
  let before: ForeignText | undefined
  let where: Parameters<typeof disk.open> | undefined
  return {
    ...disk,
    spotOf: (place, key) =>
      Effect.tap(disk.spotOf(place, key), (spot) => {
        where = [{} as never, spot]
        return Effect.void
      }),
    lock: (plans, options) =>
      Effect.flatMap(Effect.orDie(disk.open(...where!)), (text) =>
        Effect.tap(disk.lock(plans, options), () => Effect.sync(() => (before = text))),
      ),
    open: (...place) =>
      Effect.suspend(() => {
        const text = before
        before = undefined
        return text === undefined ? disk.open(...place) : Effect.succeed(text)
      }),
  }
}

/** Who has been granted something that is not in the file yet. */
const writing = new WeakMap<Process, boolean>()

const afterwards: Partial<Parts> = {
  disk: (disk, process) => ({
    ...disk,
    open: (...where) =>
      Effect.map(disk.open(...where), (text) => ({
        ...text,
        replace: (next) => (writing.get(process) === false ? Effect.void : text.replace(next)),
      })),
  }),
  owners: (owners, process) => ({
    ...owners,
    exchange: Effect.fnUntraced(function* (credential, deadlineMillis, present) {
      writing.set(process, false)
      const outcome = yield* owners.exchange(credential, deadlineMillis, present)
      writing.set(process, true)
      if (outcome._tag !== "Rotated") return outcome
      const { forced, generation, seed } = credential
      const commit = { _tag: "Commit", generation, seed, tokens: outcome.tokens, forced } as const
      yield* owners.catchUp(Change.apply(credential, generation, commit)!)
      return outcome
    }),
  }),
}

const endpoints = new WeakMap<Process, TokenEndpoint["Service"]>()

/** With the refresh token out of the owner's file. */
const asOwner: Partial<Parts> = {
  endpoint: (endpoint, process) => {
    endpoints.set(process, endpoint)
    return endpoint
  },
  owners: (owners, process) => ({
    ...owners,
    exchange: (credential, deadlineMillis, present) =>
      Effect.flatMap(see(credential), (seen) =>
        seen._tag === "Tokens"
          ? endpoints.get(process)!.exchange({ ...credential, tokens: seen.tokens }, deadlineMillis)
          : owners.exchange(credential, deadlineMillis, present),
      ),
  }),
}

const withoutNotes = (text: string): string =>
  `${JSON.stringify(JSON.parse(text), (name, value) => (name === "note" ? undefined : value), 2)}\n`

const forgetting = (record: Credential | undefined): Credential | undefined => {
  if (record?.foreign?.earlier === undefined) return record
  const { earlier: _, ...foreign } = record.foreign
  return { ...record, foreign }
}

export const ownerMutants: ReadonlyArray<Mutant> = [
  mutant(
    "the owner's file is read before its lock",
    "The file is read, and then the lock is waited for under which it should have been read.",
    { disk: readBefore },
    "I1 presented at most once",
    beside("lock"),
  ),
  mutant(
    "without the owner's lock",
    "The file is read again before the refresh, and nobody keeps its owner from asking at the same time.",
    { disk: (disk) => ({ ...disk, lock: () => Effect.succeed({ stillOurs: Effect.succeed(true) }) }) },
    "the owner stays signed in",
    beside("lock"),
  ),
  mutant(
    "the owner's lock is let go before the request",
    "The lock is held for the reading and for the writing, and not for the request in between.",
    { disk: (disk) => ({ ...disk, lock: (plans, options) => Effect.scoped(disk.lock(plans, options)) }) },
    "the owner stays signed in",
    beside("lock"),
  ),
  mutant(
    "the file is written after its lock was let go",
    "The owner's lock is given back with the answer, and then the answer is written into the file.",
    afterwards,
    "the owner stays signed in",
    beside("lock"),
  ),
  mutant(
    "no rehearsal of the write",
    "Whether the owner's file can be written is found out when there is something to write.",
    opening((text) => ({ ...text, probe: Effect.void })),
    "the owner stays signed in",
    beside("lock", { faults: ["fileStuck"], bounds: oneFault }),
  ),
  mutant(
    "the file is written over whatever is there",
    "What the owner has written since the file was read is lost.",
    opening((text, again) => ({ ...text, replace: (next) => Effect.flatMap(again, ({ replace }) => replace(next)) })),
    "I3 nothing older replaces",
    beside("none", { token: "inWindow", faults: ["ownerSignIn"], bounds: oneFault }),
  ),
  mutant(
    "what was before is forgotten",
    "Nothing tells a file that has fallen behind from one with another login, so that it is never written again.",
    { apply: (current, newest, change) => forgetting(Change.apply(current, newest, change)) },
    "file and store agree in the end",
    beside("lock", {
      owner: { habit: "lock", mode: "co-own", calls: [] },
      faults: ["crash"],
      bounds: oneFault,
      restart: 1,
    }),
  ),
  mutant(
    "a borrowed token is presented",
    "The owner has not refreshed its login, so it is done for it.",
    asOwner,
    "borrowed is not presented",
    beside("lock", { owner: { habit: "lock", mode: "borrow", calls: [1] } }),
  ),
  mutant(
    "the owner's file is written in a form of one's own",
    "The file is read into what is known of it, and written from that.",
    opening((text) => ({
      ...text,
      replace: (next) => text.replace(Redacted.make(withoutNotes(Redacted.value(next)))),
    })),
    "the rest of the file stays",
    beside("lock"),
  ),
]

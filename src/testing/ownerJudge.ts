/**
 * What two programs do to one login, judged: ours, and the owner of the file in which it stands. For the rest see
 * `worldJudge.ts`.
 *
 * Some losses are nobody's fault here, and are written down as excuses: an owner that takes no lock before it asks may ask in
 * the same moment as anybody else; what a process takes along that is killed between a grant and the file, nobody can bring
 * back; and an owner that drops its login may drop the newest token with it.
 */
import * as Redacted from "effect/Redacted"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import { epilogueName } from "./worldNames.ts"
import type { Call, Member } from "./WorldProcesses.ts"

/** A process has read the owner's file, whole. */
export const hasRead = ({ file, sim, store }: World, member: Member): void => {
  sim.read |= Sim.Store
  sim.wrote |= Sim.Ghost
  const refreshToken = file!.login?.refreshToken
  const stored = store.stored?.tokens.refreshToken && Redacted.value(store.stored.tokens.refreshToken)
  member.hasRead = {
    refreshToken,
    isLate: file!.ageOf(stored) > file!.ageOf(refreshToken),
    isStuck: file!.isStuck,
  }
}

/**
 * A refresh token of the shared login leaves a process. Answers whether this breaks no rule whatever was presented before: an
 * owner that takes no lock before it asks may ask in the same moment as anybody else, and one that has signed out has no use
 * for what it was granted.
 */
export const beside = (world: World, { hasRead: seen, process }: Member, token: string): boolean => {
  const { file, monitor, scenario } = world
  if (file === undefined) return false
  const who = `${process.name} presents ${token}`
  if (scenario.owner!.mode === "borrow" && !process.isOwner) {
    monitor.fail("borrowed is not presented", `${who}, which is only borrowed`)
  }
  if (!process.isOwner && file.ageOf(seen?.refreshToken) > file.ageOf(token)) {
    monitor.fail("I1 presented at most once", `${who}, and has read ${seen?.refreshToken} in the owner's file`)
  }
  if (!process.isOwner && seen?.isStuck === true && file.isStuck) {
    monitor.fail("the owner stays signed in", `${who}, whose successor the owner's file would not take`)
  }
  if (process.isOwner && seen?.isLate === true && monitor.excuse === undefined) {
    monitor.fail("the owner stays signed in", `${who}, in whose place something newer was stored and not written`)
  }
  const others = monitor.presentations.get(monitor.nameOf(token, 0)) ?? []
  const isRace =
    file.habit !== "lock" &&
    world.server.policy.reuse !== "notRotating" &&
    others.some(({ outcome, process: { isOwner } }) => isOwner !== process.isOwner && outcome !== "harmless")
  if (isRace) {
    world.count("ownersRace")
    monitor.excuse ??= "the owner takes no lock before it asks, and asked at the same time"
  }
  // What the owner was granted last went with its login, and there is nobody whom a second presentation could harm.
  const isDropped = !process.isOwner && seen !== undefined && seen.refreshToken === undefined
  if (isDropped) {
    world.count("ownersDrop")
    monitor.excuse ??= "the owner has signed out, perhaps with a newer token than ours"
  }
  return isRace || isDropped
}

/** `text` is about to take the place of what stands in the owner's file. */
export const overwritten = ({ file, monitor }: World, process: Sim.Process, text: string): void => {
  const { form } = file!
  const [before, after] = [file!.login, form.login(text)]
  const isOlder = file!.ageOf(before?.refreshToken) > file!.ageOf(after?.refreshToken)
  if (isOlder && (!process.isOwner || file!.habit === "lock")) {
    const what = after === undefined ? "nothing" : after.refreshToken
    monitor.fail(
      "I3 nothing older replaces",
      `${process.name} writes ${what} over ${before?.refreshToken} in the owner's file`,
    )
  }
  if (isOlder) monitor.excuse ??= "the owner has written its file back as it had read it"
  if (!process.isOwner && before === undefined && after !== undefined) {
    monitor.fail("the rest of the file stays", `${process.name} signs the owner in, who had signed out`)
  }
  if (!process.isOwner && form.rest(text) !== form.rest(file!.text)) {
    monitor.fail("the rest of the file stays", `${process.name} changes more of the owner's file than the tokens`)
  }
  for (const rotation of monitor.rotations) {
    if (rotation.accessToken === after?.accessToken && process.isOwner) monitor.dropped(rotation)
  }
}

/** The file did not take it. Where it had been asked before whether it would, that is nobody's fault. */
export const notWritten = (world: World, process: Sim.Process): void => {
  const { monitor } = world
  monitor.excuse ??= "the owner's file could not be written when the answer was there"
  if (process.isOwner) lostByOwner(world, process)
}

/** Nobody will hear of what the owner was granted. */
const lostByOwner = ({ monitor }: World, process: Sim.Process): void => {
  monitor.excuse ??= "the owner did not write what it was granted"
  for (const rotation of monitor.rotations) if (rotation.holder === process) monitor.dropped(rotation)
  for (const all of monitor.presentations.values()) {
    for (const presentation of all) if (presentation.process === process) monitor.forgotten(presentation)
  }
}

/** A process is about to be killed that may have been granted what is not in the file yet. */
export const killed = ({ file, monitor }: World, process: Sim.Process): void => {
  if (file === undefined) return
  for (const presentation of monitor.presentations.get(monitor.nameOf(file.login?.refreshToken ?? "", 0)) ?? []) {
    if (presentation.process === process && presentation.outcome === "told") {
      monitor.excuse ??= `${process.name} was killed before it could write what it was granted`
    }
  }
}

/** A call of the owner's own has ended. */
export const ownerAnswered = (world: World, process: Sim.Process, { done }: Call): void => {
  const { monitor } = world
  if (monitor.rotations.some(({ holder }) => holder === process)) lostByOwner(world, process)
  if (done?.startsWith("SignedOut") && monitor.excuse === undefined) {
    monitor.fail("the owner stays signed in", `${process.name} is told to sign in again, and no fault explains it`)
  }
}

/** Once we have had a token after everything, and are done with it, both have the same. */
export const agree = ({ file, monitor, processes, store }: World): void => {
  const last = processes.members.find(({ process }) => process.name === epilogueName)?.calls[0]?.done
  if (file === undefined || store.stored === undefined || last === undefined || last.includes(" ")) return
  const [here, there] = [Redacted.value(store.stored.tokens.accessToken), file.login?.accessToken]
  // An owner that has signed out has none, and we go on alone.
  if (there !== undefined && here !== there) {
    monitor.fail("file and store agree in the end", `the store has ${here}, and the owner's file ${there}`)
  }
}

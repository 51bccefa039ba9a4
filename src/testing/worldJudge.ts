/**
 * Where the invariants are judged that need a look at more than presentations and rotations: at the store, the server,
 * and what a caller was told. `Monitor` keeps the books; here somebody who sees the whole world passes judgement.
 *
 * What a judge looks at counts as read by the step: see `Monitor`.
 */
import * as Redacted from "effect/Redacted"
import type { Change } from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import { usableUntil } from "../lifecycle/freshness.ts"
import { longestHesitationMillis } from "../lifecycle/rules.ts"
import type { Rotation, Scene } from "./Monitor.ts"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import { type Call, epilogueName, type Member } from "./WorldProcesses.ts"

/** What every Keeper here is given for one exchange, and what the absence of an answer is measured by. */
export const exchangeDeadlineMillis = 20_000

/** As `process` can know it: whether a token has ended is told by its own clock. */
export const scene = ({ badToken, server, sim, store }: World, process: Sim.Process): Scene => {
  sim.read |= Sim.Store | Sim.Server | Sim.Time | Sim.Ghost
  const { stored } = store
  const token = stored && Redacted.value(stored.tokens.accessToken)
  return {
    now: sim.now,
    deadlineMillis: exchangeDeadlineMillis,
    drainMillis: exchangeDeadlineMillis,
    reuse: server.policy.reuse,
    graceMillis: server.policy.graceMillis,
    storedTokenWorks:
      stored !== undefined &&
      token !== badToken &&
      sim.now + process.skewMillis < usableUntil(stored.tokens) &&
      server.works(token!, sim.now),
  }
}

// ---------------------------------------------------------------------- what is written

/** Before anybody reads an answer it is on the disk, or a process that dies then takes it along. */
const writtenDown = ({ faulted, monitor, store }: World, process: Sim.Process, token: string): void => {
  // Where somebody else has presented the token again, the ticket is his.
  if (store.stored?.ticket?.holder.instance !== process.name) return
  const isOnlyInMemory = monitor.rotations.some(
    ({ accessToken, fate, holder, offered }) =>
      accessToken === token && fate === "delivered" && holder === process && !offered,
  )
  if (isOnlyInMemory && faulted.storeFails === undefined) {
    monitor.fail("I4 what was granted is stored", `${process.name} reads ${token} before the answer is written down`)
  }
}

/** Who may write what, said once more without `apply`: only what is known of the stored generation, and that always. */
export const changed = (world: World, process: Sim.Process, change: Change, next: Credential | undefined): void => {
  if (change._tag !== "Commit" && change._tag !== "Condemn") return
  const { monitor, store } = world
  const before = store.stored
  const stored = before?.generation
  // What is kept beside newer tokens does not replace them.
  const tokenOf = (record: Credential | undefined) => record && Redacted.value(record.tokens.accessToken)
  const isBeside = next?.alternates !== undefined && tokenOf(next) === tokenOf(before) && next.verdict === undefined
  const applied = next !== undefined && !isBeside
  if (applied && stored !== change.generation) {
    monitor.fail(
      "I3 nothing older replaces",
      `${process.name} writes what it knows of generation ${change.generation} over generation ${stored}`,
    )
  }
  if (change._tag === "Commit" && applied) writtenDown(world, process, Redacted.value(change.tokens.accessToken))
  if (!applied && change._tag === "Commit" && stored === change.generation) {
    const token = Redacted.value(change.tokens.accessToken)
    monitor.fail("I4 what was granted is stored", `${process.name} may not store ${token}, and nothing newer is stored`)
  }
}

/** The right to refresh was won: `next` is about to be stored. */
export const claimed = (world: World, process: Sim.Process, next: Credential): void => {
  const { monitor, sim, store } = world
  const { refreshToken } = next.tokens
  needed(world, process, next)
  if (refreshToken === undefined) return
  const token = Redacted.value(refreshToken)
  const pause = store.stored?.pause
  if (pause !== undefined && sim.now + process.skewMillis < pause.until) {
    monitor.fail("no refresh without need", `${process.name} claims ${token} although everybody has been told to wait`)
  }
  // Won so long after it was asked for, it is given back unused.
  if (sim.now + process.skewMillis - (next.ticket?.issuedAt ?? 0) > longestHesitationMillis) return
  // Whatever the record says: it is a second time for a token that somebody has presented.
  const first = next.ticket?.first?.issuedAt ?? monitor.inDoubtSince(token, next.generation)
  if (first !== undefined) monitor.claimedAgain(process, token, first, scene(world, process))
}

/**
 * A1, I6: the right to spend a refresh token is taken only when a refresh is due, or on a token that a resource server
 * has refused. Judged where it is decided: what happens between this and the request nobody can prevent.
 */
const needed = ({ badToken, monitor, sim, store }: World, process: Sim.Process, { tokens }: Credential): void => {
  const { accessToken, expiry, refreshAt = Infinity } = tokens
  if (expiry._tag !== "Known") return
  const lifetime = expiry.lifetimeMillis ?? 0
  const ahead = store.stored?.foreign === undefined ? 0 : expiry.at - refreshAt
  // Where the owner asks soon, we ask sooner.
  const due = sim.now + process.skewMillis >= expiry.at - Math.max(lifetime * 0.2, 70_000, ahead)
  const token = Redacted.value(accessToken)
  if (due || token === badToken) return
  const left = (expiry.at - sim.now) / 1000
  // Whoever spends one too many where a token was refused was made to by that refusal.
  const invariant = badToken === undefined ? "no refresh without need" : "I6 one forced refresh"
  monitor.fail(invariant, `${process.name} refreshes ${token}, good for ${left} s, that nobody refused`)
}

/** `next` is about to take the place of what is stored. */
export const written = (
  { monitor, processes, server, sim, store }: World,
  process: Sim.Process,
  next: Credential,
): void => {
  const before = store.stored
  const refresh = next.tokens.refreshToken && Redacted.value(next.tokens.refreshToken)
  const refreshBefore = before?.tokens.refreshToken && Redacted.value(before.tokens.refreshToken)
  const isGood = (token: string | undefined): boolean => token !== undefined && server.accepts(token, sim.now)
  const isOther =
    before !== undefined && Redacted.value(before.tokens.accessToken) !== Redacted.value(next.tokens.accessToken)
  if (before !== undefined && next.generation < before.generation) {
    monitor.fail(
      "I2 generations grow",
      `${process.name} stores generation ${next.generation} over ${before.generation}`,
    )
  }
  if (isOther && next.generation === before.generation) {
    monitor.fail("I2 generations grow", `${process.name} stores other tokens under generation ${next.generation}`)
  }
  const isExcused = monitor.excuse !== undefined || monitor.tokenExcuse !== undefined
  if (isOther && !isExcused && refresh !== undefined && !isGood(refresh) && isGood(refreshBefore)) {
    monitor.fail(
      "I3 nothing older replaces",
      `${process.name} replaces a refresh token that is good by one that is not`,
    )
  }
  if (refreshBefore !== undefined && refresh === undefined) {
    monitor.fail("I3 nothing older replaces", `${process.name} deletes the refresh token`)
  }
  if (next.verdict === undefined || before?.verdict !== undefined) return
  const { reason } = next.verdict
  // As it was when this process looked.
  if (reason === "signedOut" && processes.members[process.index]?.hasRead?.refreshToken === undefined) return
  if (reason !== "lostInRotation") {
    if (isGood(refresh)) {
      monitor.fail(
        "I8 no false death",
        `${process.name} declares ${refresh} dead (${reason}), and the server would take it`,
      )
    }
    return
  }
  const isTold = monitor.presentations
    .get(monitor.nameOf(refresh!, next.generation))
    ?.some(({ outcome }) => outcome === "dead")
  if (before?.ticket?.attempt !== 2 && !isTold) {
    monitor.fail("I8 no false death", `${process.name} gives up a rotation that was not tried a second time`)
  }
  monitor.excuse ??= "two presentations went unanswered, and there is never a third"
}

// ---------------------------------------------------------------------- what callers are told

/** A process or the journal has the answer, and nobody has made a generation of it. */
const isInHand = (fate: Rotation["fate"]): boolean => fate === "delivered" || fate === "journaled"

/** A caller gets a token. */
export const served = (world: World, process: Sim.Process, call: Call, token: string): void => {
  const { badToken, faulted, monitor, server, sim } = world
  if (token === call.refused) {
    monitor.fail("the token works", `${process.name} gives back ${token}, which was just refused`)
  }
  // That a resource server refuses a token is known to those who were told.
  const unknown = token === badToken && call.refused === undefined
  // When a token ends is known by the clock of the host that fetched it, and no better.
  const skewMillis = Math.max(0, ...world.scenario.processes.map((process) => process.skewMillis ?? 0))
  const isExcused = monitor.excuse !== undefined || monitor.tokenExcuse !== undefined
  if (!unknown && !server.works(token, sim.now - skewMillis) && !isExcused) {
    monitor.fail("the token works", `${process.name} hands out ${token}, which no resource server accepts`)
  }
  const isHeld = monitor.rotations.some(({ accessToken, fate }) => accessToken === token && isInHand(fate))
  if (isHeld && faulted.storeFails === undefined) {
    monitor.fail("I4 what was granted is stored", `${process.name} hands out ${token} before it is stored`)
  }
}

/** A caller gets an error. */
export const turnedAway = (
  world: World,
  process: Sim.Process,
  call: Call,
  error: { readonly _tag: string; readonly message: string },
): void => {
  const { faulted, file, monitor, server, sim, store } = world
  const { stored } = store
  noSecret(world, process, error.message)
  const token = stored && Redacted.value(stored.tokens.accessToken)
  // What the store holds while it cannot be read, nobody can know.
  if (store.isDown || (error._tag === "StoreUnavailable" && faulted.storeFails !== undefined)) return
  if (stored !== undefined && token !== call.refused && scene(world, process).storedTokenWorks) {
    monitor.fail(
      "I5 no error while a token works",
      `${process.name} says ${error._tag} although the store has ${token}, which works`,
    )
  }
  const inFile = file === undefined || file.text !== call.fileThen ? undefined : file.login
  // What its owner takes for a token that works is one for us too.
  if (inFile !== undefined && sim.now + process.skewMillis + 10_000 < inFile.expiresAt && stored !== undefined) {
    if (server.works(inFile.accessToken, sim.now) && inFile.accessToken !== call.refused) {
      monitor.fail(
        "I5 no error while a token works",
        `${process.name} says ${error._tag} although the owner's file has ${inFile.accessToken}, which works`,
      )
    }
  }
  const refresh = stored?.tokens.refreshToken && Redacted.value(stored.tokens.refreshToken)
  const isLogin = error._tag === "SignInRequired" && refresh !== undefined
  if (isLogin && server.accepts(refresh, sim.now) && monitor.excuse === undefined) {
    monitor.fail("I8 no false death", `${process.name} asks for a new login although the stored ${refresh} is good`)
  }
}

/** Something is said to a person. */
export const noSecret = ({ monitor, server }: World, process: Sim.Process, text: string): void => {
  for (const secret of server.secrets()) {
    if (text.includes(secret)) monitor.fail("I10 no secret", `${process.name} says a secret to a person`)
  }
}

// ---------------------------------------------------------------------- what two programs do to one login

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
 * A refresh token of the shared login leaves a process. Answers whether this is a race of which no rule is broken: an owner
 * that takes no lock before it asks may ask in the same moment as anybody else.
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
  return isRace
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
  if (here !== there) {
    monitor.fail("file and store agree in the end", `the store has ${here}, and the owner's file ${there ?? "nothing"}`)
  }
}

/** The epilogue's question was answered: is the login still there? */
export const lastWord = ({ monitor, store }: World, { done }: Call): void => {
  if (monitor.excuse !== undefined) return
  if (done?.startsWith("SignInRequired")) {
    monitor.fail("the session is kept", `afterwards a login is needed (${done}), and no fault explains it`)
  }
  if (done?.startsWith("TemporarilyUnavailable") && store.stored?.pause === undefined) {
    monitor.fail("I9 every waiter ends", "afterwards, with everything working again, there is still no token")
  }
}

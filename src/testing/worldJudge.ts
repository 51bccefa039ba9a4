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
import type { Call } from "./WorldProcesses.ts"

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

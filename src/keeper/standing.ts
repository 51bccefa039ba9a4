/** Where a credential stands, in the words of its machine: for callers, for `status`, and for the interpreter. */
import type { Credential } from "../lifecycle/Credential.ts"
import { fingerprint } from "../lifecycle/fingerprint.ts"
import { decide, initial, type State } from "../lifecycle/machine.ts"
import { usable } from "../lifecycle/rules.ts"
import type { View } from "../lifecycle/View.ts"
import type { Entry } from "./Entry.ts"
import type { Status } from "./Keeper.ts"
import type { Sight } from "./Owners.ts"
import * as Wording from "./wording.ts"

/** The top-level state and the innermost one. */
export const stateOf = ({ value }: State): Status["state"] => {
  if (typeof value === "string") return [value as Status["state"][0], undefined]
  const [top, detail] = Object.entries(value)[0]!
  return [top as Status["state"][0], typeof detail === "string" ? detail : String(Object.values(detail ?? {})[0])]
}

export const detailOf = (state: State): string | undefined => stateOf(state)[1]

/** Something is under way, and its answer will come. */
export const isBusy = ({ value }: State): boolean =>
  typeof value === "object" && "refreshing" in value && typeof value.refreshing === "object"

const mayTurnAway: ReadonlySet<string | undefined> = new Set(["ending", "pausing", "backingOff", "doubting"])

/** A caller whom the token at hand does not serve could be told an error at once, from memory. */
export const wouldBeTurnedAway = (state: State): boolean => {
  const [top, detail] = stateOf(state)
  return top === "dead" || mayTurnAway.has(detail)
}

const troubled: ReadonlySet<string | undefined> = new Set(["pausing", "doubting", "unrecorded"])

/** Why a caller gets an older token than it should by now, or how long there will be one at all. */
export const noteOf = (entry: Entry): string | undefined => {
  const { name, state, storeTrouble, trouble, verdict } = entry
  const { view } = state.context
  const [top, detail] = stateOf(state)
  if (detail === "holding" && storeTrouble) return Wording.unstoredNote(name, storeTrouble)
  if (detail === "ending") {
    return Wording.endingNote(name, verdict?.reason ?? "noRefreshToken", view.usableUntil, entry.origin)
  }
  if (entry.owed !== undefined) return Wording.owedNote(name, entry.owed)
  const cause = storeTrouble?.message ?? trouble
  const isStale = top !== "valid" && (troubled.has(detail) || view.failures > 0)
  return isStale && cause !== undefined ? Wording.staleNote(name, cause, view.usableUntil) : undefined
}

const looksLikeFingerprint = /^[0-9a-f]{12}$/

/** Which generation a 401 speaks of: that of the token at hand, or an older one. `token` may be its fingerprint. */
export const refusedGeneration = ({ cell, state }: Entry, token: string): number => {
  // No token at hand: it was refused before, and this is the same 401 told by another caller.
  if (cell === undefined) return state.context.refused
  const isCurrent = cell.token === token || (looksLikeFingerprint.test(token) && fingerprint(cell.token) === token)
  return isCurrent ? cell.view.generation : cell.view.generation - 1
}

/** A credential as the next short command would find it. */
export const statusOf = (credential: Credential, view: View, now: number, owner?: Sight): Status => {
  const [state] = decide(initial(false), { type: "Looked", now, view })
  const [top, detail] = stateOf(state)
  const isOver = top === "dead" || detail === "ending"
  return {
    credential,
    state: [top, detail],
    usable: usable(state.context, now),
    refreshAt: !isOver && Number.isFinite(view.refreshAt) ? view.refreshAt : undefined,
    advice: isOver ? Wording.signInAdvice(credential.name, Wording.originOf(credential)) : undefined,
    owner,
  }
}

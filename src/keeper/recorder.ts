/**
 * Writes a credential's history: a line for every step of its machine that led somewhere.
 *
 * Lines travel with the next change of the record, in the same transaction, and what is left when all is quiet follows by
 * itself. A process that is killed in between takes at most its last lines along, and its ticket tells the rest.
 */
import * as Redacted from "effect/Redacted"
import { accessFingerprint, type Credential, type Holder, hostOf, processOf } from "../lifecycle/Credential.ts"
import { fingerprint } from "../lifecycle/fingerprint.ts"
import type { Line } from "../lifecycle/History.ts"
import type { State } from "../lifecycle/machine.ts"
import type { Event } from "../lifecycle/protocol.ts"
import type { Entry } from "./Entry.ts"
import * as Standing from "./standing.ts"

/** Worth a line even where the state stays as it is. */
const notable: ReadonlySet<Event["type"]> = new Set(["Refused", "Granted", "Denied", "Unavailable", "Vanished"])

const outcomes: ReadonlySet<Event["type"]> = new Set(["Granted", "Denied", "Unavailable", "Vanished"])

const asks: ReadonlySet<Event["type"]> = new Set(["Asked", "Refused"])

const nameOf = (state: State): string => Standing.stateOf(state).filter(Boolean).join(".")

/** The fingerprints of the tokens in a record. */
const fingerprintsOf = ({ tokens }: Pick<Credential, "tokens">) => ({
  access: accessFingerprint(tokens),
  ...(tokens.refreshToken && { refresh: fingerprint(Redacted.value(tokens.refreshToken)) }),
})

/** Which tokens a step is about: those that have just been granted, those that are presented, or those at hand. */
const tokensOf = ({ cell, flight }: Entry, event: Event) => {
  if (event.type === "Granted" && flight?.successor) return fingerprintsOf(flight.successor)
  if (flight !== undefined) return fingerprintsOf(flight.credential)
  return cell === undefined ? {} : { access: fingerprint(cell.token) }
}

/** One step as a line, where it says anything. */
export const lineOf = (entry: Entry, holder: Holder, before: State, event: Event, after: State): Line | undefined => {
  const [from, to] = [nameOf(before), nameOf(after)]
  // The first look at a stored credential changes what a process knows, and nothing about the credential, unless it acts.
  const isFirstLook = before.context.view.generation === 0 && !Standing.isBusy(after)
  if (isFirstLook || (from === to && !notable.has(event.type))) return undefined
  const { asker, parameters, trouble, verdict } = entry
  const isOutcome = outcomes.has(event.type)
  const cause = isOutcome || event.type === "StoreFailed" ? (entry.storeTrouble?.message ?? trouble) : undefined
  return {
    at: event.now,
    by: processOf(holder),
    host: hostOf(holder),
    ...(asks.has(event.type) && asker !== undefined && { caller: asker }),
    event: event.type,
    from,
    to,
    generation: after.context.view.generation,
    ...tokensOf(entry, event),
    ...(isOutcome && parameters && { parameters }),
    ...(event.type === "Denied" && verdict?.code !== undefined && { code: verdict.code }),
    ...(cause !== undefined && { cause }),
  }
}

/** What was no step of the machine, as a line: a person did it, or the owner of a shared login. `at`: epoch milliseconds. */
export const deedOf = (
  holder: Holder,
  at: number,
  event: string,
  generation: number,
  credential?: Pick<Credential, "tokens">,
): Line => ({
  at,
  by: processOf(holder),
  host: hostOf(holder),
  event,
  generation,
  ...(credential && fingerprintsOf(credential)),
})

/** Notes a line, to be written with the next change. */
export const note = (entry: Entry, line: Line): void => {
  ;(entry.lines ??= []).push(line)
}

/** What has not been written yet, which the caller writes now. */
export const take = (entry: Entry): ReadonlyArray<Line> => {
  const { lines = [] } = entry
  entry.lines = undefined
  return lines
}

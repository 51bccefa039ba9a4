/**
 * What a Keeper does, as Effect's spans and metrics, from which OpenTelemetry and others export. Names, states, generations
 * and fingerprints only (I10).
 *
 * | metric | counts | attributes |
 * |---|---|---|
 * | `tokenkeep_presentations_total` | refresh tokens sent | |
 * | `tokenkeep_adoptions_total` | tokens that another process had got | |
 * | `tokenkeep_refusals_total` | 401s of resource servers | |
 * | `tokenkeep_failures_total` | exchanges that gave no token | `class`: `denied`, `unavailable`, `vanished`, `store` |
 * | `tokenkeep_waits_total` | callers who had to wait | |
 *
 * A metric has no attribute for the credential: a process may hold a million of them, and each would be a series of its own.
 * Spans have it. A transition is a span `tokenkeep.<event>`. What follows from it is below it, and the first one is below the span of the
 * caller who asked: so a trace tells which caller caused a refresh, and why.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Line } from "../lifecycle/History.ts"
import type { State } from "../lifecycle/machine.ts"
import type { Command, Event } from "../lifecycle/protocol.ts"

const counter = (name: string, description: string) =>
  Metric.counter(`tokenkeep_${name}_total`, { description, incremental: true })

const presentations = counter("presentations", "Refresh tokens sent to a token endpoint")
const adoptions = counter("adoptions", "Tokens adopted that another process had got")
const refusals = counter("refusals", "Access tokens that a resource server answered 401 to")
const failures = counter("failures", "Exchanges that gave no token, by class")
const waits = counter("waits", "Callers who had to wait for a token")

const classes: Partial<Record<Event["type"], string>> = {
  Denied: "denied",
  Unavailable: "unavailable",
  Vanished: "vanished",
  StoreFailed: "store",
}

/** A caller waits. */
export const waited: Effect.Effect<void> = Metric.update(waits, 1)

/** Counts what one step says. */
export const counted = (
  before: State,
  event: Event,
  after: State,
  commands: ReadonlyArray<Command>,
): Effect.Effect<void> => {
  const counts: Array<Effect.Effect<void>> = []
  if (commands.some(({ type }) => type === "exchange")) counts.push(Metric.update(presentations, 1))
  if (event.type === "Refused") counts.push(Metric.update(refusals, 1))
  const failure = classes[event.type]
  if (failure !== undefined) counts.push(Metric.update(Metric.withAttributes(failures, { class: failure }), 1))
  const isNews = event.type === "Looked" || event.type === "Superseded"
  const { generation } = before.context.view
  // The first look at a credential finds it, and adopts nothing.
  if (isNews && generation > 0 && after.context.view.generation > generation) counts.push(Metric.update(adoptions, 1))
  return counts.length === 0 ? Effect.void : Effect.all(counts, { discard: true })
}

/** Runs what follows from a step inside the span of that step. */
export const traced = (credential: string, line: Line, effect: Effect.Effect<void>): Effect.Effect<void> => {
  const { at: _, event, parameters, ...rest } = line
  const attributes = { credential, event, ...rest, ...(parameters && { parameters: parameters.join(" ") }) }
  const named = Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`tokenkeep.${key}`, value]))
  return Effect.withSpan(effect, `tokenkeep.${event}`, { attributes: named })
}

/** What a test or a trace may put into a Keeper: another decision function, and an eye on every step. */
import * as Context from "effect/Context"
import type { Line } from "../lifecycle/History.ts"
import { decide as realDecide, type State } from "../lifecycle/machine.ts"
import type { Command, Event } from "../lifecycle/protocol.ts"

/** The decision function. A simulated world brings one that remembers its answers, and tests bring broken ones. */
export const Decide = Context.Reference<typeof realDecide>("tokenkeep/keeper/Decide", {
  defaultValue: () => realDecide,
})

/** Sees every step of every credential: for tests, traces and histories. It must not throw, and gets no secret. */
export const Observer = Context.Reference<
  (name: string, before: State, event: Event, after: State, commands: ReadonlyArray<Command>) => void
>("tokenkeep/keeper/Observer", { defaultValue: () => () => {} })

/** Hears every line of every history as it happens, whether or not it is kept. It must not throw, and gets no secret. */
export const Listener = Context.Reference<((name: string, line: Line) => void) | undefined>(
  "tokenkeep/keeper/Listener",
  { defaultValue: () => undefined },
)

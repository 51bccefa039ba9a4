/** How many pure steps of the machine a second takes: for information, since no caller waits for one on the hot path. */
import type { Credential } from "../../src/lifecycle/Credential.ts"
import { decide, initial } from "../../src/lifecycle/machine.ts"
import type { Event } from "../../src/lifecycle/protocol.ts"
import { viewOf } from "../../src/lifecycle/View.ts"
import { interleaved, median } from "./measure.ts"
import { record } from "./records.ts"
import type { Row } from "./report.ts"

const now = 1_000_000_000_000

const view = (generation: number, at: number, over: Partial<Credential> = {}) =>
  viewOf({ ...record("bench", generation, at), ...over }, 0.5, () => ({
    holderGone: false,
    since: 0,
    drainedAt: 0,
    sameClock: true,
  }))

/** A token that has ended is refreshed because somebody asks, and then lives. */
const refresh: ReadonlyArray<Event> = [
  { type: "Looked", now, view: view(1, now - 1) },
  { type: "Asked", now, minValidity: 0 },
  { type: "Claimed", now, generation: 1, elapsed: 1, view: view(1, now - 1) },
  { type: "Granted", now, generation: 1, view: view(2, now + 3_600_000) },
  { type: "Stored", now, view: view(2, now + 3_600_000) },
]

export const decisions = async (): Promise<ReadonlyArray<Row>> => {
  const { step } = await interleaved(
    {
      step: (times) => {
        for (let i = 0; i < times; i += refresh.length) {
          let state = initial(false)
          for (const event of refresh) [state] = decide(state, event)
          if (state.value !== "valid") throw new Error("the cycle does not end where it should")
        }
      },
    },
    { times: 500 },
  )
  return [
    {
      what: "pure steps of the machine",
      value: 1e9 / median(step),
      unit: "/s",
      note: `${(median(step) / 1000).toFixed(1)} µs each, over a refresh from beginning to end`,
    },
  ]
}

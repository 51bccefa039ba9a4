/** How fast every interleaving is tried, with the real Keeper, and what a state costs that has been seen. */
import { explore, type Report } from "../../src/testing/explore.ts"
import { scenarios } from "../../src/testing/scenarios.ts"
import { SeenStates } from "../../src/testing/SeenStates.ts"
import { heapUsed, median } from "./measure.ts"
import type { Row } from "./report.ts"

const rounds = 3

const scenarioOf = (wanted: string) => {
  const found = scenarios.find(({ name }) => name === wanted)
  if (found === undefined) throw new Error(`no scenario is called ${wanted}`)
  return found
}

const rateOf = ({ executions, millis }: Report): number => (executions / millis) * 1000

/** Whatever else the exploration made is let go: what is weighed is what has to be kept for every state. */
const weigh = async (name: string) => {
  const before = await heapUsed()
  const seen = new SeenStates()
  const report = await explore(scenarioOf(name), { seen })
  const bytes = (await heapUsed()) - before
  return { bytes: bytes / seen.size, states: seen.size, rate: rateOf(report) }
}

export const exploration = async (): Promise<ReadonlyArray<Row>> => {
  const scenario = scenarioOf("two-calls-each/strict")
  const reports: Array<Report> = []
  for (let round = 0; round < rounds; round++) reports.push(await explore(scenario))
  const [first] = reports
  // Of a small table the heap's growth says more about everything else.
  const { bytes, rate, states } = await weigh("three-at-expiry/strict")
  return [
    {
      what: "executions of 2 processes x 2 calls, 2 faults",
      value: median(reports.map(rateOf)),
      unit: "/s",
      target: { is: "at least", value: 3_000 },
      note: `${first!.executions.toLocaleString("en")} on one core, the real Keeper; ${Math.round(rateOf(first!)).toLocaleString("en")}/s while it is compiled`,
    },
    {
      what: `memory of a state, one of ${states.toLocaleString("en")}`,
      value: bytes,
      unit: "B",
      target: { is: "at most", value: 100 },
      note: `the heap's growth, divided; ${Math.round(rate).toLocaleString("en")} executions/s`,
    },
  ]
}

/** What `tokenkeep token NAME` costs as a whole process, against a Node that does nothing. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { median, millis, ratio } from "./measure.ts"
import type { Row } from "./report.ts"
import * as Server from "./server.ts"

const entry = path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

const rounds = 40
const warmUp = 3

interface Run {
  readonly wall: number
  /** User and system time of the process, in milliseconds. `NaN` where nobody tells. */
  readonly cpu: number
}

/** Clock ticks of 10 ms that ended children have used: right on average over many, if not for one. */
const childrenCpu = (): number => {
  try {
    const stat = fs.readFileSync("/proc/self/stat", "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[13]) + Number(fields[14])) * 10
  } catch {
    return Number.NaN
  }
}

const run = async (home: string, args: ReadonlyArray<string>, expected: RegExp): Promise<Run> => {
  const cpu = childrenCpu()
  const started = performance.now()
  // Proxies and options for Node are somebody's own and would be measured too.
  const env = { PATH: process.env["PATH"], TOKENKEEP_HOME: home }
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] })
  let output = ""
  child.stdout.on("data", (chunk) => (output += chunk))
  await new Promise((resolve) => child.on("close", resolve))
  const wall = performance.now() - started
  if (!expected.test(output)) throw new Error(`node ${args.join(" ")} printed something else`)
  return { wall, cpu: childrenCpu() - cpu }
}

export const processes = async (): Promise<ReadonlyArray<Row>> => {
  const place = await Server.open()
  await place.grant("valid", 36_000_000)
  const bare = () => run(place.home, ["-e", "0"], /^$/)
  const token = (name: string) => run(place.home, [entry, "token", name], /^access-/)
  const samples = { first: [] as Array<Run>, valid: [] as Array<Run>, second: [] as Array<Run>, due: [] as Array<Run> }
  for (let round = -warmUp; round < rounds; round++) {
    const first = await bare()
    const valid = await token("valid")
    await place.grant("due", -1_000)
    const second = await bare()
    const due = await token("due")
    if (round < 0) continue
    samples.first.push(first)
    samples.valid.push(valid)
    samples.second.push(second)
    samples.due.push(due)
  }
  await place.close()
  if (place.presentations() !== rounds + warmUp) throw new Error("not every process had to refresh")

  const wall = (runs: ReadonlyArray<Run>) => runs.map(({ wall }) => wall)
  const cpu = (runs: ReadonlyArray<Run>) => runs.reduce((sum, { cpu }) => sum + cpu, 0) / runs.length
  const { due, first, second, valid } = samples
  const over = due.map(({ wall }, round) => wall - second[round]!.wall)
  return [
    {
      what: "tokenkeep token, valid, against node -e 0",
      value: ratio(wall(valid), wall(first)),
      unit: "×",
      target: { is: "at most", value: 1.15 },
      note: `${millis(wall(valid))}, bare ${millis(wall(first))}; CPU ${(cpu(valid) / cpu(first)).toFixed(2)}×`,
    },
    {
      what: "tokenkeep token, refreshing, over node -e 0",
      value: median(over),
      unit: "ms",
      target: { is: "at most", value: 60 },
      note:
        `${millis(wall(due))}, ${ratio(wall(due), wall(second)).toFixed(1)}× of bare; ` +
        `quickest ${Math.min(...over).toFixed(0)} ms over; CPU ${(cpu(due) - cpu(second)).toFixed(0)} ms over`,
    },
  ]
}

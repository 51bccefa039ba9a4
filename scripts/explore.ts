/**
 * Explores all scenarios on all cores and writes the table of `models/scenarios.md`; `--check` compares it instead, all
 * but the times. `--deep` takes the larger bounds, which are not for continuous integration, and writes nothing.
 */
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import { isMainThread, parentPort, Worker } from "node:worker_threads"
import { explore, type Report } from "../src/testing/explore.ts"
import { page, vacuity } from "../src/testing/results.ts"
import type { Scenario } from "../src/testing/Scenario.ts"
import { deep, scenarios } from "../src/testing/scenarios.ts"

const file = path.join(import.meta.dirname, "../models/scenarios.md")
const all = [...scenarios, ...deep]

/** The time column, last in each row, says something about the machine it ran on and nothing about behaviour. */
const withoutTimes = (text: string): string => text.replaceAll(/ \| [\d.]+ s \|$/gm, " |")

type Message = { readonly progress: Report } | { readonly report: Report }

const rate = ({ executions, millis }: Report): string =>
  `${executions.toLocaleString("en")} executions, ${Math.round((executions / Math.max(1, millis)) * 1000).toLocaleString("en")}/s`

/** One thread for each core, which takes one scenario after the other: what has been compiled once stays so. */
const runAll = async (wanted: ReadonlyArray<Scenario>): Promise<ReadonlyArray<readonly [Scenario, Report]>> => {
  const queue = wanted.map((scenario) => all.indexOf(scenario))
  const results = new Map<number, Report>()
  const started = performance.now()
  const isSeen = process.stderr.isTTY
  const tell = (verdict: string, scenario: number, report: Report): string => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    return `${seconds.padStart(4)} s  ${verdict.padEnd(10)} ${all[scenario]!.name.padEnd(40)} ${rate(report)}`
  }
  const explored = (thread: Worker, scenario: number): Promise<Report> =>
    new Promise((resolve, reject) => {
      thread.removeAllListeners()
      thread.once("error", reject)
      thread.on("message", (message: Message) => {
        if ("report" in message) resolve(message.report)
        else if (isSeen) process.stderr.write(`\r\u001b[K${tell("exploring", scenario, message.progress)}`)
      })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
      thread.postMessage(scenario)
    })
  const work = async (): Promise<void> => {
    const thread = new Worker(import.meta.filename, { resourceLimits: { maxYoungGenerationSizeMb: 128 } })
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const report = await explored(thread, next)
      results.set(next, report)
      if (isSeen) process.stderr.write("\r\u001b[K")
      console.log(tell(report.verdict, next, report))
    }
    await thread.terminate()
  }
  await Promise.all(Array.from({ length: Math.min(os.availableParallelism(), queue.length) }, work))
  return wanted.map((scenario) => [scenario, results.get(all.indexOf(scenario))!] as const)
}

if (!isMainThread) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
  const post = (message: Message): void => parentPort!.postMessage(message)
  parentPort!.on("message", (scenario: number) => {
    const progress = (report: Report): void => post({ progress: report })
    void explore(all[scenario]!, { progress }).then((report) => post({ report }))
  })
} else {
  const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"))
  const only = process.argv.slice(2).find((argument) => !argument.startsWith("--"))
  const set = (flags.includes("--deep") ? deep : scenarios).filter(
    ({ name }) => only === undefined || name.startsWith(only),
  )
  const results = await runAll(set)
  const broken = results.filter(
    ([scenario, report]) => report.verdict !== "holds" || vacuity(scenario, report) !== undefined,
  )
  for (const [{ name }, { found, verdict }] of broken) {
    console.error(
      `${name}: ${verdict}${found.map(({ schedule, violation }) => `\n  ${violation.invariant}: ${violation.detail}\n  tokenkeep explore ${name} --replay "${schedule.join(" ")}"`).join("")}`,
    )
  }
  if (broken.length > 0) process.exitCode = 1
  else if (only === undefined && !flags.includes("--deep")) {
    const text = page(results)
    if (!flags.includes("--check")) await fs.writeFile(file, text)
    else if (withoutTimes(await fs.readFile(file, "utf8").catch(() => "")) !== withoutTimes(text)) {
      console.error("models/scenarios.md is not what the exploration found: run `npm run explore` and read the diff")
      process.exitCode = 1
    }
  }
  console.log(`${results.length - broken.length} of ${results.length} scenarios hold`)
}

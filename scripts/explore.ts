/**
 * Explores all scenarios on all cores and writes the table of `models/scenarios.md`; `--check` compares it instead, all
 * but the times. `--deep` takes the larger bounds, which are not for continuous integration, and writes nothing.
 */
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { explore, type Report } from "../src/testing/explore.ts"
import { page, vacuity } from "../src/testing/results.ts"
import type { Scenario } from "../src/testing/Scenario.ts"
import { deep, scenarios } from "../src/testing/scenarios.ts"

const file = path.join(import.meta.dirname, "../models/scenarios.md")
const all = [...scenarios, ...deep]

/** The time column, last in each row, says something about the machine it ran on and nothing about behaviour. */
const withoutTimes = (text: string): string => text.replaceAll(/ \| [\d.]+ s \|$/gm, " |")

const runAll = async (wanted: ReadonlyArray<Scenario>): Promise<ReadonlyArray<readonly [Scenario, Report]>> => {
  const queue = wanted.map((scenario) => all.indexOf(scenario))
  const results = new Map<number, Report>()
  const started = performance.now()
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const thread = new Worker(import.meta.filename, { workerData: next })
      const report = await new Promise<Report>((resolve, reject) => {
        thread.once("message", resolve)
        thread.once("error", reject)
      })
      await thread.terminate()
      results.set(next, report)
      const { executions, millis, verdict } = report
      const seconds = ((performance.now() - started) / 1000).toFixed(0)
      const rate = Math.round((executions / millis) * 1000)
      console.log(
        `${seconds.padStart(4)} s  ${verdict.padEnd(10)} ${all[next]!.name.padEnd(40)} ${executions} executions, ${rate}/s`,
      )
    }
  }
  await Promise.all(Array.from({ length: Math.min(os.availableParallelism(), queue.length) }, worker))
  return wanted.map((scenario) => [scenario, results.get(all.indexOf(scenario))!] as const)
}

if (!isMainThread) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
  parentPort!.postMessage(await explore(all[workerData as number]!))
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

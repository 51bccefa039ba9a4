/**
 * Measures what the design promises (`npm run bench`), and prints it as ratios, because machines differ and are noisy:
 * whatever is compared runs interleaved in this one process, or in processes started in turn.
 *
 *     node --expose-gc scripts/bench.ts [--json] [--check] [--million] [--only SECTION]
 *
 * `--json` prints rows for machines. With `--check` a target that is missed by more than the noise (10 %) makes the exit
 * code 1. `--million` adds a million credentials in one process, which takes a minute. `--only` runs one section, one of
 * the keys of `sections`.
 */
import { parseArgs } from "node:util"
import { calls } from "./bench/calls.ts"
import { expiry } from "./bench/expiry.ts"
import { memory } from "./bench/memory.ts"
import { processes } from "./bench/processes.ts"
import { proxy } from "./bench/proxy.ts"
import { decisions } from "./bench/decisions.ts"
import { exploration } from "./bench/exploration.ts"
import { isMissed, type Row, table } from "./bench/report.ts"

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    million: { type: "boolean", default: false },
    only: { type: "string" },
  },
})

/** In this order: the calls while the process is young, and memory last, since it leaves a large heap behind. */
const sections = {
  calls,
  processes,
  expiry,
  proxy,
  decisions,
  exploration,
  memory: () => memory(options.million ? [1, 1_000, 100_000, 1_000_000] : [1, 1_000, 100_000]),
}

const rows: Array<Row> = []
for (const [name, section] of Object.entries(sections)) {
  if (options.only !== undefined && options.only !== name) continue
  if (process.stderr.isTTY) process.stderr.write(`measuring ${name} …\n`)
  rows.push(...(await section()))
}
console.log(options.json ? JSON.stringify(rows, undefined, 2) : table(rows))
if (options.check && rows.some(isMissed)) process.exitCode = 1

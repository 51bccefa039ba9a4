/**
 * `npm run kill -- --rounds 1000`: `kill -9` at random moments of a refresh, in real processes against every class of
 * server, and what it cost. Fails when a login is lost that need not have been, when somebody waits for more than two
 * seconds (a busy machine is given a little more), or when a refresh token is presented again while its holder lives. `--seed N --rounds 1` is one of them again.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as util from "node:util"
import * as Kill from "../test/system/kill.ts"

const { values } = util.parseArgs({
  options: {
    rounds: { type: "string", default: "1000" },
    seed: { type: "string" },
    parallel: { type: "string", default: "3" },
  },
})

const count = (name: "rounds" | "seed" | "parallel", fallback: number): number => {
  const number = Number(values[name] ?? fallback)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name} ${values[name]}: write a whole number`)
  return number
}

const rounds = count("rounds", 1_000)
const seed = count("seed", Date.now() % 1_000_000_000)
const parallel = count("parallel", 3)

const progress = { done: 0, lost: 0, told: performance.now() }

const onRound = ({ lost }: Kill.Round): void => {
  progress.done++
  if (lost) progress.lost++
  if (performance.now() - progress.told < 1_000) return
  progress.told = performance.now()
  const line = `kill from seed ${seed}: ${progress.done} of ${rounds} rounds, ${progress.lost} logins lost`
  process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`)
}

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "tokenkeep-kill-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })),
)

const program = Effect.gen(function* () {
  const began = performance.now()
  const { leaking, rounds: done } = yield* Kill.rounds({ rounds, seed, parallel, folder: yield* folder, onRound })
  const seconds = Math.round((performance.now() - began) / 1_000)
  console.error(`${process.stderr.isTTY ? "\r" : ""}kill from seed ${seed}: ${done.length} rounds in ${seconds} s`)
  console.log(Kill.table(done))
  const wrong = [...Kill.wrong(done), ...leaking.map((output) => `a secret is in the ${output}`)]
  for (const line of wrong) console.log(`WRONG  ${line}`)
  if (wrong.length > 0) process.exitCode = 1
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)

/**
 * `npm run soak -- --for 60s`: random lives in random worlds, for as long as one likes. Stops at the first that breaks an
 * invariant, with its seed, its shrunk story and its schedule. `--seed N --runs 1 --kind KIND` is one of them again.
 */
import * as util from "node:util"
import { explain, type Kind, kinds, ofSeed, shrink } from "../test/testing/lives.ts"

const { values } = util.parseArgs({
  options: {
    for: { type: "string", default: "60s" },
    kind: { type: "string" },
    runs: { type: "string", default: "Infinity" },
    seed: { type: "string" },
  },
})

const millis = (text: string): number => {
  const [, number, unit] = /^(\d+)(s|m|h)$/.exec(text) ?? []
  if (number === undefined) throw new Error(`--for ${text}: write a number and s, m or h, such as 60s`)
  return Number(number) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as "s" | "m" | "h"]
}

const isKind = (text: string): text is Kind => Object.hasOwn(kinds, text)

const all = Object.keys(kinds).filter(isKind)
const chosen = values.kind === undefined ? all : all.filter((kind) => kind === values.kind)
if (chosen.length === 0) throw new Error(`--kind ${values.kind}: one of ${all.join(", ")}`)
const first = Number(values.seed ?? Date.now() % 1_000_000_000)
const last = first + Number(values.runs)
const started = performance.now()
const end = started + millis(values.for)

let lives = 0
let steps = 0
let days = 0
let told = started

const progress = (): string => {
  const seconds = (performance.now() - started) / 1_000
  const amounts = [
    `${lives.toLocaleString("en")} lives`,
    `${Math.round(days).toLocaleString("en")} days`,
    `${Math.round(steps / seconds).toLocaleString("en")} steps/s`,
    `${Math.round(seconds)} s`,
  ]
  return `soak from seed ${first}: ${amounts.join(", ")}`
}

const soak = (): boolean => {
  for (let seed = first; seed < last && performance.now() < end; seed++) {
    for (const kind of chosen) {
      const life = ofSeed(kind, seed)
      lives++
      steps += life.schedule.length
      days += (life.world.sim.now - life.world.sim.start) / 86_400_000
      if (life.violation !== undefined || !life.ended) {
        const { detail, invariant } = life.violation ?? { invariant: "I9 every waiter ends", detail: "it goes on" }
        console.error(`${progress()}\n${kind}, seed ${seed}: ${invariant}: ${detail}. Shrinking ...`)
        console.log(explain(kind, seed, shrink(life, kind)))
        return false
      }
    }
    if (performance.now() - told > 1_000) {
      told = performance.now()
      process.stderr.write(process.stderr.isTTY ? `\r${progress()}` : `${progress()}\n`)
    }
  }
  console.error(`${process.stderr.isTTY ? "\r" : ""}${progress()}: every invariant held`)
  return true
}

if (!soak()) process.exitCode = 1

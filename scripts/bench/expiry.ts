/** Eight processes with ten callers each when the token has ended: one presentation, in the time of one refresh. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { median, millis, ratio } from "./measure.ts"
import type { Row } from "./report.ts"
import * as Server from "./server.ts"

const script = fileURLToPath(new URL("./caller.ts", import.meta.url))

const rounds = 11
const warmUp = 2
const answerMillis = 300

/** What a caller is told, and what it answers (`caller.ts`). */
export type Told = "prepare" | "go"
export type Answered = "ready" | { readonly tokens: ReadonlyArray<string>; readonly lastAt: number }

/** A clock that all processes of the machine share, in milliseconds. */
export const sharedClock = (): number => Number(process.hrtime.bigint()) / 1e6

const tell = async (caller: ChildProcess, told: Told): Promise<Answered> => {
  const answered = once(caller, "message")
  caller.send(told)
  return (await answered)[0] as Answered
}

export const expiry = async (): Promise<ReadonlyArray<Row>> => {
  const place = await Server.open()
  place.answerAfter(answerMillis)
  const start = (name: string, calls: number) => fork(script, [place.home, name, String(calls)], { stdio: "inherit" })
  const alone = [start("alone", 1)]
  const together = Array.from({ length: 8 }, () => start("together", 10))

  /** From the start signal to the last token of the last caller. */
  const race = async (name: string, callers: ReadonlyArray<ChildProcess>) => {
    await place.grant(name, -1_000)
    await Promise.all(callers.map((caller) => tell(caller, "prepare")))
    const before = place.presentations()
    const started = sharedClock()
    const answers = await Promise.all(callers.map((caller) => tell(caller, "go")))
    const results = answers.flatMap((answer) => (answer === "ready" ? [] : [answer]))
    return {
      taken: Math.max(...results.map(({ lastAt }) => lastAt)) - started,
      tokens: results.flatMap(({ tokens }) => tokens),
      presentations: place.presentations() - before,
    }
  }

  const samples = { alone: [] as Array<number>, together: [] as Array<number> }
  const presentations: Array<number> = []
  const tokens: Array<number> = []
  for (let round = -warmUp; round < rounds; round++) {
    const one = await race("alone", alone)
    const all = await race("together", together)
    presentations.push(all.presentations)
    tokens.push(all.tokens.filter((token) => token !== "" && token === all.tokens[0]).length)
    if (round < 0) continue
    samples.alone.push(one.taken)
    samples.together.push(all.taken)
  }
  for (const caller of [...alone, ...together]) caller.disconnect()
  await Promise.all([...alone, ...together].map((caller) => once(caller, "exit")))
  await place.close()

  return [
    {
      what: "8 processes × 10 calls at expiry: presentations",
      value: Math.max(...presentations),
      unit: "",
      target: { is: "exactly", value: 1 },
      note: `the most in ${presentations.length} rounds, single-use refresh tokens`,
    },
    {
      what: "8 processes × 10 calls at expiry: tokens",
      value: Math.min(...tokens),
      unit: "",
      target: { is: "exactly", value: 80 },
      note: "the fewest in a round, all of them the same new one",
    },
    {
      what: "8 processes × 10 calls at expiry: time of one refresh",
      value: ratio(samples.together, samples.alone),
      unit: "×",
      target: { is: "at most", value: 1.3 },
      note: `${millis(samples.together)}, one call alone ${millis(samples.alone)}; the server takes ${answerMillis} ms (${median(samples.together.map((taken) => taken - answerMillis)).toFixed(0)} ms over it)`,
    },
  ]
}

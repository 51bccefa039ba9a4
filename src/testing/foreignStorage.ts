/** The storage of a foreign world: a map that all processes share, each operation a step. */
import type { ForeignStorage } from "./Foreign.ts"
import { accessTokensIn, refreshTokensIn } from "./ForeignMonitor.ts"
import { keyBit, offer, type Stage } from "./foreignStage.ts"
import type * as Sim from "./Simulation.ts"

const longest = 60

/** A stored value as a trace shows it: by the tokens in it, if there are any. */
const wordsOf = (value: string | undefined): string => {
  if (value === undefined) return "nothing"
  const tokens = [...accessTokensIn(value), ...refreshTokensIn(value)]
  if (tokens.length > 0) return tokens.join(" and ")
  return value.length > longest ? `${value.slice(0, longest)}…` : value
}

/** The storage as one process sees it. */
export const make = (stage: Stage, values: Map<string, string>, process: Sim.Process): ForeignStorage => {
  const { monitor, sim } = stage
  const step = <A>(kind: string, key: string, wrote: number, run: () => A): Promise<A> =>
    new Promise((resolve) => {
      if (!process.alive) return
      const touches = { read: keyBit(key), wrote }
      offer(stage, process, `${kind}/${encodeURIComponent(key)}`, touches, () => resolve(run()))
    })
  const write = (what: string, change: () => void): void => {
    const before = stage.everything()
    change()
    monitor.stored(process, what, before, stage.everything())
  }
  return {
    get: (key) =>
      step("get", key, 0, () => {
        const value = values.get(key)
        process.observe(value ?? "-")
        sim.log(process.name, "Storage", `get ${key}`, "call")
        sim.log("Storage", process.name, wordsOf(value), "reply")
        return value
      }),
    set: (key, value) =>
      step("set", key, keyBit(key), () => {
        process.observe(value)
        sim.log(process.name, "Storage", `set ${key}: ${wordsOf(value)}`, "call")
        write("overwrites", () => values.set(key, value))
      }),
    delete: (key) =>
      step("delete", key, keyBit(key), () => {
        sim.log(process.name, "Storage", `delete ${key}`, "call")
        write("deletes", () => values.delete(key))
      }),
  }
}

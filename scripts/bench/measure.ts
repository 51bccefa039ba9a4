/**
 * Measuring on a machine that does other things as well: what is compared runs in turn, many times and briefly, each round
 * is compared with itself, and the median of the rounds is told.
 */

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of `value / base`, round by round. */
export const ratio = (values: ReadonlyArray<number>, bases: ReadonlyArray<number>): number =>
  median(values.map((value, round) => value / bases[round]!))

/** Does its work so many times. The loop belongs to it, so that it is compiled for this work and no other. */
export type Arm = (times: number) => void | Promise<void>

/** Nanoseconds for one time, of each arm in each round. */
export const interleaved = async <Name extends string>(
  arms: Record<Name, Arm>,
  { rounds = 80, times, warmUp = 20 }: { readonly rounds?: number; readonly times: number; readonly warmUp?: number },
): Promise<Record<Name, ReadonlyArray<number>>> => {
  const names = Object.keys(arms) as Array<Name>
  const samples = Object.fromEntries(names.map((name) => [name, [] as Array<number>])) as Record<Name, Array<number>>
  for (let round = -warmUp; round < rounds; round++) {
    // There and back again, so that nobody always comes first.
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const started = process.hrtime.bigint()
      await arms[name](times)
      const taken = Number(process.hrtime.bigint() - started) / times
      if (round >= 0) samples[name].push(taken)
    }
  }
  return samples
}

/** Bytes in use, those of typed arrays included. */
export const heapUsed = async (): Promise<number> => {
  // What a turn of the event loop lets go of is no longer held.
  await new Promise((resolve) => setImmediate(resolve))
  if (globalThis.gc === undefined) throw new Error("run it with `node --expose-gc`")
  globalThis.gc()
  globalThis.gc()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

export const nanos = (samples: ReadonlyArray<number>): string => `${median(samples).toFixed(0)} ns`
export const millis = (samples: ReadonlyArray<number>): string => `${median(samples).toFixed(0)} ms`

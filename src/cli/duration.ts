/** Durations as people type them: `500ms`, `60s`, `5m`, `2h`; a plain number is seconds. Imports nothing (fast path). */
const millisPer: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

export const durationRule = "a duration such as 500ms, 60s, 5m or 2h; a plain number is seconds"

/** Milliseconds, or `undefined` for what is not a duration. */
export const parseDuration = (text: string): number | undefined => {
  const [, amount, unit = "s"] = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)?$/.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * millisPer[unit]!
}

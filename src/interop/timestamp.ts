/**
 * An instant (epoch milliseconds) as RFC 3339 in UTC, to the second and rounded down: no reader needs more, and some of
 * them read no fractions. `undefined` for what no calendar holds. Imports nothing (the command line's fast path).
 */
export const timestamp = (at: number | undefined): string | undefined =>
  at !== undefined && Math.abs(at) <= latestInstant
    ? // @effect-diagnostics-next-line globalDate:off -- it formats an instant that it is given, and reads no clock
      new Date(at).toISOString().replace(/\.\d+Z$/, "Z")
    : undefined

/** The latest instant that a `Date` can hold (ECMA-262 §21.4.1.1). */
export const latestInstant = 8.64e15

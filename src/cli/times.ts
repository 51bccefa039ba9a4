/** Instants as people read them: local, to the precision that matters, and how far away. Reads no clock. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

const two = (n: number): string => String(n).padStart(2, "0")

const partsOf = (instant: number) =>
  Option.map(DateTime.makeZoned(instant, { timeZone: DateTime.zoneMakeLocal() }), DateTime.toParts)

const dayOf = ({ day, month, year }: DateTime.DateTime.Parts): string => `${year}-${two(month)}-${two(day)}`

/** The local time of `at`, with the date when that is not today's, and with seconds when it is near. */
export const localTime = (at: number, now: number): string => {
  const [then, today] = [partsOf(at), partsOf(now)]
  if (Option.isNone(then) || Option.isNone(today)) return "a time no calendar knows"
  const { hour, minute, second } = then.value
  const seconds = Math.abs(at - now) < 120_000 ? `:${two(second)}` : ""
  const time = `${two(hour)}:${two(minute)}${seconds}`
  return dayOf(then.value) === dayOf(today.value) ? time : `${dayOf(then.value)} ${time}`
}

/** To the second, with the date: for what is compared with other programs' logs. */
export const exactTime = (at: number): string => {
  const then = partsOf(at)
  if (Option.isNone(then)) return "a time no calendar knows"
  const { hour, minute, second } = then.value
  return `${dayOf(then.value)} ${two(hour)}:${two(minute)}:${two(second)}`
}

const units = [
  ["day", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const

/** A length of time in its two largest units: `41 min 12 s`, `2 h 5 min`, `3 days`. */
export const span = (millis: number): string => {
  const i = units.findIndex(([, size]) => millis >= size)
  const [name, size] = units[i] ?? ["s", 1_000]
  const amount = Math.floor(millis / size)
  const [smaller, smallerSize] = units[i + 1] ?? ["", Infinity]
  const rest = amount < 10 ? Math.floor((millis % size) / smallerSize) : 0
  return [
    `${amount} ${name}${name === "day" && amount !== 1 ? "s" : ""}`,
    ...(rest > 0 ? [`${rest} ${smaller}`] : []),
  ].join(" ")
}

/** `in 41 min`, `12 s ago`. */
export const relative = (at: number, now: number): string =>
  at >= now ? `in ${span(at - now)}` : `${span(now - at)} ago`

/** `12:03 (in 41 min)`. */
export const when = (at: number, now: number): string => `${localTime(at, now)} (${relative(at, now)})`

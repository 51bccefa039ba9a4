/**
 * Whether a stored record answers a request as it stands: the fast path's whole decision.
 *
 * The record is read by hand, since a Schema costs ten milliseconds, and judged by the same `satisfies` as everywhere
 * else. Any doubt means `undefined`, and the other path looks again, with a Schema. So does a verdict: the token may
 * work, and then a note belongs to it.
 */
import { type Expiry, satisfies } from "../lifecycle/freshness.ts"
import type { Printable } from "./format.ts"

type Fields = Readonly<Record<string, unknown>>

const fields = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null ? (value as Fields) : undefined

const isFinite = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

const expiryOf = (value: unknown): Expiry | undefined => {
  const expiry = fields(value)
  if (expiry?.["_tag"] === "Unknown" || expiry?.["_tag"] === "Never") return { _tag: expiry["_tag"] }
  if (expiry?.["_tag"] !== "Known" || !isFinite(expiry["at"])) return undefined
  const lifetimeMillis = expiry["lifetimeMillis"]
  if (lifetimeMillis === undefined) return { _tag: "Known", at: expiry["at"] }
  return isFinite(lifetimeMillis) ? { _tag: "Known", at: expiry["at"], lifetimeMillis } : undefined
}

/** The token of `record` (JSON text) if it serves `name` at `now` for `minTtlMillis` longer without a second look. */
export const served = (record: string, name: string, now: number, minTtlMillis: number): Printable | undefined => {
  const credential = fields(JSON.parse(record))
  const tokens = fields(credential?.["tokens"])
  const expiry = expiryOf(tokens?.["expiry"])
  if (credential === undefined || tokens === undefined || expiry === undefined) return undefined
  const { generation } = credential
  const { accessToken, obtainedAt, scope, tokenType } = tokens
  // Its owner may have another token by now.
  const mode = fields(credential["foreign"])?.["mode"]
  if (mode !== undefined && mode !== "import") return undefined
  if (credential["name"] !== name || credential["verdict"] !== undefined || !isFinite(generation)) return undefined
  if (!isText(accessToken) || !isText(tokenType) || !isFinite(obtainedAt)) return undefined
  if (scope !== undefined && typeof scope !== "string") return undefined
  if (!satisfies({ expiry, obtainedAt }, now, minTtlMillis)) return undefined
  return {
    token: accessToken,
    tokenType,
    expiresAt: expiry._tag === "Known" ? expiry.at : undefined,
    generation,
    scope,
  }
}

/**
 * From what a server says about a token's life to an `Expiry`, each odd spelling decided explicitly.
 *
 * | `expires_in` | decision | why |
 * |---|---|---|
 * | a positive number | Known | RFC 6749 §5.1 |
 * | a numeric string | Known | seen at several servers; the meaning is plain |
 * | more than 366 days | read as milliseconds | no server grants that many seconds, some send milliseconds (Fiserv) |
 * | 0, negative, NaN, Infinity, another type | as if missing | a token that is dead on arrival would be refreshed in a loop |
 * | missing, and the token is a JWT with `exp` | Known, from `exp` | RFC 7519 §4.1.4 |
 * | missing | Unknown: used until refused | Salesforce and others never tell |
 * | a JWT's `exp` about 1000 times nearer than `expires_in` | `exp` | the number was milliseconds |
 */
import type { Expiry } from "./freshness.ts"

const longestLifetimeSeconds = 366 * 86_400
const latestSeconds = 253_402_300_800

const instant = (claim: unknown): number | undefined =>
  // Beyond the year 9999 it is no instant but a mistake, and no calendar could print it.
  typeof claim === "number" && claim > 0 && claim < latestSeconds ? claim * 1000 : undefined

/** `exp` and `iat` of a JWT in epoch milliseconds, without any check of its signature: we only read our own token. */
const jwtTimes = (token: string): { readonly exp: number | undefined; readonly iat: number | undefined } => {
  const parts = token.split(".")
  try {
    const claims = JSON.parse(parts.length === 3 ? Buffer.from(parts[1]!, "base64url").toString("utf8") : "{}")
    return { exp: instant(claims.exp), iat: instant(claims.iat) }
  } catch {
    return { exp: undefined, iat: undefined }
  }
}

const seconds = (expiresIn: unknown): number | undefined => {
  const value = typeof expiresIn === "string" && expiresIn.trim() !== "" ? Number(expiresIn) : expiresIn
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : undefined
}

/**
 * The expiry of a token that a token endpoint has just answered with.
 *
 * `expiresIn` is the raw member of the answer, `now` the instant the answer arrived (epoch milliseconds), and
 * `offsetMillis` by how much the server's clock is ahead of the one that said `now`: `exp` is an instant by the server's
 * clock. Where nobody knows, a token from the future (`iat`) tells of a clock that is ahead; one from the past tells
 * nothing, since servers hand out the same token again.
 */
export const fromTokenResponse = (
  expiresIn: unknown,
  accessToken: string,
  now: number,
  offsetMillis: number | undefined,
): Expiry => {
  const told = seconds(expiresIn)
  const { exp: serverExp, iat } = jwtTimes(accessToken)
  const offset = offsetMillis ?? Math.max(0, (iat ?? 0) - now)
  const exp = serverExp === undefined ? undefined : serverExp - offset
  const known = (lifetimeMillis: number): Expiry => ({ _tag: "Known", at: now + lifetimeMillis, lifetimeMillis })
  if (told === undefined) return exp === undefined || exp <= now ? { _tag: "Unknown" } : known(exp - now)
  if (exp !== undefined && exp > now && told > ((exp - now) / 1000) * 500) return known(exp - now)
  return known(told > longestLifetimeSeconds ? told : told * 1000)
}

/**
 * When the server would like to see the token refreshed: `refresh_in`, in seconds (Microsoft Entra). `undefined` where it
 * does not say so, or something that cannot be meant.
 */
export const refreshAtOf = (refreshIn: unknown, now: number): number | undefined => {
  const told = seconds(refreshIn)
  return told === undefined || told > longestLifetimeSeconds ? undefined : now + told * 1000
}

/**
 * A token's life begins when the server mints it, which was no earlier than the request left: an answer that was
 * `delayMillis` under way, or with a process that stood still, says nothing of the time it took.
 */
export const sooner = <T extends { readonly expiry: Expiry; readonly refreshAt?: number }>(
  tokens: T,
  delayMillis: number,
): T => {
  if (delayMillis <= 0) return tokens
  const { expiry, refreshAt } = tokens
  return {
    ...tokens,
    ...(expiry._tag === "Known" && { expiry: { ...expiry, at: expiry.at - delayMillis } }),
    ...(refreshAt !== undefined && { refreshAt: refreshAt - delayMillis }),
  }
}

/**
 * The expiry of a token from an imported document: RFC 3339 text or epoch seconds, or absent (then a JWT's `exp`).
 * `undefined` means the value was there and could not be understood. Epoch milliseconds are told apart by their size.
 */
export const fromDocument = (expiresAt: unknown, accessToken: string): Expiry | undefined => {
  if (expiresAt === undefined || expiresAt === null) {
    const { exp } = jwtTimes(accessToken)
    return exp === undefined ? { _tag: "Unknown" } : { _tag: "Known", at: exp }
  }
  const numeric =
    typeof expiresAt === "string" && /^\d+(\.\d+)?$/.test(expiresAt.trim()) ? Number(expiresAt) : expiresAt
  if (typeof numeric === "number") {
    if (!Number.isFinite(numeric) || numeric < 0) return undefined
    return { _tag: "Known", at: Math.round(numeric > 1e11 ? numeric : numeric * 1000) }
  }
  const parsed =
    typeof numeric === "string" && /^\d{4}-\d{2}-\d{2}[Tt ]/.test(numeric) ? Date.parse(numeric) : Number.NaN
  return Number.isNaN(parsed) ? undefined : { _tag: "Known", at: parsed }
}

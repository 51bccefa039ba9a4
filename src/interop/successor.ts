/** What the owners' ways of keeping tokens have in common, for writing a successor into their files. */
import { type Edit, type Json, members, type Successor, text } from "./ForeignStore.ts"

/** So early that with jitter the owner, who refreshes 5 minutes before the end, finds a fresh token 10 to 15 minutes before it. */
export const aheadOfFiveMinutes = 15 * 60_000

/** When such an owner begins to ask the server, where it takes no lock for that. */
export const fiveMinutes = 5 * 60_000

/** A lock folder of proper-lockfile whose takers may go by its default of 10 s: a third of that. */
export const heartbeatMillis = 3_000

/** Members below `path` that get another value. One without a value stays as it is: no owner takes `undefined` for a token. */
export const setting = (
  path: ReadonlyArray<string | number>,
  values: Readonly<Record<string, Json>>,
): ReadonlyArray<Edit> =>
  Object.entries(values).flatMap(([member, value]) => (value === undefined ? [] : [{ path: [...path, member], value }]))

/** The member `key` of an object, where that is an object itself. */
export const entryAt = (content: Json, key: string): Readonly<Record<string, Json>> | undefined => {
  const all = members(content)
  return all && Object.hasOwn(all, key) ? members(all[key]) : undefined
}

/** The object that holds the tokens, if there are any: who signed out there is not signed in again by us. */
export const signedIn = (value: Json, accessToken: string): Readonly<Record<string, Json>> | undefined =>
  text(members(value)?.[accessToken]) === undefined ? undefined : members(value)

/**
 * When the access token ends, in whole milliseconds, for an owner that has no word for "nobody knows": after an hour then,
 * as opencode assumes too. The old end would have it refreshed at once.
 */
export const endOf = ({ expiresAt, obtainedAt }: Successor): number => Math.round(expiresAt ?? obtainedAt + 3_600_000)

/** Scopes in the form that stands there: a list stays a list. */
export const scopeLike = (old: Json, scope: string | undefined): Json =>
  scope !== undefined && Array.isArray(old) ? scope.split(" ").filter((each) => each !== "") : scope

/** The claims of a JWT, of which nobody checks the signature: it came from the token endpoint. */
export const claimsOf = (token: Json): Readonly<Record<string, Json>> | undefined => {
  const parts = text(token)?.split(".") ?? []
  if (parts.length !== 3 || parts.includes("")) return undefined
  try {
    return members(JSON.parse(Buffer.from(parts[1]!, "base64url").toString("utf8")))
  } catch {
    return undefined
  }
}

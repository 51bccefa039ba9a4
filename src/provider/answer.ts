/**
 * Reads what a token endpoint wrote, in any of the forms that servers write it: a JSON object whatever the content type
 * says, or a form. Pure, and total: no text makes it throw. Facts: providers §5.4, §7.
 */
import * as Predicate from "effect/Predicate"

export type Fields = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Fields => Predicate.isObject(value) && !Array.isArray(value)

/** The members of a body, or `undefined` when it has none: HTML, a truncated object, an empty body, a bare value. */
export const fieldsOf = (body: string, contentType: string | undefined): Fields | undefined => {
  try {
    const value: unknown = JSON.parse(body.replace(/^\uFEFF/, ""))
    return isRecord(value) ? value : undefined
  } catch {
    // GitHub's default. By content type only: any text at all would pass as a form.
    return /^application\/x-www-form-urlencoded\b/i.test(contentType ?? "")
      ? Object.fromEntries(new URLSearchParams(body.trim()))
      : undefined
  }
}

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined)

/** What a grant's members are called in RFC 6749, with HubSpot's camelCase as the second spelling. */
const names = {
  accessToken: ["access_token", "accessToken"],
  refreshToken: ["refresh_token", "refreshToken"],
  tokenType: ["token_type", "tokenType"],
  expiresIn: ["expires_in", "expiresIn"],
  refreshIn: ["refresh_in", "refreshIn"],
} as const

const member = (fields: Fields, name: keyof typeof names): unknown =>
  names[name].map((spelling) => fields[spelling]).find((value) => value !== undefined && value !== null)

/** What the server granted, undecoded but for the access token. */
export interface Grant {
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly idToken: string | undefined
  readonly tokenType: string | undefined
  readonly expiresIn: unknown
  readonly refreshIn: unknown
  readonly scope: string | undefined
}

/** Linear and GitHub separate scopes by commas, old Linear apps get an array. */
const scopeOf = (value: unknown): string | undefined => {
  const words = (Array.isArray(value) ? value : [value]).flatMap((part) => text(part)?.split(/[\s,]+/) ?? [])
  return text(words.filter((word) => word !== "").join(" "))
}

const grantIn = (fields: unknown): Grant | undefined => {
  if (!isRecord(fields)) return undefined
  const accessToken = text(member(fields, "accessToken"))?.trim()
  // RFC 6749 appendix A.12: printable ASCII. Anything else cannot be sent in a header, and a line break would forge one.
  if (accessToken === undefined || !/^[\x20-\x7E]+$/.test(accessToken)) return undefined
  return {
    accessToken,
    refreshToken: refreshTokenOf(fields),
    idToken: text(fields["id_token"]),
    tokenType: text(member(fields, "tokenType")),
    expiresIn: member(fields, "expiresIn"),
    refreshIn: member(fields, "refreshIn"),
    scope: scopeOf(fields["scope"]),
  }
}

/** The refresh token of an answer, with or without an access token beside it. */
export const refreshTokenOf = (fields: Fields): string | undefined => text(member(fields, "refreshToken"))

/** The usable grant in an answer; Slack nests that of a user in `authed_user`. */
export const grantOf = (fields: Fields): Grant | undefined => grantIn(fields) ?? grantIn(fields["authed_user"])

const errorMember = (fields: Fields): unknown => (isRecord(fields["error"]) ? fields["error"]["code"] : fields["error"])

/** Where servers put their code, most telling first. `__type` is AWS's, with a namespace before `#`. */
export const codesOf = (fields: Fields): ReadonlyArray<string> =>
  [
    errorMember(fields),
    fields["code"],
    fields["error_code"],
    fields["status"],
    text(fields["__type"])?.replace(/^.*#/, ""),
  ].flatMap((value) => text(value) ?? [])

/** Whether the answer calls itself an error. In a 200, a `status` or `code` alone does not: it may say "success". */
export const saysError = (fields: Fields): boolean =>
  text(fields["error"]) !== undefined ||
  isRecord(fields["error"]) ||
  text(fields["error_code"]) !== undefined ||
  fields["ok"] === false

/** The server's own words about its code. */
export const descriptionsOf = (fields: Fields): ReadonlyArray<string> => {
  const nested = isRecord(fields["error"]) ? fields["error"] : {}
  return [
    fields["error_description"],
    nested["error_description"],
    nested["message"],
    fields["error_hint"],
    fields["message"],
    fields["error_message"],
    fields["msg"],
    fields["reason"],
  ].flatMap((value) => text(value)?.trim() ?? [])
}

const secretName = /(?:token|secret|assertion|password)(?!.*type)/i

/** What an answer holds under the name of a token, a secret or the like: not to be repeated, wherever it stands. */
export const secretsOf = (value: unknown, depth = 4): ReadonlyArray<string> => {
  if (depth === 0 || typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === "string" ? (secretName.test(name) ? [inner] : []) : secretsOf(inner, depth - 1),
  )
}

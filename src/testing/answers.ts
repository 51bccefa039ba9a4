/**
 * What goes over the wire in answer to a token request, and the granted answer in every shape that servers give it.
 * Facts: providers §7.
 */
import * as Redacted from "effect/Redacted"
import type { Answer as Written } from "../lifecycle/Credential.ts"
import type { Policy } from "./Policy.ts"

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** As a client that asked at `sentAt` and hears it at `at` writes it down. */
export const written = ({ body, headers, status }: Answer, sentAt: number, at: number): Written => {
  const header = <Name extends string>(member: Name, name: string) =>
    (headers[name] === undefined ? {} : { [member]: headers[name] }) as { readonly [Key in Name]?: string }
  return {
    sentAt,
    at,
    status,
    ...header("contentType", "content-type"),
    ...header("retryAfter", "retry-after"),
    ...header("location", "location"),
    ...header("date", "date"),
    body: Redacted.make(body),
  }
}

export const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value),
})

export const form = (status: number, fields: Readonly<Record<string, string>>): Answer => ({
  status,
  headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
  body: new URLSearchParams(fields).toString(),
})

export const text = (status: number, body: string): Answer => ({
  status,
  headers: { "content-type": "text/plain" },
  body,
})

export const html = (status: number, title: string): Answer => ({
  status,
  headers: { "content-type": "text/html; charset=utf-8" },
  body: `<!doctype html><html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>`,
})

/** RFC 6749 §5.2. */
export const oauthError = (status: number, error: string, description?: string): Answer =>
  json(status, { error, ...(description !== undefined && { error_description: description }) })

/** RFC 9110 §5.6.7. */
// @effect-diagnostics-next-line globalDate:off -- it formats an instant that it is given, and reads no clock
export const httpDate = (at: number): string => new Date(at).toUTCString()

export interface Granted {
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly expiresInMillis: number
  readonly scope: string | undefined
}

const expiresInOf = (spelling: Policy["expiresIn"], millis: number): unknown => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  switch (spelling) {
    case "seconds":
      return seconds
    case "missing":
      return undefined
    case "null":
      return null
    case "zero":
      return 0
    case "negative":
      return -1
    case "nan":
      return "NaN"
    case "word":
      return "soon"
    case "string":
      return String(seconds)
    case "milliseconds":
      return Math.max(0, millis)
  }
}

/** A form leaves out what is `undefined`, as JSON does of its own accord. */
const asTexts = (fields: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  )

/** RFC 6749 §5.1, or what some server has made of it. */
export const granted = (tokens: Granted, policy: Policy): Answer => {
  const expiresIn = expiresInOf(policy.expiresIn, tokens.expiresInMillis)
  const { accessToken, refreshToken, scope } = tokens
  const fields = {
    access_token: accessToken,
    token_type: "Bearer",
    expires_in: expiresIn,
    refresh_token: refreshToken,
    scope,
  }
  switch (policy.body) {
    case "json":
      return json(200, fields)
    case "form":
      return form(200, asTexts(fields))
    case "camelCase":
      return json(200, { accessToken, tokenType: "Bearer", expiresIn, refreshToken, scope })
    case "authedUser":
      return json(200, { ok: true, authed_user: { id: "U1", ...fields, token_type: "user" } })
    case "scopeArray":
      return json(200, { ...fields, scope: scope?.split(" ") })
  }
}

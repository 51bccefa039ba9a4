/**
 * How `tokenkeep token` prints a token. One place for the fast path and the other, so that nobody can tell which answered.
 *
 * | format | text |
 * |---|---|
 * | `raw` | the token and a line break |
 * | `header` | `Authorization: Bearer …`, RFC 6750 §2.1, ready for `curl -H @-` |
 * | `json` | what is known about the token; `expires_at` and `scope` only when they are known |
 * | `exec` | Kubernetes' `ExecCredential`, `client.authentication.k8s.io/v1` |
 *
 * It imports only what imports nothing (fast path).
 */
import { timestamp } from "../interop/timestamp.ts"

export const formats = ["raw", "header", "json", "exec"] as const
export type Format = (typeof formats)[number]

/** An access token and what is told with it. `expiresAt` in epoch milliseconds. */
export interface Printable {
  readonly token: string
  readonly tokenType: string
  readonly expiresAt: number | undefined
  readonly generation: number
  readonly scope: string | undefined
}

export const isFormat = (text: string): text is Format => (formats as ReadonlyArray<string>).includes(text)

/** RFC 6749 §5.1: the type is compared without case; the scheme of RFC 6750 is written `Bearer`. */
const scheme = (tokenType: string): string => (/^bearer$/i.test(tokenType) ? "Bearer" : tokenType)

/** The text for stdout, with its line break. An absent member is left out, as `JSON.stringify` does with `undefined`. */
export const format = ({ expiresAt, generation, scope, token, tokenType }: Printable, as: Format): string => {
  switch (as) {
    case "raw":
      return `${token}\n`
    case "header":
      return `Authorization: ${scheme(tokenType)} ${token}\n`
    case "json": {
      const known = { access_token: token, token_type: tokenType, expires_at: timestamp(expiresAt), scope, generation }
      return `${JSON.stringify(known)}\n`
    }
    case "exec": {
      const status = { expirationTimestamp: timestamp(expiresAt), token }
      return `${JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status })}\n`
    }
  }
}

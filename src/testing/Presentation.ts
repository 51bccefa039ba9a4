/**
 * The server's own record of every request for tokens, whatever came of it: what a test asks "how often was this refresh
 * token presented?".
 *
 * **Invariants**
 *
 * - No secret leaves it (I10): tokens and codes are fingerprints, parameters are names, and a name that is no name (a
 *   body that is a bare token is one long parameter) is not repeated.
 * - Fingerprints are computed when somebody reads: the explorer presents a thousand tokens a second, and reads few.
 */
import { fingerprint } from "../lifecycle/fingerprint.ts"

export interface Presentation {
  readonly sequence: number
  /** When it arrived, and when the server had done its work (epoch milliseconds). */
  readonly at: number
  readonly processedAt?: number | undefined
  /** A registered client's identifier, proven or not. */
  readonly client?: string | undefined
  readonly grantType: string
  /** Of the refresh token or code. */
  readonly fingerprint?: string | undefined
  /** What the token was when the server looked: `reuse` is a consumed one of a live family. */
  readonly was?: "current" | "reuse" | "dead" | "unknown" | undefined
  /** `repeated`: the same answer once more. `unprocessed`: a fault kept the request from the server. */
  readonly outcome: "granted" | "repeated" | "denied" | "clientRejected" | "invalid" | "unprocessed"
  /** The status that left the server, or `nothing` when the connection dropped or stayed silent. */
  readonly answered: number | "nothing" | "half"
  /** A scripted fault hit it. */
  readonly faulted: boolean
  /** Fingerprints of what the server minted, whether or not its answer got through. */
  readonly granted?: { readonly accessToken: string; readonly refreshToken?: string | undefined } | undefined
  readonly parameters: ReadonlyArray<string>
  /** RFC 8707, as far as it is a URL, without user, query and fragment. */
  readonly resource?: string | undefined
}

/** As the server holds it while it still may change: with secrets. */
export interface Entry {
  readonly sequence: number
  readonly at: number
  readonly client: string | undefined
  readonly grantType: string
  readonly presented: string | undefined
  readonly parameters: URLSearchParams
  readonly faulted: boolean
  processedAt: number | undefined
  was: Presentation["was"]
  outcome: Presentation["outcome"]
  answered: Presentation["answered"]
  granted: { readonly accessToken: string; readonly refreshToken: string | undefined } | undefined
}

const isName = (name: string): boolean => /^[a-z][a-z_]{0,39}$/.test(name)

const namesOf = (parameters: URLSearchParams): ReadonlyArray<string> =>
  [...new Set(parameters.keys())].map((name) => (isName(name) ? name : "(not repeated here)"))

const resourceOf = (parameters: URLSearchParams): string | undefined => {
  const url = URL.parse(parameters.get("resource") ?? "")
  return url === null ? undefined : `${url.protocol}//${url.host}${url.pathname}`
}

/** RFC 6749 §4.1.3, §4.4.2, §6. Others are not repeated: they may be anything. */
const grantTypes = new Set(["authorization_code", "client_credentials", "refresh_token"])

/** As it may be shown. */
export const show = (entry: Entry): Presentation => ({
  sequence: entry.sequence,
  at: entry.at,
  processedAt: entry.processedAt,
  client: entry.client,
  grantType: grantTypes.has(entry.grantType) ? entry.grantType : "(unknown)",
  fingerprint: entry.presented && fingerprint(entry.presented),
  was: entry.was,
  outcome: entry.outcome,
  answered: entry.answered,
  faulted: entry.faulted,
  granted: entry.granted && {
    accessToken: fingerprint(entry.granted.accessToken),
    refreshToken: entry.granted.refreshToken && fingerprint(entry.granted.refreshToken),
  },
  parameters: namesOf(entry.parameters),
  resource: resourceOf(entry.parameters),
})

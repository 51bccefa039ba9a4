/**
 * Who may use the proxy: programs of this machine, and no page in a browser.
 *
 * A page whose name is made to resolve to 127.0.0.1 (DNS rebinding) sends that name as `Host`; any other page sends its
 * own `Origin`, or a `Sec-Fetch-Site` where it sends no origin (an image). Pure but for the digests.
 */
import * as Crypto from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import * as Redacted from "effect/Redacted"
import { isLoopback } from "../../exchange/endpointUrl.ts"

export type Refusal = "host" | "origin" | "key"

const isOwn = (authority: string, port: number): boolean => {
  const url = URL.parse(`http://${authority}`)
  return /^[\w.:[\]-]+$/.test(authority) && url !== null && isLoopback(url) && Number(url.port || 80) === port
}

const digest = (text: string): Buffer => Crypto.createHash("sha256").update(text).digest()

/** In constant time, whatever the lengths. */
const isKey = (given: string | undefined, key: Redacted.Redacted): boolean =>
  given !== undefined && Crypto.timingSafeEqual(digest(given), digest(Redacted.value(key)))

const one = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0]

/** The local key, where a client can put it: a header of its own, or the API key that it has to be given anyway. */
export const hasKey = (headers: IncomingHttpHeaders, key: Redacted.Redacted | undefined): boolean =>
  key === undefined ||
  isKey(one(headers["x-tokenkeep-key"]), key) ||
  isKey(/^Bearer +(.*)$/i.exec(headers.authorization ?? "")?.[1], key)

/** Why a request is not for this proxy, which listens on `port`. The key is not asked for here. */
export const refusal = (headers: IncomingHttpHeaders, port: number): Exclude<Refusal, "key"> | undefined => {
  if (headers.host === undefined || !isOwn(headers.host, port)) return "host"
  const { origin } = headers
  if (origin !== undefined && !(origin.startsWith("http://") && isOwn(origin.slice("http://".length), port)))
    return "origin"
  const site = one(headers["sec-fetch-site"])
  return site === undefined || site === "none" || site === "same-origin" ? undefined : "origin"
}

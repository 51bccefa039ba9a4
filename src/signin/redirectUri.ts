/** The shapes of a redirect URI: where the browser comes back to, and whether we can be there. Pure. */
import { endpointProblem, isLoopback } from "../exchange/endpointUrl.ts"

/** RFC 8252 §7.3: the address and not the name, and any port. */
export const standard = "http://127.0.0.1/callback"

export type Shape =
  /** We listen. Without a port the system chooses one. */
  | { readonly _tag: "Loopback"; readonly uri: URL; readonly port: number }
  /** The browser ends up elsewhere, and the person pastes the URL it was sent to. */
  | { readonly _tag: "Elsewhere"; readonly uri: URL }
  | { readonly _tag: "Invalid"; readonly problem: string }

export const shapeOf = (text: string): Shape => {
  const uri = URL.parse(text)
  if (uri === null) return { _tag: "Invalid", problem: "is not a URL" }
  if (uri.protocol === "http:" || uri.protocol === "https:") {
    const problem = endpointProblem(uri)
    if (problem !== undefined) return { _tag: "Invalid", problem }
    if (uri.protocol === "https:") return { _tag: "Elsewhere", uri }
    if (!isLoopback(uri)) return { _tag: "Invalid", problem: "is not on this machine" }
    return { _tag: "Loopback", uri, port: uri.port === "" ? 0 : Number(uri.port) }
  }
  // RFC 8252 §7.1: a private scheme has the form of a reversed domain name; a few products use a bare word.
  return /^(?:javascript|data|file|about|blob|ftp|ws|wss):$/.test(uri.protocol) || uri.hash !== ""
    ? { _tag: "Invalid", problem: "is no URL that a browser could come back to" }
    : { _tag: "Elsewhere", uri }
}

/** Whether one stands for the other: a loopback address may have any port (RFC 8252 §7.3). */
export const isRegistered = (registered: string, uri: string): boolean => {
  const [a, b] = [URL.parse(registered), URL.parse(uri)]
  if (registered === uri) return true
  return a !== null && b !== null && isLoopback(a) && a.hostname === b.hostname && a.pathname === b.pathname
}

/**
 * To which URLs a refresh token or a client secret may be sent: `https:` anywhere, `http:` to this machine only.
 *
 * Loopback is told by its literal address or the name `localhost` (RFC 8252 §8.3), never by asking the DNS, whose answer
 * an attacker may own. A name that merely begins like an address (`127.0.0.1.example.com`) is a name.
 */

const parse = (url: string | URL): URL | undefined => (typeof url === "string" ? (URL.parse(url) ?? undefined) : url)

/** This machine. `URL` has already brought every spelling of an IPv4 address (`127.1`, `0x7f000001`) into one form. */
export const isLoopback = (url: URL): boolean =>
  url.hostname === "localhost" || url.hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(url.hostname)

/** What is wrong with a URL as an endpoint, said to people without repeating the URL; `undefined` when nothing is. */
export const endpointProblem = (url: string | URL): string | undefined => {
  const parsed = parse(url)
  if (parsed === undefined) return "is not a URL"
  if (parsed.protocol !== "https:" && parsed.protocol !== "http:") return "is not an https: URL"
  if (parsed.username !== "" || parsed.password !== "") return "contains a user name or password"
  // RFC 6749 §3.2: the endpoint URI must not include a fragment.
  if (parsed.hash !== "") return "contains a fragment"
  if (parsed.protocol === "http:" && !isLoopback(parsed)) return "is not encrypted: http: is accepted on loopback only"
  return undefined
}

export const isAllowedEndpoint = (url: string | URL): boolean => endpointProblem(url) === undefined

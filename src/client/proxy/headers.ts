/** Which headers pass a proxy. Pure; the names keep their spelling and their order, and what is said twice stays so. */

/** They speak of one connection and not of the message (RFC 9110 §7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
])

/** What a client says of itself and this proxy, which the upstream does not hear: it sees a client like any other. */
const ofTheClient: ReadonlySet<string> = new Set([
  "authorization",
  "dpop",
  "expect",
  "host",
  "origin",
  "referer",
  "x-tokenkeep-key",
])

const none: ReadonlySet<string> = new Set()

const named = (connection: string | undefined): ReadonlySet<string> =>
  connection === undefined || /^(?:keep-alive|close|upgrade)$/i.test(connection)
    ? none
    : new Set(connection.split(",").map((name) => name.trim().toLowerCase()))

/** `raw` is Node's flat list of names and values, and so is the answer. */
const filtered = (
  raw: ReadonlyArray<string>,
  connection: string | undefined,
  keeps: (name: string) => boolean,
): Array<string> => {
  const listed = named(connection)
  const kept: Array<string> = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    if (!hopByHop.has(name) && !listed.has(name) && keeps(name)) kept.push(raw[i]!, raw[i + 1]!)
  }
  return kept
}

export const forRequest = (raw: ReadonlyArray<string>, connection: string | undefined): Array<string> =>
  filtered(raw, connection, (name) => !ofTheClient.has(name))

/** `location` says what becomes of a redirect's target. */
export const forResponse = (
  raw: ReadonlyArray<string>,
  connection: string | undefined,
  location: (value: string) => string,
): Array<string> => {
  const headers = filtered(raw, connection, () => true)
  for (let i = 0; i < headers.length; i += 2) {
    if (/^(?:content-)?location$/i.test(headers[i]!)) headers[i + 1] = location(headers[i + 1]!)
  }
  return headers
}

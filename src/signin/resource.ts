/**
 * From the URL of an MCP server or an API to its protected resource metadata (RFC 9728): the `WWW-Authenticate` header
 * first, then both well-known places.
 */
import * as Effect from "effect/Effect"
import { type Challenge, forAccessToken } from "./challenge.ts"
import type { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import { membersOf } from "./metadata.ts"
import type { Source } from "./zone.ts"

export interface ProtectedResource {
  /** RFC 8707: what `resource` is sent. The server's own spelling where it has one. */
  readonly resource: string
  /** `undefined`: it has no metadata, as servers of MCP 2025-03-26 have none. */
  readonly authorizationServers: ReadonlyArray<string> | undefined
  /** The challenge's, else the metadata's (MCP, scope selection strategy). */
  readonly scopes: ReadonlyArray<string> | undefined
  /** RFC 9728 §2: the resource takes no bearer tokens. */
  readonly wantsProof: boolean
  readonly source: Source
  /** How it was found, for people. */
  readonly found: string
}

/** MCP 2026-07-28, canonical server URI: lower case, no fragment, and no slash that stands for an empty path. */
const canonical = (url: URL): string => `${url.origin}${url.pathname === "/" ? "" : url.pathname}${url.search}`

/** Whether a token for `resource` is one for `url`: same origin, and below its path. */
const covers = (resource: string, url: URL): boolean => {
  const home = URL.parse(resource)
  if (home === null || home.origin !== url.origin) return false
  return `${url.pathname}/`.startsWith(home.pathname.endsWith("/") ? home.pathname : `${home.pathname}/`)
}

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "tokenkeep", version: "0" } },
})

const accept = "application/json, text/event-stream"

/** Asks without a token, as a GET and, where that is not understood, as an MCP client's first POST. */
const challengeOf = Effect.fnUntraced(function* (url: string) {
  const what = "the server"
  const first = yield* Guard.get(what, url, "person", { headers: { accept } })
  const challenge = forAccessToken(first.response.headers.get("www-authenticate"))
  if (challenge !== undefined || ![400, 404, 405, 406, 415].includes(first.response.status)) {
    return { challenge, zone: first.zone }
  }
  const headers = { accept, "content-type": "application/json" }
  const second = yield* Guard.get(what, url, "person", { method: "POST", headers, body: initialize })
  return { challenge: forAccessToken(second.response.headers.get("www-authenticate")), zone: second.zone }
})

const wellKnown = (url: URL): ReadonlyArray<string> => {
  const path = url.pathname.replace(/\/$/, "")
  const at = (suffix: string) => new URL(`/.well-known/oauth-protected-resource${suffix}`, url.origin).href
  return path === "" ? [at("")] : [at(`${path}${url.search}`), at("")]
}

const words = (text: string | undefined): ReadonlyArray<string> | undefined => {
  const found = text?.split(/\s+/).filter((word) => word !== "") ?? []
  return found.length === 0 ? undefined : found
}

const texts = (value: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string") ? value : undefined

const read = Effect.fnUntraced(function* (
  members: Readonly<Record<string, unknown>>,
  url: URL,
  challenge: Challenge | undefined,
  at: { readonly source: Source; readonly location: string },
): Effect.fn.Return<ProtectedResource, SignInFailed> {
  const resource = members["resource"]
  // RFC 9728 §3.3: metadata of another resource must not be used. An MCP server may describe all of its origin at once.
  if (typeof resource !== "string" || !covers(resource, url)) {
    return yield* Guard.untrusted(`the metadata at ${at.location} is for another resource than ${canonical(url)}`)
  }
  return {
    resource,
    authorizationServers: texts(members["authorization_servers"]),
    scopes: words(challenge?.parameters.get("scope")) ?? texts(members["scopes_supported"]),
    wantsProof: members["dpop_bound_access_tokens_required"] === true,
    source: at.source,
    found: at.location,
  }
})

export const discover = Effect.fnUntraced(function* (text: string): Effect.fn.Return<ProtectedResource, SignInFailed> {
  const withoutFragment = text.replace(/#.*$/s, "")
  const problem = Guard.urlProblem(withoutFragment, "person", "the URL")
  if (problem !== undefined) return yield* problem
  const url = new URL(withoutFragment)
  const { challenge, zone } = yield* challengeOf(url.href)
  const named = challenge?.parameters.get("resource_metadata")
  for (const location of [...(named === undefined ? [] : [named]), ...wellKnown(url)]) {
    const answer = yield* Guard.get("the resource's metadata", location, zone)
    const members = yield* Effect.promise(() => membersOf(answer.response))
    if (members !== undefined) return yield* read(members, url, challenge, { source: answer.zone, location })
  }
  return {
    resource: canonical(url),
    authorizationServers: undefined,
    scopes: words(challenge?.parameters.get("scope")),
    wantsProof: challenge?.scheme === "dpop",
    source: zone,
    found: "no protected resource metadata",
  }
})

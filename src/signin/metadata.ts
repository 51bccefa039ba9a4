/**
 * An authorization server's metadata: RFC 8414 and OpenID Connect discovery, in the order of the MCP specification, and
 * the issuer's identity checked. What a server lacks is told apart from what it could not say just now (`guard.ts`).
 */
import * as Effect from "effect/Effect"
import * as oauth from "oauth4webapi"
import { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import type { Source } from "./zone.ts"

export interface AuthorizationServer {
  readonly metadata: oauth.AuthorizationServer
  /** Who named the endpoints, which bounds where they may be. */
  readonly source: Source
  /** A document of the server's own, or what a person said of it. */
  readonly from: "metadata" | "person"
}

/** The places of the metadata, the first that has it counts (MCP 2026-07-28, authorization server discovery). */
export const locations = (issuer: URL): ReadonlyArray<string> => {
  const path = issuer.pathname.replace(/\/$/, "")
  const at = (pathname: string) => new URL(pathname, issuer.origin).href
  const inserted = ["oauth-authorization-server", "openid-configuration"].map((name) =>
    at(`/.well-known/${name}${path}`),
  )
  return path === "" ? inserted : [...inserted, at(`${path}/.well-known/openid-configuration`)]
}

/** The members of a JSON document. `undefined` for anything else: many sites answer every path with their start page. */
export const membersOf = async (response: Response): Promise<Readonly<Record<string, unknown>> | undefined> => {
  if (response.status !== 200) return undefined
  const value: unknown = await response.json().catch(() => undefined)
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
}

const issuerProblem = (issuer: string, source: Source): SignInFailed | undefined =>
  Guard.urlProblem(issuer, source, "the issuer") ??
  // RFC 8414 §2.
  (new URL(issuer).search === "" ? undefined : Guard.untrusted("the issuer contains a query"))

/**
 * The metadata of `issuer`, which `source` named. A document that names another issuer is an impostor's (RFC 8414 §3.3),
 * and no other place is asked then. `https://as.example` and `https://as.example/` are the same URL and so the same
 * issuer; what is kept, and compared with `iss` later, is the document's own spelling.
 */
export const discover = Effect.fnUntraced(function* (
  issuer: string,
  source: Source,
): Effect.fn.Return<AuthorizationServer & { readonly url: string }, SignInFailed> {
  const problem = issuerProblem(issuer, source)
  if (problem !== undefined) return yield* problem
  const expected = new URL(issuer)
  for (const url of locations(expected)) {
    const { response, zone } = yield* Guard.get("the authorization server's metadata", url, source)
    const members = yield* Effect.promise(() => membersOf(response.clone()))
    if (typeof members?.["issuer"] !== "string") continue
    const metadata = yield* Effect.tryPromise({
      try: () => oauth.processDiscoveryResponse(expected, Response.json(members)),
      catch: () =>
        Guard.untrusted(
          `the metadata of ${expected.href} belongs to another issuer (${URL.parse(String(members["issuer"]))?.origin ?? "not a URL"}): it is not used`,
        ),
    })
    return { metadata, source: zone, from: "metadata", url }
  }
  return yield* new SignInFailed({
    reason: "unsupported",
    message:
      `${expected.href} has no authorization server metadata (looked at ${locations(expected).join(", ")}). ` +
      "If you know its endpoints, name them: --authorization-endpoint and --token-endpoint",
  })
})

/** Why PKCE cannot be relied on there (OAuth 2.1 §7.5.2; MCP: clients MUST refuse to proceed); `undefined` when it can. */
export const pkceProblem = ({ from, metadata }: AuthorizationServer): string | undefined => {
  const methods = metadata.code_challenge_methods_supported
  if (from === "person" || methods?.includes("S256") === true) return undefined
  return methods === undefined
    ? "the server's metadata does not say that it checks PKCE (code_challenge_methods_supported)"
    : "the server's metadata does not list S256 among its PKCE methods (code_challenge_methods_supported)"
}

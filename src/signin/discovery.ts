/** From what a person names, to the authorization server, the resource and the scopes that a sign-in is for. */
import * as Effect from "effect/Effect"
import { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import * as Metadata from "./metadata.ts"
import * as Resource from "./resource.ts"

/** Endpoints as a person names them, for a server that publishes no metadata. */
export interface Endpoints {
  readonly issuer?: string | undefined
  readonly tokenEndpoint: string
  readonly authorizationEndpoint?: string | undefined
  readonly deviceAuthorizationEndpoint?: string | undefined
  readonly revocationEndpoint?: string | undefined
  readonly registrationEndpoint?: string | undefined
}

/** What to sign in to. With `mcp` and `issuer` both, the resource has to name that issuer. */
export type Target =
  | { readonly mcp: string; readonly issuer?: string | undefined }
  | { readonly issuer: string }
  | { readonly endpoints: Endpoints }

export interface Discovered {
  readonly server: Metadata.AuthorizationServer
  readonly resource: string | undefined
  /** What the resource says it wants; `undefined` when it does not say. */
  readonly scopes: ReadonlyArray<string> | undefined
  readonly wantsProof: boolean
  /** What was found where, a sentence each, for people. */
  readonly steps: ReadonlyArray<string>
}

const noResource = { resource: undefined, scopes: undefined, wantsProof: false } as const

const same = (a: string, b: string): boolean => a === b || URL.parse(a)?.href === URL.parse(b)?.href

const ofMcp = Effect.fnUntraced(function* (mcp: string, issuer: string | undefined, known: string | undefined) {
  const { authorizationServers, found, resource, scopes, source, wantsProof } = yield* Resource.discover(mcp)
  if (authorizationServers !== undefined) {
    // Of several, the one that the name is bound to already; else the server's own order counts.
    const wanted = issuer ?? authorizationServers.find((each) => known !== undefined && same(each, known))
    const chosen =
      wanted === undefined ? authorizationServers[0]! : authorizationServers.find((each) => same(each, wanted))
    if (chosen === undefined) {
      const named = authorizationServers.map((each) => URL.parse(each)?.href ?? "(not a URL)").join(", ")
      return yield* Guard.untrusted(`${mcp} does not name ${issuer} as its authorization server, but ${named}`)
    }
    const server = yield* Metadata.discover(chosen, source)
    const steps = [`resource metadata: ${found}`, `authorization server: ${server.metadata.issuer} (${server.url})`]
    return { server, resource, scopes, wantsProof, steps }
  }
  // MCP 2025-03-26: the server's origin is its own authorization server.
  const server = yield* Metadata.discover(issuer ?? new URL(mcp).origin, issuer === undefined ? source : "person")
  const where = issuer === undefined ? "its origin is taken for the authorization server (MCP 2025-03-26)" : "as named"
  return { server, resource, scopes, wantsProof, steps: [`${found}: ${where}`, `authorization server: ${server.url}`] }
})

/** `known`: the issuer that the name is bound to, if it is. */
export const discover = Effect.fnUntraced(function* (
  target: Target,
  known?: string,
): Effect.fn.Return<Discovered, SignInFailed> {
  if ("mcp" in target) return yield* ofMcp(target.mcp, target.issuer, known)
  if ("issuer" in target) {
    const server = yield* Metadata.discover(target.issuer, "person")
    return { server, ...noResource, steps: [`authorization server: ${server.url}`] }
  }
  const { endpoints } = target
  const named: Readonly<Record<string, string | undefined>> = {
    token_endpoint: endpoints.tokenEndpoint,
    authorization_endpoint: endpoints.authorizationEndpoint,
    device_authorization_endpoint: endpoints.deviceAuthorizationEndpoint,
    revocation_endpoint: endpoints.revocationEndpoint,
    registration_endpoint: endpoints.registrationEndpoint,
  }
  for (const [name, url] of Object.entries(named)) {
    const problem = url === undefined ? undefined : Guard.urlProblem(url, "person", `the ${name.replaceAll("_", " ")}`)
    if (problem !== undefined) return yield* new SignInFailed({ reason: "invalid", message: problem.message })
  }
  const metadata = { issuer: endpoints.issuer ?? new URL(endpoints.tokenEndpoint).origin, ...named }
  return {
    server: { metadata, source: "person", from: "person" },
    ...noResource,
    steps: [],
  }
})

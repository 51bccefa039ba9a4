/**
 * What is asked of a sign-in, and what an earlier one under the same name adds to it: server, client, scopes and
 * parameters need not be said twice. Whom a name is bound to is judged here too.
 */
import * as Effect from "effect/Effect"
import type { Credential, SignedIn } from "../lifecycle/Credential.ts"
import * as Profiles from "../provider/Profiles.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import * as AuthorizationCode from "./authorizationCode.ts"
import type * as Discovery from "./discovery.ts"
import { SignInFailed } from "./errors.ts"
import type * as Metadata from "./metadata.ts"
import type { Client } from "./tokenRequest.ts"

export interface Request {
  readonly name: string
  /** Absent: what the name was signed in to before. */
  readonly target?: Discovery.Target | undefined
  readonly way?: SignedIn["way"] | undefined
  /** The credential of an identity provider that vouches for the person (ID-JAG). */
  readonly parent?: string | undefined
  /** A profile's id; absent: by the issuer. */
  readonly provider?: string | undefined
  /** A client that is registered at the server already. */
  readonly client?: Client | undefined
  /** The URL of a client metadata document, used where the server takes one. */
  readonly clientDocument?: string | undefined
  /** In place of those that the server or an earlier sign-in says. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** On top of those of the earlier sign-in: what a step-up asks for. */
  readonly moreScopes?: ReadonlyArray<string> | undefined
  readonly authorizeParams?: Readonly<Record<string, string>> | undefined
  readonly redirectUri?: string | undefined
  /** Have the tokens bound to a key of this credential (RFC 9449). Absent: as before. */
  readonly dpop?: boolean | undefined
  /** Go on although the server does not say that it checks PKCE. */
  readonly allowMissingPkce?: boolean | undefined
}

export const invalid = (message: string): SignInFailed => new SignInFailed({ reason: "invalid", message })

export const words = (scope: string | undefined): ReadonlyArray<string> =>
  scope?.split(" ").filter((word) => word !== "") ?? []

const union = (...lists: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => [...new Set(lists.flat())]

/** What the name was signed in to, as a target again. */
const earlierTarget = ({ issuer, signedIn, tokenEndpoint }: Credential): Discovery.Target | undefined => {
  if (signedIn?.mcp !== undefined) return { mcp: signedIn.mcp }
  if (signedIn?.hasMetadata !== false && issuer !== undefined) return { issuer }
  if (signedIn === undefined) return undefined
  const { authorizationEndpoint, deviceAuthorizationEndpoint, revocationEndpoint } = signedIn
  const given = { authorizationEndpoint, deviceAuthorizationEndpoint, revocationEndpoint }
  return { endpoints: { ...given, issuer, tokenEndpoint } }
}

const same = (a: string, b: string): boolean => a === b || URL.parse(a)?.href === URL.parse(b)?.href

/** Whether a target that was named is the one from before. What was registered or granted there is for no other. */
const isAgain = (target: Discovery.Target, before: Credential): boolean => {
  const earlier = earlierTarget(before)
  if (earlier === undefined) return false
  if ("endpoints" in target) return target.endpoints.tokenEndpoint === before.tokenEndpoint
  const isSameIssuer =
    target.issuer === undefined || (before.issuer !== undefined && same(before.issuer, target.issuer))
  if (!("mcp" in target)) return isSameIssuer && !("mcp" in earlier)
  return isSameIssuer && "mcp" in earlier && same(target.mcp, earlier.mcp)
}

/** The request with what is kept from an earlier sign-in to the same target filled in. */
export const completed = Effect.fnUntraced(function* (request: Request, before: Credential | undefined) {
  const known =
    before !== undefined && (request.target === undefined || isAgain(request.target, before)) ? before : undefined
  const earlier = known?.signedIn
  const target = request.target ?? (before && earlierTarget(before))
  if (target === undefined) {
    return yield* invalid(`${request.name}: what to sign in to? Say --mcp URL, --issuer URL or --token-endpoint URL`)
  }
  const reservedName = Object.keys(request.authorizeParams ?? {}).find((name) =>
    AuthorizationCode.reserved.includes(name),
  )
  if (reservedName !== undefined) {
    return yield* invalid(`${reservedName} belongs to the sign-in itself and cannot be set by --authorize-param`)
  }
  return {
    ...request,
    target,
    way: request.parent === undefined ? (request.way ?? earlier?.way ?? "browser") : "identityAssertion",
    parent: request.parent ?? (known?.mint?._tag === "IdentityAssertion" ? known.mint.parent : undefined),
    authorizeParams: { ...earlier?.authorizeParams, ...request.authorizeParams },
    provider: request.provider ?? (earlier === undefined ? undefined : known?.provider),
    /** What the name holds, when that came from the same target. */
    known,
  }
})
export type Completed = Effect.Success<ReturnType<typeof completed>>

export const profileOf = (
  known: Profiles.Known,
  id: string | undefined,
  { metadata }: Metadata.AuthorizationServer,
): Effect.Effect<ProviderProfile.ProviderProfile, SignInFailed> => {
  if (id === undefined) {
    const server = { issuer: metadata.issuer, tokenEndpoint: metadata.token_endpoint }
    return Effect.succeed(ProviderProfile.choose(known.profiles, server))
  }
  const found = ProviderProfile.find(known.profiles, id)
  return found === undefined ? Effect.fail(invalid(Profiles.missing(known, id))) : Effect.succeed(found)
}

/** RFC 9700 §4.4, MCP: a changed authorization server is told, never followed silently. */
export const boundIssuer = ({ known, name, target }: Completed, issuer: string) => {
  const bound = known?.issuer
  if (bound === undefined || "endpoints" in target || same(bound, issuer)) return Effect.void
  return Effect.fail(
    new SignInFailed({
      reason: "untrusted",
      message:
        `the server now names ${issuer} as its authorization server, and ${name} is bound to ${bound}. Nothing was sent ` +
        `there. If the change is right: tokenkeep login ${name} --issuer ${issuer}${"mcp" in target ? ` --mcp ${target.mcp}` : ""}`,
    }),
  )
}

/** Scope selection: what was said, else what was asked for before, else what the server asks for. */
export const wishedScopes = (request: Completed, found: Discovery.Discovered) => {
  const earlier = request.known?.signedIn?.scopes
  const isOpenId =
    request.way !== "clientCredentials" &&
    request.way !== "identityAssertion" &&
    found.server.metadata.scopes_supported?.includes("openid") === true &&
    found.resource === undefined
  const base = request.scopes ?? earlier ?? found.scopes ?? (isOpenId ? ["openid"] : [])
  const granted = request.moreScopes === undefined ? [] : words(request.known?.tokens.scope)
  return union(base, granted, request.moreScopes ?? [])
}

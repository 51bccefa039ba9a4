/**
 * What is known about one authorization server, as data: no code changes when a provider does.
 *
 * An unknown server is `generic`: standard parameters, and of what it does with a reused refresh token the strictest there
 * is (single use, no grace, reuse revokes the whole family). What each provider's profile says, from which source and how
 * sure that is, stands in the rows of `table/`; what a person says about a server stands in a file (`ProfileFile`).
 */
import type { Client, DeadReason, ReuseClass } from "../lifecycle/Credential.ts"
import { matches } from "./match.ts"

/**
 * One way in which a server says what became of a refresh token. It holds for an answer that carries the whole `code` and,
 * where they are given, the whole `phrase` and the `status`: never for a part of a description (I8).
 */
export interface Spelling {
  /**
   * Compared without case against `error`, `error.code`, `code`, `error_code`, `status` and `__type`. Empty: the answer
   * has no code, and the phrase alone decides, so it has to have one.
   */
  readonly code: string
  /**
   * The whole description, without case and without a full stop at its end. A `*` at the end stands for whatever follows,
   * such as the name of a client.
   */
  readonly phrase?: string
  /** Only with this HTTP status. */
  readonly status?: number
  /**
   * A reason: the refresh token is dead. `clientRejected`: the configuration is wrong, and the refresh token is kept.
   * `passing`: it only looks like the end, and is tried again.
   */
  readonly means: Extract<DeadReason, "rejected" | "expired" | "reused" | "revoked" | "clientRejected"> | "passing"
}

/** Which scopes an authorization request asks for, beside those that were wished for. */
export interface Scopes {
  /** Asked for by everybody who names none. */
  readonly defaults: ReadonlyArray<string>
  /** Always asked for, because without them there is no refresh token. */
  readonly add: ReadonlyArray<string>
  /** Asked for when the server advertises them (`scopes_supported`) and some scope is asked for at all. */
  readonly addIfAdvertised: ReadonlyArray<string>
  /** Never asked for: the server answers `invalid_scope`. */
  readonly never: ReadonlyArray<string>
  /** Between two scopes; RFC 6749 §3.3 says a space, Linear a comma. */
  readonly separator: string
}

export interface ProviderProfile {
  readonly id: string
  /** The name by which people know it. */
  readonly name: string
  /**
   * The issuers and token endpoints that are this provider's, as `host`, `host/path` or `/path`: a label `*` stands for
   * one or more labels of the host, a segment `*` for one segment of the path, and what follows the path does not matter.
   */
  readonly match: ReadonlyArray<string>
  /** Parameters of the authorization request without which there is no refresh token. */
  readonly authorizeParams: Readonly<Record<string, string>>
  /** Those that go with the scope `offline_access`: OpenID Connect Core §11 wants `prompt=consent`. */
  readonly offlineParams: Readonly<Record<string, string>>
  readonly scopes: Scopes
  /** RFC 8707: whether `resource` is sent, in the authorization request and with every refresh. */
  readonly sendResource: boolean
  /** RFC 6749 §6: whether a refresh names the scopes of the grant. Elsewhere a refresh that names none keeps them all. */
  readonly scopeOnRefresh: boolean
  /** How a client that has a secret proves itself when nobody says how (RFC 7591 §2). */
  readonly clientAuth: (typeof Client.Type)["authMethod"]
  /** In which form token requests are sent. RFC 6749 knows only the form. */
  readonly requestBody: "form" | "json"
  /** A 2xx answer may leave the access token out when only the refresh token is new. Elsewhere that is a spoiled answer. */
  readonly accessTokenOptional: boolean
  /** Where the expiry comes from when the answer leaves a choice. */
  readonly expirySource: "expires_in" | "jwt" | "milliseconds"
  readonly reuse: { readonly class: ReuseClass; readonly graceMillis: number }
  /** Spellings beyond those that every server may use; they are looked at first. */
  readonly spellings: ReadonlyArray<Spelling>
  /** Said to a person whose sign-in brought no refresh token: what this provider gives one for. A whole sentence. */
  readonly refreshTokenRule: string
}

export const generic: ProviderProfile = {
  id: "generic",
  name: "any other server",
  match: [],
  authorizeParams: {},
  offlineParams: { prompt: "consent" },
  scopes: { defaults: [], add: [], addIfAdvertised: ["offline_access"], never: [], separator: " " },
  sendResource: true,
  scopeOnRefresh: false,
  clientAuth: "client_secret_basic",
  requestBody: "form",
  accessTokenOptional: false,
  expirySource: "expires_in",
  reuse: { class: "strict", graceMillis: 0 },
  spellings: [],
  refreshTokenRule:
    "Many servers give a refresh token only when the scope offline_access is asked for and the person consents, and only to clients that are registered for the grant type refresh_token.",
}

/**
 * The scopes to ask for, in order and without repetition: those wished for, and what this provider wants for a refresh
 * token. `advertised`: the server's `scopes_supported`. Empty: the parameter is left out, and the server decides.
 */
export const scopes = (
  { scopes }: Pick<ProviderProfile, "scopes">,
  requested: ReadonlyArray<string>,
  advertised: ReadonlyArray<string> = [],
): ReadonlyArray<string> => {
  const wished = requested.length > 0 ? requested : scopes.defaults
  // Alone it would ask for nothing else, in the place of the server's own default (as the MCP SDK 2.4 has it).
  const offered = wished.length === 0 ? [] : scopes.addIfAdvertised.filter((scope) => advertised.includes(scope))
  return [...new Set([...wished, ...scopes.add, ...offered])].filter((scope) => !scopes.never.includes(scope))
}

/** The value of the parameter `scope`. */
export const scopeText = ({ scopes }: Pick<ProviderProfile, "scopes">, asked: ReadonlyArray<string>): string =>
  asked.join(scopes.separator)

/**
 * The extra parameters of an authorization request: the profile's, and over them the person's (`--authorize-param k=v`),
 * which always win. An empty value takes a parameter away: RFC 6749 §3.1 treats it as omitted.
 */
export const authorizeParams = (
  { authorizeParams, offlineParams }: Pick<ProviderProfile, "authorizeParams" | "offlineParams">,
  asked: ReadonlyArray<string>,
  extra: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => {
  const merged = { ...(asked.includes("offline_access") && offlineParams), ...authorizeParams, ...extra }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== ""))
}

/** What a refresh sends beyond RFC 6749's own parameters. `scope` is what the grant is known to cover. */
export const refreshParams = (
  { scopeOnRefresh, scopes, sendResource }: Pick<ProviderProfile, "scopeOnRefresh" | "scopes" | "sendResource">,
  grant: { readonly resource?: string | undefined; readonly scope?: string | undefined },
): Readonly<Record<string, string>> => {
  const granted = grant.scope?.split(" ").filter((scope) => scope !== "") ?? []
  // A granted scope does not list `offline_access`, and leaving it out could end the rolling of the refresh token.
  const scope = [...new Set([...granted, ...scopes.add])].join(scopes.separator)
  return {
    ...(sendResource && grant.resource !== undefined && { resource: grant.resource }),
    ...(scopeOnRefresh && granted.length > 0 && { scope }),
  }
}

/** Why a sign-in brought no refresh token, and the flags of `tokenkeep login` with which the next one would ask for it. */
export interface NoRefreshToken {
  /** One or two sentences for a person. */
  readonly why: string
  /** Empty when the request did ask as this provider wants it. */
  readonly flags: ReadonlyArray<string>
}

/** `sent`: the parameters of the authorization request that was made, or of any other request that asked for the grant. */
export const whyNoRefreshToken = (profile: ProviderProfile, sent: URLSearchParams): NoRefreshToken => {
  const asked = (sent.get("scope") ?? "").split(/[\s,]+/)
  const params = Object.entries(profile.authorizeParams).filter(([name, value]) => sent.get(name) !== value)
  const absent = profile.scopes.add.filter((scope) => !asked.includes(scope))
  const missing = [...params.map(([name, value]) => `${name}=${value}`), ...absent.map((scope) => `the scope ${scope}`)]
  return {
    why:
      missing.length === 0
        ? profile.refreshTokenRule
        : `${profile.refreshTokenRule} Not asked for: ${missing.join(", ")}.`,
    flags: [
      ...params.flatMap(([name, value]) => ["--authorize-param", `${name}=${value}`]),
      ...absent.flatMap((scope) => ["--scope", scope]),
    ],
  }
}

/** The profile of that id among `profiles`. */
export const find = (profiles: ReadonlyArray<ProviderProfile>, id: string): ProviderProfile | undefined =>
  profiles.find((profile) => profile.id === id)

/**
 * The profile of a server, by its issuer, or by its token endpoint when no issuer is known; `generic` when nobody's
 * patterns match. The first match decides, so what a person wrote stands before what is built in.
 */
export const choose = (
  profiles: ReadonlyArray<ProviderProfile>,
  server: { readonly issuer?: string | undefined; readonly tokenEndpoint?: string | undefined },
): ProviderProfile => {
  const url = server.issuer ?? server.tokenEndpoint
  return (url !== undefined && profiles.find(({ match }) => match.some((pattern) => matches(pattern, url)))) || generic
}

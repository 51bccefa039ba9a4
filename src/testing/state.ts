/** What a simulated authorization server holds, and how the values of its tokens come about. Shared by its parts only. */
import type * as Authorize from "./authorize.ts"
import type { Client } from "./clientAuth.ts"
import * as Family from "./Family.ts"
import type { Fault } from "./Fault.ts"
import * as Policy from "./Policy.ts"
import type { Entry } from "./Presentation.ts"

export interface State {
  readonly issuer: string
  readonly secretPrefix: string
  readonly claims: Readonly<Record<string, unknown>>
  policy: Policy.Policy
  consent: Authorize.Consent
  readonly clients: Map<string, Client>
  readonly families: Array<Family.Family>
  readonly tokens: Map<string, Family.RefreshToken | Family.AccessToken>
  readonly codes: Map<string, Authorize.Code>
  readonly script: Array<{ readonly fault: Fault; left: number }>
  readonly entries: Array<Entry>
  /** The digest, as long as nothing has changed since it was made. */
  digest: string | undefined
}

export const policyOf = (state: State, family: Family.Family): Policy.Policy =>
  Policy.over(state.policy, family.overrides)

const segment = (value: unknown): string => Buffer.from(JSON.stringify(value), "utf8").toString("base64url")

const jwtHeader = segment({ alg: "HS256", typ: "at+jwt" })

/** Counted within the family; the first family's tokens are called by their number alone, which reads best. */
export const secretOf =
  (state: State, policy: Policy.Policy): Family.SecretOf =>
  (kind, family, number, expiresAt) => {
    const name = `${state.secretPrefix}${kind}-${family.number === 1 ? "" : `g${family.number}-`}${number}`
    if (kind === "rt" || policy.accessTokens === "opaque") return name
    const own = { iss: state.issuer, client_id: family.clientId, jti: name, exp: Math.floor(expiresAt / 1000) }
    const claims = { ...state.claims, ...own }
    return `${jwtHeader}.${segment(claims)}.unsigned`
  }

/** From now on the tokens of the pair are known by their values. */
export const remember = (state: State, { access, refresh }: Family.Pair): void => {
  state.tokens.set(access.secret, access)
  if (refresh !== undefined) state.tokens.set(refresh.secret, refresh)
}

export interface Begin {
  readonly client: Client
  readonly scope?: string | undefined
  readonly resource?: string | undefined
  readonly overrides?: Policy.Overrides | undefined
  readonly withRefreshToken: boolean
}

/** A new grant and its first tokens. */
export const begin = (state: State, { client, overrides, resource, scope, withRefreshToken }: Begin, now: number) => {
  const family = Family.make({
    number: state.families.length + 1,
    clientId: client.clientId,
    scope,
    resource,
    overrides: client.policy === undefined ? overrides : { ...client.policy, ...overrides },
  })
  state.families.push(family)
  const policy = policyOf(state, family)
  const secrets = secretOf(state, policy)
  const pair: Family.Pair =
    withRefreshToken && !policy.withholdsRefreshToken
      ? Family.mint(family, undefined, policy, now, scope, secrets)
      : Family.mintAccessOnly(family, policy, now, secrets)
  remember(state, pair)
  return { family, pair, policy }
}

const codeDigest = ([value, { family, ...code }]: readonly [string, Authorize.Code]): string =>
  `${value}${JSON.stringify(code)}${family?.number ?? ""}`

/** Everything that the future depends on, and nothing else: equal digests answer equally for ever after. */
export const digest = (state: State): string => {
  const { claims, clients, codes, consent, families, issuer, policy, script, secretPrefix } = state
  const rest = JSON.stringify([issuer, secretPrefix, claims, policy, consent, [...clients.values()], script])
  return `${rest}${[...codes].map(codeDigest).join(" ")}|${families.map(Family.digest).join("|")}`
}

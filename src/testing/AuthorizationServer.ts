/**
 * A simulated authorization server: every way to treat a refresh token, every spelling of an error, a script of faults,
 * and a record of what was presented. Pure and synchronous; `endpoint.ts` puts it behind Effect's clock, `http.ts` behind
 * a socket.
 *
 * **Invariants**
 *
 * - No clock, no chance, no I/O: time is an argument, values are counted. The same calls give the same answers, and equal
 *   digests give the same answers to whatever comes next.
 * - One request is one step, so consuming a token is atomic.
 * - `inspect` and `introspect` are looks that change nothing; `access` is a use, and counts as one.
 */
import { type Answer, json, oauthError } from "./answers.ts"
import * as Authorize from "./authorize.ts"
import { type Client, identify, type Request } from "./clientAuth.ts"
import * as Family from "./Family.ts"
import * as Fault from "./Fault.ts"
import * as Policy from "./Policy.ts"
import { type Entry, type Presentation, show } from "./Presentation.ts"
import * as State from "./state.ts"
import { processRequest } from "./tokenRequest.ts"

export interface Options {
  /** Default `https://as.example`. */
  readonly issuer?: string | undefined
  readonly policy?: Policy.Overrides | undefined
  /** Default: one public client, `client`. */
  readonly clients?: ReadonlyArray<Client> | undefined
  /** Before every value that is minted. Default none: values are short and the same in every run. */
  readonly secretPrefix?: string | undefined
  /** Of access tokens that are JWTs, besides those that every one has: clients read whose they are from some. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** Called when the server has done with a request to the token endpoint. */
  readonly onPresentation?: ((presentation: Presentation) => void) | undefined
}

export interface GrantOptions {
  /** Default: the first client. */
  readonly clientId?: string | undefined
  readonly scope?: string | undefined
  readonly resource?: string | undefined
  readonly policy?: Policy.Overrides | undefined
  readonly withRefreshToken?: boolean | undefined
}

export interface Grant {
  readonly number: number
  readonly client: Client
  readonly accessToken: string
  readonly refreshToken: string | undefined
  readonly expiresAt: number
  readonly scope: string | undefined
  readonly resource: string | undefined
  readonly policy: Policy.Policy
}

/** A request that has arrived and waits for the server to do its work. */
export interface Arrival {
  readonly request: Request
  readonly fault: Fault.Fault | undefined
  readonly entry: Entry
}

export type Introspection =
  | {
      readonly active: true
      readonly clientId: string
      readonly scope: string | undefined
      readonly resource: string | undefined
      readonly expiresAt: number
    }
  | { readonly active: false; readonly why: "expired" | "revoked" | "unknown" | "refused" }

export interface AuthorizationServer {
  readonly issuer: string
  readonly clients: ReadonlyMap<string, Client>
  readonly policy: () => Policy.Policy
  readonly setPolicy: (overrides: Policy.Overrides) => void
  readonly setConsent: (consent: Authorize.Consent) => void
  readonly register: (client: Client) => void
  /** A grant as a person's consent would make it, minted at `now`. */
  readonly grant: (options: GrantOptions, now: number) => Grant
  /** For the next requests to the token endpoint, after what is scripted already. Only the fronts follow the script. */
  readonly script: (...faults: ReadonlyArray<Fault.Fault>) => void
  readonly clearScript: () => void
  /** A request arrives: it is recorded, and takes its fault from the script. */
  readonly arrive: (request: Request, now: number) => Arrival
  /** The server does its work on it, once. The answer is its own, whatever the fault puts in its place. */
  readonly process: (arrival: Arrival, now: number) => Answer
  /** Arrival and work in one step, without the script. */
  readonly exchange: (request: Request, now: number) => Answer
  /** What a presentation of the refresh token would be now, and whether it would be honoured. */
  readonly inspect: (
    refreshToken: string,
    now: number,
  ) => { readonly was: NonNullable<Presentation["was"]>; readonly honoured: boolean }
  /** Whether the access token works, without using it. */
  readonly introspect: (accessToken: string, now: number) => Introspection
  /** The access token is used at the resource. */
  readonly access: (accessToken: string, now: number) => Introspection
  /** Early, on the server's own accord, without a word to anyone. */
  readonly revokeGrant: (number: number, accessTokens?: boolean) => boolean
  /** RFC 7009 §2.1: with a refresh token its grant ends, with an access token only that one. */
  readonly revokeToken: (token: string) => boolean
  /** The revocation endpoint (RFC 7009). */
  readonly revoke: (request: Request) => Answer
  readonly authorize: (parameters: URLSearchParams, now: number) => Authorize.Authorized
  /** Every request to the token endpoint, or those that presented the token with this fingerprint. */
  readonly presentations: (fingerprint?: string) => ReadonlyArray<Presentation>
  /** Everything that its future depends on, and nothing of its record. */
  readonly digest: () => string
}

export const make = (options: Options = {}): AuthorizationServer => {
  const { onPresentation } = options
  const clients = options.clients ?? [{ clientId: "client" }]
  const state: State.State = {
    issuer: options.issuer ?? "https://as.example",
    secretPrefix: options.secretPrefix ?? "",
    claims: options.claims ?? {},
    policy: Policy.over(Policy.standard, options.policy),
    consent: "grant",
    clients: new Map(clients.map((client) => [client.clientId, client])),
    families: [],
    tokens: new Map(),
    codes: new Map(),
    script: [],
    entries: [],
    digest: undefined,
  }
  /** What `presentations` has shown, by position: an entry that is done does not change any more. */
  const shown: Array<Presentation> = []

  const changed = (): void => {
    state.digest = undefined
  }

  const takeFault = (aimed: Fault.Target): Fault.Fault | undefined => {
    const index = state.script.findIndex(({ fault }) => Fault.hits(fault, aimed))
    const found = state.script[index]
    if (found === undefined) return undefined
    if (--found.left <= 0) state.script.splice(index, 1)
    changed()
    return found.fault
  }

  const record = (request: Request, now: number, scripted: boolean): Arrival => {
    const { parameters } = request
    const client = identify(request, state.clients).named?.clientId
    const grantType = parameters.get("grant_type") ?? ""
    const presented = parameters.get("refresh_token") ?? parameters.get("code") ?? undefined
    const fault = scripted && state.script.length > 0 ? takeFault({ grantType, client, presented }) : undefined
    const answer = Fault.replacement(fault, now)
    const entry: Entry = {
      sequence: state.entries.length + 1,
      at: now,
      client,
      grantType,
      presented,
      parameters,
      faulted: fault !== undefined,
      processedAt: undefined,
      was: undefined,
      outcome: "unprocessed",
      answered: answer?.status ?? "nothing",
      granted: undefined,
    }
    state.entries.push(entry)
    if (!Fault.isProcessed(fault)) onPresentation?.(show(entry))
    return { request, fault, entry }
  }

  const work = ({ entry, fault, request }: Arrival, now: number): Answer => {
    changed()
    const answer = processRequest(state, request, entry, now)
    const own = Fault.ownAnswer(fault)
    if (own !== undefined) entry.answered = own === "half" ? "half" : answer.status
    onPresentation?.(show(entry))
    return answer
  }

  const look = (accessToken: string, now: number): Introspection => {
    const token = state.tokens.get(accessToken)
    if (token?.kind !== "access") return { active: false, why: "unknown" }
    const why = Family.inactive(token, now)
    if (why !== undefined) return { active: false, why }
    const { expiresAt, family, scope } = token
    return { active: true, clientId: family.clientId, scope, resource: family.resource, expiresAt }
  }

  const revokeToken = (secret: string): boolean => {
    const token = state.tokens.get(secret)
    if (token === undefined) return false
    changed()
    if (token.kind === "refresh") Family.revoke(token.family, true)
    else token.revoked = true
    return true
  }

  return {
    issuer: state.issuer,
    clients: state.clients,
    policy: () => state.policy,
    setPolicy: (overrides) => {
      changed()
      state.policy = Policy.over(state.policy, overrides)
    },
    setConsent: (consent) => {
      changed()
      state.consent = consent
    },
    register: (client) => {
      changed()
      state.clients.set(client.clientId, client)
    },
    grant: ({ clientId, policy: overrides, resource, scope, withRefreshToken = true }, now) => {
      const client = state.clients.get(clientId ?? clients[0]?.clientId ?? "")
      if (client === undefined) throw new Error("no such client is registered")
      changed()
      const { family, pair, policy } = State.begin(state, { client, scope, resource, overrides, withRefreshToken }, now)
      return {
        number: family.number,
        client,
        accessToken: pair.access.secret,
        refreshToken: pair.refresh?.secret,
        expiresAt: pair.access.expiresAt,
        scope,
        resource,
        policy,
      }
    },
    script: (...faults) => {
      changed()
      for (const fault of faults) state.script.push({ fault, left: fault.times ?? 1 })
    },
    clearScript: () => {
      changed()
      state.script.length = 0
    },
    arrive: (request, now) => record(request, now, true),
    process: work,
    exchange: (request, now) => work(record(request, now, false), now),
    inspect: (refreshToken, now) => {
      const token = state.tokens.get(refreshToken)
      if (token?.kind !== "refresh") return { was: "unknown", honoured: false }
      const judgement = Family.judge(token, State.policyOf(state, token.family), now)
      return { was: Family.standing(token, judgement), honoured: judgement._tag === "Honoured" }
    },
    introspect: look,
    access: (accessToken, now) => {
      const found = look(accessToken, now)
      const token = state.tokens.get(accessToken)
      if (!found.active || token?.kind !== "access") return found
      const policy = State.policyOf(state, token.family)
      if (policy.refusesAccessTokens) return { active: false, why: "refused" }
      if (Family.used(token.refreshToken, policy)) changed()
      return found
    },
    revokeGrant: (number, accessTokens = true) => {
      const family = state.families[number - 1]
      if (family === undefined) return false
      changed()
      Family.revoke(family, accessTokens)
      return true
    },
    revokeToken,
    revoke: (request) => {
      const { client } = identify(request, state.clients)
      if (client === undefined) return oauthError(401, "invalid_client")
      const secret = request.parameters.get("token")
      if (secret === null) return oauthError(400, "invalid_request", "token is missing.")
      // RFC 7009 §2.2: a token that is unknown, or another client's, is answered as if it had been revoked.
      if (state.tokens.get(secret)?.family.clientId === client.clientId) revokeToken(secret)
      return json(200, {})
    },
    authorize: (parameters, now) => {
      const nextCode = () => `${state.secretPrefix}code-${state.codes.size + 1}`
      const authorized = Authorize.authorize(parameters, state.issuer, state.clients, state.consent, now, nextCode)
      if (authorized._tag === "Redirect" && authorized.code !== undefined) {
        changed()
        state.codes.set(nextCode(), authorized.code)
      }
      return authorized
    },
    presentations: (wanted) => {
      for (let i = 0; i < state.entries.length; i++) {
        const entry = state.entries[i]!
        if (shown[i]?.outcome !== entry.outcome) shown[i] = show(entry)
      }
      return wanted === undefined ? [...shown] : shown.filter((one) => one.fingerprint === wanted)
    },
    digest: () => (state.digest ??= State.digest(state)),
  }
}

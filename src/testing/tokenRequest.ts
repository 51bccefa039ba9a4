/**
 * The token endpoint's work on one request (RFC 6749 §4.1.3, §4.4.2, §6), in one step. What came of it is written into
 * the request's log entry.
 *
 * Whatever can be wrong with the request itself is found before a refresh token is consumed: a client that mends its
 * configuration finds the token alive.
 */
import { type Answer, granted, json, oauthError } from "./answers.ts"
import { redemptionProblem } from "./authorize.ts"
import { type Client, identify, methodOf, type Request } from "./clientAuth.ts"
import * as Family from "./Family.ts"
import * as Policy from "./Policy.ts"
import type { Entry } from "./Presentation.ts"
import { dead } from "./spellings.ts"
import { begin, policyOf, remember, secretOf, type State } from "./state.ts"

const invalid = (error: string, description?: string): Answer => oauthError(400, error, description)

/** RFC 6749 §3.2; RFC 8707 §2 lets `resource` stand several times. */
const repeats = (parameters: URLSearchParams): boolean => {
  const names = new Set(parameters.keys())
  if (names.size === parameters.size) return false
  return [...names].some((name) => name !== "resource" && parameters.getAll(name).length > 1)
}

const wordsOf = (scope: string | null | undefined): ReadonlyArray<string> =>
  scope?.split(" ").filter((word) => word !== "") ?? []

/** RFC 8707 §2.2: another resource than the grant is for. */
const offTarget = (parameters: URLSearchParams, policy: Policy.Policy, resource: string | undefined): boolean => {
  const asked = parameters.getAll("resource")
  return asked.length === 0 ? policy.requiresResource : resource !== undefined && asked.some((one) => one !== resource)
}

const answer = (pair: Family.Pair, policy: Policy.Policy, entry: Entry, now: number): Answer => {
  const accessToken = pair.access.secret
  const refreshToken = pair.refresh?.secret
  entry.granted = { accessToken, refreshToken }
  const expiresInMillis = pair.access.expiresAt - now
  return granted({ accessToken, refreshToken, expiresInMillis, scope: pair.access.scope }, policy)
}

const refresh = (state: State, client: Client, parameters: URLSearchParams, entry: Entry, now: number): Answer => {
  const presented = parameters.get("refresh_token")
  if (presented === null) return invalid("invalid_request", "refresh_token is missing.")
  const token = state.tokens.get(presented)
  if (token?.kind !== "refresh" || token.family.clientId !== client.clientId) {
    // RFC 6749 §5.2: issued to another client is as good as never issued, and costs its owner nothing.
    entry.was = "unknown"
    entry.outcome = "denied"
    return dead(Policy.over(state.policy, client.policy).dead, "unknown")
  }
  const { family } = token
  const policy = policyOf(state, family)
  const judgement = Family.judge(token, policy, now)
  entry.was = Family.standing(token, judgement)

  if (offTarget(parameters, policy, family.resource)) return invalid("invalid_target")
  const asked = parameters.get("scope")
  const allowed = wordsOf(family.scope)
  if (wordsOf(asked).some((word) => !allowed.includes(word))) return invalid("invalid_scope")

  const pair = Family.present(token, judgement, policy, now, asked ?? family.scope, secretOf(state, policy))
  if (pair === undefined) {
    entry.outcome = "denied"
    return dead(policy.dead, judgement._tag === "Refused" ? judgement.why : "unknown")
  }
  entry.outcome = judgement._tag === "Honoured" && judgement.how === "repeat" ? "repeated" : "granted"
  remember(state, pair)
  return answer(pair, policy, entry, now)
}

const redeem = (state: State, client: Client, parameters: URLSearchParams, entry: Entry, now: number): Answer => {
  const code = state.codes.get(parameters.get("code") ?? "")
  entry.was = code === undefined ? "unknown" : code.family === undefined ? "current" : "reuse"
  entry.outcome = "denied"
  if (code === undefined) return invalid("invalid_grant", "The code is not known.")
  if (code.family !== undefined) {
    Family.revoke(code.family, true)
    return invalid("invalid_grant", "The code was used before.")
  }
  const problem = redemptionProblem(code, client.clientId, parameters, now)
  if (problem !== undefined) return invalid("invalid_grant", `The code does not fit: ${problem}.`)
  const resource = parameters.get("resource") ?? code.resource
  if (offTarget(parameters, Policy.over(state.policy, client.policy), code.resource)) {
    entry.outcome = "invalid"
    return invalid("invalid_target")
  }
  entry.outcome = "granted"
  const { family, pair, policy } = begin(state, { client, scope: code.scope, resource, withRefreshToken: true }, now)
  code.family = family
  return answer(pair, policy, entry, now)
}

const forItself = (state: State, client: Client, parameters: URLSearchParams, entry: Entry, now: number): Answer => {
  if (methodOf(client) === "none") return invalid("unauthorized_client", "A public client cannot act for itself.")
  if (offTarget(parameters, Policy.over(state.policy, client.policy), undefined)) return invalid("invalid_target")
  const scope = parameters.get("scope") ?? undefined
  const resource = parameters.get("resource") ?? undefined
  const { pair, policy } = begin(state, { client, scope, resource, withRefreshToken: false }, now)
  entry.outcome = "granted"
  return answer(pair, policy, entry, now)
}

const unproven = (challenge: boolean): Answer =>
  json(401, { error: "invalid_client" }, challenge ? { "www-authenticate": 'Basic realm="tokenkeep"' } : {})

/** Carries the request out. What it changes and what it answers cannot be told apart in time. */
export const processRequest = (state: State, request: Request, entry: Entry, now: number): Answer => {
  const { parameters } = request
  const { ambiguous, challenge, client } = identify(request, state.clients)
  entry.processedAt = now
  entry.outcome = "invalid"
  if (ambiguous || repeats(parameters)) return invalid("invalid_request")
  if (client === undefined) {
    entry.outcome = "clientRejected"
    return unproven(challenge)
  }
  switch (parameters.get("grant_type")) {
    case "refresh_token":
      return refresh(state, client, parameters, entry, now)
    case "authorization_code":
      return redeem(state, client, parameters, entry, now)
    case "client_credentials":
      return forItself(state, client, parameters, entry, now)
    case null:
      return invalid("invalid_request", "grant_type is missing.")
    default:
      return invalid("unsupported_grant_type")
  }
}

/**
 * Who presents a token: client authentication as RFC 6749 §2.3 has it, strictly. One method per request, the one that the
 * client is registered with, and both halves of Basic form-encoded (§2.3.1), which many clients get wrong.
 */
import type { Credential } from "../lifecycle/Credential.ts"
import type { Overrides } from "./Policy.ts"

export interface Client {
  readonly clientId: string
  readonly clientSecret?: string | undefined
  /** Default: `client_secret_basic` with a secret, `none` without (RFC 7591 §2). */
  readonly authMethod?: Credential["client"]["authMethod"] | undefined
  /** Where an authorization code may go. Without any: to every port of this machine (RFC 8252 §7.3). */
  readonly redirectUris?: ReadonlyArray<string> | undefined
  /** What is different for the grants of this client. */
  readonly policy?: Overrides | undefined
}

/** A request to the token endpoint and its like, as it arrived. */
export interface Request {
  readonly parameters: URLSearchParams
  /** The header. */
  readonly authorization?: string | undefined
}

export const methodOf = ({ authMethod, clientSecret }: Client): Credential["client"]["authMethod"] =>
  authMethod ?? (clientSecret === undefined ? "none" : "client_secret_basic")

const formDecoded = (text: string): string => new URLSearchParams(`=${text}`).get("") ?? ""

/** `undefined` when the header is not Basic, or its content is no pair. */
const basic = (authorization: string): readonly [id: string, secret: string] | undefined => {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization.trim()) ?? []
  if (encoded === undefined) return undefined
  const pair = Buffer.from(encoded, "base64").toString("utf8")
  const colon = pair.indexOf(":")
  // An `&` would end the value in the middle of it: it has to be escaped, so this is no pair.
  if (colon < 0 || pair.includes("&")) return undefined
  return [formDecoded(pair.slice(0, colon)), formDecoded(pair.slice(colon + 1))]
}

export interface Identified {
  /** As registered. `undefined` when nobody knows such a client, or it could not prove itself. */
  readonly client: Client | undefined
  /** Whom the request names, proven or not. */
  readonly named: Client | undefined
  /** RFC 6749 §2.3: more than one method in a request. */
  readonly ambiguous: boolean
  /** RFC 6749 §5.2: whoever tried the header is answered with one. */
  readonly challenge: boolean
}

export const identify = (request: Request, clients: ReadonlyMap<string, Client>): Identified => {
  const { authorization, parameters } = request
  const clientId = parameters.get("client_id")
  const posted = parameters.get("client_secret")
  const pair = authorization === undefined ? undefined : basic(authorization)
  const id = pair?.[0] ?? clientId
  const named = id === null ? undefined : clients.get(id)
  const challenge = authorization !== undefined
  const ambiguous = (challenge && posted !== null) || (pair !== undefined && clientId !== null && clientId !== pair[0])
  if (named === undefined || ambiguous) return { client: undefined, named, ambiguous, challenge }
  const given = challenge ? "client_secret_basic" : posted === null ? "none" : "client_secret_post"
  const secret = pair?.[1] ?? posted ?? undefined
  const proven = given === methodOf(named) && (given === "none" || secret === named.clientSecret)
  return { client: proven ? named : undefined, named, ambiguous, challenge }
}

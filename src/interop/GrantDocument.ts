/**
 * The document in which a grant is handed over: what `import --from json` reads, and what `status --json` mirrors.
 *
 * Only `token_endpoint`, `client.client_id` and `tokens.access_token` are needed. Fields that nobody knows are ignored,
 * and `null` or an empty text is as good as absent, because exporters write both.
 *
 * **Invariants**
 *
 * - No message contains a value of the document: a secret in the wrong field must not reach a log (I10). Messages name
 *   the field and say what is expected there.
 * - On the way out a secret appears as its fingerprint only, and a URL without user, password, query and fragment.
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isAllowedEndpoint } from "../exchange/endpointUrl.ts"
import { type Credential, ReuseClass } from "../lifecycle/Credential.ts"
import * as Expiry from "../lifecycle/Expiry.ts"
import { fingerprint } from "../lifecycle/fingerprint.ts"
import { builtIn } from "../provider/builtIn.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import { pathsOf } from "../provider/schemaPaths.ts"
import { credentialNameRule, isCredentialName } from "./CredentialName.ts"
import { latestInstant, timestamp } from "./timestamp.ts"

const optional = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))
const optionalText = optional(Schema.String)

const AuthMethod = Schema.Literals(["none", "client_secret_basic", "client_secret_post"])

/** RFC 6749 appendix A.12 and A.17: printable ASCII. A line break in a token would become one in an HTTP header. */
const Token = Schema.String.check(Schema.isPattern(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/))

/** The document as it is written. `expires_at` is decided by `Expiry.fromDocument`, once the token is known. */
export const GrantDocument = Schema.Struct({
  provider: optionalText,
  issuer: optionalText,
  token_endpoint: Schema.NonEmptyString,
  resource: optionalText,
  client: Schema.Struct({
    client_id: Schema.NonEmptyString,
    client_secret: optionalText,
    token_endpoint_auth_method: optional(AuthMethod),
  }),
  tokens: Schema.Struct({
    access_token: Token,
    refresh_token: optional(Schema.Union([Token, Schema.Literal("")])),
    token_type: optionalText,
    expires_at: Schema.optionalKey(Schema.Unknown),
    scope: optionalText,
  }),
  reuse: optional(ReuseClass),
  grace: optional(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
})

const text = "a text"
const expectations: Readonly<Record<string, string>> = {
  "": "a JSON object with token_endpoint, client and tokens",
  name: credentialNameRule,
  provider: "the id of a provider profile (tokenkeep providers lists them), or absent",
  issuer: text,
  token_endpoint: "an https: URL without user, password and fragment (http: on loopback only)",
  resource: text,
  client: "an object with client_id",
  "client.client_id": "the client's identifier, a text that is not empty",
  "client.client_secret": "a text, and one that is not empty with this token_endpoint_auth_method",
  "client.token_endpoint_auth_method": `one of ${AuthMethod.literals.join(", ")}, or absent`,
  tokens: "an object with access_token, and refresh_token if the grant has one",
  "tokens.access_token":
    "a text of printable ASCII. With a refresh token only, exchange it once (grant_type=refresh_token) and import the answer",
  "tokens.refresh_token": "a text of printable ASCII, or absent",
  "tokens.token_type": text,
  "tokens.expires_at": "RFC 3339 such as 2026-11-20T12:00:00Z, or seconds since 1970, or absent",
  "tokens.scope": "a text with the scopes separated by spaces",
  reuse: `one of ${ReuseClass.literals.join(", ")}, or absent`,
  grace: "a number of seconds, 0 or more, or absent",
}

/** The document cannot be taken over. `fields` names what is wrong with it, and never what stands there. */
export class InvalidDocument extends Schema.TaggedError<InvalidDocument>()("InvalidDocument", {
  fields: Schema.Array(Schema.String),
  message: Schema.String,
}) {}

const invalid = (fields: ReadonlyArray<string>): InvalidDocument =>
  new InvalidDocument({
    fields,
    message: fields
      .map((field) => `${field || "the document"}: expected ${expectations[field] ?? "something else"}`)
      .join("\n"),
  })

const key = <K extends string, V>(name: K, value: V | null | undefined | ""): { readonly [P in K]?: V } =>
  value === undefined || value === null || value === "" ? {} : ({ [name]: value } as { [P in K]: V })

const secret = (name: string, value: string | null | undefined): Redacted.Redacted | undefined =>
  value === undefined || value === null || value === "" ? undefined : Redacted.make(value, { label: name })

const decode = Schema.decodeUnknownResult(GrantDocument, { errors: "all" })

/** A credential as it is before it is stored. */
export type Grant = Omit<Credential, "generation">

/**
 * The grant of `document` as a credential under `name`, taken over at `now` (epoch milliseconds). Its provider profile is
 * the one that it names, or else the one of its issuer or token endpoint among `profiles`.
 */
export const toCredential = (
  document: unknown,
  name: string,
  now: number,
  profiles: ReadonlyArray<ProviderProfile.ProviderProfile> = builtIn,
): Result.Result<Grant, InvalidDocument> => {
  if (!isCredentialName(name)) return Result.fail(invalid(["name"]))
  const decoded = decode(document)
  if (Result.isFailure(decoded)) return Result.fail(invalid([...new Set(pathsOf(decoded.failure.issue))]))
  const { client, grace, issuer, provider, resource, reuse, token_endpoint, tokens } = decoded.success

  const profile = provider
    ? ProviderProfile.find(profiles, provider)
    : ProviderProfile.choose(profiles, { issuer: issuer || undefined, tokenEndpoint: token_endpoint })
  const expiry = Expiry.fromDocument(tokens.expires_at, tokens.access_token)
  const expiryFits = expiry !== undefined && (expiry._tag !== "Known" || expiry.at <= latestInstant)
  const clientSecret = secret("client secret", client.client_secret)
  // RFC 6749 §2.3.1: a client with a secret that says nothing else authenticates with Basic, where the provider takes it.
  const authMethod = client.token_endpoint_auth_method ?? (clientSecret && profile ? profile.clientAuth : "none")

  const wrong = [
    ...(profile === undefined ? ["provider"] : []),
    ...(isAllowedEndpoint(token_endpoint) ? [] : ["token_endpoint"]),
    ...(authMethod !== "none" && clientSecret === undefined ? ["client.client_secret"] : []),
    ...(expiryFits ? [] : ["tokens.expires_at"]),
  ]
  if (wrong.length > 0 || profile === undefined || !expiryFits) return Result.fail(invalid(wrong))

  const known = profile.reuse
  const sameClass = (reuse ?? known.class) === known.class
  return Result.succeed({
    name,
    provider: profile.id,
    ...key("issuer", issuer),
    tokenEndpoint: token_endpoint,
    ...key("resource", resource),
    client: { clientId: client.client_id, ...key("clientSecret", clientSecret), authMethod },
    tokens: {
      accessToken: Redacted.make(tokens.access_token, { label: "access token" }),
      ...key("refreshToken", secret("refresh token", tokens.refresh_token)),
      tokenType: tokens.token_type || "Bearer",
      ...key("scope", tokens.scope),
      expiry,
      obtainedAt: now,
    },
    reuse: {
      class: reuse ?? known.class,
      graceMillis: grace === undefined || grace === null ? (sameClass ? known.graceMillis : 0) : grace * 1000,
    },
    seed: fingerprint(tokens.refresh_token || tokens.access_token),
    forced: 0,
  })
}

/** The JSON value in `source`. What `JSON.parse` says would quote the document, so only the position is kept of it. */
export const parse = (source: string): Result.Result<unknown, InvalidDocument> => {
  try {
    return Result.succeed(JSON.parse(source.replace(/^\uFEFF/, "")))
  } catch (error) {
    const [, position] = /at position (\d+)/.exec(String(error)) ?? []
    const where = position === undefined ? "" : `, and it stops being JSON at character ${position}`
    return Result.fail(
      new InvalidDocument({ fields: [""], message: `the document: expected ${expectations[""]}${where}` }),
    )
  }
}

/** A URL as it may be printed: user, password, query and fragment can hold secrets. */
export const printableUrl = (url: string): string => {
  if (!URL.canParse(url)) return "(not a URL)"
  const { hash, host, password, pathname, protocol, search, username } = new URL(url)
  if (hash === "" && password === "" && search === "" && username === "") return url
  return `${protocol}${host === "" ? "" : `//${host}`}${pathname}${search === "" ? "" : "?…"}`
}

const fingerprintOf = <S extends Redacted.Redacted | undefined>(secret: S) =>
  (secret === undefined ? undefined : fingerprint(Redacted.value(secret))) as S extends undefined ? undefined : string

/** The document of a credential without its secrets: each is replaced by its fingerprint. */
export const toDocument = ({ client, issuer, provider, resource, reuse, tokenEndpoint, tokens }: Grant) => ({
  provider,
  ...key("issuer", issuer === undefined ? undefined : printableUrl(issuer)),
  token_endpoint: printableUrl(tokenEndpoint),
  ...key("resource", resource === undefined ? undefined : printableUrl(resource)),
  client: {
    client_id: client.clientId,
    ...key("client_secret_fingerprint", fingerprintOf(client.clientSecret)),
    token_endpoint_auth_method: client.authMethod,
  },
  tokens: {
    access_token_fingerprint: fingerprintOf(tokens.accessToken),
    ...key("refresh_token_fingerprint", fingerprintOf(tokens.refreshToken)),
    token_type: tokens.tokenType,
    ...key("expires_at", tokens.expiry._tag === "Known" ? timestamp(tokens.expiry.at) : undefined),
    ...key("scope", tokens.scope),
  },
  reuse: reuse.class,
  grace: reuse.graceMillis / 1000,
})

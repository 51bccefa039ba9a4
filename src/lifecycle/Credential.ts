/**
 * What is kept under one name: tokens, their expiry, the grant's client, issuer and resource, a generation, a verdict.
 *
 * The Schema is the stored form too. Secrets are `Redacted` in memory, so they print as `<redacted>` whoever logs them.
 *
 * **Invariants**
 *
 * - `generation` grows by one with each stored change of tokens (I2). Ticket, pause and verdict belong to the stored
 *   generation and vanish with it (I3).
 * - The refresh token of generation g stays in the record until generation g+1 is stored in its place: nothing here can
 *   hold a ticket without the token it is for.
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { fingerprint } from "./fingerprint.ts"

/** What an authorization server does with a refresh token that is presented again (`strict`: revokes the family). */
export const ReuseClass = Schema.Literals([
  "notRotating",
  "idempotent",
  "fork",
  "untilSuccessorUsed",
  "rejectOnly",
  "strict",
])
export type ReuseClass = typeof ReuseClass.Type

/** Presenting a refresh token again never costs anything there: a lost answer is no loss, however often it happens. */
export const forgivesReuse = (reuse: ReuseClass): boolean => reuse === "notRotating" || reuse === "untilSuccessorUsed"

/** Why no token will come any more without a person. */
export const DeadReason = Schema.Literals([
  /** The server says the refresh token is not valid: revoked, expired or unknown (RFC 6749 §5.2 `invalid_grant`). */
  "rejected",
  "expired",
  "reused",
  "revoked",
  /** A rotation's answer was lost and the server does not honour the old token: nobody holds the new one. */
  "lostInRotation",
  "noRefreshToken",
  /** The server does not accept the client (`invalid_client`); the refresh token itself may still be good. */
  "clientRejected",
  "signedOut",
])
export type DeadReason = typeof DeadReason.Type

export const Expiry = Schema.Union([
  Schema.TaggedStruct("Known", { at: Schema.Finite, lifetimeMillis: Schema.optionalKey(Schema.Finite) }),
  Schema.TaggedStruct("Unknown", {}),
  Schema.TaggedStruct("Never", {}),
])

const Secret = Schema.RedactedFromValue(Schema.NonEmptyString)

export const Client = Schema.Struct({
  clientId: Schema.NonEmptyString,
  clientSecret: Schema.optionalKey(Secret),
  /** The private key of `private_key_jwt` (RFC 7523 §2.2), as a JWK with `alg` and perhaps `kid`. */
  clientKey: Schema.optionalKey(Secret),
  /** RFC 7591 §2 `token_endpoint_auth_method`. */
  authMethod: Schema.Literals(["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]),
})

/** The tokens of one generation. Instants in epoch milliseconds. */
export const Tokens = Schema.Struct({
  accessToken: Secret,
  refreshToken: Schema.optionalKey(Secret),
  /** OpenID Connect: who signed in. Another server may take it as a proof of that (`IdentityAssertion`). */
  idToken: Schema.optionalKey(Secret),
  tokenType: Schema.NonEmptyString,
  scope: Schema.optionalKey(Schema.String),
  expiry: Expiry,
  obtainedAt: Schema.Finite,
  /** From when the server would like to see it refreshed (`refresh_in`, Microsoft Entra). */
  refreshAt: Schema.optionalKey(Schema.Finite),
  /** By how much the server's clock was ahead of ours when it answered, where that is more than a few seconds. */
  clockOffsetMillis: Schema.optionalKey(Schema.Finite),
})
export interface Tokens extends Schema.Schema.Type<typeof Tokens> {}

/** By what an access token is known where it must not be shown. */
export const accessFingerprint = ({ accessToken }: Pick<Tokens, "accessToken">): string =>
  fingerprint(Redacted.value(accessToken))

/** Which process holds a ticket. `startedAt` and `bootId` tell a live holder from a process that reuses its pid. */
export const Holder = Schema.Struct({
  instance: Schema.NonEmptyString,
  host: Schema.String,
  bootId: Schema.String,
  pid: Schema.Int,
  startedAt: Schema.String,
  label: Schema.String,
})
export interface Holder extends Schema.Schema.Type<typeof Holder> {}

/** A holder as people find it: the program and its process. */
export const processOf = ({ label, pid }: Holder): string => `${label} (pid ${pid})`

/** The name that people know its host by; what follows it tells machines of one name apart. */
export const hostOf = ({ host }: Holder): string => host.split(" ")[0] ?? ""

/**
 * What a token endpoint answered, as it arrived, by the clock of the host that heard it. `cut` says why it ends early. The
 * body holds tokens, so it is a secret like them.
 */
export const Answer = Schema.Struct({
  sentAt: Schema.Finite,
  at: Schema.Finite,
  status: Schema.Int,
  contentType: Schema.optionalKey(Schema.String),
  retryAfter: Schema.optionalKey(Schema.String),
  location: Schema.optionalKey(Schema.String),
  date: Schema.optionalKey(Schema.String),
  cut: Schema.optionalKey(Schema.String),
  body: Schema.RedactedFromValue(Schema.String),
})
export interface Answer extends Schema.Schema.Type<typeof Answer> {}

/**
 * The right to present this generation's refresh token. Attempt 2 exists only after doubt, and there is no third.
 * `drainedAt` is the instant after which an answer to this presentation can no longer arrive.
 */
const presentation = {
  id: Schema.NonEmptyString,
  holder: Holder,
  issuedAt: Schema.Finite,
  drainedAt: Schema.Finite,
  /** The holder's own word that it sent the token and heard nothing that says what became of it (epoch milliseconds). */
  vanishedAt: Schema.optionalKey(Schema.Finite),
}
export const Ticket = Schema.Struct({
  ...presentation,
  attempt: Schema.Literals([1, 2]),
  /** Written down before it is read: whoever finds it behind a holder that is gone goes on from there. */
  answer: Schema.optionalKey(Answer),
  /** The ticket in doubt that attempt 2 follows: kept so that nobody forgets who lost the answer, and when. */
  first: Schema.optionalKey(Schema.Struct(presentation)),
})
export interface Ticket extends Schema.Schema.Type<typeof Ticket> {}

/** A passing failure that every process respects until `until` (epoch milliseconds). */
export const Pause = Schema.Struct({
  until: Schema.Finite,
  failures: Schema.Int,
  /** Said to people: what the server or the network did. Never contains a secret. */
  cause: Schema.String,
})
export type Pause = typeof Pause.Type

export const Verdict = Schema.Struct({
  reason: DeadReason,
  at: Schema.Finite,
  /** The server's own code, such as `invalid_grant`. */
  code: Schema.optionalKey(Schema.String),
  by: Schema.optionalKey(Schema.String),
  /** Of a rotation whose answer was lost: who had asked, on which host, and when. */
  lost: Schema.optionalKey(Schema.Struct({ by: Schema.String, host: Schema.String, at: Schema.Finite })),
})
export type Verdict = typeof Verdict.Type

/**
 * Where the client asks in its own name (RFC 6749 §4.4), there is no refresh token: another access token is minted by the
 * same request as the first. That can be repeated as often as is needed, so the reuse class is `notRotating`.
 */
const ClientCredentials = Schema.TaggedStruct("ClientCredentials", { scope: Schema.optionalKey(Schema.String) })

/** By the word of an identity provider (RFC 8693 and RFC 7523), where the credential `parent` is signed in. */
const IdentityAssertion = Schema.TaggedStruct("IdentityAssertion", {
  parent: Schema.NonEmptyString,
  /** The issuer that the assertion is for. */
  audience: Schema.NonEmptyString,
  scope: Schema.optionalKey(Schema.String),
})
export type IdentityAssertion = typeof IdentityAssertion.Type

export const Mint = Schema.Union([ClientCredentials, IdentityAssertion])
export type Mint = typeof Mint.Type

/** How a person signed in, so that the same can be asked for again. What is absent was not named then. */
export const SignedIn = Schema.Struct({
  way: Schema.Literals(["browser", "device", "clientCredentials", "identityAssertion"]),
  /** The MCP server or API that the sign-in was for; its metadata names the issuer. */
  mcp: Schema.optionalKey(Schema.String),
  /** The endpoints were named by a person, because the server has no metadata. */
  authorizationEndpoint: Schema.optionalKey(Schema.String),
  deviceAuthorizationEndpoint: Schema.optionalKey(Schema.String),
  revocationEndpoint: Schema.optionalKey(Schema.String),
  hasMetadata: Schema.Boolean,
  /** The scopes that were asked for. What was granted stands with the tokens. */
  scopes: Schema.Array(Schema.String),
  authorizeParams: Schema.Record(Schema.String, Schema.String),
  redirectUri: Schema.optionalKey(Schema.String),
  /** Where the client comes from: given by a person, a metadata document, or registered for this sign-in (RFC 7591). */
  client: Schema.Literals(["given", "document", "registered"]),
})
export type SignedIn = typeof SignedIn.Type

/** Another program's file in which the same login stands, and what was agreed about it. */
export const Foreign = Schema.Struct({
  /** As `import --from` calls it, and as people do. */
  owner: Schema.NonEmptyString,
  program: Schema.String,
  place: Schema.String,
  entry: Schema.String,
  /** Where the entry stood in the file (`interop/ForeignStore`). */
  key: Schema.optionalKey(Schema.String),
  /** How a person signs in there. */
  signIn: Schema.String,
  /**
   * `import`: ours from now on, and its owner's copy goes its own way. `borrow`: its owner keeps it fresh, and no refresh
   * token of it is kept here. `co-own`: both do, and each finds in the file what the other was granted.
   */
  mode: Schema.Literals(["import", "borrow", "co-own"]),
  /** Co-owned: how long before its end a token is refreshed, so that its owner need not. */
  aheadMillis: Schema.optionalKey(Schema.Finite),
  /**
   * Co-owned: fingerprints of the access tokens before this one, newest last. The file holds one of them where its owner has
   * not been given the newest yet, and another token where its owner was faster.
   */
  earlier: Schema.optionalKey(Schema.Array(Schema.String)),
})
export type Foreign = typeof Foreign.Type

export const Credential = Schema.Struct({
  name: Schema.NonEmptyString,
  generation: Schema.Int,
  provider: Schema.NonEmptyString,
  issuer: Schema.optionalKey(Schema.String),
  tokenEndpoint: Schema.NonEmptyString,
  resource: Schema.optionalKey(Schema.String),
  client: Client,
  tokens: Tokens,
  /** The private key that the tokens are bound to (RFC 9449), as a JWK; absent where they are bearer tokens. */
  dpopKey: Schema.optionalKey(Secret),
  /** Absent: another access token comes by the refresh token. */
  mint: Schema.optionalKey(Mint),
  reuse: Schema.Struct({ class: ReuseClass, graceMillis: Schema.Finite }),
  ticket: Schema.optionalKey(Ticket),
  pause: Schema.optionalKey(Pause),
  verdict: Schema.optionalKey(Verdict),
  /**
   * Tokens of the same grant that the server gave to a second presentation, and that came too late for this generation.
   * Tried before anybody is asked to sign in.
   */
  alternates: Schema.optionalKey(Schema.Array(Tokens)),
  /** How far presentations have got ahead of what is allowed (`pace`), in epoch milliseconds. */
  pace: Schema.optionalKey(Schema.Finite),
  /**
   * The fingerprint of the token that was imported. A document that is imported again, as a program does at every start,
   * must not put a refresh token back that has been used since.
   */
  seed: Schema.optionalKey(Schema.String),
  /** Absent where the grant was imported. */
  signedIn: Schema.optionalKey(SignedIn),
  /** Absent where the grant is not another program's too. */
  foreign: Schema.optionalKey(Foreign),
  /** How many forced refreshes in a row led here; paces a resource server that refuses every token it is shown. */
  forced: Schema.Int,
})
export interface Credential extends Schema.Schema.Type<typeof Credential> {}

/** Another access token can follow without a person: by the refresh token, by minting, or from the owner it is borrowed of. */
export const canRefresh = ({ foreign, mint, tokens }: Pick<Credential, "foreign" | "mint" | "tokens">): boolean =>
  tokens.refreshToken !== undefined || mint !== undefined || foreign?.mode === "borrow"

/** The stored form: JSON text with the secrets in clear. Only stores call these. */
const Stored = Schema.fromJsonString(Credential)
export const encode = Schema.encodeSync(Stored)
export const decode = Schema.decodeUnknownResult(Stored)

/**
 * What a test in any language may ask of the simulated server while it runs, as JSON: change the policy, script faults,
 * revoke, register a client, make a grant and get its import document. Members are carried out in the order below.
 *
 * A complaint names the members that are wrong and never repeats a value: one of them may be a secret (I10).
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { Credential, ReuseClass } from "../lifecycle/Credential.ts"
import type { AuthorizationServer } from "./AuthorizationServer.ts"
import type { Client } from "./clientAuth.ts"
import type { Fault } from "./Fault.ts"
import { type Addresses, grantDocument } from "./grantDocument.ts"
import * as Policy from "./Policy.ts"
import { deadSpellingNames, troubleNames } from "./spellings.ts"

const optional = Schema.optionalKey
const Millis = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const Overrides = Schema.Struct({
  reuse: optional(ReuseClass),
  graceMillis: optional(Millis),
  onReuse: optional(Schema.Literals(["reject", "revokeFamily"])),
  revokesAccessTokens: optional(Schema.Boolean),
  replacesSuccessor: optional(Schema.Boolean),
  accessLifetimeMillis: optional(Millis),
  refreshLifetimeMillis: optional(Millis),
  omitsRefreshToken: optional(Schema.Boolean),
  withholdsRefreshToken: optional(Schema.Boolean),
  accessTokens: optional(Schema.Literals(["opaque", "jwt"])),
  expiresIn: optional(Schema.Literals(Policy.expiresInSpellings)),
  body: optional(Schema.Literals(Policy.bodies)),
  dead: optional(Schema.Literals(deadSpellingNames)),
  requiresResource: optional(Schema.Boolean),
  refusesAccessTokens: optional(Schema.Boolean),
} satisfies Record<keyof Policy.Policy, unknown>)

const Replacement = Schema.Union([
  Schema.Literals(["drop", "never"]),
  Schema.Struct({ trouble: Schema.Literals(troubleNames) }),
  Schema.Struct({
    status: Schema.Int.check(Schema.isBetween({ minimum: 200, maximum: 599 })),
    headers: Schema.Record(Schema.String, Schema.String),
    body: Schema.String,
  }),
])

const common = {
  aim: optional(
    Schema.Struct({
      grantType: optional(Schema.String),
      client: optional(Schema.String),
      fingerprint: optional(Schema.String),
    }),
  ),
  times: optional(Count),
  beforeMillis: optional(Millis),
  afterMillis: optional(Millis),
}

const FaultSchema: Schema.Decoder<Fault> = Schema.Union([
  Schema.Struct({ ...common, processed: Schema.Literal(false), answer: Replacement }),
  Schema.Struct({
    ...common,
    processed: optional(Schema.Literal(true)),
    answer: optional(
      Schema.Union([Replacement, Schema.Literals(["own", "half"]), Schema.Struct({ dripMillis: Millis })]),
    ),
  }),
])

const ClientSchema: Schema.Decoder<Client> = Schema.Struct({
  clientId: Schema.NonEmptyString,
  clientSecret: optional(Schema.NonEmptyString),
  authMethod: optional(Credential.fields.client.fields.authMethod),
  redirectUris: optional(Schema.Array(Schema.String)),
  policy: optional(Overrides),
})

const Control = Schema.Struct({
  policy: optional(Overrides),
  consent: optional(Schema.Literals(["grant", "deny"])),
  clearFaults: optional(Schema.Literal(true)),
  faults: optional(Schema.Array(FaultSchema)),
  client: optional(ClientSchema),
  revokeGrant: optional(Schema.Struct({ number: Count, accessTokens: optional(Schema.Boolean) })),
  /** A refresh token ends its grant, an access token only itself. */
  revokeToken: optional(Schema.NonEmptyString),
  grant: optional(
    Schema.Struct({
      clientId: optional(Schema.String),
      scope: optional(Schema.String),
      resource: optional(Schema.String),
      policy: optional(Overrides),
      withRefreshToken: optional(Schema.Boolean),
      /** Minted so long ago. */
      ageMillis: optional(Millis),
    }),
  ),
})

const decode = Schema.decodeUnknownResult(Control, { errors: "all", onExcessProperty: "error" })
const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The members that are wrong, or what was done. */
export type Controlled =
  | { readonly wrong: ReadonlyArray<string> }
  | { readonly grant?: ReturnType<typeof grantDocument> & { readonly number: number }; readonly revoked?: boolean }

export const control = (
  server: AuthorizationServer,
  request: unknown,
  addresses: Addresses,
  now: number,
): Controlled => {
  const decoded = decode(request)
  if (Result.isFailure(decoded)) {
    const { issues } = format(decoded.failure.issue)
    return { wrong: [...new Set(issues.map(({ path }) => (path ?? []).map(String).join(".")))] }
  }
  const { clearFaults, client, consent, faults, grant, policy, revokeGrant, revokeToken } = decoded.success
  const unknownClient =
    grant?.clientId !== undefined && grant.clientId !== client?.clientId && !server.clients.has(grant.clientId)
  if (unknownClient) return { wrong: ["grant.clientId"] }

  if (policy !== undefined) server.setPolicy(policy)
  if (consent !== undefined) server.setConsent(consent)
  if (clearFaults) server.clearScript()
  if (faults !== undefined) server.script(...faults)
  if (client !== undefined) server.register(client)
  const revoked = [
    ...(revokeGrant ? [server.revokeGrant(revokeGrant.number, revokeGrant.accessTokens)] : []),
    ...(revokeToken ? [server.revokeToken(revokeToken)] : []),
  ]
  const made = grant && server.grant(grant, now - (grant.ageMillis ?? 0))
  return {
    ...(made && { grant: { number: made.number, ...grantDocument(made, addresses) } }),
    ...(revoked.length > 0 && { revoked: revoked.every(Boolean) }),
  }
}

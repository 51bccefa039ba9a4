/**
 * A provider profile that a person writes: a JSON file that says how a server differs from another profile.
 *
 * ```json
 * { "name": "Acme SSO", "extends": "keycloak", "match": ["sso.acme.example"],
 *   "authorize_params": { "audience": "https://api.acme.example" },
 *   "scopes": { "defaults": ["read"], "add": ["offline_access"], "never": [], "separator": " " },
 *   "send_resource": false, "scope_on_refresh": false, "token_endpoint_auth_method": "client_secret_post",
 *   "request_body": "form", "access_token_optional": false, "expiry_source": "jwt",
 *   "reuse": "idempotent", "grace": 30,
 *   "spellings": [{ "code": "invalid_request", "phrase": "Session ended.", "status": 400, "means": "expired" }],
 *   "refresh_token_rule": "Acme gives a refresh token to clients that its administrators have approved." }
 * ```
 *
 * No member is needed. Its id is the file's name without `.json`. What it leaves out is as in the profile that `extends`
 * names, `generic` when it names none; but not `match`: it is chosen by the servers that it names itself, or by its id.
 * Its spellings are looked at first. `grace` in seconds. A member that nobody knows is an error: it would be a typing
 * mistake that changes nothing.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Client, ReuseClass } from "../lifecycle/Credential.ts"
import { builtIn } from "./builtIn.ts"
import { find, generic, type ProviderProfile } from "./ProviderProfile.ts"
import { pathsOf } from "./schemaPaths.ts"

const key = Schema.optionalKey
const Texts = Schema.Array(Schema.NonEmptyString)

/** So much of a sentence before a `*` tells it from others. */
const shortestPrefix = 8

/** RFC 6749 appendix A.7 and A.8: printable ASCII. */
const printable = Schema.String.check(Schema.isPattern(/^[\x20-\x7e]*$/))

const SpellingInFile = Schema.Struct({
  code: key(printable),
  phrase: key(Schema.NonEmptyString.check(Schema.isPattern(/^[^*]+$|^[^*]{8,}\*$/))),
  status: key(Schema.Int),
  means: Schema.Literals(["rejected", "expired", "reused", "revoked", "clientRejected", "passing"]),
}).check(Schema.makeFilter(({ code, phrase }) => Boolean(code) || phrase !== undefined))

const File = Schema.Struct({
  name: key(Schema.NonEmptyString),
  extends: key(Schema.Literals(builtIn.map(({ id }) => id))),
  match: key(
    Schema.Array(Schema.String.check(Schema.isPattern(/^[^\s:/]*[^\s:/*.][^\s:/]*(?:\/\S*)?$|^\/\S*[^\s/*]\S*$/))),
  ),
  authorize_params: key(Schema.Record(Schema.NonEmptyString, Schema.String)),
  scopes: key(
    Schema.Struct({
      defaults: key(Texts),
      add: key(Texts),
      never: key(Texts),
      separator: key(Schema.Literals([" ", ","])),
    }),
  ),
  send_resource: key(Schema.Boolean),
  scope_on_refresh: key(Schema.Boolean),
  token_endpoint_auth_method: key(Client.fields.authMethod),
  request_body: key(Schema.Literals(["form", "json"])),
  access_token_optional: key(Schema.Boolean),
  expiry_source: key(Schema.Literals(["expires_in", "jwt", "milliseconds"])),
  reuse: key(ReuseClass),
  grace: key(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  spellings: key(Schema.Array(SpellingInFile)),
  refresh_token_rule: key(Schema.NonEmptyString),
})

const oneOf = (values: ReadonlyArray<string>) => `one of ${values.join(", ")}`
const expectations: Readonly<Record<string, string>> = {
  "": "a JSON object",
  extends: oneOf(builtIn.map(({ id }) => id)),
  match: 'a list of hosts and paths, such as "sso.acme.example", "*.acme.example" or "login.acme.example/tenant"',
  authorize_params: "an object of texts",
  scopes: 'an object with defaults, add, never (lists of texts) and separator (" " or ",")',
  token_endpoint_auth_method: oneOf(Client.fields.authMethod.literals),
  request_body: "form or json",
  expiry_source: "one of expires_in, jwt, milliseconds",
  reuse: oneOf(ReuseClass.literals),
  grace: "a number of seconds, 0 or more",
  spellings:
    `objects with code or phrase or both, maybe status, and means: one of rejected, expired, reused, revoked, clientRejected, passing; ` +
    `a phrase may end with * after ${shortestPrefix} characters or more`,
}
const flags = new Set(["send_resource", "scope_on_refresh", "access_token_optional"])
const expected = (field: string): string => {
  const [member = ""] = field.split(".")
  if (!(member in File.fields) && member !== "")
    return `no such member. Those there are: ${Object.keys(File.fields).join(", ")}`
  return `expected ${flags.has(member) ? "true or false" : (expectations[member] ?? "a text that is not empty")}`
}

/** A profile that cannot be used. The message says which file it is and what is expected where. */
export class InvalidProfile extends Schema.TaggedError<InvalidProfile>()("InvalidProfile", {
  /** The id that the profile would have. */
  id: Schema.String,
  message: Schema.String,
}) {}

const idRule = /^[a-z0-9][a-z0-9_-]{0,63}$/
const decode = Schema.decodeUnknownResult(File, { errors: "all", onExcessProperty: "error" })

/** The profile in `text`, which stands in the file `path`; its id is the file's name. */
export const parse = (path: string, text: string): Result.Result<ProviderProfile, InvalidProfile> => {
  const id = path.replace(/^.*[\\/]/, "").replace(/\.json$/i, "")
  const fail = (...lines: ReadonlyArray<string>) =>
    Result.fail(new InvalidProfile({ id, message: lines.map((line) => `${path}: ${line}`).join("\n") }))
  if (!idRule.test(id)) {
    return fail("a provider profile's file is called ID.json, and an id has lower-case letters, digits, - and _ only")
  }
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""))
  } catch (error) {
    const [, position] = /at position (\d+)/.exec(String(error)) ?? []
    return fail(
      `expected a JSON object${position === undefined ? "" : `, and it stops being JSON at character ${position}`}`,
    )
  }
  const decoded = decode(value)
  if (Result.isFailure(decoded)) {
    const fields = [...new Set(pathsOf(decoded.failure.issue))]
    return fail(...fields.map((field) => (field === "" ? expected(field) : `${field}: ${expected(field)}`)))
  }
  const file = decoded.success
  if (file.grace !== undefined && file.reuse === undefined) return fail("grace: it says nothing without reuse")

  const base = find(builtIn, file.extends ?? generic.id) ?? generic
  return Result.succeed({
    id,
    name: file.name ?? id,
    match: file.match ?? [],
    authorizeParams: { ...base.authorizeParams, ...file.authorize_params },
    offlineParams: base.offlineParams,
    scopes: { ...base.scopes, ...file.scopes },
    sendResource: file.send_resource ?? base.sendResource,
    scopeOnRefresh: file.scope_on_refresh ?? base.scopeOnRefresh,
    clientAuth: file.token_endpoint_auth_method ?? base.clientAuth,
    requestBody: file.request_body ?? base.requestBody,
    accessTokenOptional: file.access_token_optional ?? base.accessTokenOptional,
    expirySource: file.expiry_source ?? base.expirySource,
    reuse: file.reuse === undefined ? base.reuse : { class: file.reuse, graceMillis: (file.grace ?? 0) * 1000 },
    spellings: [...(file.spellings ?? []).map((spelling) => ({ code: "", ...spelling })), ...base.spellings],
    refreshTokenRule: file.refresh_token_rule ?? base.refreshTokenRule,
  })
}

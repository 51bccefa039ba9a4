/** `tokenkeep providers [ID]`: what is known of authorization servers, by whom, and how sure that is. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { rows } from "../../provider/builtIn.ts"
import { describe, inUse, reuseWords } from "../../provider/describe.ts"
import { InvalidProfile } from "../../provider/ProfileFile.ts"
import { type Known, missing } from "../../provider/Profiles.ts"
import { find, type ProviderProfile } from "../../provider/ProviderProfile.ts"
import * as ProfileFiles from "../../store/profileFiles.ts"
import { jsonFlag, paragraphs } from "../params.ts"
import { knownProfiles } from "../provider.ts"
import { result } from "../terminal.ts"

/** The row behind a profile, unless a person's file stands in its place. */
const rowOf = (known: Known, { id }: ProviderProfile) =>
  known.own.some((profile) => profile.id === id) ? undefined : rows.find((row) => row.id === id)

const overview = ({ profiles }: Known): string => {
  const width = Math.max(...profiles.map(({ id }) => id.length)) + 2
  return profiles.map(({ id, name, reuse }) => `${id.padEnd(width)}${reuseWords(reuse).padEnd(20)}  ${name}`).join("\n")
}

const detail = (known: Known, profile: ProviderProfile): string => {
  const row = rowOf(known, profile)
  const said =
    row === undefined
      ? inUse(profile).map(([label, value]) => [label, value] as const)
      : describe(row).map(
          ({ certainty, instead, label, source, value }) =>
            [label, `${value}${instead === undefined ? "" : ` → ${instead}`}  [${certainty}: ${source}]`] as const,
        )
  const servers = profile.match.join(" ") || "its name only"
  const lines = [["recognized by", servers] as const, ...said].map(([label, value]) => `  ${label.padEnd(32)}${value}`)
  return [`${profile.id} (${profile.name})`, ...lines].join("\n")
}

const json = (known: Known, profile: ProviderProfile) => {
  const row = rowOf(known, profile)
  return { ...profile, ...(row && { cells: describe(row) }) }
}

export const providers = Command.make(
  "providers",
  {
    id: Argument.String("ID").pipe(
      Argument.withDescription("One of them, with every detail and its source"),
      Argument.optional,
    ),
    json: jsonFlag,
  },
  Effect.fnUntraced(function* ({ id, json: asJson }) {
    const known = yield* knownProfiles
    if (Option.isNone(id)) {
      const all = known.profiles.map((profile) => json(known, profile))
      return yield* result(asJson ? JSON.stringify(all, undefined, 2) : overview(known))
    }
    const profile = find(known.profiles, id.value)
    if (profile === undefined) {
      return yield* new InvalidProfile({ id: id.value, message: missing(known, id.value) })
    }
    yield* result(asJson ? JSON.stringify(json(known, profile), undefined, 2) : detail(known, profile))
  }),
).pipe(
  Command.withShortDescription("What is known of authorization servers"),
  Command.withDescription(
    paragraphs(
      "What is known of authorization servers: what a sign-in asks for to get a refresh token, what a refresh sends, how the",
      "server says that a grant is dead, and what it does with a refresh token that is used again. A server is recognized by",
      "its issuer, or by its token endpoint; of one that nobody knows the strictest is assumed.",
      "",
      `A profile of your own is a file ID.json in ${ProfileFiles.folderOf("TOKENKEEP_HOME")}, for instance:`,
      "",
      '{ "extends": "keycloak", "match": ["sso.acme.example"], "reuse": "idempotent", "grace": 30,',
      '  "authorize_params": { "audience": "https://api.acme.example" }, "scopes": { "add": ["offline_access"] },',
      '  "spellings": [{ "code": "invalid_request", "phrase": "Session ended.", "means": "expired" }] }',
      "",
      "It differs from the profile that extends names. Other members: name, send_resource, scope_on_refresh,",
      "token_endpoint_auth_method, request_body (form, json), access_token_optional, expiry_source (expires_in, jwt,",
      "milliseconds), refresh_token_rule. A spelling means rejected, expired, reused, revoked, clientRejected or passing.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep providers", description: "All of them" },
    { command: "tokenkeep providers google", description: "One, with its sources" },
    { command: "tokenkeep import grant.json --name acme --provider ./acme.json", description: "With one of your own" },
  ]),
)

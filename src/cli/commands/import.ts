/** `tokenkeep import [FILE] --name NAME`: takes a grant over from a document, or from another program's login. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { Grant } from "../../interop/GrantDocument.ts"
import * as GrantDocument from "../../interop/GrantDocument.ts"
import { Keeper } from "../../keeper/Keeper.ts"
import { fingerprint } from "../../lifecycle/fingerprint.ts"
import { type Given, otherFile } from "../../interop/otherFile.ts"
import { owners } from "../../interop/owners.ts"
import { coOwningOf, inMode } from "../../interop/modes.ts"
import { isShared, type Shared } from "../../keeper/Owners.ts"
import type { Foreign } from "../../lifecycle/Credential.ts"
import { take, type Taken, twoUsersWarning } from "../foreign.ts"
import { readFile, readStdin } from "../input.ts"
import { Usage } from "../Usage.ts"
import { withKeeper } from "../keeper.ts"
import { find, generic } from "../../provider/ProviderProfile.ts"
import { nameFlag, paragraphs } from "../params.ts"
import { knownProfiles, namedProfile, providerFlag } from "../provider.ts"
import { advise, result } from "../terminal.ts"
import { when } from "../times.ts"

const main = ({ tokens }: Grant): Redacted.Redacted => tokens.refreshToken ?? tokens.accessToken

/** What somebody should know who has just handed this grant over. */
const warnings = ({ foreign, reuse, tokens }: Grant, rule: string, now: number): ReadonlyArray<string> => {
  const isSingleUse = reuse.class === "strict" || reuse.class === "rejectOnly"
  const owner = ownerOf(foreign?.owner)
  if (isShared(foreign)) return sharedWarnings(foreign)
  return [
    ...(tokens.refreshToken === undefined
      ? [`there is no refresh token: when this access token ends, a person has to sign in again. ${rule}`]
      : []),
    ...(tokens.expiry._tag === "Unknown"
      ? [
          "no expiry is known (tokens.expires_at): the token is handed out until --refused says that a server turned it down",
        ]
      : []),
    ...(tokens.expiry._tag === "Known" && tokens.expiry.at <= now
      ? [
          `the access token ended at ${when(tokens.expiry.at, now)}${tokens.refreshToken ? ": the first request refreshes it" : ""}`,
        ]
      : []),
    ...(tokens.refreshToken === undefined
      ? []
      : foreign !== undefined && owner !== undefined
        ? [twoUsersWarning(owner, foreign.place, isSingleUse)]
        : isSingleUse
          ? [
              "from now on only tokenkeep may use this refresh token: whoever else does ends the login for both. Delete the document",
            ]
          : []),
  ]
}

/** As a flag of choices, the help would be wider than a terminal. */
const sources = ["json", ...owners.map(({ id }) => id), "other"]
const isSource = (text: string): boolean => sources.includes(text)

/** What somebody should know who goes on using the login in its own program. */
const sharedWarnings = (foreign: Shared): ReadonlyArray<string> => {
  const { mode, place, program } = foreign
  if (mode === "borrow") {
    return [`${program} keeps it fresh and ${place} is only read: when the token has ended, use ${program} once`]
  }
  const { risk } = coOwningOf(foreign) ?? {}
  return [`whenever it is refreshed here, ${place} is written too`, ...(risk === undefined ? [] : [risk])]
}

const ownerOf = (id: string | undefined) => owners.find((owner) => owner.id === id)

/** Of a program that nobody here knows, the file is no more than a document in another shape. */
const otherDocument = Effect.fnUntraced(function* (
  file: Option.Option<string>,
  entry: Option.Option<string>,
  mode: Foreign["mode"],
  given: Given,
  now: number,
) {
  if (mode !== "import") {
    return yield* new Usage({
      message: `--mode ${mode} needs a program whose ways are known, and --from other is none`,
    })
  }
  const { document } = yield* take(otherFile(given), file, entry, mode, now)
  return { document, foreign: undefined }
})

const ownDocument = Effect.fnUntraced(function* (
  file: Option.Option<string>,
  entry: Option.Option<string>,
  mode: Foreign["mode"],
) {
  if (mode !== "import") return yield* new Usage({ message: `--mode ${mode} goes with --from and a program` })
  if (Option.isNone(file)) {
    return yield* new Usage({
      message: "import: FILE is missing, or --from with the program whose login is meant. See: tokenkeep import --help",
    })
  }
  if (Option.isSome(entry)) return yield* new Usage({ message: "--entry goes with --from and a program" })
  const source = yield* file.value === "-" ? readStdin : readFile(file.value)
  return { document: yield* Effect.fromResult(GrantDocument.parse(source)), foreign: undefined }
})

export const importGrant = Command.make(
  "import",
  {
    file: Argument.String("FILE").pipe(
      Argument.withDescription("The document, or - for standard input. With --from, the program's own file"),
      Argument.optional,
    ),
    name: nameFlag.pipe(Flag.withDescription("The name to keep it under")),
    from: Flag.String("from").pipe(
      Flag.withMetavar("json|PROGRAM"),
      Flag.filterMap(Option.liftPredicate(isSource), () => `one of ${sources.join(", ")}`),
      Flag.withDescription("Whose the file is: tokenkeep's own document (json, the default), or a program's"),
      Flag.withDefault("json"),
    ),
    entry: Flag.String("entry").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Which of the program's logins, where it has several"),
      Flag.optional,
    ),
    mode: Flag.Literals("mode", ["import", "borrow", "co-own"]).pipe(
      Flag.withDescription("Who refreshes a program's login: we, its owner, or both"),
      Flag.withDefault("import"),
    ),
    clientId: Flag.String("client-id").pipe(
      Flag.withDescription("With --from other: the client that the login is of, where the file does not say it"),
      Flag.optional,
    ),
    tokenEndpoint: Flag.String("token-endpoint").pipe(
      Flag.withMetavar("URL"),
      Flag.withDescription("With --from other: where it is refreshed"),
      Flag.optional,
    ),
    provider: providerFlag,
  },
  Effect.fnUntraced(function* ({ clientId, entry, file, from, mode, name, provider, tokenEndpoint }) {
    const now = yield* Clock.currentTimeMillis
    const owner = ownerOf(from)
    const given = { clientId: Option.getOrUndefined(clientId), tokenEndpoint: Option.getOrUndefined(tokenEndpoint) }
    if (from !== "other" && (given.clientId ?? given.tokenEndpoint) !== undefined) {
      return yield* new Usage({ message: "--client-id and --token-endpoint go with --from other" })
    }
    const { document, foreign }: Taken = yield* owner
      ? take(owner, file, entry, mode, now)
      : from === "other"
        ? otherDocument(file, entry, mode, given, now)
        : ownDocument(file, entry, mode)
    const known = yield* knownProfiles
    const profile = yield* namedProfile(known, provider)
    const named = profile && Predicate.isObject(document) ? { ...document, provider: profile.id } : document
    const profiles = profile ? [profile, ...known.profiles] : known.profiles
    const taken = yield* Effect.fromResult(GrantDocument.toCredential(named, name, now, profiles))
    const grant = foreign === undefined ? taken : inMode(taken, foreign)
    const { refreshTokenRule } = find(profiles, grant.provider) ?? generic
    yield* store(grant, warnings(grant, refreshTokenRule, now)).pipe(withKeeper())
  }),
).pipe(
  Command.withShortDescription("Take a grant over from a document or another program"),
  Command.withDescription(
    paragraphs(
      "Take a grant over, in place of what was kept under the name. The document:",
      "",
      '{ "token_endpoint": "https://as.example/token",',
      '  "client": { "client_id": "abc", "client_secret": "…" },',
      '  "tokens": { "access_token": "…", "refresh_token": "…", "expires_at": "2026-11-20T12:00:00Z" } }',
      "",
      "token_endpoint, client_id and access_token are needed. It may also say provider, issuer, resource, token_type, scope,",
      "token_endpoint_auth_method, and as reuse what the server does with a refresh token that is used again. Without",
      "provider, the server's profile is found by its issuer or its token endpoint (tokenkeep providers).",
      "",
      "With --from, a login of another program is taken over: of codex (ChatGPT) and codex-mcp, openclaw, pi, opencode,",
      "gemini, qwen, claude-code or mcp-remote. Without FILE it is looked for where the program keeps it. Its file is only",
      "read, and so the grant has two users then: where a refresh token works once, only one of them may go on using it.",
      "What Codex keeps in the system's keyring has a FILE too, keyring:SERVICE/ACCOUNT (npm install @napi-rs/keyring).",
      "--from other takes it out of any JSON FILE that holds an access token under one of its usual names.",
      "",
      "With --mode borrow its owner goes on refreshing it, and what its file holds is served: its refresh token is not even",
      "kept here. With --mode co-own both refresh it: here under the owner's own locks and ahead of it, and each new token is",
      "written back into its file at once. That is offered where the program's own way of refreshing allows it.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep import grant.json --name github", description: "From a file" },
    {
      command: "vault read -field=grant secret/github | tokenkeep import - --name github",
      description: "From another program's output",
    },
    { command: "tokenkeep import --from codex --name chatgpt", description: "The login of Codex" },
    {
      command: "tokenkeep import --from codex --mode co-own --name chatgpt",
      description: "Kept fresh for Codex too",
    },
    {
      command: "tokenkeep import tokens.json --from other --client-id abc --token-endpoint URL --name work",
      description: "Of a program that is not among them",
    },
    {
      command: "tokenkeep import --from codex-mcp --entry linear --name linear",
      description: "One of its logins to MCP servers",
    },
  ]),
)

const store = Effect.fnUntraced(function* (grant: Grant, warnings: ReadonlyArray<string>) {
  const keeper = yield* Keeper
  const { name } = grant
  const before = yield* keeper.status(name).pipe(Effect.catchTag("CredentialNotFound", () => Effect.undefined))
  const stored = yield* keeper.put(grant)
  if (stored.generation === before?.credential.generation) {
    return yield* result(`${name} is kept already, generation ${stored.generation}; nothing has changed`)
  }
  if (fingerprint(Redacted.value(main(stored))) !== fingerprint(Redacted.value(main(grant)))) {
    yield* advise("the document's refresh token has been used since it was first imported: the newer tokens stay")
  } else if (before !== undefined) {
    const old = fingerprint(Redacted.value(main(before.credential)))
    const state = before.state[0] === "dead" ? "which needed a sign-in" : "which was alive"
    yield* advise(`replaced generation ${before.credential.generation} of ${name} (fingerprint ${old}), ${state}`)
  }
  yield* Effect.forEach(warnings, advise, { discard: true })
  yield* result(`${name} is kept, generation ${stored.generation}. Next: tokenkeep token ${name}`)
})

/**
 * `tokenkeep git-credential` and `tokenkeep docker-credential`: the token as the password that these tools ask helpers for.
 *
 * | | asked on stdin | answered on stdout | for another host |
 * |---|---|---|---|
 * | git (gitcredentials(7), git-credential(1)) | lines `key=value` | `username`, `password`, `password_expiry_utc` | nothing, and git asks the next helper |
 * | Docker (docker/docker-credential-helpers) | the server's URL | `{ ServerURL, Username, Secret }` | the words that mean "not here", and exit 1 |
 *
 * **Invariants**
 *
 * - The token goes to the one host that the configuration names, and over https only.
 * - `store` keeps nothing: the token is kept already. git's `erase` names a password that was refused, so it refreshes.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Access, Keeper } from "../../keeper/Keeper.ts"
import { exitCodes } from "../exitCodes.ts"
import { readStdin } from "../input.ts"
import { withKeeper } from "../keeper.ts"
import { nameArgument, paragraphs } from "../params.ts"
import { advise } from "../terminal.ts"
import { write } from "../write.ts"

/** As long as a clone or a push may reasonably take to begin. */
const minValidityMillis = 60_000

const operations = ["get", "store", "erase"] as const

const operation = Argument.Literals("OPERATION", operations).pipe(
  Argument.withDescription("What the tool wants; it adds this itself"),
)

const host = Flag.String("host").pipe(
  Flag.withMetavar("HOST"),
  Flag.withDescription("The one host that gets the token, such as git.example.com or localhost:5000"),
  Flag.filter(
    (text) => URL.parse(`https://${text}`)?.pathname === "/" && /^[\w.:[\]-]+$/.test(text),
    () => "a host, with a port where it has one",
  ),
)

const username = (fallback: string) =>
  Flag.String("username").pipe(
    Flag.withDescription(`The user name that belongs to a token there (default ${fallback})`),
    Flag.withDefault(fallback),
  )

const accessOf = (name: string, caller: string) =>
  Effect.gen(function* () {
    const access = yield* (yield* Keeper).credential(name).access({ minValidity: minValidityMillis, caller })
    if (access.note !== undefined) yield* advise(access.note)
    return access
  }).pipe(withKeeper())

const print = (text: string) => Effect.sync(() => write(1, text))

// --------------------------------------------------------------------------------------------------------------- git

const attributes = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const at = line.indexOf("=")
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
    }),
  )

const gitAnswer = ({ expiresAt, token }: Access, username: string): string =>
  [
    `username=${username}`,
    `password=${Redacted.value(token)}`,
    ...(expiresAt === undefined ? [] : [`password_expiry_utc=${Math.floor(expiresAt / 1000)}`]),
    "",
  ].join("\n")

export const gitCredential = Command.make(
  "git-credential",
  { name: nameArgument, operation, host, username: username("oauth2") },
  Effect.fnUntraced(function* ({ host, name, operation, username }) {
    const asked = attributes(yield* readStdin)
    if (asked.get("protocol") !== "https" || asked.get("host") !== host) return
    if (operation === "get") return yield* print(gitAnswer(yield* accessOf(name, "tokenkeep git-credential"), username))
    const refused = asked.get("password")
    if (operation === "store" || refused === undefined) return
    const refuse = Effect.flatMap(Keeper, (keeper) =>
      keeper.credential(name).refused(refused, { caller: "tokenkeep git-credential" }),
    )
    yield* Effect.asVoid(refuse).pipe(withKeeper())
  }),
).pipe(
  Command.withShortDescription("Be a credential helper of git"),
  Command.withDescription(
    paragraphs(
      "Be a credential helper of git (gitcredentials(7)): the token is the password for one host.",
      "",
      "  git config --global credential.https://git.example.com.helper '!tokenkeep git-credential NAME --host git.example.com'",
    ),
  ),
)

// ------------------------------------------------------------------------------------------------------------ Docker

/** What Docker knows as "I have nothing for this", word for word. */
const notFound = "credentials not found in native keychain\n"

const hostOf = (server: string): string | undefined =>
  URL.parse(server.includes("://") ? server : `https://${server}`)?.host

export const dockerCredential = Command.make(
  "docker-credential",
  {
    name: nameArgument,
    operation: Argument.Literals("OPERATION", [...operations, "list"]).pipe(
      Argument.withDescription("What Docker wants; it adds this itself"),
    ),
    host,
    username: username("oauth2accesstoken"),
  },
  Effect.fnUntraced(function* ({ host, name, operation, username }) {
    if (operation === "list") return yield* print(`${JSON.stringify({ [`https://${host}`]: username })}\n`)
    const server = (yield* readStdin).trim()
    if (operation !== "get") return
    if (server.startsWith("http://") || hostOf(server) !== host) {
      yield* print(notFound)
      return yield* Effect.sync(() => {
        process.exitCode = exitCodes.defect
      })
    }
    const { token } = yield* accessOf(name, "tokenkeep docker-credential")
    yield* print(`${JSON.stringify({ ServerURL: server, Username: username, Secret: Redacted.value(token) })}\n`)
  }),
).pipe(
  Command.withShortDescription("Be a credential helper of Docker"),
  Command.withDescription(
    paragraphs(
      "Be a credential helper of Docker: the token is the password for one registry. Docker wants a program of its own name:",
      "",
      "  printf '#!/bin/sh\\nexec tokenkeep docker-credential NAME --host registry.example \"$@\"\\n' > docker-credential-work",
      '  and in ~/.docker/config.json: { "credHelpers": { "registry.example": "work" } }',
    ),
  ),
)

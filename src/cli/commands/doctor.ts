/** `tokenkeep doctor`: what endangers the logins on this machine, ours and other programs'. It mends nothing itself. */
import * as Command from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Danger, dangersOf, readable, type Seen } from "../../interop/danger.ts"
import * as ForeignFiles from "../../interop/foreignFiles.ts"
import { locksOf } from "../../interop/foreignLocks.ts"
import type { Held } from "../../interop/ForeignStore.ts"
import * as GrantDocument from "../../interop/GrantDocument.ts"
import { owners } from "../../interop/owners.ts"
import type { Status } from "../../keeper/Keeper.ts"
import { Processes } from "../../keeper/Processes.ts"
import { makeView } from "../../keeper/sighting.ts"
import * as Standing from "../../keeper/standing.ts"
import { canRefresh } from "../../lifecycle/Credential.ts"
import { viewOf } from "../../lifecycle/View.ts"
import { fingerprint } from "../../lifecycle/fingerprint.ts"
import { find, generic, type ProviderProfile } from "../../provider/ProviderProfile.ts"
import * as Home from "../../store/home.ts"
import { ownedBySomebodyElse } from "../../store/sqliteFailure.ts"
import { look } from "../../store/sqliteLook.ts"
import * as Describe from "../describe.ts"
import { heldWords } from "../foreign.ts"
import { jsonFlag, paragraphs } from "../params.ts"
import { knownProfiles } from "../provider.ts"
import { advise, result } from "../terminal.ts"

/** A login as it is told of: what was seen, its state by our lifecycle, and that in words. */
interface Login extends Seen {
  readonly state: string
  readonly words: string
}

interface Finding {
  readonly place: string
  readonly dangers: ReadonlyArray<Danger>
}

const seenOf = ({ credential }: Pick<Status, "credential">, profiles: ReadonlyArray<ProviderProfile>) => ({
  isGrant: true,
  refreshFingerprint: credential.tokens.refreshToken && fingerprint(Redacted.value(credential.tokens.refreshToken)),
  isMinted: canRefresh(credential) && credential.tokens.refreshToken === undefined,
  reuse: credential.reuse.class,
  refreshTokenRule: (find(profiles, credential.provider) ?? generic).refreshTokenRule,
  clockOffsetMillis: credential.tokens.clockOffsetMillis,
  coOwned: credential.foreign?.mode === "co-own" ? credential.foreign : undefined,
})

const noTicket = () => ({ holderGone: false, since: 0, drainedAt: 0, sameClock: true })

/** Another program's login as it would stand here, had it been taken over. */
const foreignState = (held: Held, profiles: ReadonlyArray<ProviderProfile>, now: number) => {
  if (held._tag !== "Grant") {
    const state = { SignedOut: "sign in", Busy: "refreshing", NotAGrant: "no grant", Unreadable: "unreadable" }[
      held._tag
    ]
    return { isGrant: false, state }
  }
  // Some files leave it to the reader to find the endpoint, of which the state says nothing.
  const document = { token_endpoint: "https://unknown.invalid", ...Redacted.value(held.document) }
  const grant = GrantDocument.toCredential(document, "doctor", now, profiles)
  if (Result.isFailure(grant)) return { isGrant: false, state: "unreadable" }
  const credential = { ...grant.success, generation: 1 }
  const status = Standing.statusOf(credential, viewOf(credential, 0, noTicket), now)
  return { ...seenOf(status, profiles), state: Describe.stateWord(status) }
}

const foreignLogins = (
  file: ForeignFiles.ForeignFile,
  profiles: ReadonlyArray<ProviderProfile>,
  now: number,
): ReadonlyArray<Login> =>
  file.entries.map(({ held, ignored, name }) => ({
    owner: file.owner.name,
    place: file.place,
    name,
    words: heldWords(held, now),
    ...foreignState(held, profiles, now),
    ...(ignored !== undefined && { ignored }),
  }))

const aboutFile = ({ mode, place, problem, retired }: ForeignFiles.ForeignFile): ReadonlyArray<Danger> => [
  ...readable(place, mode, fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false),
  ...(problem === undefined ? [] : [{ kind: "unreadable" as const, message: `cannot be read: ${problem}` }]),
  ...(retired === undefined ? [] : [{ kind: "retired" as const, message: retired }]),
]

/** The files of our store: whose they are, and who else may reach them. `dangers`: what is known of the database. */
const aboutStore = (home: string, dangers: ReadonlyArray<Danger>): ReadonlyArray<Finding> =>
  ["", "keep.db", "keep.db-wal", "keep.db-shm"].flatMap((name) => {
    const place = path.join(home, name)
    const stats = fs.statSync(place, { throwIfNoEntry: false })
    if (stats === undefined) return []
    // Windows has neither an owner nor a mode to look at.
    const user = process.geteuid?.()
    const isOurs = user === undefined || stats.uid === user
    return [
      {
        place,
        dangers: [
          ...readable(place, user === undefined ? undefined : stats.mode & 0o777, stats.isDirectory()),
          ...(isOurs
            ? []
            : [{ kind: "unreadable" as const, message: ownedBySomebodyElse(place, stats.uid, user).message }]),
          ...(name === "keep.db" ? dangers : []),
        ],
      },
    ]
  })

/** What we keep ourselves. */
const own = Effect.fnUntraced(function* (home: string, profiles: ReadonlyArray<ProviderProfile>, now: number) {
  const place = path.join(home, "keep.db")
  const { credentials, isOld, problems } = look(home)
  const viewOf = makeView(yield* Processes, () => now)
  const logins = credentials.map((credential) => {
    const status = Standing.statusOf(credential, viewOf(credential), now)
    return {
      owner: "tokenkeep",
      place,
      name: credential.name,
      state: Describe.stateWord(status),
      words: Describe.outlook(status, now)[0]!.replace(/^Now: /, ""),
      ...seenOf(status, profiles),
    }
  })
  const old =
    "it is of an older version of tokenkeep. The next command brings it up to date, and older versions cannot use it then"
  const dangers: ReadonlyArray<Danger> = [
    ...problems.map(({ message }) => ({ kind: "unreadable" as const, message })),
    ...(isOld ? [{ kind: "oldSchema" as const, message: old }] : []),
  ]
  return { logins, findings: aboutStore(home, dangers) }
})

const lines = (logins: ReadonlyArray<Login>, findings: ReadonlyArray<Finding>): ReadonlyArray<string> => [
  ...logins.flatMap((login) => [
    `${login.owner}: ${login.name}  ${login.state}`,
    `  ${login.words}`,
    `  ${login.place}`,
    ...dangersOf(login, logins).map(({ message }) => `  ! ${message}`),
  ]),
  ...findings.flatMap(({ dangers, place }) => [place, ...dangers.map(({ message }) => `  ! ${message}`)]),
]

export const doctor = Command.make(
  "doctor",
  { json: jsonFlag },
  Effect.fnUntraced(function* ({ json }) {
    const now = yield* Clock.currentTimeMillis
    const { profiles } = yield* knownProfiles
    const surroundings = Home.current()
    const mine = yield* own(path.resolve(Home.currentHome()), profiles, now)
    const files = owners.flatMap((owner) => ForeignFiles.found(owner, surroundings))
    const logins = [...mine.logins, ...files.flatMap((file) => foreignLogins(file, profiles, now))]
    const locks = owners.flatMap((owner) => locksOf(owner, surroundings, now))
    const findings: ReadonlyArray<Finding> = [
      ...mine.findings,
      ...files.map((file) => ({ place: file.place, dangers: aboutFile(file) })),
      ...locks.map(({ place, problem }) => ({
        place,
        dangers:
          problem === undefined
            ? []
            : [
                {
                  kind: "staleLock" as const,
                  message: `a lock that is left over: ${problem}. End its owner, then remove it`,
                },
              ],
      })),
    ].filter(({ dangers }) => dangers.length > 0)
    if (json) {
      const told = logins.map((login) => ({
        owner: login.owner,
        name: login.name,
        place: login.place,
        state: login.state,
        words: login.words,
        refresh_token_fingerprint: login.refreshFingerprint,
        dangers: dangersOf(login, logins),
      }))
      return yield* result(JSON.stringify({ credentials: told, files: findings }, null, 2))
    }
    if (logins.length === 0 && findings.length === 0) return yield* advise("no logins are on this machine")
    yield* result(lines(logins, findings).join("\n"))
    const count = findings.flatMap(({ dangers }) => dangers).length
    const total = logins.reduce((sum, login) => sum + dangersOf(login, logins).length, count)
    yield* advise(total === 0 ? "nothing endangers them" : `${total} to see to, marked with !`)
  }),
).pipe(
  Command.withShortDescription("Find what endangers the logins on this machine"),
  Command.withDescription(
    paragraphs(
      "Show each login that is kept here, and those of Codex, OpenClaw, pi, opencode, Gemini CLI, Qwen Code, Claude Code and",
      "mcp-remote on this machine: whose it is, how it stands, and what endangers it. That is one refresh token in two",
      "places, none at all, a file that others can read or nobody understands, a lock that is left over, a clock that is off.",
      "It asks no server and mends nothing. The exit code is 0 whatever it finds.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep doctor" },
    {
      command: "tokenkeep doctor --json | jq '.credentials[] | select(.dangers != [])'",
      description: "What is in danger",
    },
  ]),
)

/** `import --from`: one login out of another program's files, as a grant document. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as CoOwn from "../interop/coOwn.ts"
import * as ForeignFiles from "../interop/foreignFiles.ts"
import type { Document, Entry, Held, Owner } from "../interop/ForeignStore.ts"
import type { Foreign } from "../lifecycle/Credential.ts"
import * as Discovery from "../signin/discovery.ts"
import { SignInFailed } from "../signin/errors.ts"
import * as Home from "../store/home.ts"
import { readStdin } from "./input.ts"
import { advise, whileSlow } from "./terminal.ts"
import { when } from "./times.ts"
import { Usage } from "./Usage.ts"

export interface Taken {
  readonly document: unknown
  readonly foreign: Foreign | undefined
}

interface Candidate {
  readonly place: string
  readonly entry: Entry
}

/** How an entry stands, in words. */
export const heldWords = (held: Held, now: number): string => {
  switch (held._tag) {
    case "Grant": {
      const at = held.expiresAt
      const life = at === undefined ? "no known end" : `${at > now ? "until" : "ended"} ${when(Math.max(0, at), now)}`
      const refresh = held.refreshFingerprint ? `refresh token ${held.refreshFingerprint}` : "no refresh token"
      return `access token ${life}, ${refresh}`
    }
    case "SignedOut":
      return `signed out: ${held.reason}`
    case "Busy":
    case "NotAGrant":
      return held.reason
    case "Unreadable":
      return `cannot be understood: ${held.reason}`
  }
}

const listed = (candidates: ReadonlyArray<Candidate>, now: number): string =>
  candidates.map(({ entry, place }) => `  ${entry.name}  ${heldWords(entry.held, now)}  (${place})`).join("\n")

const filesOf = Effect.fnUntraced(function* (owner: Owner, file: Option.Option<string>) {
  const surroundings = Home.current()
  if (Option.isNone(file)) {
    const found = ForeignFiles.found(owner, surroundings)
    if (found.length > 0) return found
    const places = ForeignFiles.places(owner, surroundings).join(", ")
    if (places === "") return yield* new Usage({ message: "import: FILE is missing, and nobody knows where it is" })
    const unreached = ForeignFiles.unreached(owner, surroundings).map((reason) => `. Nobody could look into ${reason}`)
    return yield* new Usage({
      message: `${owner.name} keeps no login here (looked for ${places})${unreached.join("")}. Sign in there (${owner.signIn}), or name its FILE`,
    })
  }
  if (file.value === "-") return [ForeignFiles.inText(owner, yield* readStdin, surroundings)]
  // The path is not repeated in a complaint: somebody may have put a token in its place.
  const one = ForeignFiles.at(owner, file.value, surroundings)
  return [one.problem === undefined ? one : { ...one, place: "FILE" }]
})

const same = (a: Candidate, b: Candidate): boolean =>
  a.entry.held._tag === "Grant" &&
  b.entry.held._tag === "Grant" &&
  a.entry.held.refreshFingerprint !== undefined &&
  a.entry.held.refreshFingerprint === b.entry.held.refreshFingerprint

/** The one that is meant: the named one, or the only one that there is. Copies of one login count once. */
const chosen = (
  owner: Owner,
  all: ReadonlyArray<Candidate>,
  name: Option.Option<string>,
  now: number,
): Effect.Effect<Candidate, Usage> => {
  const meant = Option.match(name, {
    onNone: () => all.filter(({ entry }) => entry.held._tag === "Grant"),
    onSome: (wanted) => all.filter(({ entry }) => entry.name === wanted),
  })
  const [first, ...others] = meant.filter((each, at) => !meant.slice(0, at).some((earlier) => same(earlier, each)))
  if (first === undefined) {
    const what = Option.isSome(name) ? "has no such entry" : "has no login that could be taken over"
    const rest = all.length === 0 ? "" : `. What is there:\n${listed(all, now)}`
    return Effect.fail(new Usage({ message: `${owner.name} ${what}${rest}` }))
  }
  if (others.length > 0) {
    const how = Option.isSome(name) ? "name its FILE" : "name one: --entry NAME"
    return Effect.fail(
      new Usage({ message: `${owner.name} has several logins, ${how}\n${listed([first, ...others], now)}` }),
    )
  }
  return Effect.succeed(first)
}

/** The document with its token endpoint, which is asked for where the file does not say it. */
const completed = Effect.fnUntraced(function* (document: Document) {
  if (document.token_endpoint) return document
  const [issuer, resource] = [document.issuer || undefined, document.resource || undefined]
  const target = issuer === undefined ? { mcp: resource ?? "" } : { issuer }
  yield* advise(`asking ${issuer ?? resource} for its token endpoint, which the file does not say`)
  const { server } = yield* Discovery.discover(target).pipe(whileSlow("it takes its time to answer"))
  const { issuer: named, token_endpoint } = server.metadata
  if (token_endpoint === undefined) {
    return yield* new SignInFailed({ reason: "unsupported", message: `${named} has no token endpoint` })
  }
  return { ...document, issuer: named, token_endpoint }
})

/** What cannot be is said before anything is stored. */
const refusal = Effect.fnUntraced(function* (foreign: Foreign, key: string) {
  const { entry, mode, place, program } = foreign
  if (mode !== "import" && place === ForeignFiles.standardInput) {
    return yield* new Usage({ message: `--mode ${mode} needs the file itself, not its text` })
  }
  const why = mode === "co-own" ? yield* CoOwn.obstacle(foreign, key) : undefined
  if (why === undefined) return
  const instead = `--mode borrow only reads what ${program} keeps fresh`
  return yield* new Usage({ message: `${entry} of ${program} cannot be co-owned: ${why}. ${instead}` })
})

/** The entry of `owner` that is meant, to be used in this `mode`. Nothing is written to its file. */
export const take = Effect.fnUntraced(function* (
  owner: Owner,
  file: Option.Option<string>,
  name: Option.Option<string>,
  mode: Foreign["mode"],
  now: number,
) {
  const files = yield* filesOf(owner, file)
  const broken = files.filter(({ problem }) => problem !== undefined)
  const told = broken.map(({ place, problem }) => `${owner.name}: cannot read ${place}: ${problem}`)
  if (broken.length === files.length) return yield* new Usage({ message: told.join("\n") })
  for (const line of told) yield* advise(line)
  // What its owner does not read may be an old copy, and is taken only where there is nothing else.
  const retired = files.filter((each) => each.retired !== undefined)
  const used = files.filter(({ problem, retired }) => problem === undefined && retired === undefined)
  for (const each of retired) yield* advise(`${owner.name}: ${each.place}: ${each.retired}`)
  const all = (used.length > 0 ? used : files).flatMap(({ entries, place }) =>
    entries.map((entry) => ({ entry, place })),
  )
  const { entry, place } = yield* chosen(owner, all, name, now)
  if (entry.held._tag !== "Grant") {
    return yield* new Usage({
      message: `${owner.name}, ${entry.name}: ${heldWords(entry.held, now)}. To sign in there: ${owner.signIn}`,
    })
  }
  const { id, name: program, signIn } = owner
  const foreign = { owner: id, program, signIn, place, entry: entry.name, key: entry.key, mode }
  yield* refusal(foreign, entry.key)
  const found = Redacted.value(entry.held.document)
  // Of a borrowed login nobody here will ever ask the token endpoint.
  const document = mode === "borrow" ? { token_endpoint: nowhere, ...found } : yield* completed(found)
  return { document, foreign } satisfies Taken
})

/** RFC 2606: a name that is nobody's. */
const nowhere = "https://borrowed.invalid/"

/** What somebody should know who now has a login in two places. */
export const twoUsersWarning = (owner: Owner, place: string, isSingleUse: boolean): string =>
  isSingleUse
    ? `${owner.name} still has the same refresh token (${place}), and it works once: whoever uses it second loses the ` +
      `login, and perhaps for both. Use one of the two only. To give ${owner.name} a login of its own again, do not ` +
      `sign out there, which may end this one: move its file away first, then sign in (${owner.signIn})`
    : `${owner.name} still has the same refresh token (${place}). This server lets both use it; to sign out there may end it for both`

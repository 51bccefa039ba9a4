/**
 * A login that its owner and we keep fresh together: one presentation under the owner's locks, and writing what it brought
 * into the owner's file.
 *
 * **Invariants**
 *
 * - The refresh token is presented only after the file was read again under the owner's locks, and after a rehearsal of the
 *   write: what the owner was granted meanwhile is as good as an answer, and a file that cannot be written costs no token.
 * - The file is written only over a token that came before ours (`inStep.compare`), and compared once more right before it is
 *   replaced. Everything else in it stays to the letter.
 * - What the server granted is never thrown away for a file: it is stored here, and owed to the file.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { Outcome } from "../exchange/TokenEndpoint.ts"
import type { Present, Sight } from "../keeper/Owners.ts"
import { apply } from "../lifecycle/Change.ts"
import type { Credential, Foreign, Tokens } from "../lifecycle/Credential.ts"
import { ForeignDisk } from "./ForeignDisk.ts"
import * as ForeignFiles from "./foreignFiles.ts"
import type { Trouble } from "./foreignText.ts"
import { type CoOwning, refusal, type Spot, type StoreFile, type Successor } from "./ForeignStore.ts"
import * as JsonEdit from "./jsonEdit.ts"
import { fileOf, look, see, type Seen, seenAmong, sightOf, storeFileOf } from "./sight.ts"

/** So long an owner is waited for that is refreshing itself: most are done in a second or two. */
const longestWaitMillis = 5_000

/** So long an owner that takes no lock is given to be done, if it began before us: that it starts, asks and writes. */
const courtesyMillis = 3_000

const courtesyPollMillis = 500

/** How often, and after which pauses, it is tried to write what was granted: about six seconds in all. */
const handOverTries = { schedule: Schedule.exponential(100), times: 6 }
const handOverWaitMillis = 500

/** An owner without locks may write at the same moment; three times in a row is no coincidence. */
const longestTries = 3

const successorOf = ({ issuer, tokens }: Credential): Successor => ({
  accessToken: Redacted.value(tokens.accessToken),
  refreshToken: tokens.refreshToken && Redacted.value(tokens.refreshToken),
  idToken: tokens.idToken && Redacted.value(tokens.idToken),
  expiresAt: tokens.expiry._tag === "Known" ? tokens.expiry.at : undefined,
  scope: tokens.scope,
  issuer,
  obtainedAt: tokens.obtainedAt,
})

/** The record with `tokens` in the place of its own, as it will be stored. */
const withTokens = (credential: Credential, tokens: Tokens): Credential => {
  const { forced, generation, seed } = credential
  return apply(credential, generation, { _tag: "Commit", generation, seed, tokens, forced })!
}

/** The file, how it is kept together with its owner, and where the login stands in it. */
interface Place {
  readonly file: StoreFile
  readonly coOwning: CoOwning
  readonly spot: Spot
}

const trouble = (message: string) => Effect.fail({ message })

const placeOf = Effect.fnUntraced(function* (foreign: Foreign, key: string): Effect.fn.Return<Place, Trouble> {
  const file = storeFileOf(foreign)
  if (file === undefined) return yield* trouble(`${foreign.program} is not known to this version`)
  const { coOwning } = file
  if (typeof coOwning === "string") return yield* trouble(coOwning)
  const disk = yield* ForeignDisk
  return { file, coOwning, spot: yield* disk.spotOf(foreign.place, key) }
})

/** What stands in the file, and why that is not written, if so. */
const opened = Effect.fnUntraced(function* ({ file, spot }: Place) {
  const disk = yield* ForeignDisk
  const source = yield* disk.open(file, spot)
  const content = yield* Effect.try({
    try: () => ForeignFiles.parse(Redacted.value(source.text)),
    catch: (error) => ({ message: ForeignFiles.why(error) }),
  })
  return { content, source, refused: refusal(file, spot, content) }
})

/** The same, and how it stands to the record: all of one moment. */
const sighted = Effect.fnUntraced(function* (credential: Credential, place: Place) {
  const found = yield* opened(place)
  const now = yield* Clock.currentTimeMillis
  const seen = seenAmong(credential, place.file.read(found.content, place.spot.surroundings), now)
  // In a list an entry moves up when one before it goes.
  const key = seen._tag === "Tokens" ? seen.key : place.spot.key
  return { ...found, key, sight: sightOf(credential, seen, now) }
})

/** One try. `false`: the owner has something else there by now, or has what we would write. */
const write = Effect.fnUntraced(function* (credential: Credential, place: Place) {
  const { content, key, refused, sight, source } = yield* sighted(credential, place)
  if (sight._tag === "Unclear") return yield* trouble(sight.cause)
  if (sight._tag !== "Behind") return false
  if (refused !== undefined) return yield* trouble(refused)
  const edits = place.coOwning.edits(key, successorOf(credential), content)
  const edited = JsonEdit.edited(Redacted.value(source.text), edits)
  if (Result.isFailure(edited)) return yield* trouble(edited.failure)
  yield* source.replace(Redacted.make(edited.success, { label: "file" }))
  return true
})

/** Puts the tokens of `credential` where those stand that came before them, under the owner's locks for a write. */
const written = Effect.fnUntraced(function* (credential: Credential, place: Place, waitMillis: number) {
  const { coOwning, spot } = place
  const disk = yield* ForeignDisk
  yield* disk.lock(coOwning.writing?.(spot) ?? [], { waitMillis })
  // An owner that takes no lock may write back what it had read before: then it is written again.
  for (let tries = 0; tries < longestTries; tries++) {
    if (!(yield* write(credential, place)) || coOwning.verifies !== true) return
  }
}, Effect.scoped)

/**
 * The same for a file that has fallen behind. Answers with what stood in the way, for people: with nothing where it is done,
 * and where the owner has something else there by now.
 */
export const catchUp = (credential: Credential): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const seen = yield* see(credential)
    if (seen._tag === "Unclear") return yield* trouble(seen.cause)
    if (seen._tag !== "Tokens") return
    yield* written(credential, yield* placeOf(credential.foreign!, seen.key), longestWaitMillis)
  }).pipe(
    Effect.match({
      onFailure: ({ message }) => `${fileOf(credential.foreign!)} cannot be written now: ${message}`,
      onSuccess: () => undefined,
    }),
  )

/**
 * The same right after a refresh, for which the refresh token in the file was spent: until its successor stands there the
 * owner is kept out by the locks that we hold, and what is in the way of a write mostly passes in a moment. Counted and not
 * timed, so that a process that stood still has its tries too. What is not written by then is owed.
 */
const handOver = (credential: Credential, place: Place): Effect.Effect<void> =>
  Effect.ignore(Effect.retry(written(credential, place, handOverWaitMillis), handOverTries))

const notSent = (cause: string): Outcome => ({ _tag: "NotSent", cause })

/** What the file says before anything is sent, where that is an answer already. */
const settled = (sight: Sight): Outcome | undefined => {
  switch (sight._tag) {
    case "Moved":
      return { _tag: "Rotated", tokens: sight.tokens }
    case "Unclear":
      return notSent(sight.cause)
    // Nothing is written then, and nobody is kept waiting: whether the login lives is for the server to say. Some programs
    // delete it for a hiccup.
    case "SignedOut":
    case "Apart":
    case "Behind":
    case "InStep":
      return undefined
  }
}

/** Which entry is meant: as it stands now, or as it stood where nobody can tell just now, which its owner's lock may mend. */
const keyOf = (seen: Seen, { key }: Foreign): string | undefined => {
  if (seen._tag === "Tokens") return seen.key
  return seen._tag === "Unclear" ? key : undefined
}

/** Finds out before the refresh token is spent whether the owner's file would take the answer. */
const rehearsed = ({ refused, source }: Effect.Success<ReturnType<typeof opened>>) =>
  refused === undefined ? source.probe : trouble(refused)

/** Why the entry `key` cannot be kept fresh together with its owner, if so. */
export const obstacle = (foreign: Foreign, key: string): Effect.Effect<string | undefined> =>
  placeOf(foreign, key).pipe(
    Effect.flatMap(opened),
    Effect.flatMap(rehearsed),
    Effect.match({ onFailure: ({ message }) => message, onSuccess: () => undefined }),
  )

/** The owner has no reason to ask the server now, or would tell by its lock that it does. */
const isQuiet = ({ foreign, tokens: { expiry } }: Credential, { unguardedMillis }: CoOwning, now: number): boolean => {
  if (unguardedMillis === undefined) return true
  const left = expiry._tag === "Known" ? expiry.at - now : Infinity
  // Ahead of its time. Earlier than that we are here because a resource server refused the token, perhaps to both of us.
  return left > unguardedMillis && left <= (foreign?.aheadMillis ?? 0)
}

/** What the file says once an owner has had its turn that may be asking the server at this moment. */
const afterOwner = Effect.fnUntraced(function* (credential: Credential, place: Place) {
  let now = yield* Clock.currentTimeMillis
  const until = isQuiet(credential, place.coOwning, now) ? now : now + courtesyMillis
  let found = yield* sighted(credential, place)
  while (found.sight._tag === "InStep" && now < until) {
    yield* Effect.sleep(courtesyPollMillis)
    now = yield* Clock.currentTimeMillis
    found = yield* sighted(credential, place)
  }
  return found
})

/** One presentation, in step with the owner. Within `deadlineMillis`, its wait for the owner's locks included. */
export const exchange = (credential: Credential, deadlineMillis: number, present: Present): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const foreign = credential.foreign!
    const seen = yield* see(credential)
    const key = keyOf(seen, foreign)
    if (key === undefined) return seen._tag === "Unclear" ? notSent(seen.cause) : yield* present(deadlineMillis)
    const place = yield* placeOf(foreign, key)
    const waitMillis = Math.min(longestWaitMillis, deadlineMillis / 2)
    const disk = yield* ForeignDisk
    const locks = yield* disk.lock(place.coOwning.refreshing?.(place.spot) ?? [], { waitMillis })
    const found = yield* afterOwner(credential, place)
    const { sight } = found
    const outcome = settled(sight)
    if (outcome !== undefined) return outcome
    if (sight._tag === "InStep" || sight._tag === "Behind") yield* rehearsed(found)
    if (!(yield* locks.stillOurs)) return notSent(`${foreign.program} has taken its lock back`)
    const left = startedAt + deadlineMillis - (yield* Clock.currentTimeMillis)
    const answer = yield* present(left)
    if (answer._tag === "Rotated") {
      yield* handOver(withTokens(credential, answer.tokens), place)
      return answer
    }
    // Its owner may have been granted what we were refused.
    const isOver = answer._tag === "Ambiguous" || (answer._tag === "Rejected" && answer.dead !== undefined)
    const after = isOver ? yield* look(credential) : sight
    return after._tag === "Moved" ? { _tag: "Rotated" as const, tokens: after.tokens } : answer
  }).pipe(
    Effect.scoped,
    Effect.catch(({ message }) =>
      Effect.succeed(notSent(`${fileOf(credential.foreign!)}: ${message}. Nothing was sent`)),
    ),
  )

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
import type { Outcome } from "../exchange/TokenEndpoint.ts"
import type { Present, Sight } from "../keeper/Owners.ts"
import { apply } from "../lifecycle/Change.ts"
import type { Credential, Foreign, Tokens } from "../lifecycle/Credential.ts"
import * as Home from "../store/home.ts"
import * as ForeignFiles from "./foreignFiles.ts"
import * as ForeignText from "./foreignText.ts"
import { type CoOwning, refusal, type Spot, type StoreFile, type Successor } from "./ForeignStore.ts"
import * as JsonEdit from "./jsonEdit.ts"
import * as Locks from "./locks/take.ts"
import { fileOf, look, ownerOf, see, seenAmong, sightOf } from "./sight.ts"

/** So long an owner is waited for that is refreshing itself: most are done in a second or two. */
const longestWaitMillis = 5_000

/** So long an owner that takes no lock is given to be done, if it began before us: that it starts, asks and writes. */
const courtesyMillis = 3_000

const courtesyPollMillis = 100

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

/** A text: why its logins are never written. */
const placeOf = (foreign: Foreign, key: string): Place | string => {
  const surroundings = Home.current()
  const owner = ownerOf(foreign)
  if (owner === undefined) return `${foreign.program} is not known to this version`
  const file = ForeignFiles.kindOf(owner, foreign.place, surroundings)
  const { coOwning } = file
  return typeof coOwning === "string"
    ? coOwning
    : { file, coOwning, spot: ForeignFiles.spotOf(foreign.place, key, surroundings) }
}

/** Nothing where the login is not in the file now. */
const placeNow = (credential: Credential): Effect.Effect<Place | undefined> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const seen = see(credential, Home.current(), now)
    const place = seen._tag === "Tokens" ? placeOf(credential.foreign!, seen.key) : undefined
    return typeof place === "string" ? undefined : place
  })

const trouble = (message: string) => Effect.fail({ message })

/** What stands in the file, and what that says. */
const opened = Effect.fnUntraced(function* ({ file, spot }: Place) {
  const source = yield* ForeignText.open(file, spot)
  const content = yield* Effect.try({
    try: () => ForeignFiles.parse(Redacted.value(source.text)),
    catch: (error) => ({ message: ForeignFiles.why(error) }),
  })
  const refused = refusal(file, spot, content)
  return refused === undefined ? { content, source } : yield* trouble(refused)
})

/** One try. `false`: the owner has something else there by now, or has what we would write. */
const write = Effect.fnUntraced(function* (credential: Credential, place: Place) {
  const { coOwning, file, spot } = place
  const { content, source } = yield* opened(place)
  const now = yield* Clock.currentTimeMillis
  const seen = seenAmong(credential, file.read(content, spot.surroundings), now)
  if (sightOf(credential, seen, now)._tag !== "Behind") return false
  const edits = coOwning.edits(spot.key, successorOf(credential), content)
  const edited = JsonEdit.edited(Redacted.value(source.text), edits)
  if (Result.isFailure(edited)) return yield* trouble(edited.failure)
  yield* source.replace(Redacted.make(edited.success, { label: "file" }))
  return true
})

/**
 * Puts the tokens of `credential` where those stand that came before them. Answers with what stood in the way, for people:
 * with nothing where it is done, and where the owner has something else there by now.
 */
export const catchUp = (credential: Credential): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const place = yield* placeNow(credential)
    if (place === undefined) return
    const { coOwning, spot } = place
    yield* Locks.take(coOwning.writing?.(spot) ?? [], { waitMillis: longestWaitMillis })
    // An owner that takes no lock may write back what it had read before: then it is written again.
    for (let tries = 0; tries < longestTries; tries++) {
      if (!(yield* write(credential, place)) || coOwning.verifies !== true) return
    }
  }).pipe(
    Effect.scoped,
    Effect.match({
      onFailure: ({ message }) => `${fileOf(credential.foreign!)} cannot be written now: ${message}`,
      onSuccess: () => undefined,
    }),
  )

const notSent = (cause: string): Outcome => ({ _tag: "NotSent", cause })

/** What the file says before anything is sent, where that is an answer already. */
const settled = (sight: Sight): Outcome | undefined => {
  switch (sight._tag) {
    case "Moved":
      return { _tag: "Rotated", tokens: sight.tokens }
    case "SignedOut":
      return { _tag: "Rejected", cause: sight.cause, dead: { reason: "signedOut", code: undefined }, retryAt: 0 }
    case "Unclear":
      return notSent(sight.cause)
    case "Apart":
    case "Behind":
    case "InStep":
      return undefined
  }
}

/** Finds out before the refresh token is spent whether the owner's file would take the answer. */
const rehearsed = (place: Place) => Effect.flatMap(opened(place), ({ source }) => source.probe)

/** Why the entry `key` cannot be kept fresh together with its owner, if so. */
export const obstacle = (foreign: Foreign, key: string): Effect.Effect<string | undefined> =>
  Effect.suspend(() => {
    const place = placeOf(foreign, key)
    return typeof place === "string" ? trouble(place) : rehearsed(place)
  }).pipe(Effect.match({ onFailure: ({ message }) => message, onSuccess: () => undefined }))

/** The owner has no reason to ask the server now, or would tell by its lock that it does. */
const isQuiet = ({ foreign, tokens: { expiry } }: Credential, { unguardedMillis }: CoOwning, now: number): boolean => {
  if (unguardedMillis === undefined) return true
  const left = expiry._tag === "Known" ? expiry.at - now : Infinity
  // Ahead of its time. Earlier than that we are here because a resource server refused the token, perhaps to both of us.
  return left > unguardedMillis && left <= (foreign?.aheadMillis ?? 0)
}

/** What the file says once an owner has had its turn that may be asking the server at this moment. */
const afterOwner = Effect.fnUntraced(function* (credential: Credential, coOwning: CoOwning) {
  let now = yield* Clock.currentTimeMillis
  const until = isQuiet(credential, coOwning, now) ? now : now + courtesyMillis
  let sight = yield* look(credential)
  while (sight._tag === "InStep" && now < until) {
    yield* Effect.sleep(courtesyPollMillis)
    now = yield* Clock.currentTimeMillis
    sight = yield* look(credential)
  }
  return sight
})

/** One presentation, in step with the owner. Within `deadlineMillis`, its wait for the owner's locks included. */
export const exchange = (credential: Credential, deadlineMillis: number, present: Present): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const startedAt = yield* Clock.currentTimeMillis
    const place = yield* placeNow(credential)
    if (place === undefined) return settled(yield* look(credential)) ?? notSent("its owner's file is not written")
    const waitMillis = Math.min(longestWaitMillis, deadlineMillis / 2)
    const locks = yield* Locks.take(place.coOwning.refreshing?.(place.spot) ?? [], { waitMillis })
    const sight = yield* afterOwner(credential, place.coOwning)
    const outcome = settled(sight)
    if (outcome !== undefined) return outcome
    if (sight._tag !== "Apart") yield* rehearsed(place)
    if (!(yield* locks.stillOurs)) return notSent(`${credential.foreign!.program} has taken its lock back`)
    const left = startedAt + deadlineMillis - (yield* Clock.currentTimeMillis)
    const answer = yield* present(left)
    if (answer._tag === "Rotated") {
      // What cannot be written now is owed, and tried again at the next look.
      yield* catchUp(withTokens(credential, answer.tokens))
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

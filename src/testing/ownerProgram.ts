/**
 * A program that keeps a login in a file of its own, as others do it: three habits, each as its program has it (facts:
 * codex.md, agent-tools.md). It knows nothing of us, and it is right by its own lights.
 */
import * as Effect from "effect/Effect"
import type { Login, LoginFile } from "./loginFile.ts"

/**
 * `lock`: its lock is held over reading again, asking and writing. `commit`: it asks first, and under its lock writes only
 * where nobody else has written. `none`: it asks, and writes back the whole file as it had read it.
 */
export type Habit = "lock" | "commit" | "none"

/** What came of presenting a refresh token. */
export type Told =
  | { readonly _tag: "Granted"; readonly login: Login }
  | { readonly _tag: "Dead" }
  /** Turned away for now, or nobody knows. */
  | { readonly _tag: "Nothing" }

/** What it stands on. */
export interface Ground {
  readonly now: Effect.Effect<number>
  readonly read: Effect.Effect<string>
  /** Whether it could be written. */
  readonly write: (text: string) => Effect.Effect<boolean>
  readonly locked: <A, E>(under: Effect.Effect<A, E>) => Effect.Effect<A, E>
  readonly present: (login: Login) => Effect.Effect<Told>
}

/** Why its caller gets no token: `SignedOut` asks a person to sign in again. */
class OwnerFailed extends Error {
  readonly _tag: "SignedOut" | "Failed"

  constructor(tag: OwnerFailed["_tag"]) {
    super(tag)
    this._tag = tag
  }
}

type Call = Effect.Effect<string, OwnerFailed>

const failed = (tag: OwnerFailed["_tag"]) => Effect.fail(new OwnerFailed(tag))

/** One call: the access token that it would use. */
export const call = (habit: Habit, file: LoginFile, ground: Ground): Call => {
  const { locked, now, present, read, write } = ground

  /** What stands in the file; a torn one tells nothing. */
  const seen = Effect.gen(function* () {
    const text = yield* read
    const login = yield* Effect.try({ try: () => file.login(text), catch: () => new OwnerFailed("Failed") })
    return login === undefined ? yield* failed("SignedOut") : { text, login }
  })
  const isFresh = ({ expiresAt }: Login) => Effect.map(now, (at) => at + file.marginMillis < expiresAt)

  /** What it was told is no token: the one at hand may do yet. */
  const without = Effect.fnUntraced(function* (
    told: Exclude<Told, { _tag: "Granted" }>,
    { expiresAt, accessToken }: Login,
  ) {
    if (told._tag === "Dead") return yield* failed("SignedOut")
    return (yield* now) < expiresAt ? accessToken : yield* failed("Failed")
  })
  const written = Effect.fnUntraced(function* (text: string, login: Login) {
    return (yield* write(file.with(text, login))) ? login.accessToken : yield* failed("Failed")
  })

  const holding: Call = Effect.gen(function* () {
    const { login, text } = yield* seen
    if (yield* isFresh(login)) return login.accessToken
    const told = yield* present(login)
    return told._tag === "Granted" ? yield* written(text, told.login) : yield* without(told, login)
  })

  const asking = Effect.fnUntraced(function* ({ login, text }: { readonly login: Login; readonly text: string }) {
    const told = yield* present(login)
    if (told._tag !== "Granted") {
      if (habit === "none" && told._tag === "Dead") yield* write(file.with(text, undefined))
      return yield* without(told, login)
    }
    if (habit === "none") return yield* written(text, told.login)
    return yield* locked(
      Effect.gen(function* () {
        const again = yield* seen
        const isSame = again.login.accessToken === login.accessToken
        return isSame ? yield* written(again.text, told.login) : again.login.accessToken
      }),
    )
  })

  return Effect.gen(function* () {
    const first = yield* seen
    if (yield* isFresh(first.login)) return first.login.accessToken
    return yield* habit === "lock" ? locked(holding) : asking(first)
  })
}

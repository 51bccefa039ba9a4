/**
 * The disk of other programs' logins as a simulated process meets it: every look, write and lock is asked of the world.
 * What stands in the file is read by the real readers.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Borrow from "../interop/borrow.ts"
import * as CoOwn from "../interop/coOwn.ts"
import type { ForeignDisk } from "../interop/ForeignDisk.ts"
import * as ForeignFiles from "../interop/foreignFiles.ts"
import type { Owner } from "../interop/ForeignStore.ts"
import { busy } from "../interop/locks/LockTrouble.ts"
import { look } from "../interop/sight.ts"
import type { Owners } from "../keeper/Owners.ts"
import type { Answer } from "../lifecycle/Credential.ts"
import type { Login, LoginFile } from "./loginFile.ts"
import type * as OwnerProgram from "./ownerProgram.ts"
import type { Request } from "./Program.ts"

export interface Asking {
  /** Suspends until the world answers. */
  readonly ask: <A, E>(request: Request) => Effect.Effect<A, E>
  readonly unlock: (places: ReadonlyArray<string>) => void
  readonly now: () => number
}

/** Nothing of the machine that this runs on. */
const surroundings = { env: { HOME: "/home/user" }, platform: "linux", homedir: () => "/home/user" }

const readAs = (owner: Owner, place: string, text: string): ForeignFiles.ForeignFile => {
  const base = { owner, place, mode: undefined, entries: [], problem: undefined }
  try {
    const file = ForeignFiles.kindOf(owner, place, surroundings)
    return { ...base, entries: file.read(ForeignFiles.parse(text), surroundings) }
  } catch (error) {
    return { ...base, problem: ForeignFiles.why(error) }
  }
}

export const make = ({ ask, unlock }: Asking): typeof ForeignDisk.Service => {
  const read = ask<string, never>({ _tag: "FileRead" })
  return {
    at: (owner, place) => Effect.map(read, (text) => readAs(owner, place, text)),
    spotOf: (place, key) => Effect.succeed({ place, target: place, key, surroundings }),
    open: () =>
      Effect.map(read, (text) => ({
        text: Redacted.make(text),
        probe: ask({ _tag: "FileProbe" }),
        replace: (next) => ask({ _tag: "FileWrite", text: Redacted.value(next), over: text }),
      })),
    lock: Effect.fnUntraced(function* (plans, { waitMillis }) {
      const places = plans.map(({ place }) => place)
      if (places.length > 0) {
        const taken = yield* Effect.timeoutOption(ask<void, never>({ _tag: "Lock", places }), waitMillis)
        if (taken._tag === "None") return yield* busy(places[0]!, {}, undefined)
        yield* Effect.addFinalizer(() => Effect.sync(() => unlock(places)))
      }
      return { stillOurs: Effect.succeed(true) }
    }),
  }
}

/** The real ways of a login that is another program's too, found at once: a step of a simulated process awaits nothing. */
export const owners: typeof Owners.Service = {
  look,
  exchange: (credential, deadlineMillis, present) =>
    credential.foreign?.mode === "borrow"
      ? Borrow.exchange(credential)
      : CoOwn.exchange(credential, deadlineMillis, present),
  catchUp: CoOwn.catchUp,
  // Its Keepers look when they are asked.
  revision: () => "",
}

/** So long its owner waits for an answer (Codex 0.169). */
const ownerDeadlineMillis = 30_000

/** What an owner makes of an answer: it goes by the status alone. */
const toldBy = ({ body, status }: Answer, { refreshToken }: Login, now: number): OwnerProgram.Told => {
  if (status === 400 || status === 401) return { _tag: "Dead" }
  if (status !== 200) return { _tag: "Nothing" }
  const answer = JSON.parse(Redacted.value(body)) as Record<string, unknown>
  return {
    _tag: "Granted",
    login: {
      accessToken: String(answer["access_token"]),
      refreshToken: String(answer["refresh_token"] ?? refreshToken),
      expiresAt: now + Number(answer["expires_in"]) * 1000,
    },
  }
}

/** What the program of such a file stands on. */
export const ownerGround = ({ ask, now, unlock }: Asking, { locks }: LoginFile): OwnerProgram.Ground => ({
  now: Effect.sync(now),
  read: ask({ _tag: "FileRead" }),
  write: (text) =>
    Effect.match(ask({ _tag: "FileWrite", text, over: undefined }), { onFailure: () => false, onSuccess: () => true }),
  locked: (under) =>
    locks.length === 0
      ? under
      : Effect.andThen(
          ask<void, never>({ _tag: "Lock", places: locks }),
          Effect.ensuring(
            under,
            Effect.sync(() => unlock(locks)),
          ),
        ),
  present: (login) =>
    Effect.suspend(() => {
      const credential = { generation: 0, tokens: { refreshToken: Redacted.make(login.refreshToken) } }
      const since = now()
      const until = since + ownerDeadlineMillis
      return Effect.map(
        Effect.timeoutOption(ask<Answer, never>({ _tag: "Send", credential, since, until }), ownerDeadlineMillis),
        (answer): OwnerProgram.Told =>
          answer._tag === "None" ? { _tag: "Nothing" } : toldBy(answer.value, login, now()),
      )
    }),
})

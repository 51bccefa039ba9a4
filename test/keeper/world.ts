/** A small world for tests of one schedule: shared memory, a strict server with a script, processes with names. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { type Outcome, TokenEndpoint } from "../../src/exchange/TokenEndpoint.ts"
import type { Credential } from "../../src/lifecycle/Credential.ts"
import * as Live from "../../src/keeper/live.ts"
import { Processes } from "../../src/keeper/Processes.ts"
import { CredentialStore } from "../../src/store/CredentialStore.ts"
import * as Memory from "../../src/store/memory.ts"
import { credential, tokens } from "../lifecycle/credentials.ts"

export const hour = 3_600_000

/** What the server does with the next presentations, in turn; `rotate` when nothing is scripted. */
export type Reply = "rotate" | "hang" | Outcome

export const passing = (retryAt = 0): Outcome => ({
  _tag: "Rejected",
  cause: "the server answered 503",
  dead: undefined,
  retryAt,
})
export const denied: Outcome = {
  _tag: "Rejected",
  cause: "invalid_grant",
  dead: { reason: "rejected", code: "invalid_grant" },
  retryAt: 0,
}
export const ambiguous: Outcome = { _tag: "Ambiguous", cause: "the connection broke after the request was sent" }

export const makeWorld = () => {
  const shared = Memory.makeShared()
  const script: Array<Reply> = []
  const presented: Array<string> = []
  const gone = new Set<string>()
  let answerAfterMillis = 100
  let rotations = 1

  const rotate = Effect.map(Clock.currentTimeMillis, (now): Outcome => {
    rotations++
    return {
      _tag: "Rotated",
      tokens: tokens({
        accessToken: Redacted.make(`access-${rotations}`),
        refreshToken: Redacted.make(`refresh-${rotations}`),
        expiry: { _tag: "Known", at: now + hour, lifetimeMillis: hour },
        obtainedAt: now,
      }),
    }
  })

  const endpoint = TokenEndpoint.of({
    exchange: Effect.fnUntraced(function* (held, deadlineMillis) {
      const secret = Redacted.value(held.tokens.refreshToken!)
      presented.push(secret)
      const reply = script.shift() ?? "rotate"
      if (reply === "hang") {
        yield* Effect.sleep(deadlineMillis)
        return ambiguous
      }
      yield* Effect.sleep(answerAfterMillis)
      if (reply !== "rotate") return reply
      // A strict server: a refresh token that is not the newest is refused.
      return secret === `refresh-${rotations}` ? yield* rotate : denied
    }),
  })

  /** One process: a Keeper of its own over the shared store. */
  const open = Effect.fnUntraced(function* (instance: string, options: Live.KeeperOptions = {}) {
    const store = yield* shared.open
    return yield* Live.make(options).pipe(
      Effect.provideService(CredentialStore, store),
      Effect.provideService(TokenEndpoint, endpoint),
      Effect.provideService(Processes, {
        self: { instance, host: "here", bootId: "1", pid: 1, startedAt: "1" },
        isGone: (holder) => gone.has(holder.instance),
      }),
    )
  })

  return {
    shared,
    script,
    presented,
    /** Instances whose process is proven dead. */
    gone,
    slow: (millis: number) => {
      answerAfterMillis = millis
    },
    open,
    /** A first grant, minted now, under the name `github`. */
    grant: (over: Partial<Credential> = {}) => {
      const { generation: _, ...first } = credential(over)
      return first
    },
  }
}

/** Lets every fiber that can run do so, without time passing. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 50 })

/** Runs `effect` to its end while virtual time passes in small steps. */
export const elapse = Effect.fnUntraced(function* <A, E>(effect: Effect.Effect<A, E>, steps = 100, stepMillis = 1_000) {
  const fiber = yield* Effect.forkChild(effect)
  for (let i = 0; i < steps && fiber.pollUnsafe() === undefined; i++) {
    yield* settle
    yield* TestClock.adjust(stepMillis)
  }
  return yield* Fiber.join(fiber)
})

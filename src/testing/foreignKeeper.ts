/**
 * Tokenkeep in a foreign world: one store with compare-and-swap, and a real Keeper for each process that asks for one.
 * Its store operations and its exchanges are steps like everybody else's, and meet the same faults.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { withToken } from "../client/fetch.ts"
import * as TokenSource from "../client/TokenSource.ts"
import { read } from "../exchange/read.ts"
import { type Outcome, TokenEndpoint } from "../exchange/TokenEndpoint.ts"
import type { Access } from "../keeper/Keeper.ts"
import * as Hooks from "../keeper/hooks.ts"
import * as Live from "../keeper/live.ts"
import { Processes } from "../keeper/Processes.ts"
import { apply, type Change } from "../lifecycle/Change.ts"
import type { Answer, Credential } from "../lifecycle/Credential.ts"
import { decide } from "../lifecycle/machine.ts"
import type { PromiseCredential } from "../promise.ts"
import { CredentialStore, type Swapped } from "../store/CredentialStore.ts"
import { written } from "./answers.ts"
import { requestOf } from "./endpoint.ts"
import type { ForeignNetwork, Settled } from "./ForeignNetwork.ts"
import { offer, type Stage } from "./foreignStage.ts"
import { remembered } from "./remembered.ts"
import * as Sim from "./Simulation.ts"

const host = "h1"
const decideOnce = remembered(decide)

/** As in Node: what a fiber leaves for later comes after what runs now, and before anything from outside. */
const microtasks: Scheduler.SchedulerDispatcher = { scheduleTask: (task) => queueMicrotask(task), flush: () => {} }
const scheduler: Scheduler.Scheduler = {
  executionMode: "async",
  shouldYield: () => false,
  makeDispatcher: () => microtasks,
}

const secretsOf = ({ tokens }: Credential): string =>
  `${Redacted.value(tokens.accessToken)} ${tokens.refreshToken === undefined ? "" : Redacted.value(tokens.refreshToken)}`

const words = (credential: Credential | undefined, now: number): string => {
  if (credential === undefined) return "nothing"
  const { generation, pause, ticket, verdict } = credential
  const holder = ticket && ` ticket of ${ticket.holder.instance}${ticket.attempt === 2 ? " (2nd)" : ""}`
  const paused = pause && ` paused ${(pause.until - now) / 1000}s`
  return `g${generation} ${secretsOf(credential).trim()}${holder ?? ""}${paused ?? ""}${verdict ? ` dead: ${verdict.reason}` : ""}`
}

export class Vault {
  stored: Credential | undefined
  readonly #stage: Stage
  readonly #network: ForeignNetwork
  #newest: number
  /** Tickets in the order in which they were won: their names would betray the process's number. */
  readonly #tickets = new Map<string, number>()

  constructor(stage: Stage, network: ForeignNetwork, credential: Credential) {
    this.#stage = stage
    this.#network = network
    this.stored = credential
    this.#newest = credential.generation
  }

  /** The secrets in it, for whoever watches over what is stored. */
  get text(): string {
    return this.stored === undefined ? "" : secretsOf(this.stored)
  }

  /** Until when something it holds makes a Keeper wait. */
  get busyUntil(): number {
    return Math.max(this.stored?.ticket?.drainedAt ?? 0, this.stored?.pause?.until ?? 0)
  }

  /** The record without names of processes, as `process` sees it, or nobody in particular. */
  digest(process: Sim.Process | undefined): string {
    if (this.stored === undefined) return "-"
    const { name: _, pause, ticket, verdict, tokens, ...rest } = this.stored
    const isMine = ticket !== undefined && ticket.holder.instance === process?.name
    const whose = ticket && (isMine ? "mine" : this.#stage.isAlive(ticket.holder.instance) ? "held" : "gone")
    const held = ticket && [this.#ordinal(ticket), ticket.attempt, ticket.issuedAt, whose]
    const first = ticket?.first && [this.#ordinal(ticket.first), ticket.first.issuedAt]
    const { forced, generation, reuse } = rest
    const secrets = secretsOf(this.stored)
    return JSON.stringify([secrets, generation, forced, reuse, tokens.expiry, held, first, pause, verdict?.reason])
  }

  #ordinal({ id }: { readonly id: string }): number | undefined {
    return this.#tickets.get(id)
  }

  /** What of it is `process`'s own. */
  mark(process: Sim.Process): string {
    return this.stored?.ticket?.holder.instance === process.name ? "T" : ""
  }

  #store(process: Sim.Process): CredentialStore["Service"] {
    const stage = this.#stage
    const { monitor, sim } = stage
    const step = <A>(kind: string, wrote: number, run: () => A): Effect.Effect<A> =>
      Effect.callback((resume) => {
        const touches = { read: Sim.Store | Sim.Alive, wrote }
        const withdraw = offer(stage, process, kind, touches, () => {
          const answer = run()
          process.observe(this.digest(process))
          sim.log("Store", process.name, words(this.stored, sim.now), "reply")
          resume(Effect.succeed(answer))
        })
        return Effect.sync(withdraw)
      })
    const swap = (change: Change): Swapped => {
      const before = stage.everything()
      const next = apply(this.stored, this.#newest, change)
      sim.log(process.name, "Store", change._tag.toLowerCase(), "call")
      process.observe(String(next !== undefined))
      if (next !== undefined) {
        if (
          change._tag === "Condemn" &&
          change.verdict.reason === "lostInRotation" &&
          this.stored?.ticket?.attempt === 2
        ) {
          monitor.excused("two presentations went unanswered, and there is never a third")
        }
        if (change._tag === "Claim") this.#tickets.set(change.ticket.id, this.#tickets.size + 1)
        this.stored = next
        this.#newest = Math.max(this.#newest, next.generation)
        monitor.stored(process, "replaces", before, stage.everything())
      }
      return { applied: next !== undefined, credential: this.stored }
    }
    return {
      read: () =>
        step("read", 0, () => {
          sim.log(process.name, "Store", "read", "call")
          return this.stored
        }),
      compareAndSwap: (_, change) => step(change._tag.toLowerCase(), Sim.Store, () => swap(change)),
      list: Effect.sync(() => (this.stored === undefined ? [] : [this.stored])),
      remove: () => Effect.die("not in this world"),
      append: () => Effect.void,
      history: () => Effect.succeed([]),
      changes: Stream.empty,
    }
  }

  #endpoint(process: Sim.Process): TokenEndpoint["Service"] {
    const { sim } = this.#stage
    const reset: Outcome = { _tag: "Ambiguous", cause: "the connection broke after the request was sent" }
    return {
      exchange: (credential, deadlineMillis, witness = {}) =>
        Effect.suspend(() => {
          let hasLeft = false
          const late = (): Outcome =>
            hasLeft
              ? { _tag: "Ambiguous", cause: "no answer in time" }
              : { _tag: "NotSent", cause: "no connection in time" }
          const until = sim.now + deadlineMillis
          const since = sim.now
          const sent = Effect.callback<Answer | "reset">((resume) => {
            const { authorization, parameters } = requestOf(credential)
            const asked = {
              method: "POST",
              url: new URL(credential.tokenEndpoint),
              authorization,
              contentType: undefined,
              body: parameters.toString(),
              isLocal: false,
            }
            const settle = (settled: Settled): void =>
              resume(Effect.succeed(settled === "reset" ? settled : written(settled, since, sim.now)))
            const left = (): void => void (hasLeft = true)
            return Effect.sync(this.#network.request(process, asked, { settle, left, until }))
          })
          return sent.pipe(
            Effect.timeoutOption(deadlineMillis),
            Effect.flatMap((arrived) => {
              if (Option.isNone(arrived)) return Effect.succeed(late())
              const answer = arrived.value
              if (answer === "reset") return Effect.succeed(reset)
              return Effect.as(witness.answered?.(answer) ?? Effect.void, read(credential, answer))
            }),
          )
        }),
    }
  }

  /** A Keeper of its own for `process`, as it is handed to a program with promises. */
  open(
    process: Sim.Process,
    fetch: typeof globalThis.fetch,
    options: Live.KeeperOptions = {},
  ): Omit<PromiseCredential, "interceptor" | "wrapFetch"> {
    const { sim } = this.#stage
    const services = Context.make(CredentialStore, this.#store(process)).pipe(
      Context.add(TokenEndpoint, this.#endpoint(process)),
      Context.add(Processes, {
        self: { instance: process.name, host, bootId: "1", pid: process.index, startedAt: process.name },
        isGone: (holder) => {
          sim.read |= Sim.Alive
          return holder.host === host && !this.#stage.isAlive(holder.instance)
        },
      }),
      Context.add(Hooks.Decide, decideOnce),
      Context.add(Scope.Scope, Scope.makeUnsafe()),
      Context.merge(sim.surroundings(process)),
    )
    const settings = {
      background: false,
      label: "program",
      // What nobody decides by needs no step of its own.
      history: false,
      telemetry: false,
      clockCheckMillis: Infinity,
      callerDeadlineMillis: Infinity,
      ...options,
    }
    const made = Effect.runForkWith(services)(Live.make(settings), { scheduler }).pollUnsafe()
    if (made === undefined || Exit.isFailure(made)) throw new Error(`the Keeper of ${process.name} did not start`)
    const handle = made.value.credential(this.stored?.name ?? "")

    const run = <E>(effect: Effect.Effect<Access, E>): Promise<Access> =>
      new Promise((resolve, reject) => {
        const fiber = Effect.runForkWith(sim.surroundings(process))(effect, { scheduler })
        fiber.addObserver((exit) =>
          Exit.isSuccess(exit) ? resolve(exit.value) : reject(Cause.squash(exit.cause) as Error),
        )
      })
    const valueOf = ({ token }: Access): string => Redacted.value(token)
    return {
      name: handle.name,
      token: async (wanted) => handle.peek(wanted?.minValidity) ?? valueOf(await run(handle.access(wanted))),
      peek: () => handle.peek(),
      refused: async (token, options) => valueOf(await run(handle.refused(token, options))),
      fetch: withToken(TokenSource.make(handle, run), fetch),
    }
  }
}

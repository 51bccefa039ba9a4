/**
 * Tokenkeep for programs that do not use Effect: the same Keeper over the default store, with promises.
 *
 * ```ts
 * import { openKeeper } from "tokenkeep/promise"
 * await using keeper = await openKeeper()
 * const github = keeper.credential("github")
 * const response = await github.fetch("https://api.example/x")
 * ```
 *
 * **Gotchas**
 *
 * - An open Keeper does not keep the process alive; a call that waits for a token does. When nothing else is left to do,
 *   it is closed.
 * - On SIGTERM and SIGINT an exchange on the wire is finished and stored before the process ends. `process.exit` cannot
 *   wait for anything: call `close` before it.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Dispatcher } from "undici"
import { withToken } from "./client/fetch.ts"
import type { FetchEvent } from "./client/FetchEvent.ts"
import { beforeEnd } from "./client/processEnd.ts"
import * as TokenSource from "./client/TokenSource.ts"
import { interceptor } from "./client/undici.ts"
import * as Http from "./exchange/http.ts"
import * as ForeignOwners from "./interop/foreignOwners.ts"
import * as GrantDocument from "./interop/GrantDocument.ts"
import { Listener } from "./keeper/hooks.ts"
import { type Access, type Handle, Keeper, type Status, type TokenOptions } from "./keeper/Keeper.ts"
import * as Live from "./keeper/live.ts"
import type { Line } from "./lifecycle/History.ts"
import { currentHome } from "./store/home.ts"
import * as ProfileFiles from "./store/profileFiles.ts"
import * as Sqlite from "./store/sqlite.ts"

export { ForeignResource } from "./client/destination.ts"
export { InvalidDocument } from "./interop/GrantDocument.ts"
export { CredentialNotFound, SignInRequired, TemporarilyUnavailable } from "./keeper/errors.ts"
export { StoreUnavailable } from "./store/CredentialStore.ts"
export type { FetchEvent } from "./client/FetchEvent.ts"
export type { Line } from "./lifecycle/History.ts"
export type { Access, Status, TokenOptions }

export interface OpenOptions extends Live.KeeperOptions {
  /** The folder of the store. Default: `TOKENKEEP_HOME`, or the platform's data folder. */
  readonly home?: string | undefined
  /** Finish an exchange on the wire before SIGTERM or SIGINT ends the process. Default true. */
  readonly handleSignals?: boolean | undefined
}

/** One credential. All rejections are `SignInRequired`, `TemporarilyUnavailable`, `StoreUnavailable` or `CredentialNotFound`. */
export interface PromiseCredential {
  readonly name: string
  /** A token that works now, refreshed first when it has to be. */
  readonly token: (options?: TokenOptions) => Promise<string>
  /** The token if one is at hand; synchronous, no I/O. */
  readonly peek: () => string | undefined
  /** A resource server answered 401 to `token`: another token that may work, or a rejection. */
  readonly refused: (token: string, options?: Pick<TokenOptions, "caller">) => Promise<string>
  /** `fetch` with the token, and one retry after a 401. Rejects with `ForeignResource` for a URL it is not meant for. */
  readonly fetch: typeof globalThis.fetch
  /** The same over a `fetch` of one's own: of undici with a proxy, of a test, of a program that measures. */
  readonly wrapFetch: (
    fetch: typeof globalThis.fetch,
    options?: Pick<TokenOptions, "caller">,
  ) => typeof globalThis.fetch
  /** The same for undici: `new Agent().compose(credential.interceptor)`. */
  readonly interceptor: Dispatcher.DispatcherComposeInterceptor
}

/** What happens, while it happens: a step of a credential's lifecycle, or what `fetch` has to say. Never a secret. */
export type KeeperEvent =
  | ({ readonly type: "Transition"; readonly credential: string } & { readonly line: Line })
  | (FetchEvent & { readonly credential: string })

export interface PromiseKeeper extends AsyncDisposable {
  readonly credential: (name: string) => PromiseCredential
  /** Takes over a grant in place of whatever the name held. Rejects with `InvalidDocument` naming the wrong fields. */
  readonly import: (name: string, document: unknown) => Promise<void>
  /** Forgets the credential on this machine; the grant lives on at the server. */
  readonly remove: (name: string) => Promise<void>
  readonly status: (name: string) => Promise<Status>
  readonly list: () => Promise<ReadonlyArray<Status>>
  /** What happened to a credential, oldest first. */
  readonly history: (name: string) => Promise<ReadonlyArray<Line>>
  /** Calls `listener` with everything that happens from now on, until the function that it returns is called. */
  readonly events: (listener: (event: KeeperEvent) => void) => () => void
  /** Waits for what is on the wire, then lets go of everything. */
  readonly close: () => Promise<void>
}

/** A clock whose sleepers do not keep the process alive: a Keeper at rest is no reason for a script not to end. */
const quietClock = Layer.effect(
  Clock.Clock,
  Effect.map(Clock.Clock, (clock): Clock.Clock =>
    Object.assign(Object.create(clock), {
      sleep: (duration: Duration.Duration) =>
        Effect.callback<void>((resume) => {
          // @effect-diagnostics-next-line globalTimersInEffect:off -- this is the clock
          const timer = setTimeout(() => resume(Effect.void), Math.min(Duration.toMillis(duration), 0x7fffffff))
          timer.unref()
          return Effect.sync(() => clearTimeout(timer))
        }),
    }),
  ),
)

/** What has to be said when nobody asks any more, as on the way out, is no result of the program. */
const toStderr = Layer.succeed(Logger.LogToStderr, true)

/** Holds the process while `promise` is pending, and no longer. */
const held = async <A>(promise: Promise<A>): Promise<A> => {
  // @effect-diagnostics-next-line globalTimers:off -- nothing is timed: the handle alone keeps the event loop open
  const handle = setInterval(() => {}, 0x7fffffff)
  try {
    return await promise
  } finally {
    clearInterval(handle)
  }
}

/** Opens the default store and the Keeper over it. Rejects with `StoreUnavailable`. */
export const openKeeper = async (options: OpenOptions = {}): Promise<PromiseKeeper> => {
  const home = options.home ?? currentHome()
  const listeners = new Set<(event: KeeperEvent) => void>()
  const tell = (event: KeeperEvent) => {
    for (const listener of listeners) {
      // A listener that throws must not end a refresh. Whose fault it is shows where every such fault does.
      try {
        listener(event)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
  const runtime = ManagedRuntime.make(
    Live.layer(options).pipe(
      Layer.provide(Layer.succeed(Listener, (credential, line) => tell({ type: "Transition", credential, line }))),
      Layer.provide([Sqlite.layer({ home }), Http.layer]),
      Layer.provide([ProfileFiles.layer({ home }), ForeignOwners.layer]),
      Layer.provide([quietClock, toStderr]),
    ),
  )
  const run = <A, E>(effect: Effect.Effect<A, E, Keeper>) => held(runtime.runPromise(effect))
  const keeper = await run(
    Effect.gen(function* () {
      return yield* Keeper
    }),
  )

  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= held(runtime.dispose()).finally(takeBack))
  const takeBack = beforeEnd(close, { handleSignals: options.handleSignals ?? true })

  return {
    credential: (name) => promiseCredential(keeper.credential(name), run, tell),
    import: async (name, document) => {
      const now = await run(Clock.currentTimeMillis)
      const { profiles } = ProfileFiles.known(home)
      await run(keeper.put(Result.getOrThrow(GrantDocument.toCredential(document, name, now, profiles))))
    },
    remove: (name) => run(keeper.remove(name)),
    status: (name) => run(keeper.status(name)),
    list: () => run(keeper.list),
    history: (name) => run(keeper.history(name)),
    events: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

const promiseCredential = (
  handle: Handle,
  run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>,
  tell: (event: KeeperEvent) => void,
): PromiseCredential => {
  const valueOf = ({ token }: Access) => Redacted.value(token)
  const onEvent = (event: FetchEvent) => tell({ ...event, credential: handle.name })
  const wrapFetch: PromiseCredential["wrapFetch"] = (fetch, { caller = "fetch" } = {}) =>
    withToken(TokenSource.make(handle, run, { caller }), fetch, onEvent)
  return {
    name: handle.name,
    token: (options) => {
      const token = handle.peek(options?.minValidity)
      return token === undefined ? run(handle.access(options)).then(valueOf) : Promise.resolve(token)
    },
    peek: () => handle.peek(),
    refused: async (token, options) => valueOf(await run(handle.refused(token, options))),
    // @effect-diagnostics-next-line globalFetch:off -- what it wraps is the caller's own fetch
    fetch: wrapFetch((input, init) => globalThis.fetch(input, init)),
    wrapFetch,
    interceptor: interceptor(TokenSource.make(handle, run, { caller: "undici" }), onEvent),
  }
}

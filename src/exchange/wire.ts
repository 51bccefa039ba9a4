/**
 * Evidence from the wire: whether the bytes of one request left this process. Node's `fetch` and npm's undici announce
 * each request when it is made and when its headers are written; the connection, TLS and a proxy's CONNECT come before.
 *
 * **Invariants**
 *
 * - Only positive evidence counts. A transport that announces nothing (a mock, another runtime) leaves it at `unknown`,
 *   and whoever decides then has to assume that the request was sent.
 * - Requests are told apart by the asynchronous context they are made in, so nothing is added to them and any number may
 *   run at once. Nothing is observed while no exchange is under way.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import * as DiagnosticsChannel from "node:diagnostics_channel"

export type Evidence = "unknown" | "notSent" | "sent"

export interface Wire {
  /** Runs a request so that its announcements are recognized. */
  readonly observe: <A>(request: () => Promise<A>) => Promise<A>
  readonly evidence: () => Evidence
  /** Ends the observation. The evidence stays. */
  readonly dispose: () => void
}

const created = "undici:request:create"
const headersSent = "undici:client:sendHeaders"

/**
 * `onSecond` is called before a second request leaves: `fetch` repeats one by itself that was answered with 421
 * (Fetch standard, HTTP-network-or-cache fetch), and a refresh token is not to be presented twice.
 */
export const make = (onSecond: () => void): Wire => {
  // One per exchange: on Node 22 any storage in use slows every promise of the process, so it does not outlive its use.
  const context = new AsyncLocalStorage<true>()
  const requests = new Set<unknown>()
  let sent = false

  const onCreated = (message: unknown): void => {
    const { request } = message as { readonly request: { readonly method: string } }
    if (request.method === "CONNECT" || context.getStore() === undefined) return
    if (sent) onSecond()
    requests.add(request)
  }
  const onHeadersSent = (message: unknown): void => {
    if (requests.has((message as { readonly request: unknown }).request)) sent = true
  }
  DiagnosticsChannel.subscribe(created, onCreated)
  DiagnosticsChannel.subscribe(headersSent, onHeadersSent)

  return {
    observe: (request) => context.run(true, request),
    evidence: () => (sent ? "sent" : requests.size > 0 ? "notSent" : "unknown"),
    dispose: () => {
      DiagnosticsChannel.unsubscribe(created, onCreated)
      DiagnosticsChannel.unsubscribe(headersSent, onHeadersSent)
      context.disable()
    },
  }
}

/**
 * Waits on loopback for the browser to come back (RFC 8252 §7.3).
 *
 * **Invariants**
 *
 * - Only this machine can connect, and only under the redirect URI's own host: a name that a page on the internet has
 *   pointed here (DNS rebinding) is turned away.
 * - Nothing here decides. A request becomes parameters, and whoever judges them says what the browser is shown.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { SignInFailed } from "./errors.ts"
import * as Page from "./page.ts"
import type { Shape } from "./redirectUri.ts"

export interface Received {
  readonly parameters: URLSearchParams
  /** Shows the browser a page, and returns once it has been sent. */
  readonly show: (page: Page.Page) => Effect.Effect<void>
}

export interface Listener {
  /** With the port that it listens on. */
  readonly redirectUri: string
  readonly next: Effect.Effect<Received>
}

const send = (response: Http.ServerResponse, { status, ...rest }: Page.Page, done: () => void): void => {
  response.once("close", done)
  response.writeHead(status, Page.headers)
  response.end(Page.html({ status, ...rest }))
}

const refuse = (response: Http.ServerResponse, status: number, headers: Http.OutgoingHttpHeaders = {}): void => {
  response.writeHead(status, { ...Page.headers, ...headers, "content-type": "text/plain" })
  response.end(`${Http.STATUS_CODES[status]}\n`)
}

const bind = (server: Http.Server, host: string, port: number): Effect.Effect<number, SignInFailed> =>
  Effect.callback((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(
        Effect.fail(
          new SignInFailed({
            reason: "invalid",
            message:
              error.code === "EADDRINUSE"
                ? `port ${port} on ${host} is in use by another program: end that, or name another with --redirect-uri`
                : `cannot listen on ${host} (${error.code})`,
          }),
        ),
      )
    server.on("error", () => undefined).once("error", failed)
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", failed)
      resume(Effect.succeed((server.address() as AddressInfo).port))
    })
  })

/** Listens until the scope ends, which closes every connection. */
export const open = Effect.fnUntraced(function* ({
  port,
  uri,
}: Extract<Shape, { readonly _tag: "Loopback" }>): Effect.fn.Return<Listener, SignInFailed, Scope.Scope> {
  const received = yield* Queue.unbounded<Received>()
  const redirectUri = new URL(uri)

  const onRequest: Http.RequestListener = (request, response) => {
    response.on("error", () => undefined)
    if (request.headers.host !== redirectUri.host) return refuse(response, 421)
    const url = request.url?.startsWith("/") === true ? URL.parse(`http://${redirectUri.host}${request.url}`) : null
    if (url === null) return refuse(response, 400)
    if (url.pathname !== redirectUri.pathname) return refuse(response, 404)
    if (request.method !== "GET") return refuse(response, 405, { allow: "GET" })
    Queue.offerUnsafe(received, {
      parameters: url.searchParams,
      show: (page) => Effect.callback<void>((resume) => send(response, page, () => resume(Effect.void))),
    })
  }

  const listening = Effect.fnUntraced(function* (host: string, wanted: number) {
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => Http.createServer(onRequest)),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        }),
    )
    server.on("clientError", (_error, socket) => socket.destroy())
    return yield* bind(server, host, wanted)
  })

  const bare = uri.hostname.replace(/^\[|\]$/g, "")
  const bound = yield* listening(bare === "localhost" ? "127.0.0.1" : bare, port)
  redirectUri.port = String(bound)
  // Browsers may try this one first. Where it is not to be had they come to the other.
  if (bare === "localhost") yield* Effect.ignore(listening("::1", bound))
  return { redirectUri: redirectUri.href, next: Queue.take(received) }
})

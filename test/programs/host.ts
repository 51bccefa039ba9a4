/**
 * Stands in for a host of the internet whose address a program has built in: a proxy on loopback that the program is told
 * to use, and behind it the token endpoint of the simulated server under the host's own name and path.
 *
 * The program sees a certificate made for the run, which it has to be told to trust (`NODE_EXTRA_CA_CERTS`). Every other
 * host is refused.
 */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import type * as Scope from "effect/Scope"
import { selfSigned } from "../../src/testing/certificate.ts"

export interface Host {
  /** For `HTTPS_PROXY`. */
  readonly proxy: string
  /** As PEM. */
  readonly certificate: string
  /** The next request waits from when it has arrived until it is released. */
  readonly hold: () => { readonly arrived: Promise<void>; readonly release: () => void }
}

const gate = () => {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

const port = (server: Net.Server): number => (server.address() as Net.AddressInfo).port

const listening = <S extends Http.Server>(server: S): Effect.Effect<S, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<S>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )

/** `https://HOST/PATH` leads to `tokenEndpoint`. */
export const standIn = Effect.fnUntraced(function* (
  host: string,
  path: string,
  tokenEndpoint: string,
): Effect.fn.Return<Host, never, Scope.Scope> {
  const { cert, key } = selfSigned([host], Date.now())
  let held: { readonly arrived: () => void; readonly released: Promise<void> } | undefined
  const inside = yield* listening(
    Https.createServer({ key, cert }, (request, response) => {
      if (request.url !== path) return void response.writeHead(404).end()
      const { "content-type": type = "" } = request.headers
      const onward = Http.request(tokenEndpoint, { method: request.method, headers: { "content-type": type } })
      onward.on("response", (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      // What the server does to a connection, it does to this one.
      onward.on("error", () => response.socket?.destroy())
      const holding = held
      held = undefined
      holding?.arrived()
      void Promise.resolve(holding?.released).then(() => request.pipe(onward))
    }),
  )
  const sockets = new Set<Net.Socket>()
  const proxy = yield* listening(
    Http.createServer((_, response) => void response.writeHead(403).end()).on("connect", (request, socket) => {
      // Whoever is refused may have gone by then.
      socket.on("error", () => socket.destroy())
      if (request.url !== `${host}:443`) return void socket.end("HTTP/1.1 403 Forbidden\r\n\r\n")
      const to = Net.connect(port(inside), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n")
        to.pipe(socket)
        socket.pipe(to)
      })
      sockets.add(to)
      to.on("error", () => socket.destroy())
      socket.on("close", () => to.destroy())
    }),
  )
  // Tunnels are no connections of the proxy's any more.
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
  return {
    proxy: `http://127.0.0.1:${port(proxy)}`,
    certificate: cert,
    hold: () => {
      const [arrival, release] = [gate(), gate()]
      held = { arrived: arrival.open, released: release.opened }
      return { arrived: arrival.opened, release: release.open }
    },
  }
})

/**
 * The hosts that the logins of some programs are for, such as `platform.claude.com`: a proxy (RFC 9110 §9.3.6) through
 * which each of them is the simulated server, with a certificate of its own. For real programs, which know no other
 * address.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import * as Path from "node:path"
import { text } from "node:stream/consumers"
import { selfSigned } from "../../src/testing/certificate.ts"

const hosts = ["auth.openai.com", "platform.claude.com", "chat.qwen.ai", "oauth2.googleapis.com"]

const listening = <S extends Net.Server>(server: S): Effect.Effect<S, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<S>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close()),
  )

const portOf = (server: Net.Server): number => (server.address() as Net.AddressInfo).port

const gate = () => {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/** Whatever path it is at there, the token endpoint is this one. */
const forward =
  (tokenEndpoint: string, arrived: () => Promise<void> | undefined): Http.RequestListener =>
  (request, response) => {
    const hangUp = (): void => void response.destroy()
    const answer = async (): Promise<void> => {
      await arrived()
      const { headers, method = "GET" } = request
      const answered = await fetch(tokenEndpoint, {
        method,
        headers: { "content-type": headers["content-type"] ?? "" },
        body: await text(request),
      })
      response.writeHead(answered.status, { "content-type": "application/json" })
      response.end(await answered.text())
    }
    answer().catch(hangUp)
  }

export interface Internet {
  /** What a program has to find in its environment. */
  readonly env: { readonly HTTPS_PROXY: string; readonly NODE_EXTRA_CA_CERTS: string }
  /** The next request waits at the server's door, from when it has arrived until it is released. */
  readonly hold: () => { readonly arrived: Promise<void>; readonly release: () => void }
}

/** `folder` gets the certificate. */
export const internet = Effect.fnUntraced(function* (
  tokenEndpoint: string,
  folder: string,
): Effect.fn.Return<Internet, never, Scope.Scope> {
  const keyPair = selfSigned(hosts, Date.now())
  const sockets = new Set<Net.Socket>()
  let door: (() => Promise<void>) | undefined
  const arrived = (): Promise<void> | undefined => {
    const held = door
    door = undefined
    return held?.()
  }
  const server = yield* listening(Https.createServer(keyPair, forward(tokenEndpoint, arrived)))
  const proxy = Http.createServer().on("connect", ({ url = "" }, client: Net.Socket) => {
    // Whoever is turned away may have gone by then.
    client.on("error", () => client.destroy())
    const [host = ""] = url.split(":")
    if (!hosts.includes(host)) return client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n")
    const there = Net.connect(portOf(server), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n")
      there.pipe(client).pipe(there)
    })
    for (const socket of [client, there]) {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
    }
    return there
  })
  yield* listening(proxy)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const socket of sockets) socket.destroy()
    }),
  )
  const certificate = Path.join(folder, "hosts.pem")
  Fs.writeFileSync(certificate, keyPair.cert)
  return {
    env: { HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}`, NODE_EXTRA_CA_CERTS: certificate },
    hold: () => {
      const [arrival, release] = [gate(), gate()]
      door = () => {
        arrival.open()
        return release.opened
      }
      return { arrived: arrival.opened, release: release.open }
    },
  }
})

/**
 * The connections to an upstream: kept open between requests, and through the proxy that the environment names, as a tunnel
 * (`CONNECT`, RFC 9110 §9.3.6). Node's own agent can do that only since 22.21, and reads fewer variables than the rest of
 * Tokenkeep does.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import { ThroughProxy, Unsent } from "../../exchange/Fetch.ts"
import { type Environment, proxyFor } from "../../exchange/proxy.ts"

/** As long as a proxy may take to open a tunnel. */
const tunnelMillis = 30_000

const options = { keepAlive: true, maxFreeSockets: 256 }

/** What the environment says, which is repeated nowhere: there may be a password in it. */
const proxyOf = (upstream: URL, env: Environment): URL | undefined | Unsent => {
  const named = proxyFor(upstream, env)
  if (named === undefined) return undefined
  const url = URL.parse(named)
  return url !== null && /^https?:$/.test(url.protocol)
    ? url
    : new Unsent(
        "the proxy that the environment names is not an http: or https: URL, and no other kind can be used here",
      )
}

/** Why an upstream cannot be reached the way the environment wants it; `undefined` when nothing speaks against it. */
export const environmentProblem = (upstream: URL, env: Environment): string | undefined => {
  const proxy = proxyOf(upstream, env)
  return proxy instanceof Unsent ? proxy.message : undefined
}

const basic = ({ password, username }: URL): Record<string, string> => {
  if (username === "" && password === "") return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { "proxy-authorization": `Basic ${Buffer.from(pair, "utf8").toString("base64")}` }
}

/** A socket whose other end is `authority`. Rejects with `ThroughProxy`. */
const tunnel = (proxy: URL, authority: string): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(new ThroughProxy(proxy.host, cause))
    const host = proxy.hostname.replace(/^\[|\]$/g, "")
    const asking = (proxy.protocol === "https:" ? Https.request : Http.request)({
      host,
      // Node would take the name from the Host header, which is the upstream's.
      servername: Net.isIP(host) === 0 ? host : "",
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...basic(proxy) },
      agent: false,
    })
    asking.setTimeout(tunnelMillis, () =>
      asking.destroy(Object.assign(new Error("no tunnel in time"), { code: "ETIMEDOUT" })),
    )
    asking.on("error", fail)
    asking.on("connect", ({ statusCode = 0 }, socket, head) => {
      socket.setTimeout(0)
      if (head.length > 0) socket.unshift(head)
      if (statusCode >= 200 && statusCode < 300) return resolve(socket)
      socket.destroy()
      return fail(Object.assign(new Error(`Proxy response (${statusCode})`), { code: "ERR_PROXY_TUNNEL" }))
    })
    asking.end()
  })

class TunnellingAgent extends Https.Agent {
  readonly #proxy: URL | Unsent
  constructor(proxy: URL | Unsent) {
    super(options)
    this.#proxy = proxy
  }
  override createConnection(
    to: Https.RequestOptions,
    done?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const finish = done as (error: Error | null, socket?: Duplex) => void
    if (this.#proxy instanceof Unsent) {
      process.nextTick(finish, this.#proxy)
      return undefined
    }
    const host = String(to.host)
    const authority = `${host.includes(":") ? `[${host}]` : host}:${to.port}`
    // With a socket it makes no connection of its own: it speaks TLS on this one.
    const speak = (socket: Duplex) => super.createConnection({ ...to, socket } as Https.RequestOptions)
    const connect = async (proxy: URL) => {
      try {
        finish(null, speak(await tunnel(proxy, authority)) ?? undefined)
      } catch (error) {
        finish(error as Error)
      }
    }
    void connect(this.#proxy)
    return undefined
  }
}

export const make = (upstream: URL, env: Environment): Http.Agent => {
  // `http:` means loopback, and what does not leave this machine needs no way out of it.
  if (upstream.protocol === "http:") return new Http.Agent(options)
  const proxy = proxyOf(upstream, env)
  return proxy === undefined ? new Https.Agent(options) : new TunnellingAgent(proxy)
}

/**
 * How an HTTP request leaves this process. By default the platform's `fetch`, through the proxy that the environment
 * names (a token client that ignores it does not work behind a firewall).
 *
 * **Details**
 *
 * - A request with `connection: close` gets a connection of its own. `fetch` would send it over an idle one, and when
 *   the server has just closed that, nobody can say any more whether the request arrived (refresh-protocol §4.6).
 * - `undici` from npm is loaded only when a proxy applies: Node's own copy cannot be given one before Node 24.
 */
// @effect-diagnostics globalFetch:off This is the adapter around it.
import * as Context from "effect/Context"
import * as Dns from "node:dns"
import type { LookupFunction } from "node:net"
import { proxyFor } from "./proxy.ts"

/**
 * Judges the addresses of a host name at the moment of connecting, when no later answer of the DNS can replace them: a
 * text says why not to connect. A proxy looks names up itself, so nobody is asked on the way through one.
 */
export type AddressCheck = (addresses: ReadonlyArray<string>) => string | undefined

export type FetchFunction = (url: string, init: RequestInit, check?: AddressCheck) => Promise<Response>

type Dispatcher = NonNullable<RequestInit["dispatcher"]>

interface PoolOptions {
  readonly allowH2: false
  readonly connect?: { readonly lookup: LookupFunction }
}

type Constructor<Argument> = new (argument: Argument) => Dispatcher

/** Nothing was sent, and the transport itself knows: the request never reached the network. `message` is for people. */
export class Unsent extends Error {}

/** A failure on the way through a proxy: it may be the proxy's and not the server's. */
export class ThroughProxy extends Error {
  readonly proxy: string
  constructor(proxy: string, cause: unknown) {
    super("the request through the proxy failed", { cause })
    this.proxy = proxy
  }
}

/**
 * Makes a connection pool of the kind that the running `fetch` itself uses, by the global where undici keeps its instance;
 * Node offers no other way to it. Somebody who installed a pool of another kind (a proxy, a mock) wants that one used.
 */
const ownPool = (): ((options: PoolOptions) => Dispatcher) | undefined => {
  const version = Number.parseInt(process.versions["undici"] ?? "", 10)
  // Loads undici, which only then writes the global.
  if (Number.isNaN(version) || typeof globalThis.Response !== "function") return undefined
  const classOf = (interface_: 1 | 2, name: string): unknown => {
    const key = Symbol.for(`undici.globalDispatcher.${interface_}`)
    const pool = (globalThis as { readonly [key: symbol]: object | undefined })[key]
    return pool?.constructor.name === name ? pool.constructor : undefined
  }
  const Own = classOf(version >= 8 ? 2 : 1, "Agent") as Constructor<PoolOptions> | undefined
  if (Own !== undefined) return (options) => new Own(options)
  // npm's undici was loaded before the platform's, and put its pool in that one's place, in an adapter.
  const Adapter = classOf(1, "Dispatcher1Wrapper") as Constructor<Dispatcher> | undefined
  const Other = classOf(2, "Agent") as Constructor<PoolOptions> | undefined
  return Adapter && Other && ((options) => new Adapter(new Other(options)))
}

/** Gives a pool up with its one request: after the answer's body has been read or dropped, or at once on failure. */
const closing = async <A>(pool: Pick<Dispatcher, "close" | "destroy">, answer: Promise<A>): Promise<A> => {
  try {
    const received = await answer
    pool.close().catch(() => undefined)
    return received
  } catch (error) {
    pool.destroy().catch(() => undefined)
    throw error
  }
}

const lookupWith =
  (check: AddressCheck): LookupFunction =>
  (hostname, options, callback) =>
    Dns.lookup(hostname, { ...options, all: true }, (error, found) => {
      const problem = error === null ? check(found.map(({ address }) => address)) : undefined
      const [first] = found ?? []
      if (error !== null || problem !== undefined || first === undefined) {
        return callback(error ?? new Unsent(problem), [])
      }
      return options.all === true ? callback(null, found) : callback(null, first.address, first.family)
    })

const direct = async (url: string, init: RequestInit, check?: AddressCheck): Promise<Response> => {
  const makePool = new Headers(init.headers).get("connection") === "close" ? ownPool() : undefined
  if (makePool === undefined) {
    // A pool that somebody else installed connects as it likes: asked beforehand, the DNS could still answer twice.
    if (check !== undefined)
      throw new Unsent("the pool of connections in use here cannot say to which addresses it goes")
    return globalThis.fetch(url, init)
  }
  const dispatcher = makePool({ allowH2: false, ...(check && { connect: { lookup: lookupWith(check) } }) })
  return closing(dispatcher, globalThis.fetch(url, { ...init, dispatcher }))
}

const through = async (proxy: string, url: string, init: RequestInit): Promise<Response> => {
  // To undici every SOCKS proxy is one that looks names up itself, which curl spells with an h.
  const uri = URL.parse(proxy.replace(/^socks5h:/i, "socks5:"))
  // The text of the setting may hold a password, so it is not repeated.
  if (uri === null || !/^(?:https?|socks5?):$/.test(uri.protocol)) {
    throw new Unsent("the proxy that the environment names is not an http:, https: or socks5: URL")
  }
  const opened = import("undici").then(({ fetch, ProxyAgent }) => ({
    fetch,
    dispatcher: new ProxyAgent({ uri: uri.href, allowH2: false }),
  }))
  const { dispatcher, fetch } = await opened.catch(() => {
    throw new Unsent("the proxy that the environment names cannot be used")
  })
  // The same shapes, declared twice: by Node's copy of undici and by npm's.
  const answer = fetch(url, { ...(init as object), dispatcher }).catch((cause: unknown) => {
    throw new ThroughProxy(uri.host, cause)
  })
  return (await closing(dispatcher, answer)) as unknown as Response
}

const platformFetch: FetchFunction = (url, init, check) => {
  const proxy = proxyFor(new URL(url), process.env)
  return proxy === undefined ? direct(url, init, check) : through(proxy, url, init)
}

export const Fetch = Context.Reference<FetchFunction>("tokenkeep/exchange/Fetch", { defaultValue: () => platformFetch })

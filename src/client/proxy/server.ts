/**
 * A reverse proxy on loopback that adds the token: for clients that cannot do OAuth, or do it badly.
 *
 * **Invariants**
 *
 * - It listens on loopback and serves programs of this machine only (`guard.ts`); nobody else gets a token spent.
 * - The token goes below the route's upstream and the credential's own resource, and to no client.
 * - At the end of the scope it takes no new request, and those under way have `drainMillis` to end.
 */
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Keeper } from "../../keeper/Keeper.ts"
import * as TokenSource from "../TokenSource.ts"
import * as Answers from "./answers.ts"
import { forward, say as sayTo, type Upgrade, type Way } from "./forward.ts"
import * as Guard from "./guard.ts"
import * as Health from "./health.ts"
import * as Replay from "./Replay.ts"
import * as Route from "./Route.ts"
import * as UpstreamAgent from "./upstreamAgent.ts"

export interface ProxyOptions {
  readonly routes: ReadonlyArray<Route.Route>
  /** A loopback address. Default 127.0.0.1. */
  readonly host?: string | undefined
  /** Default: any that is free. */
  readonly port?: number | undefined
  /** What a client has to show besides being on this machine, where other users are too. */
  readonly key?: Redacted.Redacted | undefined
  /** How long requests under way may take when the scope ends. Default 10,000. */
  readonly drainMillis?: number | undefined
  /** Told of every request that the proxy answered itself. */
  readonly onAnswer?: ((answer: Answers.ProxyAnswer) => void) | undefined
}

export interface Proxying {
  /** Without a slash at its end. */
  readonly url: string
  readonly port: number
  /** How many requests are under way now, streams and upgraded connections among them. */
  readonly underWay: () => number
}

/** The address is taken or is not this machine's. `code` is the system's word for it. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", { code: Schema.String }) {}

const caller = "tokenkeep proxy"

/** Longer than clients rest between two calls; Node's five seconds would make them connect anew for each. */
const keepAliveMillis = 75_000

const bind = (server: Http.Server, port: number, host: string): Effect.Effect<number, CannotListen> =>
  Effect.callback((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ code: error.code ?? "unknown" })))
    server.once("error", failed)
    server.listen(port, host, () => {
      server.off("error", failed)
      resume(Effect.succeed((server.address() as AddressInfo).port))
    })
  })

export const listen = Effect.fnUntraced(function* (
  options: ProxyOptions,
): Effect.fn.Return<Proxying, CannotListen, Keeper | Scope.Scope> {
  const { drainMillis = 10_000, host = "127.0.0.1", key, onAnswer, routes } = options
  const keeper = yield* Keeper
  const clock = yield* Clock.Clock
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  const now = () => clock.currentTimeMillisUnsafe()
  let isDraining = false
  const upgraded = new Set<Socket>()
  let underWay = 0
  let onIdle = () => {}

  const ways = new Map<Route.Route, Way>(
    routes.map((route) => [
      route,
      {
        route,
        source: TokenSource.make(keeper.credential(route.name), run, { caller }),
        agent: UpstreamAgent.make(route.upstream, process.env),
      },
    ]),
  )

  const decline = (response: Http.ServerResponse, answer: Answers.ProxyAnswer): void => {
    onAnswer?.(answer)
    sayTo(response, answer)
  }

  const answer = (request: Http.IncomingMessage, response: Http.ServerResponse, upgrade?: Upgrade): void => {
    underWay++
    ;(upgrade?.socket ?? response).once("close", () => {
      if (--underWay === 0) onIdle()
    })
    if (isDraining) response.setHeader("connection", "close")
    const refusal = Guard.refusal(request.headers, port)
    if (refusal !== undefined) return decline(response, Answers.refused(refusal))
    const path = Route.pathOf(request.url ?? "")
    const hasKey = Guard.hasKey(request.headers, key)
    if (path?.pathname === Health.path) {
      const page = Health.page(keeper, routes, { hasKey, isDraining, underWay })
      return void run(page).then((health) => sayTo(response, health))
    }
    if (!hasKey) return decline(response, Answers.refused("key"))
    const route = path && Route.find(routes, path)
    if (path === undefined || route === undefined)
      return decline(response, Answers.noRoute(routes.map(({ path }) => `${path}/`)))
    if (upgrade !== undefined && Replay.hasBody(request)) return decline(response, Answers.badUpgrade)
    const say = (answer: Answers.ProxyAnswer) => decline(response, answer)
    void forward({ way: ways.get(route)!, request, response, upgrade, url: Route.target(route, path), now, say })
  }

  const server = Http.createServer({
    keepAliveTimeout: keepAliveMillis,
    // An upload may take as long as it takes.
    requestTimeout: 0,
    // Some clients offer `h2c` with every first request (RFC 9110 §7.8 lets a server ignore it). Unknown before Node 24.9.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
  })
  server.on("request", (request, response) => answer(request, response))
  server.on("upgrade", (request: Http.IncomingMessage, socket: Socket, head: Buffer) => {
    // A response like any other, until the upstream has agreed.
    const response = new Http.ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.on("finish", () => socket.end())
    socket.on("error", () => socket.destroy())
    upgraded.add(socket)
    socket.on("close", () => upgraded.delete(socket))
    answer(request, response, { socket, head, protocol: request.headers.upgrade ?? "" })
  })

  const idle = Effect.callback<void>((resume) => {
    onIdle = () => resume(Effect.void)
    if (underWay === 0) onIdle()
  })

  const drain = Effect.gen(function* () {
    isDraining = true
    server.close()
    yield* Effect.timeoutOption(idle, drainMillis)
    server.closeAllConnections()
    for (const socket of upgraded) socket.destroy()
    for (const { agent } of ways.values()) agent.destroy()
  })

  const port = yield* bind(server, options.port ?? 0, host)
  yield* Effect.addFinalizer(() => drain)
  return { url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, port, underWay: () => underWay }
})

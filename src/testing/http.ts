/**
 * A simulated authorization server on a loopback socket, for any client in any language.
 *
 * **Details**
 *
 * - A client that goes away stops nothing: the server does its work, as a real one would.
 * - It listens on loopback only. `/control` and `/log` moreover want a `Host` of this machine and no `Origin`, so that no
 *   page in a browser reaches them.
 * - Closing the scope ends connections that are still open.
 */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { isLoopback } from "../exchange/endpointUrl.ts"
import { type Answer, httpDate, oauthError } from "./answers.ts"
import * as AuthorizationServer from "./AuthorizationServer.ts"
import { type KeyPair, selfSigned } from "./certificate.ts"
import * as Fault from "./Fault.ts"
import { paths } from "./metadata.ts"
import { type Asked, parametersOf, route } from "./routes.ts"

export interface ListenOptions extends Omit<AuthorizationServer.Options, "issuer"> {
  /** Default: any that is free. */
  readonly port?: number | undefined
  /** Listens with TLS: with a certificate made for this run, or with one that is given, for 127.0.0.1 and as PEM. */
  readonly tls?: "selfSigned" | KeyPair | undefined
  /** Its clock is so much ahead. */
  readonly skewMillis?: number | undefined
}

export interface Listening {
  /** Without a slash at the end. It is the issuer too. */
  readonly url: string
  readonly tokenEndpoint: string
  readonly resourceUrl: string
  /** With TLS: what a client has to trust, as PEM. */
  readonly certificate: string | undefined
  readonly server: AuthorizationServer.AuthorizationServer
  /** Refuses connections from now on, and breaks those that are open. The end of the scope does the same. */
  readonly close: Effect.Effect<void>
}

/** The port is taken, or the certificate cannot be read. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", { code: Schema.String }) {}

export class SimulatedServer extends Context.Service<SimulatedServer, Listening>()(
  "tokenkeep/testing/SimulatedServer",
) {}

type Response = Http.ServerResponse<Http.IncomingMessage>

const longestBodyBytes = 65_536

/** `undefined`: the client went away, or sends without end. */
const bodyOf = (request: Http.IncomingMessage): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    if (request.destroyed) return resume(Effect.undefined)
    const chunks: Array<Buffer> = []
    let size = 0
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > longestBodyBytes) resume(Effect.undefined)
      else chunks.push(chunk)
    })
    request.on("end", () => resume(Effect.succeed(Buffer.concat(chunks).toString("utf8"))))
    request.on("close", () => resume(Effect.undefined))
  })

const drop = (response: Response): Effect.Effect<void> =>
  Effect.sync(() => {
    response.socket?.resetAndDestroy()
  })

/** Until the client gives up. */
const silence = (response: Response): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (response.destroyed) return resume(Effect.void)
    response.on("close", () => resume(Effect.void))
  })

const head = (response: Response, { body, headers, status }: Answer, now: number): Buffer => {
  const bytes = Buffer.from(body, "utf8")
  const own = { date: httpDate(now), "cache-control": "no-store", "content-length": String(bytes.length) }
  response.writeHead(status, { ...own, ...headers })
  return bytes
}

const send = (response: Response, answer: Answer, now: number): Effect.Effect<void> =>
  Effect.sync(() => {
    response.end(head(response, answer, now))
  })

/** The first half arrives, and then the connection breaks. */
const sendHalf = (response: Response, answer: Answer, now: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const bytes = head(response, answer, now)
    response.write(bytes.subarray(0, bytes.length >> 1), () => {
      // Without the reset, which would make the client's system throw the half away.
      response.socket?.destroy()
      resume(Effect.void)
    })
  })

const sendSlowly = Effect.fnUntraced(function* (response: Response, answer: Answer, dripMillis: number, now: number) {
  const bytes = head(response, answer, now)
  response.flushHeaders()
  for (const byte of bytes) {
    if (response.destroyed) return
    yield* Effect.sleep(dripMillis)
    response.write(Buffer.of(byte))
  }
  response.end()
})

const isLocal = ({ headers, socket }: Http.IncomingMessage): boolean => {
  const host = URL.parse(`http://${headers.host ?? ""}`)
  const peer = socket.remoteAddress ?? ""
  return host !== null && isLoopback(host) && headers.origin === undefined && /^(?:::ffff:)?127\.|^::1$/.test(peer)
}

/** The token endpoint: the fault decides what happens on the socket, before and after the work. */
const answerToken = Effect.fnUntraced(function* (
  server: AuthorizationServer.AuthorizationServer,
  asked: Asked,
  response: Response,
  now: () => number,
) {
  const arrival = server.arrive({ parameters: parametersOf(asked), authorization: asked.authorization }, now())
  const { fault } = arrival
  if (fault?.beforeMillis) yield* Effect.sleep(fault.beforeMillis)
  const own = Fault.isProcessed(fault) ? server.process(arrival, now()) : undefined
  if (fault?.afterMillis) yield* Effect.sleep(fault.afterMillis)
  const replaced = Fault.replacement(fault, now())
  if (replaced !== undefined) return yield* send(response, replaced, now())
  const how = Fault.ownAnswer(fault)
  if (how === undefined || own === undefined)
    return yield* fault?.answer === "never" ? silence(response) : drop(response)
  if (how === "own") return yield* send(response, own, now())
  if (how === "half") return yield* sendHalf(response, own, now())
  return yield* sendSlowly(response, own, how.dripMillis, now())
})

const answer = Effect.fnUntraced(function* (
  server: AuthorizationServer.AuthorizationServer,
  request: Http.IncomingMessage,
  response: Response,
  now: () => number,
) {
  const body = yield* bodyOf(request)
  const url = URL.parse(request.url ?? "", server.issuer)
  if (body === undefined || url === null) return yield* drop(response)
  const asked: Asked = {
    method: request.method ?? "",
    url,
    authorization: request.headers.authorization,
    contentType: request.headers["content-type"],
    body,
    isLocal: isLocal(request),
  }
  return yield* asked.method === "POST" && url.pathname === paths.token
    ? answerToken(server, asked, response, now)
    : send(response, route(server, asked, now()), now())
})

const bind = (server: Http.Server, port: number): Effect.Effect<number, CannotListen> =>
  Effect.callback((resume) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new CannotListen({ code: error.code ?? "unknown" })))
    server.once("error", failed)
    server.listen(port, "127.0.0.1", () => {
      server.off("error", failed)
      resume(Effect.succeed((server.address() as AddressInfo).port))
    })
  })

const open = (tls: KeyPair | undefined): Effect.Effect<Http.Server, CannotListen> =>
  Effect.try({
    try: () => (tls === undefined ? Http.createServer() : Https.createServer({ key: tls.key, cert: tls.cert })),
    catch: (error) => new CannotListen({ code: String((error as NodeJS.ErrnoException).code ?? "unknown") }),
  })

export const listen = Effect.fnUntraced(function* (
  options: ListenOptions = {},
): Effect.fn.Return<Listening, CannotListen, Scope.Scope> {
  const { port = 0, skewMillis = 0, tls, ...rest } = options
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe() + skewMillis
  const keyPair = tls === "selfSigned" ? selfSigned(["127.0.0.1", "localhost"], clock.currentTimeMillisUnsafe()) : tls
  const socket = yield* open(keyPair)
  const close = Effect.callback<void>((resume) => {
    socket.close(() => resume(Effect.void))
    socket.closeAllConnections()
  })
  yield* Effect.addFinalizer(() => close)
  const run = yield* FiberSet.makeRuntime()
  const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${yield* bind(socket, port)}`
  const server = AuthorizationServer.make({
    ...rest,
    issuer: url,
    // A word to search logs for, and enough that nobody guesses: other users of this machine reach the port too.
    secretPrefix: rest.secretPrefix ?? `simulated-${Crypto.randomBytes(12).toString("hex")}-`,
  })
  socket.on("request", (request: Http.IncomingMessage, response: Response) => {
    const failed = (): Effect.Effect<void> =>
      send(response, oauthError(500, "server_error", "A defect in the simulation."), now())
    run(Effect.catchDefect(answer(server, request, response, now), failed))
  })
  return {
    url,
    tokenEndpoint: `${url}${paths.token}`,
    resourceUrl: `${url}${paths.resource}`,
    certificate: keyPair?.cert,
    server,
    close,
  }
})

export const layer = (options?: ListenOptions): Layer.Layer<SimulatedServer, CannotListen> =>
  Layer.effect(SimulatedServer, listen(options))

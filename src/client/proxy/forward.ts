/**
 * One request through the proxy: out with the token, back as it is.
 *
 * **Details**
 *
 * - Nothing is collected on the way: each chunk goes on as it comes, and a slow reader slows the other side.
 * - A 401 that another token cures, or a proof with the upstream's nonce (RFC 9449 §9), is not seen by the client. For
 *   each there is one more try, with a body that was kept.
 * - A request is sent again after a broken connection only if nobody can have acted on it: a connection that was idle and
 *   that the upstream closed at this moment, and a method that may be repeated (RFC 9110 §9.2.2).
 */
import * as Http from "node:http"
import * as Https from "node:https"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { type Authorization, authorizationFor, type Refusal } from "../authorization.ts"
import { foreign } from "../destination.ts"
import type { Granted, TokenSource } from "../TokenSource.ts"
import * as Answers from "./answers.ts"
import * as Headers from "./headers.ts"
import * as Replay from "./Replay.ts"
import * as Route from "./Route.ts"

/** Where a route's requests leave: its credential and its connections. */
export interface Way {
  readonly route: Route.Route
  readonly source: TokenSource
  readonly agent: Http.Agent
}

/** A client's connection that wants to become something else (RFC 9110 §7.8): a WebSocket. */
export interface Upgrade {
  readonly socket: Socket
  readonly head: Buffer
  readonly protocol: string
}

export interface Exchange {
  readonly way: Way
  readonly request: Http.IncomingMessage
  readonly response: Http.ServerResponse
  readonly upgrade: Upgrade | undefined
  readonly url: URL
  readonly now: () => number
  /** Answers in the upstream's place. */
  readonly say: (answer: Answers.ProxyAnswer) => void
}

const repeatable: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])

const wantsLength: ReadonlySet<string | undefined> = new Set(["POST", "PUT", "PATCH"])

/** Says it instead of the upstream. When the upstream's answer has begun, the only word left is a broken connection. */
export const say = (response: Http.ServerResponse, { body, headers, status }: Answers.ProxyAnswer): void => {
  if (response.destroyed) return
  if (response.headersSent) return void response.destroy()
  const length = String(Buffer.byteLength(body))
  // What has not been read of the request will not be: the connection ends with this answer.
  const ending = response.req.complete ? {} : { connection: "close" }
  response.writeHead(status, { ...headers, ...ending, "content-length": length }).end(body)
}

const headersOf = ({ request, upgrade, url }: Exchange, authorization: Authorization): Array<string> => {
  const headers = Headers.forRequest(request.rawHeaders, request.headers.connection)
  headers.push("Host", url.host, ...Object.entries(authorization.headers).flat())
  if (upgrade !== undefined) headers.push("Connection", "Upgrade", "Upgrade", upgrade.protocol)
  // Node would announce a body in chunks for a POST that has none.
  else if (
    !Replay.hasBody(request) &&
    request.headers["content-length"] === undefined &&
    wantsLength.has(request.method)
  )
    headers.push("Content-Length", "0")
  else if (request.headers["transfer-encoding"] !== undefined) headers.push("Transfer-Encoding", "chunked")
  return headers
}

/** The upgraded connection: from now on bytes, both ways, until either side ends. */
const splice = (
  { response, url, way: { route } }: Exchange,
  { head, socket }: Upgrade,
  answer: Http.IncomingMessage,
  upstream: Duplex,
  first: Buffer,
): void => {
  const { headers: known, rawHeaders, statusMessage } = answer
  const headers = Headers.forResponse(rawHeaders, known.connection, (at) => Route.locationOf(route, at, url))
  headers.push("Connection", "Upgrade", "Upgrade", String(known.upgrade ?? ""))
  const lines = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []))
  response.detachSocket(socket)
  socket.write(`HTTP/1.1 101 ${statusMessage}\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1")
  if (first.length > 0) socket.write(first)
  if (head.length > 0) upstream.write(head)
  const ways = [
    [socket, upstream],
    [upstream, socket],
  ] as const
  for (const [from, to] of ways) {
    from.on("error", () => to.destroy())
    from.on("close", () => to.destroy())
    from.pipe(to)
  }
}

/** Passes the upstream's answer on. */
const pass = ({ response, url, way: { route } }: Exchange, answer: Http.IncomingMessage): void => {
  const { rawHeaders, statusCode = 502, statusMessage = "" } = answer
  const headers = Headers.forResponse(rawHeaders, answer.headers.connection, (at) => Route.locationOf(route, at, url))
  response.writeHead(statusCode, statusMessage, headers)
  // Without a length it is a stream, whose first word may take long to come.
  if (answer.headers["content-length"] === undefined) response.flushHeaders()
  answer.on("error", () => response.destroy())
  answer.pipe(response)
}

export const forward = async (exchange: Exchange): Promise<void> => {
  const { now, request, response, say, upgrade, url, way } = exchange
  const { agent, route, source } = way
  let current: Http.ClientRequest | undefined
  let replay: Replay.Replay | undefined
  response.on("close", () => {
    if (!response.writableFinished) current?.destroy()
  })
  const fail = (error: unknown) => say(Answers.untold(error, now()))

  /** `cures`: what a 401 may be about so that there is another attempt. */
  const send = async (granted: Granted, cures: ReadonlyArray<Refusal>, body?: Buffer): Promise<void> => {
    const authorization = await authorizationFor(granted, url, request.method ?? "GET")
    if (response.destroyed) return
    const make = url.protocol === "https:" ? Https.request : Http.request
    const outgoing = make(url, { agent, method: request.method, headers: headersOf(exchange, authorization) })
    current = outgoing
    let isAnswered = false
    outgoing.on("response", (answer) => {
      isAnswered = true
      const { "dpop-nonce": nonce, "www-authenticate": challenge } = answer.headers
      const kept = authorization.keep(typeof nonce === "string" ? nonce : null)
      const refusal = authorization.refusal(answer.statusCode ?? 0, challenge ?? null)
      if (refusal === undefined || !cures.includes(refusal)) {
        replay?.drop()
        return pass(exchange, answer)
      }
      answer.resume()
      const another = async (): Promise<Granted> => {
        await kept
        return refusal === "token" ? source.refused(granted.token) : granted
      }
      const left = refusal === "token" ? (["nonce"] as const) : cures.filter((cure) => cure !== "nonce")
      again(another(), refusal, left, outgoing).catch(fail)
    })
    outgoing.on("upgrade", (answer, socket, head) => {
      isAnswered = true
      if (upgrade === undefined) return void socket.destroy()
      splice(exchange, upgrade, answer, socket, head)
    })
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      if (isAnswered) return
      const kept = replay?.now()
      const wasIdle = outgoing.reusedSocket && error.code === "ECONNRESET"
      if (wasIdle && kept !== undefined && repeatable.has(request.method)) return repeat(granted, cures, kept)
      say(Answers.noUpstream(url.host, error))
    })
    if (body !== undefined) outgoing.end(body)
    else if (!Replay.hasBody(request)) outgoing.end()
    else {
      // A stream's first chunk may take long to come.
      if (request.headers["content-length"] === undefined) outgoing.flushHeaders()
      request.pipe(outgoing)
    }
    replay ??= Replay.keep(request)
  }

  const repeat = (granted: Granted, cures: ReadonlyArray<Refusal>, body: Buffer): void =>
    void send(granted, cures, body).catch(fail)

  const again = async (
    another: Promise<Granted>,
    refusal: Refusal,
    cures: ReadonlyArray<Refusal>,
    outgoing: Http.ClientRequest,
  ): Promise<void> => {
    // An upstream that answers early does not read on; what is left of the body is read for the next try only.
    request.unpipe(outgoing)
    request.resume()
    const [granted, body] = await Promise.all([another, replay?.whole()])
    if (!outgoing.writableFinished) outgoing.destroy()
    if (body === undefined) return say(Answers.sendAgain(refusal, Replay.limitBytes))
    await send(granted, cures, body)
  }

  try {
    const granted = await source.token()
    const elsewhere = route.allowsForeign ? undefined : foreign(url, granted.resource)
    if (elsewhere !== undefined) return fail(elsewhere)
    await send(granted, ["nonce", "token"])
  } catch (error) {
    fail(error)
  }
}

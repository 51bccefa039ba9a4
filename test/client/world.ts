/** What the tests of clients share: an authorization server, an upstream and a Keeper, all with real sockets. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as HttpTokenEndpoint from "../../src/exchange/http.ts"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import * as Live from "../../src/keeper/live.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Memory from "../../src/store/memory.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { type Listening, listen, type ListenOptions } from "../../src/testing/http.ts"

export const hour = 3_600_000

export type Handler = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

export interface Upstream {
  readonly url: string
  readonly port: number
  readonly server: Http.Server
  /** Fingerprints of the tokens that came, in order. */
  readonly seen: Array<string>
  /** Tokens that it answers 401 to, by fingerprint. */
  readonly refuses: Set<string>
  readonly close: Effect.Effect<void>
}

const tokenOf = (request: Http.IncomingMessage): string =>
  /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? ""

/** A resource server: it lets in who has a token of `as`, and then `handler` answers. */
export const upstream = (as: Listening, handler: Handler, port = 0) =>
  Effect.acquireRelease(
    Effect.promise(async (): Promise<Upstream> => {
      const seen: Array<string> = []
      const refuses = new Set<string>()
      const isIn = (request: Http.IncomingMessage): boolean => {
        const token = tokenOf(request)
        seen.push(fingerprint(token))
        return as.server.access(token, Date.now()).active && !refuses.has(fingerprint(token))
      }
      const server = Http.createServer((request, response) => {
        if (isIn(request)) return handler(request, response)
        response.writeHead(401, { "www-authenticate": 'Bearer error="invalid_token"' }).end("not you")
      })
      await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
      const { port: bound } = server.address() as AddressInfo
      const close = Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
      return { url: `http://127.0.0.1:${bound}`, port: bound, server, seen, refuses, close }
    }),
    ({ close }) => close,
  )

/** A Keeper over memory and the network, open to the end of the scope. */
export const keeper = Effect.gen(function* () {
  const layer = Live.layer().pipe(Layer.provide([Memory.layerMemory, HttpTokenEndpoint.layer]))
  return Context.get(yield* Layer.build(layer), Keeper)
})

/**
 * Puts a grant of `as` under a name. `leftMillis` is what is left of its access token, and `lifetimeMillis` what the server
 * told with it, as it does when somebody signs in.
 */
export const bringIn = Effect.fnUntraced(function* (
  kept: Keeper["Service"],
  as: Listening,
  name: string,
  {
    leftMillis,
    lifetimeMillis,
    resource,
  }: { readonly leftMillis?: number; readonly lifetimeMillis?: number; readonly resource?: string } = {},
) {
  const now = yield* Clock.currentTimeMillis
  const grant = as.server.grant({}, now)
  const whole = {
    ...grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint }),
    resource,
  }
  const expiring = leftMillis === undefined ? {} : { expires_at: (now + leftMillis) / 1000 }
  const imported = { ...whole, tokens: { ...whole.tokens, ...expiring } }
  // As JSON it has no members that are undefined.
  const document = JSON.parse(JSON.stringify(imported))
  const credential = Result.getOrThrow(GrantDocument.toCredential(document, name, now))
  const expiry = { ...credential.tokens.expiry, ...(lifetimeMillis === undefined ? {} : { lifetimeMillis }) }
  yield* kept.put({ ...credential, tokens: { ...credential.tokens, expiry } })
  return grant
})

export const server = (options: ListenOptions = {}) => listen(options)

export interface Answered {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

/** A request of a client that knows nothing: node:http with an agent of its own. */
export const ask = (
  url: string,
  { body, ...options }: Http.RequestOptions & { readonly body?: string | Buffer } = {},
): Effect.Effect<Answered> =>
  Effect.promise(
    () =>
      new Promise<Answered>((resolve, reject) => {
        const request = Http.request(url, { agent: false, ...options }, (response) => {
          const chunks: Array<Buffer> = []
          response.on("data", (chunk: Buffer) => chunks.push(chunk))
          response.on("error", reject)
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString("utf8"),
            }),
          )
        })
        request.on("error", reject)
        request.end(body)
      }),
  )

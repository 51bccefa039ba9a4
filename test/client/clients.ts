/** Every client of a token behind one interface, so that each rule is tried with all of them. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as undici from "undici"
import { withToken } from "../../src/client/fetch.ts"
import type { FetchEvent } from "../../src/client/FetchEvent.ts"
import * as HttpClientToken from "../../src/client/httpClient.ts"
import * as Route from "../../src/client/proxy/Route.ts"
import * as Proxy from "../../src/client/proxy/server.ts"
import type { TokenSource } from "../../src/client/TokenSource.ts"
import { interceptor } from "../../src/client/undici.ts"
import { type Handle, Keeper } from "../../src/keeper/Keeper.ts"
import { ask } from "./world.ts"

/** One credential, and the URL that its token is for, which ends in `/api`. */
export interface Stage {
  readonly name: string
  readonly resource: string
  readonly keeper: Keeper["Service"]
  readonly handle: Handle
  readonly source: TokenSource
}

interface Answered {
  readonly status: number
  readonly text: string
}

export interface Client {
  readonly post: (path: string, body: string) => Effect.Effect<Answered>
  /** The same with a body that can be read only once. */
  readonly stream: (path: string, body: string) => Effect.Effect<Answered>
  readonly events: ReadonlyArray<FetchEvent>
}

async function* chunks(body: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(body)
}

export const byFetch = ({ resource, source }: Stage): Effect.Effect<Client> =>
  Effect.sync(() => {
    const events: Array<FetchEvent> = []
    const fetch = withToken(source, globalThis.fetch, (event) => events.push(event))
    const send = (path: string, body: NonNullable<RequestInit["body"]>) =>
      Effect.promise(async () => {
        const init = { method: "POST", body, duplex: "half" } as RequestInit
        const response = await fetch(`${resource}${path}`, init)
        return { status: response.status, text: await response.text() }
      })
    return { post: send, stream: (path, body) => send(path, new Blob([body]).stream()), events }
  })

const byUndici = ({ resource, source }: Stage): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.gen(function* () {
    const events: Array<FetchEvent> = []
    const dispatcher = yield* Effect.acquireRelease(
      Effect.sync(() => new undici.Agent().compose(interceptor(source, (event) => events.push(event)))),
      (dispatcher) => Effect.promise(() => dispatcher.close()),
    )
    const send = (path: string, body: string | AsyncIterable<Uint8Array>) =>
      Effect.promise(async () => {
        const headers = { DPoP: "of somebody else" }
        const options = { method: "POST", body, headers, dispatcher } as never
        const response = await undici.request(`${resource}${path}`, options)
        return { status: response.statusCode, text: await response.body.text() }
      })
    return { post: send, stream: (path, body) => send(path, chunks(body)), events }
  })

const byEffect =
  (layer: Layer.Layer<HttpClient.HttpClient>) =>
  ({ handle, resource }: Stage): Effect.Effect<Client, never, Scope.Scope> =>
    Effect.gen(function* () {
      const events: Array<FetchEvent> = []
      const plain = yield* Effect.provide(HttpClient.HttpClient, layer)
      const client = HttpClientToken.withToken(handle, { onEvent: (event) => events.push(event) })(plain)
      const send = (
        path: string,
        add: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest,
      ) =>
        Effect.gen(function* () {
          const response = yield* client.execute(add(HttpClientRequest.post(`${resource}${path}`)))
          return { status: response.status, text: yield* response.text }
        }).pipe(Effect.orDie)
      return {
        post: (path, body) => send(path, HttpClientRequest.bodyText(body)),
        stream: (path, body) => send(path, HttpClientRequest.bodyStream(Stream.make(Buffer.from(body)))),
        events,
      }
    })

export const byProxy = ({ keeper, name, resource }: Stage) =>
  Effect.gen(function* () {
    const routes = [Route.make(name, new URL(resource))]
    const { url } = yield* Effect.orDie(Effect.provideService(Proxy.listen({ routes }), Keeper, keeper))
    const send = (path: string, body: string) =>
      Effect.map(
        ask(`${url}/api${path}`, { method: "POST", body, headers: { dpop: "of somebody else" } }),
        (answered) => ({
          status: answered.status,
          text: answered.body,
        }),
      )
    return { post: send, stream: send, events: [], url }
  })

export const byFetchInEffect = byEffect(FetchHttpClient.layer)

export const clients: ReadonlyArray<readonly [string, (stage: Stage) => Effect.Effect<Client, never, Scope.Scope>]> = [
  ["fetch", byFetch],
  ["undici", byUndici],
  ["Effect's HttpClient on fetch", byFetchInEffect],
  ["Effect's HttpClient on node:http", byEffect(NodeHttpClient.layerNodeHttp)],
  ["the proxy", byProxy],
]

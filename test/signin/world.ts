/** A sign-in with everything real but the person: the store is in memory, and what was said is kept. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as HttpTokenEndpoint from "../../src/exchange/http.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import * as KeeperLive from "../../src/keeper/live.ts"
import { type DeviceCode, Person } from "../../src/signin/Person.ts"
import { layer as signInLayer, SignIn } from "../../src/signin/SignIn.ts"
import * as MemoryStore from "../../src/store/memory.ts"

/** What the person does, and what they were told. */
export interface Script {
  readonly onVisit?: (url: string) => Promise<unknown>
  /** In place of the real network. */
  readonly network?: Layer.Layer<never>
  readonly onCode?: (code: DeviceCode) => Promise<unknown>
}

export const world = Effect.fnUntraced(function* (script: Script = {}) {
  const told: Array<string> = []
  const visited = yield* Queue.unbounded<string>()
  const pasted = yield* Queue.unbounded<string>()
  const deeds: Array<Promise<unknown>> = []
  const person = Layer.succeed(
    Person,
    Person.of({
      tell: (text) => Effect.sync(() => void told.push(text)),
      visit: ({ url }) =>
        Effect.andThen(
          Queue.offer(visited, url),
          Effect.sync(() => script.onVisit && deeds.push(script.onVisit(url))),
        ),
      enterCode: (code) => Effect.sync(() => script.onCode && deeds.push(script.onCode(code))),
      pasted: Queue.take(pasted),
    }),
  )
  const keeper = KeeperLive.layer({ background: false }).pipe(
    Layer.provide([MemoryStore.layerMemory, HttpTokenEndpoint.layer]),
  )
  const network = script.network ?? Layer.empty
  const context = yield* Layer.build(
    Layer.provideMerge(signInLayer, Layer.merge(keeper, person)).pipe(Layer.provide(network)),
  )
  return {
    told,
    /** The address that the person is sent to, when it comes. */
    visited: Queue.take(visited),
    /** When all that the person set out to do is done. */
    done: Effect.promise(() => Promise.all(deeds)),
    paste: (text: string) => Queue.offer(pasted, text),
    signIn: Context.get(context, SignIn),
    keeper: Context.get(context, Keeper),
  }
})

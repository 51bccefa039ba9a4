/** Spans and counters, as an exporter gets them. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Otlp from "effect/observability/Otlp"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as HttpTokenEndpoint from "../../src/exchange/http.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import * as Live from "../../src/keeper/live.ts"
import { CredentialStore } from "../../src/store/CredentialStore.ts"
import * as Memory from "../../src/store/memory.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { bringIn, keeper, server } from "../client/world.ts"
import { http } from "../exchange/loopback.ts"

const live = <E>(name: string, test: Effect.Effect<void, E, Scope.Scope>) => it.live(name, () => Effect.scoped(test))

describe("what a Keeper tells of itself", () => {
  live(
    "spans that lead from the caller to what came of it",
    Effect.gen(function* () {
      const as = yield* server()
      const kept = yield* keeper
      yield* bringIn(kept, as, "mine")
      const handle = kept.credential("mine")
      const { token } = yield* handle.access()
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        },
      })
      yield* handle
        .refused(Redacted.value(token), { caller: "the nightly job" })
        .pipe(Effect.withSpan("the nightly job"), Effect.withTracer(tracer))
      const named = new Map(spans.map((span) => [span.name, span]))
      const refused = named.get("tokenkeep.Refused")!
      const granted = named.get("tokenkeep.Granted")!
      assert.strictEqual(refused.attributes.get("tokenkeep.caller"), "the nightly job")
      assert.strictEqual(granted.attributes.get("tokenkeep.generation"), 2)
      const above: Array<string> = []
      for (let span: Tracer.AnySpan | undefined = granted; span?._tag === "Span";) {
        above.push(span.name)
        span = span.parent._tag === "Some" ? span.parent.value : undefined
      }
      assert.deepStrictEqual(above, ["tokenkeep.Granted", "tokenkeep.Claimed", "tokenkeep.Refused", "the nightly job"])
      const counts = (yield* Metric.snapshot).filter(({ id }) => id.startsWith("tokenkeep_"))
      const everything = JSON.stringify([spans.map(({ attributes }) => [...attributes]), counts], (_, value) =>
        typeof value === "bigint" ? String(value) : (value as unknown),
      )
      assert.isFalse(everything.includes(Redacted.value(token)))
    }),
  )

  live(
    "counters: presentations, refusals, adoptions, failures by class, and callers who wait",
    Effect.gen(function* () {
      const as = yield* server()
      const store = Context.get(yield* Layer.build(Memory.layerMemory), CredentialStore)
      const opened = Effect.gen(function* () {
        const layer = Live.layer({ background: false }).pipe(
          Layer.provide([Layer.succeed(CredentialStore, store), HttpTokenEndpoint.layer]),
        )
        return Context.get(yield* Layer.build(layer), Keeper)
      })
      const [first, second] = [yield* opened, yield* opened]
      yield* bringIn(first, as, "mine")
      yield* bringIn(first, as, "other")
      const tokenOf = (kept: Keeper["Service"], name: string) =>
        Effect.map(kept.credential(name).access(), ({ token }) => Redacted.value(token))
      const old = yield* tokenOf(first, "mine")
      assert.strictEqual(yield* tokenOf(second, "mine"), old)
      yield* first.credential("mine").refused(old)
      // What has taken its place is in the store, and the server is not asked.
      yield* second.credential("mine").refused(old)
      as.server.script(Fault.instead("unavailable"))
      yield* Effect.exit(first.credential("other").refused(yield* tokenOf(first, "other")))
      const counted: Record<string, number> = {}
      for (const { attributes, id, state } of yield* Metric.snapshot) {
        const of = attributes?.["class"] === undefined ? "" : ` ${attributes["class"]}`
        if (id.startsWith("tokenkeep_")) counted[`${id}${of}`] = Number((state as { readonly count: unknown }).count)
      }
      assert.deepStrictEqual(counted, {
        tokenkeep_presentations_total: 2,
        tokenkeep_refusals_total: 3,
        tokenkeep_adoptions_total: 1,
        "tokenkeep_failures_total unavailable": 1,
        tokenkeep_waits_total: 6,
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())),
  )

  live(
    "go out to a collector of OpenTelemetry by Effect's own exporter",
    Effect.gen(function* () {
      const bodies: Array<string> = []
      const { port, server: collector } = yield* http(() => undefined)
      collector.removeAllListeners("request").on("request", (request, response) => {
        let body = ""
        request.on("data", (chunk) => (body += String(chunk)))
        request.on("end", () => {
          bodies.push(body)
          response.writeHead(200, { "content-type": "application/json" }).end("{}")
        })
      })
      const otlp = Otlp.layerJson({ baseUrl: `http://127.0.0.1:${port}`, resource: { serviceName: "agent" } })
      const as = yield* server()
      const grant = yield* Effect.gen(function* () {
        const kept = yield* keeper
        const grant = yield* bringIn(kept, as, "mine")
        const handle = kept.credential("mine")
        yield* handle.access()
        yield* handle.refused(grant.accessToken, { caller: "the nightly job" }).pipe(Effect.withSpan("the nightly job"))
        return grant
      }).pipe(Effect.scoped, Effect.provide(Layer.provide(otlp, FetchHttpClient.layer)))
      const said = bodies.join("\n")
      const names = ["the nightly job", "tokenkeep.Refused", "tokenkeep.Granted", "tokenkeep_presentations_total"]
      for (const name of names) assert.include(said, `"name":"${name}"`)
      assert.include(said, '{"key":"tokenkeep.caller","value":{"stringValue":"the nightly job"}}')
      assert.isFalse(said.includes(grant.accessToken) || said.includes(String(grant.refreshToken)))
    }),
  )
})

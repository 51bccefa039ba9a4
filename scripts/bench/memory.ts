/**
 * What one Keeper holds of many credentials, in a process that holds nothing else: the store makes its records when they
 * are read and keeps none.
 *
 * Counted are the Keeper's own: the name, the access token, where the credential stands, its place among the names and
 * in the queue of those to be woken. Not counted is what a program keeps itself, such as a handle.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { TokenEndpoint } from "../../src/exchange/TokenEndpoint.ts"
import { Keeper } from "../../src/keeper/Keeper.ts"
import * as Live from "../../src/keeper/live.ts"
import { type Credential, decode, encode } from "../../src/lifecycle/Credential.ts"
import { CredentialStore } from "../../src/store/CredentialStore.ts"
import { heapUsed, interleaved, median, ratio } from "./measure.ts"
import { record } from "./records.ts"
import type { Row } from "./report.ts"

/** One flat string, as it comes out of a request or a file, and not the joint of two that a template leaves. */
const nameOf = (index: number): string => JSON.parse(`"credential-${index}"`)

/** Between one and two hours from now, and another instant at each generation. */
const expiryOf = (name: string, generation: number): number => {
  const spread = (Number(name.slice(name.indexOf("-") + 1)) * 7_919 + generation * 104_729) % 3_600_000
  return Date.now() + 3_600_000 + spread
}

/** As the default store does: from a text, by the Schema. So the strings are the ones that a real record leaves behind. */
const fromText = (name: string, generation: number): Credential =>
  Result.getOrThrow(decode(encode(record(name, generation, expiryOf(name, generation)))))

const template = record("any", 1, 0)

/** Sharing its secrets: each one that is wrapped costs the collector more than all the rest of a change. */
const fromTemplate = (name: string, generation: number): Credential => {
  const at = expiryOf(name, generation)
  const tokens = { ...template.tokens, expiry: { ...template.tokens.expiry, at }, obtainedAt: at - 3_600_000 }
  return { ...template, name, generation, tokens }
}

interface World {
  readonly run: <A, E>(effect: Effect.Effect<A, E, Keeper>) => Promise<A>
  readonly close: () => Promise<void>
}

/** A Keeper over records that exist only while they are looked at. Each `put` gives all of them a new generation. */
const open = (made: (name: string, generation: number) => Credential): World => {
  let generation = 1
  const store = CredentialStore.of({
    read: (name) => Effect.sync(() => made(name, generation)),
    compareAndSwap: (name) =>
      Effect.sync(() => {
        generation++
        return { applied: true, credential: made(name, generation) }
      }),
    list: Effect.succeed([]),
    remove: () => Effect.succeed(false),
    append: () => Effect.void,
    history: () => Effect.succeed([]),
    changes: Stream.never,
  })
  const endpoint = TokenEndpoint.of({
    exchange: () => Effect.die("nothing here is due"),
  })
  const runtime = ManagedRuntime.make(
    Live.layer().pipe(Layer.provide([Layer.succeed(CredentialStore, store), Layer.succeed(TokenEndpoint, endpoint)])),
  )
  return { run: (effect) => runtime.runPromise(effect), close: () => runtime.dispose() }
}

/** Asks for the tokens of the credentials from `first` on, as their callers would. */
const hold = (first: number, count: number): Effect.Effect<void, unknown, Keeper> =>
  Effect.gen(function* () {
    const keeper = yield* Keeper
    for (let index = first; index < first + count; index++) yield* keeper.credential(nameOf(index)).access()
  })

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length

/**
 * Bytes for each of `count` credentials, and how many timers they have in all. Few of them are measured in many Keepers at
 * once, or the noise would be greater than they are.
 */
const measure = async (count: number): Promise<{ readonly bytes: number; readonly timers: number }> => {
  const worlds = Array.from({ length: Math.max(1, Math.ceil(1_000 / count)) }, () => open(fromText))
  const holdInAll = (first: number, count: number) => Promise.all(worlds.map(({ run }) => run(hold(first, count))))
  const timersBefore = timers()
  // One more than is counted, and a walk over none: what comes once, for however many, is nobody's.
  await holdInAll(0, 1)
  await holdInAll(1, 0)
  const heapBefore = await heapUsed()
  await holdInAll(1, count)
  const bytes = ((await heapUsed()) - heapBefore) / worlds.length / count
  const measured = { bytes, timers: (timers() - timersBefore) / worlds.length }
  await Promise.all(worlds.map(({ close }) => close()))
  return measured
}

/** Nanoseconds for a new generation of one credential, from the store's answer to its new place in the queue. */
const changes = async (few: number, many: number) => {
  const worlds = { few: open(fromTemplate), many: open(fromTemplate) }
  await worlds.few.run(hold(0, few))
  await worlds.many.run(hold(0, many))
  /** Here and there, as a walk with a step that shares no divisor with the count. */
  const changing = (world: World, count: number) => {
    let index = 0
    return (times: number) =>
      world.run(
        Effect.gen(function* () {
          const keeper = yield* Keeper
          for (let i = 0; i < times; i++) {
            index = (index + 7_919) % count
            yield* keeper.put({ ...template, name: nameOf(index) })
          }
        }),
      )
  }
  const samples = await interleaved(
    { few: changing(worlds.few, few), many: changing(worlds.many, many) },
    { times: 300, rounds: 100 },
  )
  await worlds.few.close()
  await worlds.many.close()
  return samples
}

export const memory = async (counts: ReadonlyArray<number>): Promise<ReadonlyArray<Row>> => {
  // What is compiled and cached on first use is nobody's credential.
  await measure(5_000)
  const rows: Array<Row> = []
  for (const count of counts) {
    const measured = []
    for (let i = 0; i < (count < 10_000 ? 7 : 1); i++) measured.push(await measure(count))
    const bytes = median(measured.map(({ bytes }) => bytes))
    const timers = Math.max(...measured.map(({ timers }) => timers))
    rows.push({
      what: `memory of a credential, one of ${count.toLocaleString("en")}`,
      value: bytes / 1024,
      unit: "KiB",
      target: { is: "at most", value: 1 },
      note: `${bytes.toFixed(0)} bytes, 200 of them the access token; ${timers} timer in all`,
    })
  }
  const [few, many] = [1_000, 100_000]
  const samples = await changes(few, many)
  return [
    ...rows,
    {
      what: "a change, one of 100,000 against one of 1,000",
      value: ratio(samples.many, samples.few),
      unit: "×",
      // O(log n): as the logarithms.
      target: { is: "at most", value: Math.log(many) / Math.log(few) },
      note: `${(median(samples.many) / 1000).toFixed(0)} µs and ${(median(samples.few) / 1000).toFixed(0)} µs, store and decision included`,
    },
  ]
}

/**
 * A CredentialStore in memory: for tests, for simulated worlds, and for programs that keep nothing.
 *
 * **Invariants**
 *
 * - Every operation is one synchronous step, so it is atomic against every other user of the same memory.
 * - Several views of one memory are several "processes": each hears of the others' changes and not of its own.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Change from "../lifecycle/Change.ts"
import type { Credential } from "../lifecycle/Credential.ts"
import { type Line, longest } from "../lifecycle/History.ts"
import { CredentialStore } from "./CredentialStore.ts"

/** `credential` is `undefined` once it was removed; its generation stays. */
interface Entry {
  readonly generation: number
  readonly credential: Credential | undefined
  readonly sequence: number
  readonly author: symbol
}

export interface Shared {
  /** One more user of this memory, with its own view of `changes`. */
  readonly open: Effect.Effect<CredentialStore["Service"]>
}

export const makeShared = (): Shared => {
  const entries = new Map<string, Entry>()
  const histories = new Map<string, ReadonlyArray<Line>>()
  const listeners = new Set<(name: string, author: symbol) => void>()
  let sequence = 0

  const view = (): CredentialStore["Service"] => {
    const self = Symbol()
    const opened = sequence

    const write = (name: string, generation: number, credential: Credential | undefined): void => {
      entries.set(name, { generation, credential, sequence: ++sequence, author: self })
      for (const listener of listeners) listener(name, self)
    }

    const append = (name: string, lines: ReadonlyArray<Line>): void => {
      histories.set(name, [...(histories.get(name) ?? []), ...lines].slice(-longest))
    }

    return {
      read: (name) => Effect.sync(() => entries.get(name)?.credential),
      compareAndSwap: (name, change, lines = []) =>
        Effect.sync(() => {
          const entry = entries.get(name)
          const next = Change.apply(entry?.credential, entry?.generation ?? 0, change)
          if (next === undefined) return { applied: false, credential: entry?.credential }
          write(name, next.generation, next)
          append(name, lines)
          return { applied: true, credential: next }
        }),
      list: Effect.sync(() =>
        Array.from(entries)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .flatMap(([, { credential }]) => credential ?? []),
      ),
      remove: (name) =>
        Effect.sync(() => {
          const entry = entries.get(name)
          if (entry?.credential === undefined) return false
          write(name, entry.generation + 1, undefined)
          return true
        }),
      append: (name, lines) => Effect.sync(() => append(name, lines)),
      history: (name) => Effect.sync(() => histories.get(name) ?? []),
      changes: Stream.callback<string>((queue) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            // What happened between the opening of this view and now is news too: its user may have read before it.
            for (const [name, entry] of entries) {
              if (entry.sequence > opened && entry.author !== self) Queue.offerUnsafe(queue, name)
            }
            const listener = (name: string, author: symbol): void => {
              if (author !== self) Queue.offerUnsafe(queue, name)
            }
            listeners.add(listener)
            return listener
          }),
          (listener) => Effect.sync(() => listeners.delete(listener)),
        ),
      ),
    }
  }

  return { open: Effect.sync(view) }
}

export const make: Effect.Effect<CredentialStore["Service"]> = Effect.suspend(() => makeShared().open)

export const layerMemory: Layer.Layer<CredentialStore> = Layer.effect(CredentialStore, make)

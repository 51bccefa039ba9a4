/**
 * Another process on the same store, for tests. Prints one JSON value a line; never a token.
 *
 *     node worker.ts COMMAND HOME [ARGUMENT]
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import * as readline from "node:readline"
import type { CredentialStore, StoreUnavailable } from "../../src/store/CredentialStore.ts"
import * as Sqlite from "../../src/store/sqlite.ts"
import { claim, commit, put } from "./changes.ts"

type Store = CredentialStore["Service"]

const [, , command = "", home = "", argument = ""] = process.argv

const print = (value: unknown): void => void fs.writeSync(1, `${JSON.stringify(value)}\n`)

/** What the test says next, line by line. Opened when first wanted, because an open input keeps a process alive. */
let input: AsyncIterator<string> | undefined
const next = Effect.map(
  Effect.promise(() => (input ??= readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()).next()),
  ({ value }) => String(value),
)

const commands: { readonly [name: string]: (store: Store) => Effect.Effect<void, StoreUnavailable> } = {
  /** Claims every generation up to the last as soon as it sees it, commits what it won, prints what that was. */
  race: Effect.fnUntraced(function* (store) {
    print("ready")
    yield* next
    const last = Number(argument)
    const won: Array<number> = []
    for (let generation = 1; generation <= last;) {
      const { applied } = yield* store.compareAndSwap("a", claim(generation, `${process.pid}`))
      if (applied) {
        won.push(generation)
        yield* store.compareAndSwap("a", commit(generation))
      }
      const seen = (yield* store.read("a"))?.generation ?? 0
      if (seen === generation) yield* Effect.sleep("1 millis")
      generation = seen
    }
    print(won)
  }),

  /** Commits for ever; prints each generation once it is stored. */
  write: Effect.fnUntraced(function* (store) {
    for (let generation = (yield* store.read("a"))?.generation ?? 0; ; generation++) {
      yield* store.compareAndSwap("a", commit(generation))
      print(generation + 1)
    }
  }),

  /** Stores ever more credentials; prints how many are stored. */
  fill: Effect.fnUntraced(function* (store) {
    for (let index = 1; ; index++) {
      yield* store.compareAndSwap(`${"n".repeat(500)}${index}`, put(`n${index}`))
      print(index)
    }
  }),

  /** Reads, and then tries to write. */
  use: Effect.fnUntraced(function* (store) {
    print({ generation: (yield* store.read("a"))?.generation ?? null })
    yield* store.compareAndSwap("a", put("another"))
    print("written")
  }),

  /** Prints the names it hears of, for as long as its input is open: listening alone would keep nothing alive. */
  listen: (store) => {
    process.stdin.resume()
    print("listening")
    return Stream.runForEach(store.changes, (name) => Effect.sync(() => print(name)))
  },

  /** Listens in the background and has nothing else to do. */
  idle: Effect.fnUntraced(function* (store) {
    yield* Effect.forkDetach(Stream.runDrain(store.changes))
    yield* Effect.sleep("100 millis")
    print("idle")
  }),
}

const user = Number(process.env["WORKER_USER"] ?? 0)
if (user !== 0) {
  // Here and not by `spawn`, because that user may not be able to read this file.
  process.setgroups!([])
  process.setgid!(user)
  process.setuid!(user)
}

/** Opens each home that it is told, puts a credential of its own there, and says so. */
const create = Effect.gen(function* () {
  print("ready")
  while (true) {
    const home = yield* next
    yield* Effect.scoped(
      Effect.flatMap(Sqlite.make({ home }), (store) => store.compareAndSwap(argument, put(argument))),
    )
    print("done")
  }
})

const use = Effect.gen(function* () {
  const store = yield* Sqlite.make({ home })
  yield* commands[command]!(store)
  // No scope is closed: a worker ends when nothing keeps it alive, as a program does that forgets to close.
  return yield* Effect.never
})

Effect.runFork(
  Effect.scoped(command === "create" ? create : use).pipe(
    Effect.catchTag("StoreUnavailable", ({ reason, path, message }) =>
      Effect.sync(() => {
        print({ reason, path, message })
        process.exit()
      }),
    ),
  ),
)

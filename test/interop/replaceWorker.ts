/**
 * Tries to replace a file in a process that may see other mounts than the tests do. Prints one JSON value.
 *
 *     node replaceWorker.ts PLACE BYTES
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as path from "node:path"
import * as ReplaceFile from "../../src/interop/replaceFile.ts"

const [, , place = "", bytes = "0"] = process.argv

const outcome = (step: Effect.Effect<void, ReplaceFile.FileTrouble>) =>
  Effect.match(step, { onFailure: ({ message, reason }) => ({ reason, message }), onSuccess: () => undefined })

const program = Effect.gen(function* () {
  const reading = yield* ReplaceFile.read(place)
  const probed = yield* outcome(ReplaceFile.probe(reading))
  const replaced = yield* outcome(ReplaceFile.replace(reading, Redacted.make("x".repeat(Number(bytes)))))
  const isUnchanged = fs.readFileSync(place, "utf8") === Redacted.value(reading.text)
  return { probed, replaced, isUnchanged, names: fs.readdirSync(path.dirname(place)).toSorted() }
})

fs.writeSync(1, `${JSON.stringify(await Effect.runPromise(program))}\n`)

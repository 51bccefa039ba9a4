/** The text in which a login stands that may be written, in a file or in the system's keyring. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as ForeignFiles from "./foreignFiles.ts"
import * as ForeignKeyring from "./foreignKeyring.ts"
import type { Spot, StoreFile } from "./ForeignStore.ts"
import * as ReplaceFile from "./replaceFile.ts"

/** Why not, in words for people. */
export interface Trouble {
  readonly message: string
}

/** A text as it was read. */
export interface ForeignText {
  readonly text: Redacted.Redacted<string>
  /** Proves that it can be replaced, as far as that can be known before. */
  readonly probe: Effect.Effect<void, Trouble>
  /** Puts another in its place, while it still stands there. */
  readonly replace: (text: Redacted.Redacted<string>) => Effect.Effect<void, Trouble>
}

const inKeyring = (place: string): Effect.Effect<ForeignText, Trouble> => {
  const attempt = <A>(step: () => A) =>
    Effect.try({ try: step, catch: (error) => ({ message: ForeignFiles.why(error) }) })
  const changed = { message: "somebody else wrote it meanwhile, and it was left as it is" }
  return Effect.map(
    attempt(() => ForeignFiles.existing(ForeignKeyring.read(place))),
    (text) => ({
      text: Redacted.make(text, { label: "keyring" }),
      // A keyring that was just read takes a write as well, or says so to whoever writes.
      probe: Effect.void,
      replace: (next) =>
        Effect.flatMap(
          attempt(() => ForeignKeyring.replace(place, text, Redacted.value(next))),
          (isDone) => (isDone ? Effect.void : Effect.fail(changed)),
        ),
    }),
  )
}

const inFile = (place: string): Effect.Effect<ForeignText, Trouble> =>
  Effect.map(ReplaceFile.read(place), (reading) => ({
    text: reading.text,
    probe: ReplaceFile.probe(reading),
    replace: (next) => ReplaceFile.replace(reading, next),
  }))

/** What stands at `spot` now. */
export const open = ({ kind }: StoreFile, { target }: Spot): Effect.Effect<ForeignText, Trouble> =>
  kind === "keyring" ? inKeyring(target) : inFile(target)

/** What a command reads: standard input or a file, in full and not without limit. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { advise } from "./terminal.ts"
import { Usage } from "./Usage.ts"

const limit = 1024 * 1024

const unreadable = (what: string) => (error: PlatformError) => {
  const why = { NotFound: "it is not there", PermissionDenied: "access is denied" } as Readonly<Record<string, string>>
  return new Usage({ message: `cannot read ${what}: ${why[error.reason._tag] ?? "it is no readable file"}` })
}

export const readStdin: Effect.Effect<string, Usage, Stdio.Stdio> = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  if (yield* stdio.stdinIsTerminal) yield* advise("reading from standard input; end it with Ctrl-D")
  const bytes = yield* stdio.stdin.pipe(
    Stream.mapError(unreadable("standard input")),
    Stream.runFoldEffect(
      () => [] as ReadonlyArray<Uint8Array>,
      (read, chunk) =>
        read.reduce((total, { length }) => total + length, chunk.length) > limit
          ? Effect.fail(new Usage({ message: "there is more than a megabyte on standard input" }))
          : Effect.succeed([...read, chunk]),
    ),
  )
  return Buffer.concat(bytes).toString("utf8")
})

/** The path is not repeated in a complaint: somebody may have put the document, or a token, in its place. */
export const readFile = Effect.fnUntraced(function* (path: string) {
  const fileSystem = yield* FileSystem.FileSystem
  return yield* Effect.mapError(fileSystem.readFileString(path), unreadable("FILE"))
})

/**
 * One run of the tests: a folder for everything that is written, and a search for secrets in that and in everything that
 * was printed (I10). Vitest calls `setup` before the first test, and what it returns after the last.
 *
 * **Invariants**
 *
 * - A temporary folder stays until the run is over, is searched then, and removed.
 * - Searched is every file but those that are meant to hold secrets: the store's own, and what a test itself hands to a
 *   program below a folder called `given`.
 * - A finding fails the run, says where, and does not repeat the secret.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { findSecret, leaks } from "./secrets.ts"
import * as Programs from "./programs/programs.ts"

/** Where the folder of this run is told to the processes that run the tests. */
const variable = "TOKENKEEP_TEST_RUN"

const folder = (): string => {
  const path = process.env[variable]
  if (path === undefined) throw new Error(`${variable} is not set: it is vitest.config.ts that sets it`)
  return path
}

/** A new folder, removed when the run is over. The name says whose it was. */
export const temporaryFolder = (name: string): string => Fs.mkdtempSync(Path.join(folder(), `${name}-`))

const registryOf = (run: string): string => Path.join(run, "registry.json")

/** Secrets that nothing but their value gives away, because somebody else made them. */
export const register = (secrets: ReadonlyArray<string>): void => {
  const unmarked = secrets.filter((secret) => findSecret(secret) === undefined)
  // A line is written as a whole, whichever process writes.
  for (const secret of unmarked) Fs.appendFileSync(registryOf(folder()), `${JSON.stringify(secret)}\n`, { mode: 0o600 })
}

const registered = (run: string): ReadonlyArray<string> =>
  Fs.existsSync(registryOf(run))
    ? [...new Set(Fs.readFileSync(registryOf(run), "utf8").trim().split("\n"))].map(
        (line) => JSON.parse(line) as string,
      )
    : []

const isForSecrets = (path: string): boolean =>
  /^keep\.db(?:-wal|-shm)?$/.test(Path.basename(path)) || path.split(Path.sep).includes("given")

const filesBelow = (path: string): ReadonlyArray<string> =>
  Fs.readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.join(entry.parentPath, entry.name))

/** What a text is called, and where in it the secret begins. */
const search = (what: string, text: string, unmarked: ReadonlyArray<string>): ReadonlyArray<string> => {
  const at = findSecret(text)
  if (at !== undefined) return [`${what}, at character ${at}`]
  return leaks(text, unmarked) ? [what] : []
}

/** Every place below `run`, and in `printed`, where a secret is. */
const findings = (run: string, printed: ReadonlyMap<string, string>, files: ReadonlyArray<string>) => {
  const unmarked = registered(run)
  const written = filesBelow(run).filter((file) => file !== registryOf(run) && !isForSecrets(Path.relative(run, file)))
  return [
    ...[...printed].flatMap(([what, text]) => search(what, text, unmarked)),
    ...[...written, ...files].flatMap((file) => search(file, Fs.readFileSync(file, "latin1"), unmarked)),
    // A name can give it away too.
    ...written.flatMap((file) => search("the name of a file", Path.relative(run, file), unmarked)),
  ]
}

/** Keeps what goes through a stream from now on. */
const overhear = (stream: NodeJS.WriteStream) => {
  const write = stream.write
  const heard = { text: "" }
  const listening = (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>): boolean => {
    heard.text += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1")
    return Reflect.apply(write, stream, [chunk, ...rest])
  }
  stream.write = listening as typeof write
  return { heard, stop: () => void (stream.write = write) }
}

/** What reporters write into files of their own. */
const reports = (outputFile: string | Readonly<Record<string, string>> | undefined): ReadonlyArray<string> =>
  (typeof outputFile === "string" ? [outputFile] : Object.values(outputFile ?? {})).filter(Fs.existsSync)

/** Said at the start: a line of a reporter tells only that something is skipped. */
const tellSkipped = (): void => {
  const folder = process.env[Programs.variable]
  const missing = Object.values(Programs.programs).filter(
    (program) => Programs.installed(folder, program) === undefined,
  )
  if (missing.length === 0) return
  const names = missing.map(({ name }) => name).join(", ")
  process.stderr.write(`Skipped in test/programs, because not installed: ${names}. To run them: npm run programs\n`)
}

interface Runner {
  readonly vitest: { readonly config: { readonly outputFile?: string | Readonly<Record<string, string>> } }
}

/** Vitest's global setup, in the process of the runner: what tests and their processes print passes through it. */
export const setup = ({ vitest }: Runner): (() => void) => {
  const run = Fs.mkdtempSync(Path.join(Os.tmpdir(), "tokenkeep-run-"))
  // Some tests run programs as another user.
  Fs.chmodSync(run, 0o711)
  process.env[variable] = run
  tellSkipped()
  const stdout = overhear(process.stdout)
  const stderr = overhear(process.stderr)
  return () => {
    stdout.stop()
    stderr.stop()
    const printed = new Map([
      ["stdout", stdout.heard.text],
      ["stderr", stderr.heard.text],
    ])
    try {
      const found = findings(run, printed, reports(vitest.config.outputFile))
      if (found.length > 0) throw new Error(`Secrets were printed or written outside a store:\n  ${found.join("\n  ")}`)
    } finally {
      Fs.rmSync(run, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

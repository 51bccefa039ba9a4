/**
 * Puts a text in the place of another program's file.
 *
 * **Invariants**
 *
 * - Whoever reads the file finds the old text or the new one, whole, and after a power cut too. It keeps its mode and its
 *   owner; a symbolic link stays, and what it leads to is replaced.
 * - It is only replaced while it holds what was read. A file that is gone stays gone: its owner signed out.
 * - Nothing is left behind, but by `kill -9`; what that left is removed the next time.
 *
 * **Gotchas**
 *
 * - Between the last look and the replacement is a moment in which a program that takes no lock can write, and would lose
 *   what it wrote. Nothing but a lock prevents that.
 * - The time of change always grows by a millisecond or more: Qwen Code looks at nothing else.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { longestFile } from "./foreignFiles.ts"

const FileReason = Schema.Literals([
  /** It is not there, or no longer. */
  "missing",
  /** It is not a text file of a size that can be. */
  "unreadable",
  /** Its rights, its folder's or its disk's. */
  "denied",
  "full",
  /** Somebody wrote it since it was read. */
  "changed",
  "other",
])
type FileReason = typeof FileReason.Type

/** Nothing was changed. */
export class FileTrouble extends Schema.TaggedError<FileTrouble>()("FileTrouble", {
  reason: FileReason,
  path: Schema.String,
  message: Schema.String,
}) {}

/** A file as it was read. */
export interface Reading {
  readonly place: string
  /** Where that leads, symbolic links resolved. */
  readonly target: string
  readonly text: Redacted.Redacted<string>
  readonly stats: fs.Stats
}

const trouble = (reason: FileReason, place: string, message: string): FileTrouble =>
  new FileTrouble({ reason, path: place, message })

const causes: Readonly<Record<string, readonly [reason: FileReason, words: string]>> = {
  ENOENT: ["missing", "it is not there: its owner may have signed out"],
  EACCES: ["denied", "access is denied. Look at the rights of the file and of its folder"],
  EPERM: [
    "denied",
    "the system forbids it. The file or its folder may be protected (see lsattr), or be another user's",
  ],
  EROFS: ["denied", "the disk is read-only"],
  EBUSY: ["denied", "it is in use"],
  ENOSPC: ["full", "the disk is full"],
  EDQUOT: ["full", "this user's share of the disk is full"],
}

const explain =
  (place: string) =>
  (error: unknown): FileTrouble => {
    if (error instanceof FileTrouble) return error
    const code = (error as NodeJS.ErrnoException).code ?? "nothing more"
    const [reason, words] = causes[code] ?? ["other", `the system says ${code}`]
    return trouble(reason, place, `${place} cannot be written: ${words}`)
  }

const attempt = <A>(place: string, step: () => A): Effect.Effect<A, FileTrouble> =>
  Effect.try({ try: step, catch: explain(place) })

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const readNow = (place: string): Reading => {
  const target = fs.realpathSync.native(place)
  const stats = fs.statSync(target)
  if (!stats.isFile() || stats.size > longestFile) {
    throw trouble("unreadable", place, `${place} is no file, or far too large for what it should be`)
  }
  const bytes = fs.readFileSync(target)
  try {
    return { place, target, text: Redacted.make(decoder.decode(bytes), { label: "file" }), stats }
  } catch {
    throw trouble("unreadable", place, `${place} is not a text in UTF-8`)
  }
}

/** The file as it is now. */
export const read = (place: string): Effect.Effect<Reading, FileTrouble> => attempt(place, () => readNow(place))

const mark = "tokenkeep-"

const besides = ({ target }: Reading): { readonly folder: string; readonly prefix: string } => ({
  folder: path.dirname(target),
  prefix: `.${path.basename(target)}.${mark}`,
})

/** Without its user it would be lost to it, and with another group another group could read it. */
const keepOwner = (file: number, { place, stats }: Reading): void => {
  const now = fs.fstatSync(file)
  if (now.uid === stats.uid && now.gid === stats.gid) return
  try {
    fs.fchownSync(file, stats.uid, stats.gid)
  } catch {
    if (now.uid === stats.uid && (stats.mode & 0o070) === 0) return
    throw trouble("denied", place, `${place} cannot be written: it is another user's or group's. Do this as its user`)
  }
}

/** A file beside the one that was read, which has everything of it but the content. Answers with its path. */
const prepare = (reading: Reading, content: string): string => {
  const { folder, prefix } = besides(reading)
  const temporary = path.join(folder, `${prefix}${Crypto.randomUUID()}`)
  const file = fs.openSync(temporary, "wx", 0o600)
  try {
    fs.writeFileSync(file, content)
    keepOwner(file, reading)
    fs.fchmodSync(file, reading.stats.mode & 0o7777)
    const least = Math.floor(reading.stats.mtimeMs) + 1
    if (fs.fstatSync(file).mtimeMs < least) fs.futimesSync(file, (least + 0.5) / 1000, (least + 0.5) / 1000)
    fs.fsyncSync(file)
    return temporary
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  } finally {
    fs.closeSync(file)
  }
}

/** On Linux, whether something is mounted on the very file, as containers do: its folder's entry cannot be replaced. */
const isMounted = (target: string): boolean => {
  try {
    const lines = fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n")
    const points = lines.map((line) => line.split(" ")[4] ?? "")
    return points.some((point) => point.replaceAll(/\\([0-7]{3})/g, (_, code) => unescape(code)) === target)
  } catch {
    return false
  }
}

const unescape = (octal: string): string => String.fromCharCode(Number.parseInt(octal, 8))

/** What a process left that was killed. One that writes at this moment is left alone. */
const sweep = (reading: Reading, now: number): void => {
  const { folder, prefix } = besides(reading)
  for (const name of fs.readdirSync(folder)) {
    const old = path.join(folder, name)
    const stats = name.startsWith(prefix) ? fs.lstatSync(old, { throwIfNoEntry: false }) : undefined
    if (stats?.isFile() && now - stats.mtimeMs > 600_000) fs.rmSync(old, { force: true })
  }
}

/** More than a login grows by when it is refreshed. */
const growth = 65_536

/**
 * Proves as far as possible that `replace` will succeed, without touching the file: ask before a token is spent, for a
 * successor that cannot be written is lost.
 */
export const probe = Effect.fnUntraced(function* (reading: Reading): Effect.fn.Return<void, FileTrouble> {
  const { place, stats, target } = reading
  const now = yield* Clock.currentTimeMillis
  yield* attempt(place, () => {
    if (isMounted(target)) {
      throw trouble("denied", place, `${place} is mounted by itself and cannot be replaced: mount its folder instead`)
    }
    if ((stats.mode & 0o200) === 0) {
      throw trouble("denied", place, `${place} is read-only. To have it written: chmod u+w ${place}`)
    }
    // An immutable file refuses this even to root.
    fs.closeSync(fs.openSync(target, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK))
    sweep(reading, now)
    fs.rmSync(prepare(reading, " ".repeat(stats.size + growth)))
  })
})

const syncFolder = (folder: string): void => {
  try {
    const file = fs.openSync(folder, "r")
    try {
      fs.fsyncSync(file)
    } finally {
      fs.closeSync(file)
    }
  } catch {
    // Some systems have no such thing, and the new text is in place.
  }
}

/** Puts `text` in the place of what was read, if that is still there. */
export const replace = (reading: Reading, text: Redacted.Redacted<string>): Effect.Effect<void, FileTrouble> =>
  attempt(reading.place, () => {
    const { place, target } = reading
    const temporary = prepare(reading, Redacted.value(text))
    try {
      const now = readNow(place)
      if (now.target !== target || Redacted.value(now.text) !== Redacted.value(reading.text)) {
        throw trouble("changed", place, `${place} was written by somebody else meanwhile, and was left as it is`)
      }
      fs.renameSync(temporary, target)
    } catch (error) {
      fs.rmSync(temporary, { force: true })
      throw error
    }
    syncFolder(path.dirname(target))
  })

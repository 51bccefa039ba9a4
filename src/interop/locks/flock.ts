/**
 * The kernel's lock on a file (BSD `flock`), which ends with its holder, however that ends.
 *
 * Node has no call for it. What is used instead needs no native module, and so nothing that has to be built, downloaded or
 * trusted with the process's memory:
 *
 * | where | how |
 * |---|---|
 * | macOS, the BSDs | `open` takes the lock with the file (`O_EXLOCK`), and Node hands the flag through |
 * | other Unixes | the `flock` program (util-linux, busybox) locks the file that we opened and ends at once |
 * | Windows | no way: what Codex takes there is `LockFileEx`, which Node cannot ask for |
 *
 * The program is given our open file as its own third, as in a shell's `exec 9>lock; flock -n 9`. The lock belongs to
 * that open file and not to a process, so it stays for as long as we have it open and ends with us: even by `kill -9`,
 * and no process of ours is left. A program that we start meanwhile does not inherit it, for Node opens every file
 * close-on-exec.
 *
 * The file itself stays: whoever removed it would leave two holders of two files of one name.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import type { LockPlan } from "../ForeignStore.ts"
import { type Attempt, codeOf, held, type Lock, taken } from "./Lock.ts"
import { blocked, broken, LockTrouble, unsupported } from "./LockTrouble.ts"

/** Of macOS and the BSDs. Node has no name for it. */
const exclusively = 0x20

const { O_CREAT, O_NONBLOCK, O_RDWR } = fs.constants

const instead = "Let its owner keep it fresh, and borrow it"

/** The file, made where there is none, and its folder too: the owner may never have taken the lock yet. */
const open = (plan: LockPlan, flags: number): number => {
  const once = (): number => fs.openSync(plan.place, O_RDWR | O_CREAT | flags, plan.mode ?? 0o600)
  try {
    return once()
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
    fs.mkdirSync(path.dirname(plan.place), { mode: 0o700 })
    return once()
  }
}

/** That the name still is that of the open file: somebody may remove a lock's file for all that. */
const isNamed = (file: number, place: string): boolean => {
  const ours = fs.fstatSync(file, { bigint: true })
  const there = fs.statSync(place, { bigint: true, throwIfNoEntry: false })
  return there !== undefined && there.ino === ours.ino && there.dev === ours.dev
}

const lockOf = (file: number, place: string): Attempt => {
  const lock: Lock = { isOurs: () => isNamed(file, place), release: () => fs.closeSync(file) }
  if (lock.isOurs(0)) return taken(lock)
  lock.release()
  return held()
}

const troubleOf = (place: string, error: unknown): LockTrouble => {
  const code = codeOf(error)
  if (error instanceof LockTrouble) return error
  if (code === "EISDIR") return blocked(place, "it is a folder where its owner makes a file")
  if (code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "ENOLCK") {
    return unsupported(place, `The file system of ${place} has no locks of the kind that its owner takes. ${instead}`)
  }
  return broken(place, code)
}

const byOpening = (plan: LockPlan): Effect.Effect<Attempt, LockTrouble> =>
  Effect.try({
    try: () => {
      try {
        return lockOf(open(plan, O_NONBLOCK | exclusively), plan.place)
      } catch (error) {
        if (codeOf(error) === "EAGAIN") return held()
        throw error
      }
    },
    catch: (error) => troubleOf(plan.place, error),
  })

/** As `/proc/locks` writes a device: both parts in hexadecimal. */
const deviceOf = (dev: bigint): string => {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)
  return [major, minor].map((part) => part.toString(16).padStart(2, "0")).join(":")
}

/** Who holds the lock, by Linux's own list. */
const holderOf = (file: number): string | undefined => {
  try {
    const { dev, ino } = fs.fstatSync(file, { bigint: true })
    const line = fs
      .readFileSync("/proc/locks", "utf8")
      .split("\n")
      .find((line) => line.includes(" FLOCK ") && line.includes(` ${deviceOf(dev)}:${ino} `))
    // Whoever took it may have handed the file on and ended.
    const pid = /WRITE\s+(\d+)|READ\s+(\d+)/
      .exec(line ?? "")
      ?.slice(1)
      .find(Boolean)
    return pid && `${fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`
  } catch {
    return undefined
  }
}

/** A file system over a network may let it wait for its server. */
const patience = { timeout: 5_000, killSignal: "SIGKILL" } as const

/** The exit code of the program, which was given `file`. */
const program = (file: number, place: string): Effect.Effect<number | null, LockTrouble> =>
  Effect.callback((resume) => {
    const stdio = ["ignore", "ignore", "ignore", file] as const
    const child = ChildProcess.spawn("flock", ["-x", "-n", "3"], { ...patience, stdio: [...stdio] })
    child.on("error", (error) =>
      resume(
        Effect.fail(
          codeOf(error) === "ENOENT"
            ? unsupported(
                place,
                `The lock ${place} is the kernel's, and the program flock that takes it is not installed. Install it ` +
                  `(it is in the package util-linux), or let the login's owner keep it fresh, and borrow it`,
              )
            : broken(place, codeOf(error)),
        ),
      ),
    )
    child.on("exit", (code) => resume(Effect.succeed(code)))
  })

/** Not to be interrupted, or nobody would know of the lock; it takes a few milliseconds. */
const byProgram = Effect.fnUntraced(function* (plan: LockPlan): Effect.fn.Return<Attempt, LockTrouble> {
  const { place } = plan
  const file = yield* Effect.try({ try: () => open(plan, 0), catch: (error) => troubleOf(place, error) })
  const close = Effect.sync(() => fs.closeSync(file))
  const code = yield* Effect.onError(program(file, place), () => close)
  if (code === 0) return lockOf(file, place)
  const holder = holderOf(file)
  yield* close
  if (code === 1) return held({ holder })
  return yield* unsupported(
    place,
    `The program flock cannot lock ${place} (exit code ${code ?? "none"}): its file system may have no such locks. ` +
      instead,
  )
}, Effect.uninterruptible)

const openers = ["darwin", "freebsd", "openbsd", "netbsd"]

/** `platform` as Node names it. */
export const attempt = (
  plan: LockPlan,
  platform: NodeJS.Platform = process.platform,
): Effect.Effect<Attempt, LockTrouble> => {
  if (openers.includes(platform)) return byOpening(plan)
  if (platform !== "win32") return byProgram(plan)
  return Effect.fail(
    unsupported(
      plan.place,
      `${plan.place} is locked in a way that is not known to work on Windows, and without the lock both of us might ` +
        `spend one refresh token. ${instead}`,
    ),
  )
}

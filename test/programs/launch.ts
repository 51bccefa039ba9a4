/**
 * Starts a program in a group of processes of its own, hears what it says, and ends all of it: whatever it has started too.
 * What it said reaches an assertion's message only where no secret is in it (I10).
 */
import { assert } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { findSecret } from "../secrets.ts"

/** A program may have much to do at its first start. */
const patienceMillis = 90_000

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly finished: Promise<Finished>
  /** The first line that the pattern is in, of stdout or else of stderr. */
  readonly line: (pattern: RegExp) => Promise<string>
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
}

const printable = (text: string): string => (findSecret(text) === undefined ? text : "(A secret is in it.)")

export const make = () => {
  const running = new Set<ChildProcess>()

  const kill = ({ pid }: ChildProcess): void => {
    try {
      process.kill(-pid!, "SIGKILL")
    } catch {
      // All of it has ended.
    }
  }

  const start = (command: string, args: ReadonlyArray<string>, { cwd, env, input = "" }: StartOptions): Running => {
    const child = spawn(command, args, { cwd, env, detached: true })
    running.add(child)
    const text = { stdout: "", stderr: "" }
    child.stdout.on("data", (data) => (text.stdout += data))
    child.stderr.on("data", (data) => (text.stderr += data))
    // It may be gone before it has read what it is told.
    child.stdin.on("error", () => {})
    child.stdin.end(input)
    const ended = new Promise<void>((resolve, reject) => {
      child.on("error", reject)
      child.on("close", () => resolve())
    })
    ended.catch(() => {})
    return {
      get finished() {
        // Only who waits loses patience: what stays, such as a proxy, ends with the test.
        const timer = setTimeout(() => kill(child), patienceMillis)
        return ended.then(() => {
          clearTimeout(timer)
          kill(child)
          running.delete(child)
          return { code: child.exitCode, ...text }
        })
      },
      line: (pattern) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            const found = `${text.stdout}\n${text.stderr}`.split("\n").find((each) => pattern.test(each))
            if (found !== undefined) resolve(found.trim())
          }
          child.stdout.on("data", look)
          child.stderr.on("data", look)
          look()
          ended.then(() => reject(new Error(`${command} ended. ${printable(text.stderr)}`)), reject)
        }),
    }
  }

  return { start, killAll: () => running.forEach(kill) }
}

/** How a program ended, with what it said when that was not as expected. */
export const assertEnded = ({ code, stderr, stdout }: Finished, expected: number, says?: RegExp): void => {
  const said = printable(`${stdout}\n${stderr}`)
  assert.strictEqual(code, expected, said)
  if (says !== undefined) assert.isTrue(says.test(stdout + stderr), `${String(says)} is not in: ${said}`)
}

/**
 * All of a text to a file descriptor, before the next line runs. `process.stdout` would be slower to load, and loses what
 * is still under way when the process exits. Imports no library
 * (fast path).
 */
import { writeSync } from "node:fs"
import { exitCodes } from "./exitCodes.ts"

const pause = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

/**
 * Writes `text`. That nobody reads any more is the reader's choice and no failure; that it cannot be written, a disk that
 * is full for one, is said on stderr and makes the process end with 1.
 */
export const write = (fd: 1 | 2, text: string): void => {
  let rest = Buffer.from(text, "utf8")
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === "EPIPE") return
      // A pipe that another program set to non-blocking, and whose reader is slower than we are.
      if (code !== "EAGAIN") {
        process.exitCode = exitCodes.defect
        if (fd === 1) write(2, `tokenkeep: cannot write to standard output (${code})\n`)
        return
      }
      pause(5)
    }
  }
}

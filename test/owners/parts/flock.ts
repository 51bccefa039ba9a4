/** BSD `flock`, as Rust's `File::lock` takes it: by the program of that name, on a file that this process holds open. */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import { pause, point, say } from "./program.ts"

const pollMillis = 50

/**
 * The lock belongs to the open file, which the child shares: it stays when the child is gone, and goes with this process.
 * Answers with what releases it.
 */
export const flock = async (
  path: string,
  lock: string,
  mode: "exclusive" | "shared" = "exclusive",
  fileMode = 0o600,
): Promise<() => void> => {
  const fd = Fs.openSync(path, Fs.constants.O_RDWR | Fs.constants.O_CREAT, fileMode)
  const isTaken = (): boolean => {
    const { error, status } = ChildProcess.spawnSync("flock", [`--${mode}`, "--nonblock", "3"], {
      stdio: ["ignore", "ignore", "ignore", fd],
    })
    if (error) throw error
    return status === 0
  }
  for (let tries = 0; !isTaken(); tries++) {
    if (tries === 0) say("waiting", { lock })
    await pause(pollMillis)
  }
  await point("locked", { lock })
  return () => {
    Fs.closeSync(fd)
    say("unlocked", { lock })
  }
}

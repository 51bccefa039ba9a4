/** The lock of proper-lockfile 4.1.2, a folder, taken by that library as pi and Claude Code take it. */
import * as Lockfile from "proper-lockfile"
import { pause, point, say } from "./program.ts"

export interface Held {
  /** Somebody took it away. */
  readonly isCompromised: () => boolean
  readonly release: () => Promise<void>
}

export interface Options {
  /** The folder. */
  readonly path: string
  readonly staleMillis: number
  /** Default of the library: half of `staleMillis`. */
  readonly updateMillis?: number
  /** Before each further try; when there is no further one, the lock is not had. */
  readonly pauses: ReadonlyArray<number>
}

/** `undefined`: somebody else has it all the time. */
export const folderLock = async (lock: string, options: Options): Promise<Held | undefined> => {
  let isCompromised = false
  const attempt = async (): Promise<(() => Promise<void>) | undefined> => {
    try {
      return await Lockfile.lock(options.path.replace(/\.lock$/, ""), {
        lockfilePath: options.path,
        realpath: false,
        stale: options.staleMillis,
        ...(options.updateMillis === undefined ? {} : { update: options.updateMillis }),
        onCompromised: () => {
          isCompromised = true
          say("compromised", { lock })
        },
      })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error
      return undefined
    }
  }
  let release = await attempt()
  if (release === undefined) say("waiting", { lock })
  for (const millis of options.pauses) {
    if (release !== undefined) break
    await pause(millis)
    release = await attempt()
  }
  if (release === undefined) return undefined
  const held = release
  await point("locked", { lock })
  return {
    isCompromised: () => isCompromised,
    release: async () => {
      // Of a lock that was lost the library says so, and its users do not mind.
      await held().catch(() => undefined)
      say("unlocked", { lock })
    },
  }
}

/**
 * Calls `look` when another process may have written a database: soon after its log changes, and now and then anyway,
 * for file systems and machines where the watch says nothing.
 *
 * **Gotchas**
 *
 * - A watch tells of the write to the log, and the commit becomes visible only after the sync that follows it, in a
 *   millisecond or in fifty. Hence a few looks after each alarm, ever further apart.
 * - The timers are Node's own and let go of the process: a fiber that sleeps by Effect's Clock would keep a program
 *   alive that has nothing left to do but to listen.
 *
 * @effect-diagnostics globalTimers:off
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** Milliseconds from an alarm to the first look, and from each look to the next. */
const looks: ReadonlyArray<number> = [2, 10, 50, 250]

const fallback = 2_000

/** Answers with what ends it. */
export const watch = (file: string, look: () => void): (() => void) => {
  let timer: NodeJS.Timeout | undefined
  let next = 0

  const schedule = (index: number): void => {
    next = index
    timer = setTimeout(() => {
      timer = undefined
      // Scheduled before looking, because a look may end all of this.
      if (index + 1 < looks.length) schedule(index + 1)
      look()
    }, looks[index]).unref()
  }

  const alarm = (_event: string, changed: string | null): void => {
    if (changed !== null && !changed.startsWith(path.basename(file))) return
    // A first look that is due anyway is not put off: a busy neighbour would put it off for ever.
    if (timer !== undefined && next === 0) return
    clearTimeout(timer)
    schedule(0)
  }

  const begin = (): fs.FSWatcher | undefined => {
    try {
      const watcher = fs.watch(path.dirname(file), { persistent: false }, alarm)
      return watcher.on("error", () => watcher.close())
    } catch {
      // No watches left on this machine, or none on this file system: the slow look finds out.
      return undefined
    }
  }

  const watcher = begin()
  const slow = setInterval(look, fallback).unref()
  // What was written before the watch began gave no alarm.
  schedule(0)
  return () => {
    clearTimeout(timer)
    clearInterval(slow)
    watcher?.close()
  }
}

/**
 * Who this process is, and whether another one is still there: the evidence by which a ticket's holder is judged.
 *
 * A holder is gone only when it is proven: same machine and its boot is over, or same machine and same process namespace
 * and no process with its pid and start time. Everything else, another host or another container, counts as alive.
 */
import * as Context from "effect/Context"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import type { Holder } from "../lifecycle/Credential.ts"

interface Processes {
  readonly self: Omit<Holder, "label">
  readonly isGone: (holder: Holder) => boolean
}

const readOr = (path: string, fallback: string): string => {
  try {
    return Fs.readFileSync(path, "utf8").trim()
  } catch {
    return fallback
  }
}

/** Fields 3 and 22 of `/proc/PID/stat`, counted behind the command's closing parenthesis, since a command may contain any. */
const look = (pid: number | "self"): { readonly state: string; readonly startedAt: string } => {
  const stat = readOr(`/proc/${pid}/stat`, "")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return { state: fields[0] ?? "", startedAt: fields[19] ?? "" }
}

const namespace = (): string => {
  try {
    return Fs.readlinkSync("/proc/self/ns/pid")
  } catch {
    return ""
  }
}

/** Of two identities of a boot, where both are known. */
const isOtherBoot = (a: string, b: string): boolean => {
  const [one, other] = [a, b].map((bootId) => /^[0-9a-f-]{36}(?= |$)/.exec(bootId)?.[0])
  return one !== undefined && other !== undefined && one !== other
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}

const identify = (): Omit<Holder, "label"> => ({
  instance: Crypto.randomUUID(),
  host: `${Os.hostname()} ${readOr("/etc/machine-id", "")}`.trim(),
  bootId: `${readOr("/proc/sys/kernel/random/boot_id", "")} ${namespace()}`.trim(),
  pid: process.pid,
  startedAt: look("self").startedAt,
})

const makeNode = (): Processes => {
  let self: Omit<Holder, "label"> | undefined
  return {
    get self() {
      return (self ??= identify())
    },
    isGone: (holder) => {
      const me = (self ??= identify())
      if (holder.host !== me.host) return false
      if (holder.bootId !== me.bootId) return isOtherBoot(holder.bootId, me.bootId)
      if (holder.instance === me.instance) return false
      if (!exists(holder.pid)) return true
      const { startedAt, state } = look(holder.pid)
      // Nothing to be read, for want of a free file descriptor for one, proves nothing.
      if (holder.startedAt === "" || startedAt === "") return false
      // A zombie has ended; only its parent has not asked how. In a container perhaps nobody ever does.
      return startedAt !== holder.startedAt || state === "Z" || state === "X"
    },
  }
}

/** The real processes of this machine by default; a simulated world brings its own. */
export const Processes = Context.Reference<Processes>("tokenkeep/keeper/Processes", { defaultValue: makeNode })

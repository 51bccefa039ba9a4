import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Readline from "node:readline"
import { Processes } from "../../src/keeper/Processes.ts"

const hasProc = Fs.existsSync("/proc/self/stat")

const startedAt = (pid: number): string => {
  const stat = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
}

/** A shell that prints a pid, and then turns into a program that looks after no child. */
const shell = (script: string) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => ChildProcess.spawn("bash", ["-c", `${script}; exec sleep 60`])),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    )
    const lines = Readline.createInterface({ input: child.stdout })
    const pid = yield* Effect.promise(() => new Promise<string>((resolve) => lines.once("line", resolve)))
    // Until then it is a shell, which does look after its children.
    while (Fs.readFileSync(`/proc/${child.pid}/comm`, "utf8") !== "sleep\n") yield* Effect.sleep(5)
    return Number(pid)
  })

/** Another process of this machine, as its own ticket names it. */
const holderOf = Effect.fnUntraced(function* (pid: number) {
  const { self } = yield* Processes
  return { ...self, instance: "another", label: "test", pid, startedAt: startedAt(pid) }
})

describe.runIf(hasProc)("whether a ticket's holder is gone", () => {
  it.live("not while it runs, nor where nobody can tell", () =>
    Effect.gen(function* () {
      const { isGone, self } = yield* Processes
      const holder = yield* holderOf(yield* shell("echo $$"))
      assert.isFalse(isGone(holder))
      assert.isFalse(isGone({ ...self, label: "test" }))
      assert.isFalse(isGone({ ...holder, startedAt: "" }))
      assert.isFalse(isGone({ ...holder, host: "elsewhere", pid: 2 ** 22 + 1 }))
      // Another container, or a boot that could not be read.
      const [boot] = holder.bootId.split(" ")
      assert.isFalse(isGone({ ...holder, bootId: `${boot} pid:[1]`, pid: 2 ** 22 + 1 }))
      assert.isFalse(isGone({ ...holder, bootId: "pid:[1]", pid: 2 ** 22 + 1 }))
    }).pipe(Effect.scoped),
  )

  it.live("when its pid is free, or somebody else's, or the machine has been restarted", () =>
    Effect.gen(function* () {
      const { isGone } = yield* Processes
      const holder = yield* holderOf(yield* shell("echo $$"))
      assert.isTrue(isGone({ ...holder, pid: 2 ** 22 + 1 }))
      assert.isTrue(isGone({ ...holder, startedAt: "1" }))
      assert.isTrue(isGone({ ...holder, bootId: "00000000-0000-0000-0000-000000000000" }))
    }).pipe(Effect.scoped),
  )

  it.live("when it has ended and its parent has not asked how", () =>
    Effect.gen(function* () {
      const { isGone } = yield* Processes
      const holder = yield* holderOf(yield* shell("sleep 60 & echo $!"))
      assert.isFalse(isGone(holder))
      process.kill(holder.pid, "SIGKILL")
      // A signal is delivered in its own time.
      while (!isGone(holder)) yield* Effect.sleep(5)
      assert.isTrue(Fs.existsSync(`/proc/${holder.pid}`), "somebody has asked")
    }).pipe(Effect.scoped),
  )
})

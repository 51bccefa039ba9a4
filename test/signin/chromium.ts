/**
 * A real headless Chromium, spoken to in its own protocol (CDP). Which one: `CHROMIUM`, else what the system has. Without
 * one the tests are skipped, but not in CI.
 */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]

const executable = process.env["CHROMIUM"] ?? installed.find((file) => fs.existsSync(file))

export const isMissing = executable === undefined && process.env["CI"] !== "true"

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--remote-debugging-port=0",
]

interface Message {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

const connect = async (url: string) => {
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve)
    socket.addEventListener("error", () => reject(new Error("no connection to Chromium")))
  })
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Message
    const waiter = message.id === undefined ? undefined : waiting.get(message.id)
    if (message.error) waiter?.reject(new Error(message.error.message))
    else waiter?.resolve(message.result)
  })
  const send = <A>(method: string, params: object = {}, sessionId?: string): Promise<A> =>
    new Promise((resolve, reject) => {
      const id = ++last
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      socket.send(JSON.stringify({ id, method, params, sessionId }))
    })
  return { send, close: () => socket.close() }
}

export interface Page {
  readonly go: (url: string) => Promise<void>
  /** Evaluates an expression, awaits its promise, and gives its value. */
  readonly run: <A>(expression: string) => Promise<A>
  /** When `expression` is true of the page that is there by then. */
  readonly until: (expression: string) => Promise<void>
  readonly text: () => Promise<string>
}

/** Until the scope ends. Each page has cookies of its own. */
export const launch = Effect.gen(function* () {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tokenkeep-chromium-"))
  const child = spawn(executable ?? "chromium", [...flags, `--user-data-dir=${folder}`], {
    stdio: ["ignore", "ignore", "pipe"],
  })
  yield* Effect.addFinalizer(() =>
    Effect.callback<void>((resume) => {
      child.once("close", () => {
        fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
        resume(Effect.void)
      })
      child.kill("SIGKILL")
    }),
  )
  const { close, send } = yield* Effect.promise(async () => {
    const url = await new Promise<string>((resolve, reject) => {
      let text = ""
      child.once("error", reject)
      child.stderr.on("data", (chunk) => {
        text += chunk
        const found = /DevTools listening on (ws:\S+)/.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
    })
    return connect(url)
  })
  yield* Effect.addFinalizer(() => Effect.sync(close))

  const page = async (): Promise<Page> => {
    const { browserContextId } = await send<{ browserContextId: string }>("Target.createBrowserContext")
    const { targetId } = await send<{ targetId: string }>("Target.createTarget", {
      url: "about:blank",
      browserContextId,
    })
    const { sessionId } = await send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true })
    const run = async <A>(expression: string): Promise<A> => {
      const { exceptionDetails, result } = await send<{ result: { value: A }; exceptionDetails?: { text: string } }>(
        "Runtime.evaluate",
        { expression, awaitPromise: true, returnByValue: true },
        sessionId,
      )
      if (exceptionDetails) throw new Error(`the page threw: ${exceptionDetails.text}`)
      return result.value
    }
    const until = async (expression: string): Promise<void> => {
      // A page that is being left has nothing to evaluate in.
      while ((await run(expression).catch(() => false)) !== true) await new Promise((resolve) => setImmediate(resolve))
    }
    return {
      go: async (url) => {
        await send("Page.navigate", { url }, sessionId)
        await until(`document.readyState === "complete" && location.href !== "about:blank"`)
      },
      run,
      until,
      text: () => run<string>("document.body.innerText"),
    }
  }
  return { page: Effect.promise(page) }
})

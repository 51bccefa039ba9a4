/** Opens a URL in the person's browser: without a shell, and without waiting for it. */
import { spawn } from "node:child_process"

interface Opener {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/** `BROWSER` as on other Unix systems: programs between colons, the first of which counts; `none` for no browser. */
const named = (browser: string, url: string): Opener | undefined => {
  const [command = ""] = process.platform === "win32" ? [browser] : browser.split(":")
  return command === "none" ? undefined : { command: command.replace(/ ?"?%s"?$/, ""), args: [url] }
}

const opener = (url: string): Opener | undefined => {
  const { env, platform } = process
  if (env["BROWSER"]) return named(env["BROWSER"], url)
  if (platform === "darwin") return { command: "open", args: [url] }
  // `start` belongs to the shell, which would read the URL as a command line.
  if (platform === "win32") return { command: "rundll32", args: ["url.dll,FileProtocolHandler", url] }
  // Over SSH, in a container or a job there is no screen to open one on.
  return env["DISPLAY"] || env["WAYLAND_DISPLAY"] ? { command: "xdg-open", args: [url] } : undefined
}

/** `false` when there is no browser to be opened here. `onFailure` is called later if it turns out so only then. */
export const openBrowser = (url: string, onFailure: () => void): boolean => {
  const found = /^https?:/.test(url) ? opener(url) : undefined
  if (found === undefined) return false
  const child = spawn(found.command, found.args, { stdio: "ignore", detached: true })
  child.on("error", onFailure)
  child.unref()
  return true
}

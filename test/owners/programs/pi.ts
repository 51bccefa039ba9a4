/**
 * pi 1.5 and its `auth.json`. Facts: agent-tools §3, §11.3.
 *
 * It refreshes within its lock, which it holds for as long as the server takes. When it starts it takes the same lock by
 * another path, to which a lock of ten seconds is stale, although its holder shows only every fifteen that it is alive.
 * The file is read once under the lock and written in place, as a whole.
 */
import * as Fs from "node:fs"
import * as Lockfile from "proper-lockfile"
import { folderLock } from "../parts/folderLock.ts"
import { asObject, at, type Json, now, plan, present, readJson, run, say, writeInPlace } from "../parts/program.ts"

const provider = plan.login ?? "openai-codex"
const marginMillis = 5 * 60_000
const timeoutMillis = 15_000
/** 10 ms · 2ⁿ and not more than a second, for half a minute. */
const pauses = [10, 20, 40, 80, 160, 320, 640, ...Array.from({ length: 28 }, () => 1000)]

const path = ((): string => {
  const given = at("auth.json")
  return Fs.existsSync(given) ? Fs.realpathSync(given) : given
})()

const revision = (): string => {
  const stats = Fs.statSync(path, { throwIfNoEntry: false })
  return `${stats?.mtimeMs} ${stats?.size} ${stats?.ino}`
}

let data: Json = {}
let seen = ""

const sleepBlocking = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)
}

/** The path of the start, which blocks: with the library's own idea of what is stale. */
const reload = (): void => {
  for (let tries = 0; tries < 10; tries++) {
    try {
      const release = Lockfile.lockSync(path, { realpath: false })
      say("lockedAtOnce")
      data = asObject(readJson(path)) ?? {}
      seen = revision()
      release()
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error
      sleepBlocking(20)
    }
  }
  say("lockedOut")
}

const isDue = (login: Json): boolean => typeof login["expires"] === "number" && now() >= login["expires"] - marginMillis

/** The login that is good now. */
const refresh = async (): Promise<Json | undefined> => {
  const lock = await folderLock("auth.json.lock", { path: `${path}.lock`, staleMillis: 30_000, pauses })
  if (lock === undefined) return undefined
  try {
    const all = asObject(readJson(path)) ?? {}
    const login = asObject(all[provider])
    say("read", { refresh: login?.["refresh"] })
    if (login === undefined || !isDue(login)) {
      say("adopted", { refresh: login?.["refresh"] })
      data = all
      return login
    }
    const { body, status } = await present(
      "form",
      {
        grant_type: "refresh_token",
        refresh_token: String(login["refresh"]),
        client_id: "app_EMoamEEZ73f0CkXaXp7hrann",
      },
      { timeoutMillis },
    )
    const { access_token, expires_in, refresh_token } = body
    // Whatever is missing makes an error of a good answer; and an error never ends a login.
    if (status !== 200 || typeof refresh_token !== "string" || typeof expires_in !== "number") return undefined
    if (lock.isCompromised()) {
      say("discarded", { refresh: refresh_token })
      return undefined
    }
    const next = { ...login, access: access_token, refresh: refresh_token, expires: now() + expires_in * 1000 }
    data = { ...all, [provider]: next }
    await writeInPlace(path, JSON.stringify(data, undefined, 2), { refresh: refresh_token })
    seen = revision()
    return next
  } finally {
    await lock.release()
  }
}

reload()

run({
  token: async () => {
    if (revision() !== seen) reload()
    const login = asObject(data[provider])
    if (login?.["type"] !== "oauth") {
      say("signedOut")
      return undefined
    }
    const good = isDue(login) ? await refresh() : login
    return good && String(good["access"])
  },
})

/**
 * Qwen Code 0.24 and its `oauth_creds.json`. Facts: agent-tools §6, §11.6.
 *
 * It refreshes under a lock file with its own name in it, which it never looks at again: whoever exits removes the lock
 * of whoever holds it. A file counts as changed when it is younger, not when it is other. A refresh that is rejected
 * deletes the login, even one that another process has just renewed.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import {
  asObject,
  at,
  type Json,
  now,
  pause,
  point,
  present,
  readJson,
  run,
  say,
  writeRenamed,
} from "../parts/program.ts"

const path = at("oauth_creds.json")
const lockPath = at("oauth_creds.lock")
const marginMillis = 30_000
const checkMillis = 5_000
const staleMillis = 35_000
const timeoutMillis = 30_000
const attempts = 20
const longestPauseMillis = 2_000

const removeLock = (): void => {
  try {
    Fs.unlinkSync(lockPath)
    say("unlinked")
  } catch {
    // There was none.
  }
}

process.on("exit", removeLock)
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    removeLock()
    process.exit(0)
  })
}

const mtime = (): number => Fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

let credentials: Json | undefined
let seen = 0
let checked = -Infinity

const load = (): void => {
  const found = asObject(readJson(path))
  const isWhole = typeof found?.["refresh_token"] === "string" && typeof found["expiry_date"] === "number"
  credentials = isWhole ? found : undefined
  seen = mtime()
}

const isValid = (): boolean => now() < Number(credentials?.["expiry_date"]) - marginMillis

const takeOverStale = (): void => {
  const stats = Fs.statSync(lockPath, { throwIfNoEntry: false })
  if (stats === undefined || now() - stats.mtimeMs <= staleMillis) return
  const aside = `${lockPath}.stale.${Crypto.randomUUID()}`
  try {
    Fs.renameSync(lockPath, aside)
    Fs.unlinkSync(aside)
    say("broke", { lock: "oauth_creds.lock" })
  } catch {
    // Another one was faster.
  }
}

const lock = async (): Promise<boolean> => {
  let millis = 100
  for (let tries = 0; tries < attempts; tries++) {
    try {
      Fs.writeFileSync(lockPath, Crypto.randomUUID(), { flag: "wx" })
      await point("locked", { lock: "oauth_creds.lock" })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
      if (tries === 0) say("waiting", { lock: "oauth_creds.lock" })
      takeOverStale()
      await pause(millis)
      millis = Math.min(millis * 1.5, longestPauseMillis)
    }
  }
  say("lockedOut")
  return false
}

const refresh = async (isForced: boolean): Promise<void> => {
  if (!(await lock())) return
  try {
    load()
    if (!isForced && isValid()) return say("adopted", { refresh: credentials?.["refresh_token"] })
    if (credentials === undefined) return
    const { refresh_token: presented, resource_url } = credentials
    const { body, status } = await present(
      "form",
      {
        grant_type: "refresh_token",
        refresh_token: String(presented),
        client_id: "f0304373b74a44d2b584a3fb70ca9e56",
      },
      { timeoutMillis },
    )
    if (status === 400 || status === 401) {
      await point("deleting")
      Fs.rmSync(path, { force: true })
      credentials = undefined
    }
    if (status !== 200) return
    const next = {
      access_token: body["access_token"],
      refresh_token: body["refresh_token"] ?? presented,
      token_type: body["token_type"],
      resource_url: body["resource_url"] ?? resource_url,
      expiry_date: now() + Number(body["expires_in"]) * 1000,
    }
    const beside = `${path}.tmp.${Crypto.randomUUID()}`
    await writeRenamed(path, beside, JSON.stringify(next, undefined, 2), { refresh: next.refresh_token })
    credentials = next
    seen = mtime()
  } finally {
    removeLock()
  }
}

const accessToken = (): string | undefined => credentials && String(credentials["access_token"])

let isRecovered = false

run({
  token: async () => {
    isRecovered = false
    if (now() - checked >= checkMillis) {
      checked = now()
      if (mtime() > seen) load()
    }
    if (!isValid()) await refresh(false)
    if (!isValid()) {
      say("signedOut")
      return undefined
    }
    return accessToken()
  },
  refused: async () => {
    if (isRecovered) return undefined
    isRecovered = true
    await refresh(true)
    return accessToken()
  },
})

/**
 * opencode 1.18 and its `mcp-auth.json`, the logins to MCP servers. Facts: agent-tools §4, §11.4.
 *
 * Instants in seconds, with fractions. Its lock is a folder with a heartbeat and its holder's name in it, and stands
 * around the write alone: who refreshes asks the server without it.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import {
  asObject,
  at,
  type Json,
  now,
  pause,
  plan,
  point,
  present,
  readJson,
  run,
  say,
  writeInPlace,
} from "../parts/program.ts"

const path = at("mcp-auth.json")
const server = plan.login ?? "srv"
const staleMillis = 60_000
const waitMillis = 5 * 60_000
const pollMillis = 100

const lockFolder = ((): string => {
  const name = Crypto.createHash("sha1").update(path).digest("hex")
  return at(`../../state/opencode/locks/${name}.lock`)
})()

const isMade = (folder: string): boolean => {
  try {
    Fs.mkdirSync(folder)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    return false
  }
}

/** Takes a stale lock away, unless another one is doing that already. */
const breakStale = (): void => {
  const beat = Fs.statSync(`${lockFolder}/heartbeat`, { throwIfNoEntry: false })
  if (beat === undefined || now() - beat.mtimeMs <= staleMillis) return
  if (!isMade(`${lockFolder}.breaker`)) return
  Fs.rmSync(lockFolder, { recursive: true, force: true })
  Fs.rmdirSync(`${lockFolder}.breaker`)
  say("broke", { lock: "mcp-auth" })
}

const lock = async (): Promise<() => void> => {
  Fs.mkdirSync(at("../../state/opencode/locks"), { recursive: true })
  for (let waited = 0; !isMade(lockFolder); waited += pollMillis) {
    if (waited === 0) say("waiting", { lock: "mcp-auth" })
    if (waited > waitMillis) throw new Error("the lock is held for too long")
    breakStale()
    await pause(pollMillis)
  }
  const meta = {
    token: Crypto.randomUUID(),
    pid: process.pid,
    hostname: Os.hostname(),
    createdAt: new Date(now()).toISOString(),
  }
  Fs.writeFileSync(`${lockFolder}/heartbeat`, "")
  Fs.writeFileSync(`${lockFolder}/meta.json`, JSON.stringify(meta))
  const beating = setInterval(
    () => Fs.utimesSync(`${lockFolder}/heartbeat`, now() / 1000, now() / 1000),
    20_000,
  ).unref()
  await point("locked", { lock: "mcp-auth" })
  return () => {
    clearInterval(beating)
    if (asObject(readJson(`${lockFolder}/meta.json`))?.["token"] === meta.token)
      Fs.rmSync(lockFolder, { recursive: true, force: true })
    say("unlocked", { lock: "mcp-auth" })
  }
}

const entryOf = (): Json | undefined => asObject(asObject(readJson(path))?.[server])

const update = async (tokens: Json): Promise<void> => {
  const release = await lock()
  const all = asObject(readJson(path)) ?? {}
  const next = { ...all, [server]: { ...asObject(all[server]), tokens } }
  await writeInPlace(path, JSON.stringify(next, undefined, 2), { refresh: tokens["refreshToken"] })
  release()
}

const refresh = async (): Promise<string | undefined> => {
  const entry = entryOf()
  const tokens = asObject(entry?.["tokens"])
  const client = asObject(entry?.["clientInfo"])
  if (tokens === undefined || typeof tokens["refreshToken"] !== "string") return undefined
  say("read", { refresh: tokens["refreshToken"] })
  const { body, status } = await present("form", {
    grant_type: "refresh_token",
    refresh_token: tokens["refreshToken"],
    client_id: String(client?.["clientId"]),
    resource: String(entry?.["serverUrl"]),
  })
  if (status !== 200) return undefined
  const lifetime = body["expires_in"]
  await update({
    accessToken: body["access_token"],
    refreshToken: body["refresh_token"] ?? tokens["refreshToken"],
    // Neither where it is missing nor where it is zero.
    ...(lifetime ? { expiresAt: now() / 1000 + Number(lifetime) } : {}),
    scope: body["scope"] ?? tokens["scope"],
  })
  return String(body["access_token"])
}

let isRecovered = false

run({
  token: async () => {
    isRecovered = false
    const tokens = asObject(entryOf()?.["tokens"])
    if (tokens === undefined) {
      say("signedOut")
      return undefined
    }
    const ends = tokens["expiresAt"]
    return typeof ends === "number" && ends < now() / 1000 ? refresh() : String(tokens["accessToken"])
  },
  refused: async () => {
    if (isRecovered) return undefined
    isRecovered = true
    return refresh()
  },
})

/**
 * pi 1.5 and its `mcp-auth.json`, the logins to MCP servers. Facts: agent-tools §3, §11.3.
 *
 * A refresh holds the lock of the one login, and does not care if it is lost meanwhile. How pi reads and writes the file
 * is not known but for its form: it is taken to be as with `auth.json`, and the rule for a refresh to be the end itself.
 */
import * as Crypto from "node:crypto"
import { folderLock } from "../parts/folderLock.ts"
import { asObject, at, type Json, now, plan, present, readJson, run, say, writeInPlace } from "../parts/program.ts"

const path = at("mcp-auth.json")
const key = plan.login ?? ""
const staleMillis = 20_000
/** Every 100 ms, for 25 s. */
const pauses = Array.from({ length: 250 }, () => 100)

const lockPath = at(`mcp-auth-refresh-${Crypto.createHash("sha256").update(key).digest("hex").slice(0, 16)}.lock`)

const entryOf = (): Json | undefined => asObject(asObject(readJson(path))?.[key])

const isDue = (entry: Json): boolean => typeof entry["tokensExpireAt"] === "number" && now() >= entry["tokensExpireAt"]

const accessToken = (entry: Json | undefined): string | undefined => {
  const token = asObject(entry?.["tokens"])?.["access_token"]
  return typeof token === "string" ? token : undefined
}

/** The access token that is good now; `refused` is one that is not. */
const refresh = async (refused?: string): Promise<string | undefined> => {
  const lock = await folderLock("mcp-auth-refresh", { path: lockPath, staleMillis, pauses })
  if (lock === undefined) return undefined
  try {
    const entry = entryOf()
    const tokens = asObject(entry?.["tokens"])
    say("read", { refresh: tokens?.["refresh_token"] })
    if (entry === undefined || typeof tokens?.["refresh_token"] !== "string") return undefined
    if (!isDue(entry) && accessToken(entry) !== refused) {
      say("adopted", { refresh: tokens["refresh_token"] })
      return accessToken(entry)
    }
    const { body, status } = await present("form", {
      grant_type: "refresh_token",
      refresh_token: tokens["refresh_token"],
      client_id: String(asObject(entry["clientInformation"])?.["client_id"]),
      resource: key.slice(key.indexOf("|") + 1),
    })
    if (status !== 200) return undefined
    const next = {
      ...entry,
      tokens: { ...tokens, ...body },
      tokensExpireAt: now() + Number(body["expires_in"]) * 1000,
    }
    const all = { ...asObject(readJson(path)), [key]: next }
    await writeInPlace(path, JSON.stringify(all, undefined, 2), { refresh: body["refresh_token"] })
    return accessToken(next)
  } finally {
    await lock.release()
  }
}

let isRecovered = false

run({
  token: async () => {
    isRecovered = false
    const entry = entryOf()
    if (accessToken(entry) === undefined) {
      say("signedOut")
      return undefined
    }
    return entry && isDue(entry) ? refresh() : accessToken(entry)
  },
  refused: async (token) => {
    if (isRecovered) return undefined
    isRecovered = true
    return refresh(token)
  },
})

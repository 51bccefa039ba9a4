/**
 * Codex 0.169 and its `.credentials.json`, the logins to MCP servers. Facts: codex §3.1 to §3.4, §10.2.
 *
 * A refresh holds the login's own lock from the second look at the file until the write. The file is written in place,
 * without what Codex does not know. After a 401 it refreshes whatever is there, even what another has just refreshed.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import { flock } from "../parts/flock.ts"
import {
  asObject,
  at,
  type Json,
  now,
  plan,
  point,
  present,
  readJson,
  run,
  say,
  writeInPlace,
} from "../parts/program.ts"

const path = at(".credentials.json")
const locks = at("mcp-oauth-locks")
const skewMillis = 30_000
const timeoutMillis = 30_000

const [serverName = "", serverUrl = ""] = (plan.login ?? "").split("|")

const sha256 = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")
const payload = JSON.stringify({ type: "http", url: serverUrl, headers: {} })
const key = `${serverName}|${sha256(payload).slice(0, 16)}`

const lock = (name: string, mode?: "exclusive" | "shared"): Promise<() => void> => {
  Fs.mkdirSync(locks, { recursive: true, mode: 0o700 })
  const file = name === "login" ? sha256(key) : name
  return flock(`${locks}/${file}.lock`, name, mode)
}

/** A file in which anything is wrong holds nothing. */
const entries = (): Readonly<Record<string, Json>> => {
  const all = asObject(readJson(path)) ?? {}
  const isWhole = Object.values(all).every((value) => {
    const entry = asObject(value)
    const ends = entry?.["expires_at"] ?? null
    return (
      entry !== undefined &&
      ["server_name", "server_url", "client_id", "access_token"].every((name) => typeof entry[name] === "string") &&
      (ends === null || Number.isInteger(ends))
    )
  })
  return isWhole ? (all as Readonly<Record<string, Json>>) : {}
}

/** Under its right name, or by what is in it: whichever program wrote it. */
const find = (all: Readonly<Record<string, Json>>): Json | undefined =>
  all[key] ??
  Object.values(all).find((entry) => entry["server_name"] === serverName && entry["server_url"] === serverUrl)

const read = async (): Promise<Json | undefined> => {
  const release = await lock("file-store", "shared")
  const found = find(entries())
  release()
  say("read", { refresh: found?.["refresh_token"] })
  return found
}

/** Its own fields in its own order. */
const known = (entry: Json): Json => ({
  server_name: entry["server_name"],
  server_url: entry["server_url"],
  issuer: entry["issuer"] ?? undefined,
  client_id: entry["client_id"],
  access_token: entry["access_token"],
  expires_at: entry["expires_at"] ?? null,
  refresh_token: entry["refresh_token"] ?? null,
  scopes: entry["scopes"] ?? [],
  executor_owned: entry["executor_owned"] ?? undefined,
})

const persist = async (entry: Json): Promise<void> => {
  const release = await lock("file-store")
  const all = Object.entries({ ...entries(), [key]: entry }).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const content = JSON.stringify(Object.fromEntries(all.map(([key, entry]) => [key, known(entry)])))
  await writeInPlace(path, content, { refresh: entry["refresh_token"] }, Fs.constants.O_NOFOLLOW)
  release()
}

const isDue = (entry: Json): boolean => {
  const ends = entry["expires_at"]
  return typeof ends === "number" && now() + skewMillis >= ends
}

const unauthorized = (why: string): undefined => {
  say("signedOut", { why })
  return undefined
}

const discoveredIssuer = async (): Promise<unknown> => {
  const response = await fetch(new URL("/.well-known/oauth-authorization-server", plan.endpoint))
  return asObject(await response.json())?.["issuer"]
}

/** The entry that is good now. */
const refresh = async (isForced: boolean): Promise<Json | undefined> => {
  const release = await lock("login")
  try {
    const entry = await read()
    if (entry === undefined) return unauthorized("it is gone")
    if (!isForced && !isDue(entry)) {
      say("adopted", { refresh: entry["refresh_token"] })
      return entry
    }
    const token = entry["refresh_token"]
    if (typeof token !== "string") return unauthorized("there is no refresh token")
    if (typeof entry["issuer"] !== "string") return unauthorized("there is no issuer")
    if ((await discoveredIssuer()) !== entry["issuer"]) return unauthorized("it is another issuer")
    const scopes = (entry["scopes"] ?? []) as ReadonlyArray<string>
    const { body, error, status } = await present(
      "form",
      {
        grant_type: "refresh_token",
        refresh_token: token,
        client_id: String(entry["client_id"]),
        resource: serverUrl,
        ...(scopes.length > 0 ? { scope: scopes.join(" ") } : {}),
      },
      { timeoutMillis },
    )
    if (error === "invalid_grant") {
      await persist({ ...entry, refresh_token: null })
      return unauthorized("it was rejected")
    }
    if (status !== 200) return undefined
    const next = {
      ...entry,
      access_token: body["access_token"],
      refresh_token: body["refresh_token"] ?? token,
      expires_at: typeof body["expires_in"] === "number" ? now() + body["expires_in"] * 1000 : null,
      scopes: typeof body["scope"] === "string" ? body["scope"].split(" ") : scopes,
    }
    await persist(next)
    return next
  } finally {
    release()
  }
}

let isRecovered = false
const accessToken = (entry: Json | undefined): string | undefined => entry && String(entry["access_token"])

run({
  token: async () => {
    isRecovered = false
    const entry = await read()
    if (entry === undefined) return unauthorized("it is gone")
    return accessToken(isDue(entry) ? await refresh(false) : entry)
  },
  refused: async () => {
    if (isRecovered) return undefined
    isRecovered = true
    await point("recovering")
    return accessToken(await refresh(true))
  },
})

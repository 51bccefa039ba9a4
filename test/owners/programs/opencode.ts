/**
 * opencode 1.18 and its `auth.json`, through its plugin for Codex. Facts: agent-tools §4, §11.4.
 *
 * No lock: the whole file is read, changed and written in place. A file that cannot be read counts as empty, an entry
 * that it cannot read as none, and the next write makes that true.
 */
import { asObject, at, type Json, now, plan, present, readJson, run, say, writeInPlace } from "../parts/program.ts"

const path = at("auth.json")
const provider = plan.login ?? "openai"

const isEntry = (value: unknown): boolean => {
  const entry = asObject(value)
  if (entry?.["type"] === "api") return typeof entry["key"] === "string"
  if (entry?.["type"] === "wellknown") return typeof entry["key"] === "string" && typeof entry["token"] === "string"
  return (
    entry?.["type"] === "oauth" &&
    typeof entry["refresh"] === "string" &&
    typeof entry["access"] === "string" &&
    typeof entry["expires"] === "number"
  )
}

const all = (): Json =>
  Object.fromEntries(Object.entries(asObject(readJson(path)) ?? {}).filter(([, value]) => isEntry(value)))

const set = async (entry: Json): Promise<void> => {
  const next = { ...all(), [provider]: entry }
  await writeInPlace(path, JSON.stringify(next, undefined, 2), { refresh: entry["refresh"] })
}

run({
  token: async () => {
    const login = asObject(all()[provider])
    if (login?.["type"] !== "oauth") {
      say("signedOut")
      return undefined
    }
    say("read", { refresh: login["refresh"] })
    if (Number(login["expires"]) >= now()) return String(login["access"])
    const { body, status } = await present("form", {
      grant_type: "refresh_token",
      refresh_token: String(login["refresh"]),
      client_id: "app_EMoamEEZ73f0CkXaXp7hrann",
    })
    if (status !== 200) return undefined
    const lifetime = typeof body["expires_in"] === "number" ? body["expires_in"] : 3600
    // Without a new refresh token there is none any more.
    const next = { refresh: body["refresh_token"], access: body["access_token"], expires: now() + lifetime * 1000 }
    const { accountId } = login
    await set({ type: "oauth", ...next, ...(accountId === undefined ? {} : { accountId }) })
    return String(next.access)
  },
})

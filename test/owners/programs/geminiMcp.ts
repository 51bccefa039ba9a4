/**
 * Gemini CLI of August 2026 and its `mcp-oauth-tokens.json`. Facts: agent-tools §5, §11.5.
 *
 * No lock: the whole list is read, changed and written in place. Whatever goes wrong with a refresh, the login is
 * deleted. A login without an end never ends.
 */
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

const path = at("mcp-oauth-tokens.json")
const server = plan.login ?? "srv"
const marginMillis = 5 * 60_000

const all = (): ReadonlyArray<Json> => {
  const list = readJson(path)
  return Array.isArray(list) ? list.map((value) => asObject(value) ?? {}) : []
}

const find = (): Json | undefined => all().find((entry) => entry["serverName"] === server)

const write = (list: ReadonlyArray<Json>, refresh: unknown): Promise<void> =>
  writeInPlace(path, JSON.stringify(list, undefined, 2), { refresh })

const save = (entry: Json, refresh: unknown): Promise<void> => {
  const list = all()
  const known = list.some(({ serverName }) => serverName === server)
  return write(known ? list.map((each) => (each["serverName"] === server ? entry : each)) : [...list, entry], refresh)
}

const remove = async (): Promise<void> => {
  await point("deleting")
  await write(
    all().filter(({ serverName }) => serverName !== server),
    undefined,
  )
}

run({
  token: async () => {
    const entry = find()
    const token = asObject(entry?.["token"])
    if (entry === undefined || token === undefined) {
      say("signedOut")
      return undefined
    }
    say("read", { refresh: token["refreshToken"] })
    const ends = token["expiresAt"]
    if (!ends || now() < Number(ends) - marginMillis) return String(token["accessToken"])
    const { body, status } = await present("form", {
      grant_type: "refresh_token",
      refresh_token: String(token["refreshToken"]),
      client_id: String(entry["clientId"]),
      resource: String(entry["mcpServerUrl"]),
    })
    if (status !== 200) {
      await remove()
      return undefined
    }
    const refreshToken = body["refresh_token"] ?? token["refreshToken"]
    await save(
      {
        serverName: server,
        token: {
          accessToken: body["access_token"],
          tokenType: body["token_type"] ?? "Bearer",
          refreshToken,
          scope: body["scope"],
          ...(body["expires_in"] ? { expiresAt: now() + Number(body["expires_in"]) * 1000 } : {}),
        },
        clientId: entry["clientId"],
        tokenUrl: entry["tokenUrl"],
        mcpServerUrl: entry["mcpServerUrl"],
        updatedAt: now(),
      },
      refreshToken,
    )
    return String(body["access_token"])
  },
})

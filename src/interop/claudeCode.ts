/**
 * Claude Code: `.credentials.json`, its login to Claude and those to MCP servers. On macOS the same JSON is in the
 * keychain (`Claude Code-credentials`).
 *
 * After a refusal it leaves empty tokens with an expiry of 0 behind (anthropics/claude-code#76561): signed out.
 */
import * as path from "node:path"
import * as Clients from "./clients.ts"
import {
  type CoOwning,
  type Entry,
  entriesOf,
  folderOf,
  heldOf,
  type Json,
  members,
  notAnObject,
  type Owner,
  text,
  unreadable,
} from "./ForeignStore.ts"
import { aheadOfFiveMinutes, endOf, entryAt, heartbeatMillis, scopeLike, setting, signedIn } from "./successor.ts"

const tokensOf = (value: Readonly<Record<string, Json>>) => ({
  access: value["accessToken"],
  refresh: value["refreshToken"],
  expiresAt: value["expiresAt"],
  scope: value["scopes"] ?? value["scope"],
})

const mcp = (value: Readonly<Record<string, Json>>) =>
  heldOf({
    ...tokensOf(value),
    clientId: value["clientId"],
    clientSecret: value["clientSecret"],
    resource: value["serverUrl"],
  })

const read = (content: Json): ReadonlyArray<Entry> => {
  const file = members(content)
  if (file === undefined) return [{ name: "(all)", key: "", held: unreadable("the file holds no JSON object") }]
  const login = members(file["claudeAiOauth"])
  return [
    ...("claudeAiOauth" in file
      ? [{ name: "claude", key: "", held: login ? heldOf({ ...Clients.anthropic, ...tokensOf(login) }) : notAnObject }]
      : []),
    ...entriesOf(file["mcpOAuth"] ?? {}, mcp, (value, key) => text(value["serverName"]) ?? key),
  ]
}

const lock = (place: string) => ({ kind: "folder", place, staleMillis: 60_000, heartbeatMillis }) as const

const coOwning: CoOwning = {
  aheadMillis: aheadOfFiveMinutes,
  risk: "Claude Code waits 5 to 10 s for its locks: a refresh of ours that takes longer has it say that another process is refreshing",
  // The second is the only one that older versions know. The folder's real path is in `place` already.
  refreshing: ({ place }) => [
    lock(path.join(path.dirname(place), ".oauth_refresh.lock")),
    lock(`${path.dirname(place)}.lock`),
  ],
  writing: ({ place }) => [lock(path.join(path.dirname(place), ".storage-write.lock"))],
  edits: (key, next, content) => {
    const at = key === "" ? ["claudeAiOauth"] : ["mcpOAuth", key]
    const entry = signedIn(
      at.reduce<Json>((value, member) => entryAt(value, member), content),
      "accessToken",
    )
    if (entry === undefined) return []
    const isRotated = next.refreshToken !== undefined && next.refreshToken !== entry["refreshToken"]
    const [ends, lastingUntil] = [entry["refreshTokenExpiresAt"], Math.round(next.obtainedAt) + 28 * 86_400_000]
    const name = "scopes" in entry ? "scopes" : "scope"
    const scope = scopeLike(entry[name], next.scope)
    return setting(at, {
      accessToken: next.accessToken,
      refreshToken: next.refreshToken,
      expiresAt: endOf(next),
      // A new refresh token lives for about 28 days. Where the old one's end stays, the login would seem to end with that.
      refreshTokenExpiresAt: isRotated && typeof ends === "number" ? Math.max(ends, lastingUntil) : undefined,
      // It does nothing with a login to Claude whose scopes are another thing than a list with this one in it.
      [name]: key !== "" || (Array.isArray(scope) && scope.includes("user:inference")) ? scope : undefined,
    })
  },
}

export const claudeCode: Owner = {
  id: "claude-code",
  name: "Claude Code",
  signIn: "claude, then /login",
  locks: [
    {
      kind: "folder",
      staleMillis: 60_000,
      places: (surroundings) => {
        const folder = folderOf(surroundings, ["CLAUDE_CONFIG_DIR"], ".claude")
        return [`${folder}/.oauth_refresh.lock`, `${folder}.lock`, `${folder}/.storage-write.lock`]
      },
    },
  ],
  files: [
    {
      kind: "json",
      coOwning,
      places: (surroundings) => [`${folderOf(surroundings, ["CLAUDE_CONFIG_DIR"], ".claude")}/.credentials.json`],
      read,
    },
  ],
}

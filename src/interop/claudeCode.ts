/**
 * Claude Code: `.credentials.json`, its login to Claude and those to MCP servers. On macOS the same JSON is in the
 * keychain (`Claude Code-credentials`).
 *
 * After a refusal it leaves empty tokens with an expiry of 0 behind (anthropics/claude-code#76561): signed out.
 */
import * as Clients from "./clients.ts"
import {
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
      coOwning: "it is not written yet",
      places: (surroundings) => [`${folderOf(surroundings, ["CLAUDE_CONFIG_DIR"], ".claude")}/.credentials.json`],
      read,
    },
  ],
}

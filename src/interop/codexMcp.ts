/**
 * Codex: `.credentials.json`, its logins to MCP servers; and one of them as its keyring holds it (`Codex MCP Credentials`).
 *
 * An entry without `issuer` is one that Codex never refreshes (openai/codex#39615). It is as good as any other: its
 * authorization server is found through the MCP server.
 */
import { entriesOf, folderOf, heldOf, type Json, members, type Owner, text } from "./ForeignStore.ts"

const held = (entry: Readonly<Record<string, Json>>) => {
  // The keyring's form keeps the token endpoint's answer apart.
  const answer = members(entry["token_response"]) ?? entry
  return heldOf({
    access: answer["access_token"],
    refresh: answer["refresh_token"],
    scope: answer["scopes"] ?? answer["scope"],
    expiresAt: entry["expires_at"],
    clientId: entry["client_id"],
    issuer: entry["issuer"],
    resource: entry["server_url"] ?? entry["url"],
  })
}

const nameOf = (entry: Readonly<Record<string, Json>>, key: string): string => text(entry["server_name"]) ?? key

export const codexMcp: Owner = {
  id: "codex-mcp",
  name: "Codex",
  signIn: "codex mcp login SERVER",
  files: [
    {
      kind: "json",
      coOwning: "it is not written yet",
      places: (surroundings) => [`${folderOf(surroundings, ["CODEX_HOME"], ".codex")}/.credentials.json`],
      read: (content) => entriesOf(members(content)?.["token_response"] ? { server: content } : content, held, nameOf),
    },
  ],
}

/**
 * mcp-remote: a folder with a few files for each MCP server, named by a digest of its URL. The URL itself is nowhere, so
 * a login is known by its issuer alone, and by what was discovered when somebody signed in last.
 */
import { entriesOf, folderOf, type Held, type Json, members, type Owner } from "./ForeignStore.ts"
import { sdkLogin } from "./mcpLogin.ts"

const parts = /^([0-9a-f]{32})_(tokens|client_info|discovery_state)(?:_.*)?\.json$/

/** The files of each server under its digest. */
const servers = (content: Json): Json => {
  const found: Record<string, Record<string, Json>> = {}
  for (const [file, value] of Object.entries(members(content) ?? {})) {
    const [, digest, part] = parts.exec(file) ?? []
    if (digest !== undefined && part !== undefined) found[digest] = { ...found[digest], [part]: value }
  }
  return found
}

const held = (server: Readonly<Record<string, Json>>): Held =>
  sdkLogin({
    tokens: server["tokens"],
    client: server["client_info"],
    discovery: server["discovery_state"],
    expiresAt: members(server["tokens"])?.["expires_at"],
    issuer: members(server["tokens"])?.["issuer"] ?? members(server["client_info"])?.["issuer"],
  })

export const mcpRemote: Owner = {
  id: "mcp-remote",
  name: "mcp-remote",
  signIn: "npx mcp-remote URL",
  files: [
    {
      kind: "folder",
      coOwning:
        "mcp-remote has no lock around a refresh, and several files that belong together. Take it over (import)",
      places: (surroundings) => [`${folderOf(surroundings, ["MCP_REMOTE_CONFIG_DIR"], ".mcp-auth")}/mcp-remote-*`],
      read: (content) => entriesOf(servers(content), held),
    },
  ],
}

/**
 * opencode: `auth.json`, its logins to model providers, and `mcp-auth.json`, those to MCP servers. The second counts in
 * seconds, as no other file here does.
 */
import {
  apiKey,
  entriesOf,
  folderOf,
  type Held,
  heldOf,
  type Json,
  members,
  type Owner,
  unreadable,
} from "./ForeignStore.ts"
import { modelLogin } from "./modelLogin.ts"

const login = (value: Readonly<Record<string, Json>>, provider: string): Held => {
  if (value["type"] === "api" || value["type"] === "wellknown") return apiKey
  return value["type"] === "oauth"
    ? modelLogin(provider, value)
    : unreadable("its type is none of oauth, api, wellknown")
}

const mcp = (value: Readonly<Record<string, Json>>): Held => {
  const [tokens, client] = [members(value["tokens"]), members(value["clientInfo"])]
  const seconds = tokens?.["expiresAt"]
  return heldOf({
    access: tokens?.["accessToken"],
    refresh: tokens?.["refreshToken"],
    scope: tokens?.["scope"],
    expiresAt: typeof seconds === "number" ? seconds * 1000 : undefined,
    clientId: client?.["clientId"],
    clientSecret: client?.["clientSecret"],
    resource: value["serverUrl"],
  })
}

const dataFolder = (surroundings: Parameters<typeof folderOf>[0]) =>
  `${folderOf(surroundings, ["XDG_DATA_HOME"], ".local", "share")}/opencode`

export const opencode: Owner = {
  id: "opencode",
  name: "opencode",
  signIn: "opencode auth login",
  files: [
    {
      kind: "json",
      coOwning: "it is not written yet",
      places: (surroundings) => [`${dataFolder(surroundings)}/auth.json`],
      read: (content) => entriesOf(content, login),
    },
    {
      kind: "json",
      coOwning: "it is not written yet",
      places: (surroundings) => [`${dataFolder(surroundings)}/mcp-auth.json`],
      read: (content) => entriesOf(content, mcp),
    },
  ],
}

/**
 * opencode: `auth.json`, its logins to model providers, and `mcp-auth.json`, those to MCP servers. The second counts in
 * seconds, as no other file here does.
 */
import {
  apiKey,
  type CoOwning,
  entriesOf,
  folderOf,
  type Held,
  heldOf,
  type Json,
  members,
  type Owner,
  unreadable,
} from "./ForeignStore.ts"
import { modelEdits, modelLogin } from "./modelLogin.ts"
import { aheadOfFiveMinutes, endOf, entryAt, fiveMinutes, setting, signedIn } from "./successor.ts"

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

const risk =
  "opencode takes no lock: should it refresh in the same moment, one of the two loses its token, and perhaps the login is lost"

const modelCoOwning: CoOwning = {
  aheadMillis: aheadOfFiveMinutes,
  unguardedMillis: fiveMinutes,
  verifies: true,
  risk,
  edits: modelEdits,
}

/**
 * There is a lock, but opencode holds it for its write alone and refreshes without it, and it is called by a digest that
 * is opencode's own. To take part would keep nobody from refreshing; the write is verified instead.
 */
const mcpCoOwning: CoOwning = {
  aheadMillis: aheadOfFiveMinutes,
  unguardedMillis: fiveMinutes,
  verifies: true,
  risk,
  edits: (key, next, content) =>
    signedIn(entryAt(content, key)?.["tokens"], "accessToken") === undefined
      ? []
      : setting([key, "tokens"], {
          accessToken: next.accessToken,
          refreshToken: next.refreshToken,
          expiresAt: endOf(next) / 1000,
          scope: next.scope,
        }),
}

export const opencode: Owner = {
  id: "opencode",
  name: "opencode",
  signIn: "opencode auth login",
  files: [
    {
      kind: "json",
      coOwning: modelCoOwning,
      places: (surroundings) => [`${dataFolder(surroundings)}/auth.json`],
      retired: ({ env }) =>
        env["OPENCODE_AUTH_CONTENT"]
          ? "opencode does not read it while OPENCODE_AUTH_CONTENT is set: unset that, or import from it"
          : undefined,
      read: (content) => entriesOf(content, login),
    },
    {
      kind: "variable",
      coOwning: "nobody can write into the variable of another process. Take it over (import)",
      places: () => ["$OPENCODE_AUTH_CONTENT"],
      read: (content) => entriesOf(content, login),
    },
    {
      kind: "json",
      coOwning: mcpCoOwning,
      places: (surroundings) => [`${dataFolder(surroundings)}/mcp-auth.json`],
      read: (content) => entriesOf(content, mcp),
    },
  ],
}

/**
 * Gemini CLI: `oauth_creds.json`, its login to Google, and the lists of logins to MCP servers and agents. Where it keeps
 * them encrypted (`GEMINI_FORCE_ENCRYPTED_FILE_STORAGE`), these files are not there.
 */
import * as Clients from "./clients.ts"
import {
  entriesOf,
  folderOf,
  type Held,
  heldOf,
  type Json,
  members,
  type Owner,
  text,
  unreadable,
} from "./ForeignStore.ts"

const google = (content: Json): Held => {
  const file = members(content)
  if (file === undefined) return unreadable("the file holds no JSON object")
  return heldOf({
    ...Clients.geminiCli,
    access: file["access_token"],
    refresh: file["refresh_token"],
    tokenType: file["token_type"],
    scope: file["scope"],
    expiresAt: file["expiry_date"],
  })
}

const mcp = (value: Readonly<Record<string, Json>>): Held => {
  const token = members(value["token"])
  return heldOf({
    access: token?.["accessToken"],
    refresh: token?.["refreshToken"],
    tokenType: token?.["tokenType"],
    scope: token?.["scope"],
    expiresAt: token?.["expiresAt"],
    clientId: value["clientId"],
    tokenEndpoint: value["tokenUrl"],
    resource: value["mcpServerUrl"],
  })
}

const folder = (surroundings: Parameters<typeof folderOf>[0]) =>
  `${folderOf(surroundings, ["GEMINI_CLI_HOME"])}/.gemini`

export const gemini: Owner = {
  id: "gemini",
  name: "Gemini CLI",
  signIn: "gemini, then /auth",
  files: [
    {
      kind: "json",
      coOwning: "it is not written yet",
      places: (surroundings) => [`${folder(surroundings)}/oauth_creds.json`],
      read: (content) => [{ name: "google", key: "", held: google(content) }],
    },
    {
      kind: "json",
      coOwning: "it is not written yet",
      places: (surroundings) =>
        ["mcp-oauth-tokens.json", "a2a-oauth-tokens.json"].map((file) => `${folder(surroundings)}/${file}`),
      read: (content) =>
        Array.isArray(content)
          ? entriesOf({ ...content }, mcp, (value, key) => text(value["serverName"]) ?? key)
          : [{ name: "(all)", key: "", held: unreadable("the file holds no JSON array") }],
    },
  ],
}

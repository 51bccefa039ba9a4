/**
 * Gemini CLI: `oauth_creds.json`, its login to Google, and the lists of logins to MCP servers and agents. Where it keeps
 * them encrypted (`GEMINI_FORCE_ENCRYPTED_FILE_STORAGE`), they are all in one other file.
 */
import * as Clients from "./clients.ts"
import * as Vault from "./geminiVault.ts"
import {
  type CoOwning,
  type Entry,
  entriesOf,
  folderOf,
  type Held,
  heldOf,
  type Json,
  members,
  type Owner,
  type StoreFile,
  text,
  unreadable,
} from "./ForeignStore.ts"
import { aheadOfFiveMinutes, endOf, fiveMinutes, setting, signedIn } from "./successor.ts"

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

const tokensOf = (value: Readonly<Record<string, Json>>) => {
  const token = members(value["token"])
  return {
    access: token?.["accessToken"],
    refresh: token?.["refreshToken"],
    tokenType: token?.["tokenType"],
    scope: token?.["scope"],
    expiresAt: token?.["expiresAt"],
  }
}

const mcp = (value: Readonly<Record<string, Json>>): Held =>
  heldOf({
    ...tokensOf(value),
    clientId: value["clientId"],
    tokenEndpoint: value["tokenUrl"],
    resource: value["mcpServerUrl"],
  })

/** As it stands in a keychain: JSON in a text, and the login to Google among those to servers. */
const inKeychain = (source: Json): Json => {
  try {
    return JSON.parse(text(source) ?? "")
  } catch {
    return undefined
  }
}

const main = "main-account"

const vaulted = (value: Readonly<Record<string, Json>>, key: string): Held =>
  key === main ? heldOf({ ...Clients.geminiCli, ...tokensOf(value) }) : mcp(value)

const vault = (content: Json): ReadonlyArray<Entry> => {
  const file = members(content)
  if (file === undefined) return entriesOf(content, vaulted)
  const accounts = Object.entries(members(file["gemini-cli-oauth"]) ?? {})
    // Trials of the keychain, and secrets that are no logins.
    .filter(([account]) => !account.startsWith("__"))
    .map(([account, source]) => [account, inKeychain(source)] as const)
  return entriesOf(Object.fromEntries(accounts), vaulted, (value, key) =>
    key === main ? "google" : (text(value["serverName"]) ?? key),
  )
}

const folder = (surroundings: Parameters<typeof folderOf>[0]) =>
  `${folderOf(surroundings, ["GEMINI_CLI_HOME"])}/.gemini`

const common = {
  aheadMillis: aheadOfFiveMinutes,
  unguardedMillis: fiveMinutes,
  verifies: true,
} satisfies Omit<CoOwning, "edits">

/** No lock is needed here: Google's refresh tokens are good for any number of refreshes, by whomever. */
const googleCoOwning: CoOwning = {
  ...common,
  edits: (_, next, content) =>
    signedIn(content, "access_token") === undefined
      ? []
      : setting([], {
          access_token: next.accessToken,
          refresh_token: next.refreshToken,
          id_token: next.idToken,
          scope: next.scope,
          expiry_date: endOf(next),
        }),
}

const mcpCoOwning: CoOwning = {
  ...common,
  risk: "Gemini CLI takes no lock and deletes a login whose refresh fails: should it refresh in the same moment, the login may be lost",
  edits: (key, next, content) => {
    const entry = Array.isArray(content) ? members(content[Number(key)]) : undefined
    if (signedIn(entry?.["token"], "accessToken") === undefined) return []
    return [
      ...setting([Number(key), "token"], {
        accessToken: next.accessToken,
        refreshToken: next.refreshToken,
        // Without it, Gemini CLI takes the token for one that never ends.
        expiresAt: endOf(next),
        scope: next.scope,
      }),
      ...setting([Number(key)], { updatedAt: Math.round(next.obtainedAt) }),
    ]
  },
}

const retired: StoreFile["retired"] = ({ env }) =>
  env["GEMINI_FORCE_ENCRYPTED_FILE_STORAGE"] === "true"
    ? "Gemini CLI does not read it while GEMINI_FORCE_ENCRYPTED_FILE_STORAGE is set"
    : undefined

export const gemini: Owner = {
  id: "gemini",
  name: "Gemini CLI",
  signIn: "gemini, then /auth",
  files: [
    {
      kind: "json",
      coOwning: googleCoOwning,
      retired,
      places: (surroundings) => [`${folder(surroundings)}/oauth_creds.json`],
      read: (content) => [{ name: "google", key: "", held: google(content) }],
    },
    {
      kind: "json",
      coOwning: mcpCoOwning,
      retired,
      places: (surroundings) =>
        ["mcp-oauth-tokens.json", "a2a-oauth-tokens.json"].map((file) => `${folder(surroundings)}/${file}`),
      read: (content) =>
        Array.isArray(content)
          ? entriesOf({ ...content }, mcp, (value, key) => text(value["serverName"]) ?? key)
          : [{ name: "(all)", key: "", held: unreadable("the file holds no JSON array") }],
    },
    {
      kind: "json",
      decode: (source) => Vault.open(source),
      coOwning: "it is encrypted as a whole, and Gemini CLI rewrites all of it without a lock. Take it over (import)",
      places: (surroundings) => [`${folder(surroundings)}/gemini-credentials.json`],
      read: vault,
    },
  ],
}

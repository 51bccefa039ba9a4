/** pi: `auth.json`, its logins to model providers, and `mcp-auth.json`, those to MCP servers. */
import * as Crypto from "node:crypto"
import * as path from "node:path"
import {
  apiKey,
  type CoOwning,
  entriesOf,
  folderOf,
  type Held,
  type Json,
  members,
  type Owner,
  text,
  unreadable,
} from "./ForeignStore.ts"
import { sdkEdits, sdkLogin } from "./mcpLogin.ts"
import { modelEdits, modelLogin } from "./modelLogin.ts"
import { aheadOfFiveMinutes, heartbeatMillis } from "./successor.ts"

const chatgpt = "https://auth.openai.com/api/accounts/oauth/token"

const login = (value: Readonly<Record<string, Json>>, provider: string): Held => {
  if (value["type"] === "api_key") return apiKey
  if (value["type"] !== "oauth") return unreadable("its type is neither oauth nor api_key")
  // A client registered for this one login, at an endpoint of its own.
  return provider === "openai-chatgpt"
    ? modelLogin(provider, { ...value, issuer: "https://auth.openai.com", tokenEndpoint: chatgpt })
    : modelLogin(provider, value)
}

/** `name|url`, or of older versions the URL alone. */
const mcpKey = /^(?:([^|]*)\|)?(https?:.*)$/

const mcp = (value: Readonly<Record<string, Json>>, key: string): Held =>
  sdkLogin({
    tokens: value["tokens"],
    client: value["clientInformation"],
    discovery: value["discovery"],
    expiresAt: value["tokensExpireAt"],
    issuer: members(value["tokens"])?.["issuer"],
    resource: mcpKey.exec(key)?.[2],
  })

const agentFolder = (surroundings: Parameters<typeof folderOf>[0]) =>
  folderOf(surroundings, ["PI_CODING_AGENT_DIR"], ".pi", "agent")

/**
 * pi refreshes inside this lock, but a pi that starts takes it over after 10 s already, from a pi that is at work too
 * (seen with 1.5.2). So the lock is shown to be alive often, and a refresh comes before pi wants one.
 */
const modelCoOwning: CoOwning = {
  aheadMillis: aheadOfFiveMinutes,
  refreshing: ({ target }) => [{ kind: "folder", place: `${target}.lock`, staleMillis: 30_000, heartbeatMillis }],
  edits: modelEdits,
}

/** The lock is of one login; whether pi locks the file for a write as well is not known, so the write is verified. */
const mcpCoOwning: CoOwning = {
  verifies: true,
  refreshing: ({ key, place }) => {
    const digest = Crypto.createHash("sha256").update(key).digest("hex").slice(0, 16)
    const lock = path.join(path.dirname(place), `mcp-auth-refresh-${digest}.lock`)
    return [{ kind: "folder", place: lock, staleMillis: 20_000, heartbeatMillis }]
  },
  edits: sdkEdits,
}

export const pi: Owner = {
  id: "pi",
  name: "pi",
  signIn: "pi, then /login",
  locks: [
    { kind: "folder", staleMillis: 30_000, places: (surroundings) => [`${agentFolder(surroundings)}/auth.json.lock`] },
    {
      kind: "folder",
      staleMillis: 20_000,
      places: (surroundings) => [`${agentFolder(surroundings)}/mcp-auth-refresh-*`],
    },
  ],
  files: [
    {
      kind: "json",
      coOwning: modelCoOwning,
      places: (surroundings) => [`${agentFolder(surroundings)}/auth.json`],
      read: (content) => entriesOf(content, login),
    },
    {
      kind: "json",
      coOwning: mcpCoOwning,
      places: (surroundings) => [`${agentFolder(surroundings)}/mcp-auth.json`],
      read: (content) => entriesOf(content, mcp, (_, key) => text(mcpKey.exec(key)?.[1]) ?? key),
    },
  ],
}

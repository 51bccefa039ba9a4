/** pi: `auth.json`, its logins to model providers, and `mcp-auth.json`, those to MCP servers. */
import {
  apiKey,
  entriesOf,
  folderOf,
  type Held,
  type Json,
  members,
  type Owner,
  text,
  unreadable,
} from "./ForeignStore.ts"
import { sdkLogin } from "./mcpLogin.ts"
import { modelLogin } from "./modelLogin.ts"

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
      coOwning: "it is not written yet",
      places: (surroundings) => [`${agentFolder(surroundings)}/auth.json`],
      read: (content) => entriesOf(content, login),
    },
    {
      kind: "json",
      coOwning: "it is not written yet",
      places: (surroundings) => [`${agentFolder(surroundings)}/mcp-auth.json`],
      read: (content) => entriesOf(content, mcp, (_, key) => text(mcpKey.exec(key)?.[1]) ?? key),
    },
  ],
}

/** What the programs' files look like: fake tokens in the exact shapes, and what has to be read out of them. */
import * as Crypto from "node:crypto"
import * as os from "node:os"
import { DatabaseSync } from "node:sqlite"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Json, Owner, StoreFile } from "../../src/interop/ForeignStore.ts"
import { owners } from "../../src/interop/owners.ts"

/** The same instant, in milliseconds, in each of them. */
export const at = 1_795_216_000_000

export interface Expected {
  readonly name: string
  readonly provider?: string
  readonly tokenEndpoint?: string
  readonly issuer?: string
  readonly resource?: string
  readonly clientId: string
  readonly refresh: string | undefined
  /** Milliseconds; absent where the file does not say it. */
  readonly expiresAt?: number
}

export interface Fixture {
  readonly what: string
  readonly owner: string
  /** Below the user's own folder. */
  readonly place: string
  /** The variable that moves it, and where it is then, below the variable's folder. */
  readonly moved: readonly [variable: string, place: string]
  readonly content: Json
  readonly grants: ReadonlyArray<Expected>
  /** The tags of the entries that are no grants, by name. */
  readonly others?: Readonly<Record<string, string>>
  /** A content in which everybody is signed out, as the owner writes it. */
  readonly signedOut: Json
  readonly write?: (place: string, content: Json) => void
}

export const jwt = (claims: object): string =>
  ["eyJhbGciOiJub25lIn0", Buffer.from(JSON.stringify(claims)).toString("base64url"), "c2ln"].join(".")

const openai = {
  provider: "openai",
  tokenEndpoint: "https://auth.openai.com/oauth/token",
  issuer: "https://auth.openai.com",
  clientId: "app_EMoamEEZ73f0CkXaXp7hrann",
}
const anthropic = {
  provider: "anthropic",
  tokenEndpoint: "https://platform.claude.com/v1/oauth/token",
  clientId: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
}

const fenceOf = (kind: string, failed: string) =>
  `openclaw-oauth-refresh-fence:v1:${"c9".repeat(16)}:${failed}${kind}:${"ab".repeat(32)}`
const fenced = (failed: string) => ({
  type: "oauth",
  provider: "openai",
  access: fenceOf("access", failed),
  refresh: fenceOf("refresh", failed),
  expires: 1,
})

const openclawStore = {
  version: 1,
  profiles: {
    "openai:user@example.com": {
      type: "oauth",
      provider: "openai",
      accountId: "acct-1",
      access: "secret-at-1",
      refresh: "secret-rt-1",
      expires: at,
    },
    "openai:busy": fenced(""),
    "openai:failed": fenced("failed:"),
    "anthropic:default": { type: "token", provider: "anthropic", token: "secret-long", expires: at },
    "openrouter:default": { mode: "apiKey", provider: "openrouter", apiKey: "secret-key" },
    "own:default": {
      type: "oauth",
      provider: "own",
      access: "secret-at-2",
      refresh: "secret-rt-2",
      expires: at,
      clientId: "own-client",
      tokenEndpoint: "https://own.example/token",
    },
    "strange:default": { type: "oauth", provider: "strange", access: "secret-at", refresh: "secret-rt", expires: at },
  },
}
const openclawOthers = {
  "openai:busy": "Busy",
  "openai:failed": "SignedOut",
  "anthropic:default": "NotAGrant",
  "openrouter:default": "NotAGrant",
  "strange:default": "Unreadable",
}
const openclawGrants: ReadonlyArray<Expected> = [
  { ...openai, name: "openai:user@example.com", refresh: "secret-rt-1", expiresAt: at },
  {
    name: "own:default",
    tokenEndpoint: "https://own.example/token",
    clientId: "own-client",
    refresh: "secret-rt-2",
    expiresAt: at,
  },
]

const writeDatabase = (place: string, content: Json): void => {
  fs.rmSync(place, { force: true })
  const database = new DatabaseSync(place)
  database.exec(`PRAGMA journal_mode = WAL;
    CREATE TABLE auth_profile_store (store_key TEXT PRIMARY KEY, store_json TEXT, updated_at INTEGER);
    CREATE TABLE mcp_oauth_stores (store_key TEXT PRIMARY KEY, format_version INTEGER, store_json TEXT, updated_at INTEGER)`)
  const tables = content as Readonly<Record<string, Readonly<Record<string, Json>>>>
  for (const [table, rows] of Object.entries(tables)) {
    for (const [key, value] of Object.entries(rows ?? {})) {
      database.prepare(`INSERT INTO ${table} (store_key, store_json) VALUES (?, ?)`).run(key, JSON.stringify(value))
    }
  }
  database.close()
}

const writeFolder = (place: string, content: Json): void => {
  fs.mkdirSync(place, { recursive: true })
  for (const [file, value] of Object.entries(content as object)) {
    fs.writeFileSync(path.join(place, file), typeof value === "string" ? value : JSON.stringify(value))
  }
}

/** As Gemini CLI's FileKeychain writes it. */
const writeVault = (place: string, content: Json): void => {
  const key = Crypto.scryptSync("gemini-cli-oauth", `${os.hostname()}-${os.userInfo().username}-gemini-cli`, 32)
  const iv = Crypto.randomBytes(16)
  const cipher = Crypto.createCipheriv("aes-256-gcm", key, iv)
  const sealed = Buffer.concat([cipher.update(JSON.stringify(content), "utf8"), cipher.final()])
  fs.writeFileSync(place, [iv, cipher.getAuthTag(), sealed].map((part) => part.toString("hex")).join(":"))
}

const digest = "0123456789abcdef0123456789abcdef"
const sdkTokens = { access_token: "secret-at-1", refresh_token: "secret-rt-1", token_type: "bearer", expires_in: 3600 }

export const fixtures: ReadonlyArray<Fixture> = [
  {
    what: "Codex, auth.json",
    owner: "codex",
    place: ".codex/auth.json",
    moved: ["CODEX_HOME", "auth.json"],
    content: {
      auth_mode: "chatgpt",
      OPENAI_API_KEY: null,
      tokens: {
        id_token: jwt({ email: "dev@example.test" }),
        access_token: jwt({ exp: at / 1000, secret: "secret-at" }),
        refresh_token: "secret-rt-1",
        oauth_provenance: { issuer: "https://auth.openai.com", client_id: "app_EMoamEEZ73f0CkXaXp7hrann" },
        account_id: "acct_fake",
      },
      last_refresh: "2026-11-20T22:53:51.477256783Z",
    },
    grants: [{ ...openai, name: "chatgpt", refresh: "secret-rt-1", expiresAt: at }],
    signedOut: { auth_mode: "chatgpt", OPENAI_API_KEY: null, tokens: null },
  },
  {
    what: "Codex, .credentials.json",
    owner: "codex-mcp",
    place: ".codex/.credentials.json",
    moved: ["CODEX_HOME", ".credentials.json"],
    content: {
      "example|4282f2a9112820d2": {
        server_name: "example",
        server_url: "https://mcp.example.com/mcp",
        issuer: "https://auth.example.com",
        client_id: "fake-client",
        access_token: "secret-at-1",
        expires_at: at,
        refresh_token: "secret-rt-1",
        scopes: ["read", "write"],
      },
      "old|4282f2a9112820d3": {
        server_name: "old",
        server_url: "https://old.example.com/mcp",
        client_id: "fake-client",
        access_token: "secret-at-2",
        expires_at: null,
        refresh_token: null,
        scopes: [],
      },
    },
    grants: [
      {
        name: "example",
        issuer: "https://auth.example.com",
        resource: "https://mcp.example.com/mcp",
        clientId: "fake-client",
        refresh: "secret-rt-1",
        expiresAt: at,
      },
      { name: "old", resource: "https://old.example.com/mcp", clientId: "fake-client", refresh: undefined },
    ],
    signedOut: {},
  },
  {
    what: "OpenClaw, the database of an agent",
    owner: "openclaw",
    place: ".openclaw/agents/main/agent/openclaw-agent.sqlite",
    moved: ["OPENCLAW_STATE_DIR", "agents/main/agent/openclaw-agent.sqlite"],
    content: {
      auth_profile_store: { primary: openclawStore },
      mcp_oauth_stores: {
        "srv-0123456789abcdef": {
          clientInformation: { client_id: "registered", client_secret: "secret-cs" },
          tokens: sdkTokens,
          tokenExpiresAt: at,
          tokensAuthorizationServerUrl: "https://as.example",
        },
        "gone-0123456789abcdef": { credentialState: "cleared" },
      },
    },
    grants: [
      ...openclawGrants,
      {
        name: "srv-0123456789abcdef",
        issuer: "https://as.example",
        clientId: "registered",
        refresh: "secret-rt-1",
        expiresAt: at,
      },
    ],
    others: { ...openclawOthers, "gone-0123456789abcdef": "SignedOut" },
    signedOut: { auth_profile_store: { primary: { version: 1, profiles: { "openai:x": fenced("failed:") } } } },
    write: writeDatabase,
  },
  {
    what: "OpenClaw, the old auth-profiles.json",
    owner: "openclaw",
    place: ".openclaw/agents/main/agent/auth-profiles.json",
    moved: ["OPENCLAW_STATE_DIR", "agents/main/agent/auth-profiles.json"],
    content: openclawStore,
    grants: openclawGrants,
    others: openclawOthers,
    signedOut: { version: 1, profiles: {} },
  },
  {
    what: "pi, auth.json",
    owner: "pi",
    place: ".pi/agent/auth.json",
    moved: ["PI_CODING_AGENT_DIR", "auth.json"],
    content: {
      anthropic: { type: "oauth", access: "secret-at-1", refresh: "secret-rt-1", expires: at },
      "openai-codex": {
        type: "oauth",
        access: "secret-at-2",
        refresh: "secret-rt-2",
        expires: at,
        accountId: "acct-1",
      },
      "openai-chatgpt": { type: "oauth", access: "secret-at-3", refresh: "secret-rt-3", expires: at, clientId: "dyn" },
      "github-copilot": { type: "oauth", access: "secret-tid", refresh: "secret-ghu", expires: at },
      openai: { type: "api_key", key: "secret-sk" },
    },
    grants: [
      { ...anthropic, name: "anthropic", refresh: "secret-rt-1", expiresAt: at },
      { ...openai, name: "openai-codex", refresh: "secret-rt-2", expiresAt: at },
      {
        name: "openai-chatgpt",
        tokenEndpoint: "https://auth.openai.com/api/accounts/oauth/token",
        issuer: "https://auth.openai.com",
        clientId: "dyn",
        refresh: "secret-rt-3",
        expiresAt: at,
      },
    ],
    others: { "github-copilot": "NotAGrant", openai: "NotAGrant" },
    signedOut: { anthropic: { type: "oauth", access: "", refresh: "", expires: 0 } },
  },
  {
    what: "pi, mcp-auth.json",
    owner: "pi",
    place: ".pi/agent/mcp-auth.json",
    moved: ["PI_CODING_AGENT_DIR", "mcp-auth.json"],
    content: {
      "srv|https://srv.example/mcp": {
        clientInformation: { client_id: "registered" },
        tokens: sdkTokens,
        tokensExpireAt: at,
        discovery: {
          authorizationServerUrl: "https://as.example",
          authorizationServerMetadata: { issuer: "https://as.example", token_endpoint: "https://as.example/token" },
        },
      },
    },
    grants: [
      {
        name: "srv",
        issuer: "https://as.example",
        tokenEndpoint: "https://as.example/token",
        resource: "https://srv.example/mcp",
        clientId: "registered",
        refresh: "secret-rt-1",
        expiresAt: at,
      },
    ],
    signedOut: { "srv|https://srv.example/mcp": { clientInformation: { client_id: "registered" } } },
  },
  {
    what: "opencode, auth.json",
    owner: "opencode",
    place: ".local/share/opencode/auth.json",
    moved: ["XDG_DATA_HOME", "opencode/auth.json"],
    content: {
      anthropic: { type: "oauth", refresh: "secret-rt-1", access: "secret-at-1", expires: at },
      openai: { type: "oauth", refresh: "secret-rt-2", access: "secret-at-2", expires: at, accountId: "acct-1" },
      "github-copilot": { type: "oauth", refresh: "secret-gho", access: "secret-gho", expires: 0 },
      openrouter: { type: "api", key: "secret-or", metadata: {} },
      "https://corp.example": { type: "wellknown", key: "TOKEN", token: "secret-wk" },
    },
    grants: [
      { ...anthropic, name: "anthropic", refresh: "secret-rt-1", expiresAt: at },
      { ...openai, name: "openai", refresh: "secret-rt-2", expiresAt: at },
    ],
    others: { "github-copilot": "NotAGrant", openrouter: "NotAGrant", "https://corp.example": "NotAGrant" },
    signedOut: { anthropic: { type: "oauth", refresh: "", access: "", expires: 0 } },
  },
  {
    what: "opencode, mcp-auth.json",
    owner: "opencode",
    place: ".local/share/opencode/mcp-auth.json",
    moved: ["XDG_DATA_HOME", "opencode/mcp-auth.json"],
    content: {
      srv: {
        tokens: { accessToken: "secret-at-1", refreshToken: "secret-rt-1", expiresAt: at / 1000 + 0.125, scope: "x" },
        clientInfo: {
          clientId: "c",
          clientSecret: "secret-cs",
          clientIdIssuedAt: 1795000000,
          clientSecretExpiresAt: 0,
        },
        serverUrl: "https://srv.example/mcp",
      },
    },
    grants: [
      {
        name: "srv",
        resource: "https://srv.example/mcp",
        clientId: "c",
        refresh: "secret-rt-1",
        expiresAt: at + 125,
      },
    ],
    signedOut: { srv: { codeVerifier: "secret-v", serverUrl: "https://srv.example/mcp" } },
  },
  {
    what: "Gemini CLI, oauth_creds.json",
    owner: "gemini",
    place: ".gemini/oauth_creds.json",
    moved: ["GEMINI_CLI_HOME", ".gemini/oauth_creds.json"],
    content: {
      access_token: "secret-at-1",
      refresh_token: "secret-rt-1",
      scope: "https://www.googleapis.com/auth/cloud-platform openid",
      token_type: "Bearer",
      expiry_date: at,
    },
    grants: [
      {
        name: "google",
        provider: "google",
        tokenEndpoint: "https://oauth2.googleapis.com/token",
        issuer: "https://accounts.google.com",
        clientId: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
        refresh: "secret-rt-1",
        expiresAt: at,
      },
    ],
    signedOut: {},
  },
  {
    what: "Gemini CLI, mcp-oauth-tokens.json",
    owner: "gemini",
    place: ".gemini/mcp-oauth-tokens.json",
    moved: ["GEMINI_CLI_HOME", ".gemini/mcp-oauth-tokens.json"],
    content: [
      {
        serverName: "srv",
        token: {
          accessToken: "secret-at-1",
          refreshToken: "secret-rt-1",
          expiresAt: at,
          tokenType: "Bearer",
          scope: "x",
        },
        clientId: "c",
        tokenUrl: "https://as.example/token",
        mcpServerUrl: "https://srv.example/mcp",
        updatedAt: 1795212400000,
      },
    ],
    grants: [
      {
        name: "srv",
        tokenEndpoint: "https://as.example/token",
        resource: "https://srv.example/mcp",
        clientId: "c",
        refresh: "secret-rt-1",
        expiresAt: at,
      },
    ],
    signedOut: [],
  },
  {
    what: "Gemini CLI, encrypted",
    owner: "gemini",
    place: ".gemini/gemini-credentials.json",
    moved: ["GEMINI_CLI_HOME", ".gemini/gemini-credentials.json"],
    content: {
      "gemini-cli-oauth": {
        "main-account": JSON.stringify({
          serverName: "main-account",
          token: { accessToken: "secret-at-1", refreshToken: "secret-rt-1", tokenType: "Bearer", expiresAt: at },
          updatedAt: 1795212400000,
        }),
        srv: JSON.stringify({
          serverName: "srv",
          token: { accessToken: "secret-at-2", refreshToken: "secret-rt-2", tokenType: "Bearer" },
          clientId: "c",
          tokenUrl: "https://as.example/token",
          mcpServerUrl: "https://srv.example/mcp",
        }),
        torn: '{"serverName":"secret-',
        __keychain_test__00: "test",
      },
      "gemini-cli-api-key": { "default-api-key": "secret-key" },
    },
    grants: [
      {
        name: "google",
        provider: "google",
        tokenEndpoint: "https://oauth2.googleapis.com/token",
        issuer: "https://accounts.google.com",
        clientId: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
        refresh: "secret-rt-1",
        expiresAt: at,
      },
      {
        name: "srv",
        tokenEndpoint: "https://as.example/token",
        resource: "https://srv.example/mcp",
        clientId: "c",
        refresh: "secret-rt-2",
      },
    ],
    others: { torn: "Unreadable" },
    signedOut: {},
    write: writeVault,
  },
  {
    what: "Qwen Code, oauth_creds.json",
    owner: "qwen",
    place: ".qwen/oauth_creds.json",
    moved: ["QWEN_HOME", "oauth_creds.json"],
    content: {
      access_token: "secret-at-1",
      refresh_token: "secret-rt-1",
      token_type: "Bearer",
      resource_url: "portal.qwen.ai",
      expiry_date: at,
    },
    grants: [
      {
        name: "qwen",
        tokenEndpoint: "https://chat.qwen.ai/api/v1/oauth2/token",
        clientId: "f0304373b74a44d2b584a3fb70ca9e56",
        refresh: "secret-rt-1",
        expiresAt: at,
      },
    ],
    signedOut: {},
  },
  {
    what: "Claude Code, .credentials.json",
    owner: "claude-code",
    place: ".claude/.credentials.json",
    moved: ["CLAUDE_CONFIG_DIR", ".credentials.json"],
    content: {
      claudeAiOauth: {
        accessToken: "secret-at-1",
        refreshToken: "secret-rt-1",
        expiresAt: at,
        refreshTokenExpiresAt: 1797600000000,
        scopes: ["user:inference", "user:profile"],
        subscriptionType: "max",
      },
      mcpOAuth: {
        "srv|0123abcd": {
          serverName: "srv",
          serverUrl: "https://srv.example/mcp",
          clientId: "c",
          accessToken: "secret-at-2",
          refreshToken: "secret-rt-2",
          expiresAt: at,
          scope: "x",
        },
      },
    },
    grants: [
      { ...anthropic, name: "claude", refresh: "secret-rt-1", expiresAt: at },
      { name: "srv", resource: "https://srv.example/mcp", clientId: "c", refresh: "secret-rt-2", expiresAt: at },
    ],
    signedOut: {
      claudeAiOauth: { accessToken: "", refreshToken: "", expiresAt: 0, refreshTokenExpiresAt: 1797600000000 },
    },
  },
  {
    what: "mcp-remote, its folder",
    owner: "mcp-remote",
    place: ".mcp-auth/mcp-remote-v1",
    moved: ["MCP_REMOTE_CONFIG_DIR", "mcp-remote-v1"],
    content: {
      [`${digest}_tokens.json`]: { ...sdkTokens, expires_at: at, issuer: "https://as.example" },
      [`${digest}_client_info.json`]: { client_id: "registered" },
      [`${digest}_code_verifier_x.txt`]: "secret-verifier",
    },
    grants: [
      { name: digest, issuer: "https://as.example", clientId: "registered", refresh: "secret-rt-1", expiresAt: at },
    ],
    signedOut: { [`${digest}_client_info.json`]: { client_id: "registered" } },
    write: writeFolder,
  },
]

export const ownerOf = ({ owner }: Fixture): Owner => owners.find(({ id }) => id === owner)!

/** The one of the owner's files that a fixture is of. */
export const fileOf = (fixture: Fixture): StoreFile => {
  const isPlace = (pattern: string): boolean => {
    const [first = "", ...rest] = pattern.split("*").map((part) => part.replaceAll(".", "\\."))
    return new RegExp(`^${[first, ...rest].join("[^/]*")}$`).test(`/${fixture.place}`)
  }
  const surroundings = { env: {}, platform: "linux", homedir: () => "" }
  return ownerOf(fixture).files.find(({ places }) => places(surroundings).some(isPlace))!
}

/** The same with a member that nobody knows in each object. */
export const withUnknown = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(withUnknown)
  if (typeof value !== "object" || value === null) return value
  const parts = Object.entries(value).map(([key, part]) => [key, withUnknown(part)] as const)
  return Object.fromEntries(
    // Where each member is an entry of its own, another one would be another entry.
    parts.some(([, part]) => typeof part !== "object" || part === null) ? [...parts, ["brand_new", { x: 1 }]] : parts,
  )
}

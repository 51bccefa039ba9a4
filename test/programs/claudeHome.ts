/**
 * A home of Claude Code that looks as if a person had signed in to Claude: `.credentials.json`, with a grant of the simulated
 * authorization server. Facts: agent-tools §11.7.
 *
 * Its token endpoint is built in, `https://platform.claude.com/v1/oauth/token`; a stand-in on loopback leads to the simulated server.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { anthropic } from "../../src/interop/clients.ts"
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import type { ListenOptions } from "../../src/testing/http.ts"
import { internet } from "../owners/internet.ts"
import type { Finished } from "./launch.ts"
import type { Stage } from "./stage.ts"

/** What Claude Code asks for with each refresh; of a grant for less it asks twice. */
const scopes = [
  "user:profile",
  "user:inference",
  "user:sessions:claude_code",
  "user:mcp_servers",
  "user:file_upload",
  "user:plugins",
]

export const likeAnthropic = { policy: { reuse: "strict" }, clients: [anthropic] } satisfies ListenOptions

interface Login extends Readonly<Record<string, unknown>> {
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresAt: number
}

export const open = async (stage: Stage) => {
  const hosts = await stage.inScope(internet(stage.as.tokenEndpoint, stage.home))
  const env = {
    ...hosts.env,
    ANTHROPIC_BASE_URL: stage.models.replace(/\/v1$/, ""),
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  }
  const file = Path.join(stage.home, ".claude/.credentials.json")
  const grant = (leftMillis: number): Grant => stage.grant(leftMillis, { scope: scopes.join(" ") })
  return {
    /** For Claude Code, and for Tokenkeep. */
    env,
    hold: hosts.hold,
    /** One turn of Claude Code. It says "pong" when the model let it in. */
    turn: (): Promise<Finished> => stage.run("claude", ["-p", "ping"], { env }),
    /** The access token has so much left (negative: it has ended); `over` adds members. */
    signIn: (leftMillis: number, over: object = {}): void => {
      const { accessToken, expiresAt, refreshToken } = grant(leftMillis)
      const login = { accessToken, refreshToken, expiresAt, scopes, subscriptionType: "max", ...over }
      stage.write(".claude/.credentials.json", { claudeAiOauth: login })
    },
    login: (): Login => JSON.parse(Fs.readFileSync(file, "utf8")).claudeAiOauth as Login,
  }
}

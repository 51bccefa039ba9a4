/**
 * A home of OpenClaw: its configuration, and a login to OpenAI as its own database holds it. Facts: agent-tools §2, §11.1.
 *
 * Its token endpoint is built in, `https://auth.openai.com/oauth/token`; a stand-in on loopback leads to the simulated server.
 */
import { assert } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { DatabaseSync } from "node:sqlite"
import { openai } from "../../src/interop/clients.ts"
import type { Grant } from "../../src/testing/AuthorizationServer.ts"
import type { ListenOptions } from "../../src/testing/http.ts"
import { internet } from "../owners/internet.ts"
import { assertEnded, type Finished } from "./launch.ts"
import type { Stage } from "./stage.ts"

const account = "acct_test"

/** OpenClaw takes an answer only with a token that says whose it is. */
export const likeOpenAI = {
  policy: { reuse: "strict", accessTokens: "jwt", dead: "openai" },
  clients: [{ clientId: openai.clientId }],
  claims: { "https://api.openai.com/auth": { chatgpt_account_id: account, chatgpt_user_id: "user_test" } },
} satisfies ListenOptions

const model = {
  id: "pong",
  name: "pong",
  reasoning: false,
  input: ["text"],
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  contextWindow: 200_000,
  maxTokens: 8_000,
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = Net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      server.close(() => resolve(port))
    })
  })

/** A provider of models and where its key comes from. Writes the configuration anew. */
export const configure = async (
  stage: Stage,
  id: string,
  provider: { readonly baseUrl: string; readonly api: string; readonly apiKey?: unknown },
): Promise<void> => {
  stage.write(".openclaw/openclaw.json", {
    // Otherwise below /tmp.
    logging: { file: `${stage.home}/openclaw.log` },
    gateway: { mode: "local", bind: "loopback", port: await freePort(), auth: { mode: "token", token: "local" } },
    secrets: {
      providers: {
        tokenkeep: {
          source: "exec",
          command: `${stage.home}/bin/tokenkeep`,
          args: ["token", "work"],
          passEnv: ["HOME", "PATH", "TOKENKEEP_HOME"],
          jsonOnly: false,
        },
      },
    },
    models: { mode: "replace", providers: { [id]: { ...provider, models: [model] } } },
    agents: { defaults: { model: `${id}/pong` } },
  })
}

/** A turn by the running gateway. */
export const turn = (stage: Stage): Promise<Finished> =>
  stage.run("openclaw", ["agent", "--agent", "main", "--message", "ping"])

interface Profile {
  readonly access: string
  readonly refresh: string
  readonly expires: number
}

const key = "authProfiles.store"
const profileId = "openai:dev@example.test"

/** An OpenClaw that a person has signed in to OpenAI. */
export const open = async (stage: Stage) => {
  const { env, hold } = await stage.inScope(internet(stage.as.tokenEndpoint, stage.home))
  const provider = { baseUrl: stage.models, api: "openai-chatgpt-responses" }
  await configure(stage, "openai", provider)
  // Makes the database, which no other program could: it has a hundred tables.
  const paste = ["models", "auth", "paste-api-key", "--provider", "openai"]
  assertEnded(await stage.run("openclaw", paste, { env, input: `sk-proj-${"pong".repeat(12)}\n` }), 0)
  await configure(stage, "openai", provider)
  const file = `${stage.home}/.openclaw/state/openclaw.sqlite`
  assert.isTrue(Fs.existsSync(file))

  const withDatabase = <A>(use: (database: DatabaseSync) => A): A => {
    const database = new DatabaseSync(file)
    database.exec("PRAGMA busy_timeout = 30000")
    try {
      return use(database)
    } finally {
      database.close()
    }
  }

  return {
    /** The next refresh waits at the token endpoint. */
    hold,
    /** One turn, without a gateway. It says "pong" when the model let it in. */
    turn: (): Promise<Finished> =>
      stage.run("openclaw", ["agent", "--local", "--agent", "main", "--message", "ping"], { env }),
    signIn: ({ accessToken, expiresAt, refreshToken }: Grant): void => {
      const profile = {
        type: "oauth",
        provider: "openai",
        email: "dev@example.test",
        accountId: account,
        access: accessToken,
        refresh: refreshToken,
        expires: expiresAt,
        clientId: openai.clientId,
      }
      const value = JSON.stringify({ version: 1, profiles: { [profileId]: profile } })
      withDatabase((database) => {
        database
          .prepare("UPDATE config_machine_state SET value_json = ?, updated_at_ms = ? WHERE state_key = ?")
          .run(value, Date.now(), key)
        // A turn that failed keeps a login from being tried for a while.
        database.prepare("DELETE FROM config_machine_state WHERE state_key = 'authProfiles.state'").run()
      })
    },
    profile: (): Profile =>
      withDatabase((database) => {
        const row = database.prepare("SELECT value_json FROM config_machine_state WHERE state_key = ?").get(key)
        return JSON.parse(String(row?.["value_json"])).profiles[profileId] as Profile
      }),
  }
}

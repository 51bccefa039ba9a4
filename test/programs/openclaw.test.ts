import { describe } from "@effect/vitest"
import * as Path from "node:path"
import { assertEnded, type Stage, tried, twice } from "./stage.ts"

const short = { policy: { accessLifetimeMillis: 12_000 } }

const built = Path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

const model = {
  id: "pong",
  name: "pong",
  reasoning: false,
  input: ["text"],
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
  contextWindow: 200_000,
  maxTokens: 8_000,
}

const gatewayPort = 18_999

const config = (stage: Stage, baseUrl: string, apiKey: unknown) =>
  stage.write(".openclaw/openclaw.json", {
    models: { mode: "replace", providers: { work: { baseUrl, api: "openai-completions", apiKey, models: [model] } } },
    secrets: {
      providers: {
        tokenkeep: {
          source: "exec",
          command: `${stage.home}/bin/tokenkeep`,
          args: ["token", "work"],
          passEnv: ["PATH", "HOME", "TOKENKEEP_HOME"],
          jsonOnly: false,
        },
      },
    },
    agents: { defaults: { model: "work/pong" } },
    gateway: { mode: "local", port: gatewayPort, auth: { mode: "token", token: "local" } },
  })

describe("OpenClaw", () => {
  tried(
    "openclaw",
    "a model whose key is an exec secret reference: agent exec twice, over the end of a token",
    async (stage) => {
      await stage.keep("work")
      config(stage, stage.models, { source: "exec", provider: "tokenkeep", id: "work" })
      await twice(stage, async () => {
        const t = Date.now()
        const f = await stage.run("openclaw", ["agent", "exec", "ping"])
        console.log(Date.now() - t, f, stage.seen)
        assertEnded(f, 0, /pong/)
      })
    },
    short,
  )

  tried(
    "openclaw",
    "gateway secret",
    async (stage) => {
      await stage.keep("work")
      config(stage, stage.models, { source: "exec", provider: "tokenkeep", id: "work" })
      const t0 = Date.now()
      const gateway = stage.start("openclaw", ["gateway", "run"])
      console.log(await gateway.line(/listening|ready/i), Date.now() - t0)
      const turn = async () => {
        const f = await stage.run("openclaw", ["agent", "--agent", "main", "--message", "ping", "--json"])
        console.log(Date.now() - t0, f.code, f.stdout.slice(0, 300), f.stderr.slice(-1500), stage.seen, stage.minted())
      }
      await turn()
      await stage.untilEnded()
      await turn()
      stage.strict()
      await turn()
      const f = await stage.run("openclaw", ["secrets", "reload"])
      console.log(f)
      await turn()
      const g = await gateway.end()
      console.log(g)
    },
    { ...short, timeoutMillis: 200_000 },
  )
})

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
})

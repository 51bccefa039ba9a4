/** Codex with the recipes of the README. */
import { describe, it } from "@effect/vitest"
import { assertEnded } from "./launch.ts"
import { type Stage, tried, twice } from "./stage.ts"

const short = { policy: { accessLifetimeMillis: 4_000 } }

const exec = async (stage: Stage) =>
  assertEnded(await stage.run("codex", ["exec", "--skip-git-repo-check", "ping"]), 0, /pong/)

const provider = (stage: Stage) => `model = "pong"
model_provider = "work"
[model_providers.work]
name = "work"
base_url = "${stage.models}"
wire_api = "responses"
[model_providers.work.auth]
command = "tokenkeep"
args = ["token", "work"]
`

describe("Codex", () => {
  it(
    "a model behind [model_providers.work.auth]: exec twice, over the end of a token",
    tried("codex", short, async (stage) => {
      await stage.keep("work")
      stage.write(".codex/config.toml", provider(stage))
      await twice(stage, () => exec(stage))
    }),
  )

  it(
    "an MCP server through the proxy: exec twice, over the end of a token",
    tried("codex", short, async (stage) => {
      await stage.keep("work")
      const proxy = await stage.proxy("work", stage.mcp)
      stage.write(".codex/config.toml", `${provider(stage)}[mcp_servers.work]\nurl = "${proxy}"\nrequired = true\n`)
      await twice(stage, () => exec(stage))
    }),
  )
})

/** pi, opencode, Gemini CLI, Qwen Code and Claude Code with the recipes of the README. */
import { describe, it } from "@effect/vitest"
import { assertEnded } from "./launch.ts"
import { tried, twice } from "./stage.ts"

const short = { policy: { accessLifetimeMillis: 6_000 } }

describe("pi", () => {
  it(
    "a model with the command as its key: two runs, over the end of a token",
    tried("pi", short, async (stage) => {
      await stage.keep("work")
      const models = [{ id: "pong", name: "pong" }]
      stage.write(".pi/agent/models.json", {
        providers: {
          work: { baseUrl: stage.models, api: "openai-completions", apiKey: "!tokenkeep token work", models },
        },
      })
      const args = ["--offline", "--no-session", "--provider", "work", "--model", "pong", "-p", "ping"]
      await twice(stage, async () => assertEnded(await stage.run("pi", args), 0, /pong/))
    }),
  )
})

describe("opencode", () => {
  it(
    "an MCP server through the proxy: mcp list twice, over the end of a token",
    tried("opencode", short, async (stage) => {
      await stage.keep("work")
      const url = await stage.proxy("work", stage.mcp)
      stage.write(".config/opencode/opencode.json", { mcp: { work: { type: "remote", url, oauth: false } } })
      await twice(stage, async () => assertEnded(await stage.run("opencode", ["mcp", "list"]), 0, /connected/))
    }),
  )
})

describe("Gemini CLI", () => {
  it(
    "an MCP server through the proxy: mcp list twice, over the end of a token",
    tried("gemini", short, async (stage) => {
      await stage.keep("work")
      const httpUrl = await stage.proxy("work", stage.mcp)
      stage.write(".gemini/settings.json", { mcpServers: { work: { httpUrl } } })
      stage.write(".gemini/trustedFolders.json", { [`${stage.home}/work`]: "TRUST_FOLDER" })
      await twice(stage, async () => assertEnded(await stage.run("gemini", ["mcp", "list"]), 0, /Connected/))
    }),
  )
})

describe("Qwen Code", () => {
  it(
    "an MCP server through the proxy: mcp list twice, over the end of a token",
    tried("qwen", short, async (stage) => {
      await stage.keep("work")
      const httpUrl = await stage.proxy("work", stage.mcp)
      stage.write(".qwen/settings.json", { mcpServers: { work: { httpUrl } } })
      await twice(stage, async () => assertEnded(await stage.run("qwen", ["mcp", "list"]), 0, /Connected/))
    }),
  )
})

describe("Claude Code", () => {
  it(
    "a model with apiKeyHelper: two runs, over the end of a token",
    tried("claude", short, async (stage) => {
      await stage.keep("work")
      stage.write(".claude/settings.json", { apiKeyHelper: "tokenkeep token work" })
      const env = {
        ANTHROPIC_BASE_URL: stage.models.replace("/v1", ""),
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      }
      await twice(stage, async () => assertEnded(await stage.run("claude", ["-p", "ping"], { env }), 0, /pong/))
    }),
  )

  it(
    "an MCP server through the proxy: mcp list twice, over the end of a token",
    tried("claude", short, async (stage) => {
      await stage.keep("work")
      const url = await stage.proxy("work", stage.mcp)
      assertEnded(await stage.run("claude", ["mcp", "add", "--transport", "http", "work", url]), 0)
      await twice(stage, async () => assertEnded(await stage.run("claude", ["mcp", "list"]), 0, /Connected/))
    }),
  )

  it(
    "an MCP server with a headersHelper: mcp list twice, over the end of a token",
    tried("claude", short, async (stage) => {
      await stage.keep("work")
      const helper = stage.write(
        "bin/headers",
        `#!/bin/sh\nprintf '{"Authorization":"Bearer %s"}' "$(tokenkeep token work)"\n`,
        0o755,
      )
      // For the user, because one of a project wants the project to be trusted, which a person does at a terminal.
      const json = JSON.stringify({ type: "http", url: stage.mcp, headersHelper: helper })
      assertEnded(await stage.run("claude", ["mcp", "add-json", "--scope", "user", "work", json]), 0)
      await twice(stage, async () => assertEnded(await stage.run("claude", ["mcp", "list"]), 0, /Connected/))
    }),
  )
})

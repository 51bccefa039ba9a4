import { assert, describe } from "@effect/vitest"
import { assertEnded, type Stage, tried } from "./stage.ts"

const short = { policy: { accessLifetimeMillis: 4_000 } }

const exec = (stage: Stage) =>
  stage.run("codex", ["exec", "--skip-git-repo-check", "ping"], { env: { CODEX_HOME: `${stage.home}/.codex` } })

describe("Codex", () => {
  tried(
    "codex",
    "model: [model_providers.work.auth] with a command",
    async (stage) => {
      await stage.keep("work")
      stage.write(
        ".codex/config.toml",
        `model = "pong"
model_provider = "work"
[model_providers.work]
name = "work"
base_url = "${stage.models}"
wire_api = "responses"
[model_providers.work.auth]
command = "tokenkeep"
args = ["token", "work"]
`,
      )
      const f = await exec(stage)
      console.log(f.stdout, f.stderr, stage.seen, stage.minted())
      assertEnded(f, 0)
      await stage.untilEnded()
      assertEnded(await exec(stage), 0)
      assert.deepStrictEqual(
        stage.seen.map(({ token }) => token),
        stage.minted(),
      )
    },
    short,
  )
})

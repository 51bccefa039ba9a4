/** OpenClaw with the recipes of the README. */
import { assert, describe, it } from "@effect/vitest"
import * as OpenClaw from "./openclawHome.ts"
import { assertEnded } from "./launch.ts"
import { type Stage, tried, twice } from "./stage.ts"

const short = { policy: { accessLifetimeMillis: 12_000 } }

const secretReference = { source: "exec", provider: "tokenkeep", id: "work" }
const api = "openai-completions"

const gateway = async (stage: Stage): Promise<void> => {
  await stage.start("openclaw", ["gateway", "run"]).line(/\[gateway\] ready/)
}

describe("OpenClaw", () => {
  it(
    "a model whose key is an exec secret reference: agent exec twice, over the end of a token",
    tried("openclaw", short, async (stage) => {
      await stage.keep("work")
      await OpenClaw.configure(stage, "work", { baseUrl: stage.models, api, apiKey: secretReference })
      await twice(stage, async () => assertEnded(await stage.run("openclaw", ["agent", "exec", "ping"]), 0, /pong/))
    }),
  )

  it(
    "the same in a gateway: asked for at its start and at secrets reload, and not after a 401",
    tried("openclaw", short, async (stage) => {
      await stage.keep("work")
      await OpenClaw.configure(stage, "work", { baseUrl: stage.models, api, apiKey: secretReference })
      await gateway(stage)
      await twice(stage, async () => {
        if (stage.seen.length > 0) assertEnded(await stage.run("openclaw", ["secrets", "reload"]), 0)
        assertEnded(await OpenClaw.turn(stage), 0, /pong/)
      })
      const last = stage.seen.at(-1)!
      await stage.untilEnded()
      stage.strict()
      assertEnded(await OpenClaw.turn(stage), 1, /HTTP 401/)
      assert.deepStrictEqual(stage.seen.at(-1), { ...last, accepted: false })
      assert.lengthOf(stage.minted(), 2)
      // Nor does a new one help now: the provider is out for a minute.
      assertEnded(await stage.run("openclaw", ["secrets", "reload"]), 0)
      assertEnded(await OpenClaw.turn(stage), 1, /temporarily disabled/)
      assert.lengthOf(stage.minted(), 3)
    }),
  )

  it(
    "a model through the proxy: a gateway's two turns, over the end of a token",
    tried("openclaw", short, async (stage) => {
      await stage.keep("work")
      const baseUrl = await stage.proxy("work", stage.models)
      await OpenClaw.configure(stage, "work", { baseUrl, api, apiKey: "unused" })
      await gateway(stage)
      await twice(stage, async () => assertEnded(await OpenClaw.turn(stage), 0, /pong/))
    }),
  )
})

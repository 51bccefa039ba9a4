/** Codex and Tokenkeep over one login of Codex: the proofs of issue 7. */
import { assert, describe, it } from "@effect/vitest"
import * as Beside from "./beside.ts"
import * as Codex from "./codexHome.ts"
import { hour, type Stage, tried } from "./stage.ts"

const options = { policy: Codex.likeOpenAI, clients: Codex.clients }
const rounds = 10

type Home = ReturnType<typeof Codex.open>

/** Its login to ChatGPT. */
const chatgpt = (codex: Home, mode: Beside.Shared["mode"]): Beside.Shared => ({
  from: "codex",
  mode,
  env: codex.env,
  use: codex.exec,
  held: () => {
    const { access_token, refresh_token } = codex.login().tokens
    return { access: access_token, refresh: refresh_token }
  },
})

/** Its login to an MCP server that it does not start without. */
const mcp = (codex: Home, mode: Beside.Shared["mode"]): Beside.Shared => ({
  from: "codex-mcp",
  mode,
  env: codex.env,
  use: codex.exec,
  held: () => {
    const { access_token, refresh_token } = codex.mcpEntry()
    return { access: access_token, refresh: refresh_token }
  },
})

const open = (stage: Stage): Home => {
  stage.strict()
  return Codex.open(stage)
}

describe("Codex, beside Tokenkeep", () => {
  it(
    `its ChatGPT login, borrowed, ends for both at once, ${rounds} times: one refresh, and both are in`,
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = chatgpt(codex, "borrow")
      for (let round = 0; round < rounds; round++) {
        codex.signIn(stage.grant(-hour))
        await Beside.share(stage, shared, `chatgpt-${round}`)
        assert.strictEqual(await Beside.bothAtOnce(stage, shared, `chatgpt-${round}`), 1)
      }
    }),
  )

  it(
    `its login to an MCP server, borrowed, ends for both at once, ${rounds} times: one refresh, and both are in`,
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = mcp(codex, "borrow")
      for (let round = 0; round < rounds; round++) {
        codex.signIn(stage.grant(hour))
        codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }))
        await Beside.share(stage, shared, `work-${round}`)
        assert.strictEqual(await Beside.bothAtOnce(stage, shared, `work-${round}`), 1)
      }
    }),
  )
})

/** What Codex does by itself with its logins when they end: the ground that Tokenkeep stands on beside it. */
import { assert, describe, it } from "@effect/vitest"
import * as Codex from "./codexHome.ts"
import { assertEnded } from "./launch.ts"
import { hour, isHonoured, type Stage, tried } from "./stage.ts"

const options = { policy: Codex.likeOpenAI, clients: Codex.clients }
const rounds = 10

/** What was asked of the token endpoint meanwhile. It is slow, so that who comes at the same moment meets there. */
const presentedDuring = async (stage: Stage, use: () => Promise<unknown>) => {
  const before = stage.as.server.presentations().length
  stage.as.server.script({ beforeMillis: 500, times: 100 })
  await use()
  stage.as.server.clearScript()
  return stage.as.server.presentations().slice(before)
}

describe("Codex, alone", () => {
  it(
    `its ChatGPT login, ended, and two processes, ${rounds} times: each presents the refresh token, and both are logged out`,
    tried("codex", options, async (stage) => {
      const codex = Codex.open(stage)
      stage.strict()
      for (let round = 0; round < rounds; round++) {
        codex.signIn(stage.grant(-hour))
        const presented = await presentedDuring(stage, async () => {
          for (const ended of await Promise.all([codex.exec(), codex.exec()])) assertEnded(ended, 1, /sign in again/)
        })
        assert.include(
          presented.map(({ was }) => was),
          "reuse",
        )
        assert.isFalse(isHonoured(stage, codex.login().tokens.refresh_token))
      }
    }),
  )

  it(
    `its login to an MCP server, ended, and two processes, ${rounds} times: one refresh, and both are in`,
    tried("codex", options, async (stage) => {
      const codex = Codex.open(stage)
      stage.strict()
      for (let round = 0; round < rounds; round++) {
        codex.signIn(stage.grant(hour))
        codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }))
        const presented = await presentedDuring(stage, async () => {
          for (const ended of await Promise.all([codex.exec(), codex.exec()])) assertEnded(ended, 0, /pong/)
        })
        assert.lengthOf(presented, 1)
        assert.isTrue(isHonoured(stage, codex.mcpEntry().refresh_token))
      }
    }),
  )

  it(
    "a ChatGPT login without account_id, ended: it does not refresh it",
    tried("codex", options, async (stage) => {
      const codex = Codex.open(stage)
      stage.strict()
      codex.signIn(stage.grant(-hour), { account_id: null })
      const presented = await presentedDuring(stage, async () => assertEnded(await codex.exec(), 1))
      assert.lengthOf(presented, 0)
      assert.isTrue(isHonoured(stage, codex.login().tokens.refresh_token))
    }),
  )

  it(
    "a login to an MCP server without issuer, ended: it does not refresh it",
    tried("codex", options, async (stage) => {
      const codex = Codex.open(stage)
      stage.strict()
      codex.signIn(stage.grant(hour))
      codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }), { issuer: undefined })
      const presented = await presentedDuring(stage, async () => assertEnded(await codex.exec(), 1))
      assert.lengthOf(presented, 0)
      assert.isTrue(isHonoured(stage, codex.mcpEntry().refresh_token))
    }),
  )

  it(
    "members that it does not know: its refresh drops them, from both files",
    tried("codex", options, async (stage) => {
      const codex = Codex.open(stage)
      stage.strict()
      codex.signIn(stage.grant(-hour), { of_another: 1 }, { of_another: 2 })
      codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }), { of_another: 3 })
      const presented = await presentedDuring(stage, async () => assertEnded(await codex.exec(), 0, /pong/))
      assert.lengthOf(presented, 2)
      assert.notProperty(codex.login(), "of_another")
      assert.notProperty(codex.login().tokens, "of_another")
      assert.notProperty(codex.mcpEntry(), "of_another")
    }),
  )
})

/** Codex and Tokenkeep over one login of Codex: the proofs of issue 7. */
import { assert, describe, it } from "@effect/vitest"
import * as Beside from "./beside.ts"
import * as Codex from "./codexHome.ts"
import { assertEnded } from "./launch.ts"
import { hour, type Stage, tried } from "./stage.ts"

const options = { policy: Codex.likeOpenAI, clients: Codex.clients }
const rounds = 10

type Home = ReturnType<typeof Codex.open>

/** Its login to ChatGPT. */
const chatgpt = (codex: Home, mode: Beside.Shared["mode"]): Beside.Shared => ({
  from: "codex",
  mode,
  env: codex.env,
  use: async () => assertEnded(await codex.exec(), 0, /pong/),
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
  use: async () => assertEnded(await codex.exec(), 0, /pong/),
  held: () => {
    const { access_token, refresh_token } = codex.mcpEntry()
    return { access: access_token, refresh: refresh_token }
  },
})

const open = (stage: Stage): Home => {
  stage.strict()
  return Codex.open(stage)
}

/** Inside the time before its end in which Tokenkeep refreshes it and Codex does not yet. */
const ahead = 8 * 60_000

/** The tokens that came since, other than those for the model. */
const tokensFor = (stage: Stage, what: RegExp, since: number): ReadonlyArray<string | undefined> => [
  ...new Set(
    stage.seen
      .slice(since)
      .filter((each) => what.test(each.what))
      .map((each) => each.token),
  ),
]

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

  it(
    "its ChatGPT login, co-owned: it uses the token that Tokenkeep has just refreshed",
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = chatgpt(codex, "co-own")
      codex.signIn(stage.grant(ahead))
      await Beside.share(stage, shared, "chatgpt")
      assertEnded(await Beside.token(stage, shared, "chatgpt"), 0)
      assert.lengthOf(stage.minted(), 1)
      assertEnded(await codex.exec(), 0, /pong/)
      assert.deepStrictEqual(tokensFor(stage, /responses/, 0), stage.minted())
      assert.lengthOf(stage.as.server.presentations(), 1)
      await Beside.assertInStep(stage, shared, "chatgpt")
    }),
  )

  it(
    "its login to an MCP server, co-owned: it uses the token that Tokenkeep has just refreshed",
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = mcp(codex, "co-own")
      codex.signIn(stage.grant(hour))
      codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }))
      await Beside.share(stage, shared, "work")
      assertEnded(await Beside.token(stage, shared, "work"), 0)
      assert.lengthOf(stage.minted(), 1)
      assertEnded(await codex.exec(), 0, /pong/)
      assert.deepStrictEqual(tokensFor(stage, /mcp/, 0), stage.minted())
      assert.lengthOf(stage.as.server.presentations(), 1)
      await Beside.assertInStep(stage, shared, "work")
    }),
  )

  it(
    `its ChatGPT login, co-owned, nears its end and both want a token at once, ${rounds} times: one refresh, and both are in`,
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = chatgpt(codex, "co-own")
      for (let round = 0; round < rounds; round++) {
        codex.signIn(stage.grant(ahead))
        await Beside.share(stage, shared, `chatgpt-${round}`)
        assert.strictEqual(await Beside.bothAtOnce(stage, shared, `chatgpt-${round}`), 1)
      }
    }),
  )

  it(
    `its ChatGPT login, co-owned, has ended and both want a token at once, ${rounds} times: one refresh, and both are in`,
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = chatgpt(codex, "co-own")
      for (let round = 0; round < rounds; round++) {
        codex.signIn(stage.grant(-hour))
        await Beside.share(stage, shared, `chatgpt-${round}`)
        assert.strictEqual(await Beside.bothAtOnce(stage, shared, `chatgpt-${round}`), 1)
      }
    }),
  )

  it(
    `its login to an MCP server, co-owned, ends for both at once, ${rounds} times: one refresh, and both are in`,
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = mcp(codex, "co-own")
      for (let round = 0; round < rounds; round++) {
        codex.signIn(stage.grant(hour))
        codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }))
        await Beside.share(stage, shared, `work-${round}`)
        assert.strictEqual(await Beside.bothAtOnce(stage, shared, `work-${round}`), 1)
      }
    }),
  )

  it(
    "a ChatGPT login without account_id, co-owned: kept alive over three lifetimes, and then it uses it",
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = chatgpt(codex, "co-own")
      codex.signIn(stage.grant(-hour), { account_id: null })
      await Beside.overThreeLifetimes(stage, shared, "chatgpt")
      assertEnded(await codex.exec(), 0, /pong/)
      assert.deepStrictEqual(tokensFor(stage, /responses/, 0), stage.minted().slice(-1))
      assert.lengthOf(stage.as.server.presentations(), 3)
    }),
  )

  it(
    "a login to an MCP server without issuer, co-owned: kept alive over three lifetimes, and then it uses it",
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      const shared = mcp(codex, "co-own")
      codex.signIn(stage.grant(hour))
      codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }), { issuer: undefined })
      await Beside.overThreeLifetimes(stage, shared, "work")
      assertEnded(await codex.exec(), 0, /pong/)
      assert.deepStrictEqual(tokensFor(stage, /mcp/, 0), stage.minted().slice(-1))
      assert.lengthOf(stage.as.server.presentations(), 3)
    }),
  )

  it(
    "members that nobody knows, and the order of all: Tokenkeep's refresh keeps them, in both files",
    tried("codex", options, async (stage) => {
      const codex = open(stage)
      codex.signIn(stage.grant(ahead), { of_another: { a: [1] } }, { of_another: 2 })
      codex.signInTo("work", stage.grant(-hour, { resource: stage.mcp }), { of_another: 3 })
      const before = [codex.login(), codex.mcpEntry()] as const
      for (const shared of [chatgpt(codex, "co-own"), mcp(codex, "co-own")]) {
        await Beside.share(stage, shared, shared.from)
        assertEnded(await Beside.token(stage, shared, shared.from), 0)
      }
      const after = [codex.login(), codex.mcpEntry()] as const
      const shape = (value: object) => JSON.stringify(value, (_, each) => (typeof each === "string" ? "text" : each))
      const times = { expires_at: 0 }
      assert.strictEqual(shape(after[0]), shape(before[0]))
      assert.strictEqual(shape({ ...after[1], ...times }), shape({ ...before[1], ...times }))
      assert.isFalse(after[0].tokens.refresh_token === before[0].tokens.refresh_token)
      assert.isFalse(after[1].refresh_token === before[1].refresh_token)
      assertEnded(await codex.exec(), 0, /pong/)
      assert.lengthOf(stage.as.server.presentations(), 2)
    }),
  )
})

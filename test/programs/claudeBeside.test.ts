/** Claude Code and Tokenkeep over its one login. */
import { assert, describe, it } from "@effect/vitest"
import * as Beside from "./beside.ts"
import * as Claude from "./claudeHome.ts"
import { assertEnded } from "./launch.ts"
import { hour, type Stage, tried } from "./stage.ts"

const rounds = 10

const open = async (stage: Stage, mode: Beside.Shared["mode"]) => {
  stage.strict()
  const claude = await Claude.open(stage)
  const shared: Beside.Shared = {
    from: "claude-code",
    mode,
    env: claude.env,
    use: async () => assertEnded(await claude.turn(), 0, /pong/),
    held: () => ({ access: claude.login().accessToken, refresh: claude.login().refreshToken }),
  }
  return { claude, shared }
}

describe("Claude Code, beside Tokenkeep", () => {
  for (const [mode, words] of [
    ["borrow", "borrowed"],
    ["co-own", "co-owned"],
  ] as const) {
    it(
      `its login, ${words}, ends for both at once, ${rounds} times: one refresh, and both are in`,
      tried("claude", Claude.likeAnthropic, async (stage) => {
        const { claude, shared } = await open(stage, mode)
        for (let round = 0; round < rounds; round++) {
          claude.signIn(-hour)
          await Beside.share(stage, shared, `claude-${round}`)
          assert.strictEqual(await Beside.bothAtOnce(stage, shared, `claude-${round}`), 1)
        }
      }),
    )
  }

  it(
    "its login, co-owned: it uses the token that Tokenkeep has just refreshed, and members that nobody knows are kept",
    tried("claude", Claude.likeAnthropic, async (stage) => {
      const { claude, shared } = await open(stage, "co-own")
      claude.signIn(-hour, { of_another: 1 })
      await Beside.share(stage, shared, "claude")
      assertEnded(await Beside.token(stage, shared, "claude"), 0)
      assert.lengthOf(stage.minted(), 1)
      assert.strictEqual(claude.login()["of_another"], 1)
      assertEnded(await claude.turn(), 0, /pong/)
      assert.deepStrictEqual(
        stage.seen.map(({ token }) => token),
        [...stage.minted()],
      )
      assert.lengthOf(stage.as.server.presentations(), 1)
    }),
  )

  it(
    "its login, co-owned: kept alive over three lifetimes, and then it uses it",
    tried("claude", Claude.likeAnthropic, async (stage) => {
      const { claude, shared } = await open(stage, "co-own")
      claude.signIn(-hour)
      await Beside.overThreeLifetimes(stage, shared, "claude")
      assertEnded(await claude.turn(), 0, /pong/)
      assert.lengthOf(stage.as.server.presentations(), 3)
    }),
  )
})

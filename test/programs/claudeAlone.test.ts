/** What Claude Code does by itself with its login when it ends. */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Fault from "../../src/testing/Fault.ts"
import * as Claude from "./claudeHome.ts"
import { assertEnded } from "./launch.ts"
import { hour, isHonoured, tried } from "./stage.ts"

const rounds = 10

describe("Claude Code, alone", () => {
  it(
    `its login, ended, and two processes, ${rounds} times: one refresh, and both are in`,
    tried("claude", Claude.likeAnthropic, async (stage) => {
      const claude = await Claude.open(stage)
      stage.strict()
      stage.as.server.script({ beforeMillis: 500, times: 1_000 })
      for (let round = 0; round < rounds; round++) {
        claude.signIn(-hour)
        for (const ended of await Promise.all([claude.turn(), claude.turn()])) assertEnded(ended, 0, /pong/)
        assert.lengthOf(stage.as.server.presentations(), round + 1)
        assert.isTrue(isHonoured(stage, claude.login().refreshToken))
      }
    }),
  )

  it(
    "its login with less than five minutes left is refreshed, and one with more is not",
    tried("claude", Claude.likeAnthropic, async (stage) => {
      const claude = await Claude.open(stage)
      stage.strict()
      for (const [left, refreshes] of [
        [330_000, 0],
        [270_000, 1],
      ] as const) {
        claude.signIn(left)
        assertEnded(await claude.turn(), 0, /pong/)
        assert.lengthOf(stage.as.server.presentations(), refreshes)
      }
    }),
  )

  it(
    "while it refreshes, its two locks are there, and Tokenkeep sees that they are no stale ones",
    tried("claude", Claude.likeAnthropic, async (stage) => {
      const claude = await Claude.open(stage)
      stage.strict()
      claude.signIn(-hour)
      const { arrived, release } = claude.hold()
      const turn = claude.turn()
      await arrived
      for (const lock of [".claude.lock", ".claude/.oauth_refresh.lock"]) {
        assert.isTrue(Fs.statSync(Path.join(stage.home, lock)).isDirectory(), lock)
      }
      const { code, stderr, stdout } = await stage.run("tokenkeep", ["doctor", "--json"])
      assert.strictEqual(code, 0, stderr)
      assert.notInclude(stdout, "staleLock")
      release()
      assertEnded(await turn, 0, /pong/)
    }),
  )

  it(
    "a 503 from the token endpoint: its login stays",
    tried("claude", Claude.likeAnthropic, async (stage) => {
      const claude = await Claude.open(stage)
      stage.strict()
      claude.signIn(-hour)
      stage.as.server.script({ ...Fault.instead("unavailable"), times: 100 })
      assertEnded(await claude.turn(), 1)
      stage.as.server.clearScript()
      assert.isTrue(isHonoured(stage, claude.login().refreshToken))
      assertEnded(await claude.turn(), 0, /pong/)
    }),
  )

  it(
    "members that it does not know: its refresh drops them",
    tried("claude", Claude.likeAnthropic, async (stage) => {
      const claude = await Claude.open(stage)
      claude.signIn(-hour, { of_another: 1 })
      assertEnded(await claude.turn(), 0, /pong/)
      assert.lengthOf(stage.minted(), 1)
      assert.notProperty(claude.login(), "of_another")
    }),
  )
})

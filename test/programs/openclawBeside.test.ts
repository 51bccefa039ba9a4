/** OpenClaw and a Tokenkeep that borrows its login: the proofs of issue 7. */
import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../src/testing/Fault.ts"
import * as Beside from "./beside.ts"
import { assertEnded } from "./launch.ts"
import * as OpenClaw from "./openclawHome.ts"
import { hour, type Stage, tried } from "./stage.ts"

const rounds = 10

const open = async (stage: Stage) => {
  stage.strict()
  const openclaw = await OpenClaw.open(stage)
  const shared: Beside.Shared = {
    from: "openclaw",
    mode: "borrow",
    env: {},
    use: async () => assertEnded(await openclaw.turn(), 0, /pong/),
    held: openclaw.profile,
  }
  return { openclaw, shared }
}

describe("OpenClaw, beside Tokenkeep", () => {
  it(
    `its login, borrowed, ends for both at once, ${rounds} times: one refresh, and both are in`,
    tried("openclaw", OpenClaw.likeOpenAI, async (stage) => {
      const { openclaw, shared } = await open(stage)
      for (let round = 0; round < rounds; round++) {
        openclaw.signIn(stage.grant(-hour))
        await Beside.share(stage, shared, `claw-${round}`)
        assert.strictEqual(await Beside.bothAtOnce(stage, shared, `claw-${round}`), 1)
      }
    }),
  )

  it(
    "its marks, borrowed: a refresh under way is waited for, and one that failed is a sign-in that is due",
    tried("openclaw", OpenClaw.likeOpenAI, async (stage) => {
      const { openclaw, shared } = await open(stage)
      openclaw.signIn(stage.grant(-hour))
      await Beside.share(stage, shared, "claw")
      const { arrived, release } = openclaw.hold()
      const turn = openclaw.turn()
      await arrived
      assertEnded(await Beside.token(stage, shared, "claw"), 4, /OpenClaw is refreshing it/)
      release()
      assertEnded(await turn, 0, /pong/)
      await Beside.assertInStep(stage, shared, "claw")

      openclaw.signIn(stage.grant(-hour))
      await Beside.share(stage, shared, "lost")
      stage.as.server.script({ ...Fault.instead("unavailable"), times: 10 })
      assertEnded(await openclaw.turn(), 1)
      stage.as.server.clearScript()
      assertEnded(await Beside.token(stage, shared, "lost"), 3, /sign in/)
      // A person does, and that is enough.
      openclaw.signIn(stage.grant(hour))
      await Beside.assertInStep(stage, shared, "lost")
    }),
  )
})

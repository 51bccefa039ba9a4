/** What OpenClaw does by itself with a login when it ends, and what Tokenkeep reads of that. */
import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../src/testing/Fault.ts"
import * as OpenClaw from "./openclawHome.ts"
import { assertEnded } from "./launch.ts"
import { hour, isHonoured, type Stage, tried } from "./stage.ts"

/** What `tokenkeep doctor` says of OpenClaw's login. */
const seenByDoctor = async (stage: Stage): Promise<{ readonly state: string }> => {
  const { code, stderr, stdout } = await stage.run("tokenkeep", ["doctor", "--json"])
  assert.strictEqual(code, 0, stderr)
  const found = JSON.parse(stdout).credentials.filter(({ owner }: { owner: string }) => owner === "OpenClaw")
  assert.lengthOf(found, 1)
  return found[0]
}

describe("OpenClaw, alone", () => {
  it(
    "a login that has ended: it refreshes it, and Tokenkeep reads the new one",
    tried("openclaw", OpenClaw.likeOpenAI, async (stage) => {
      const openclaw = await OpenClaw.open(stage)
      stage.strict()
      openclaw.signIn(stage.grant(-hour))
      assertEnded(await openclaw.turn(), 0, /pong/)
      assert.lengthOf(stage.as.server.presentations(), 1)
      assert.isTrue(isHonoured(stage, openclaw.profile().refresh))
      assert.strictEqual((await seenByDoctor(stage)).state, "valid")
    }),
  )

  it(
    "one 503 from the token endpoint: its login is gone, and Tokenkeep reads that, while the server would still honour it",
    tried("openclaw", OpenClaw.likeOpenAI, async (stage) => {
      const openclaw = await OpenClaw.open(stage)
      const grant = stage.grant(-hour)
      openclaw.signIn(grant)
      stage.as.server.script({ ...Fault.instead("unavailable"), times: 10 })
      assertEnded(await openclaw.turn(), 1)
      stage.as.server.clearScript()
      assert.match(openclaw.profile().refresh, /^openclaw-oauth-refresh-fence:v1:[0-9a-f]{32}:failed:refresh:/)
      assert.isTrue(isHonoured(stage, grant.refreshToken!))
      assert.strictEqual((await seenByDoctor(stage)).state, "sign in")
      const before = stage.as.server.presentations().length
      assertEnded(await openclaw.turn(), 1)
      assert.lengthOf(stage.as.server.presentations(), before)
    }),
  )

  it(
    "while it refreshes, Tokenkeep reads that it does, and takes nothing over",
    tried("openclaw", OpenClaw.likeOpenAI, async (stage) => {
      const openclaw = await OpenClaw.open(stage)
      openclaw.signIn(stage.grant(-hour))
      const { arrived, release } = openclaw.hold()
      const turn = openclaw.turn()
      await arrived
      assert.strictEqual((await seenByDoctor(stage)).state, "refreshing")
      const taken = await stage.run("tokenkeep", ["import", "--from", "openclaw", "--name", "taken"])
      assertEnded(taken, 2, /OpenClaw is refreshing it/)
      release()
      assertEnded(await turn, 0, /pong/)
    }),
  )
})

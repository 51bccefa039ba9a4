/** pi, Gemini CLI and opencode: what they do alone with a login that ends, and together with Tokenkeep. */
import { assert, describe, it } from "@effect/vitest"
import { homes, optionsOf } from "./agentHomes.ts"
import * as Beside from "./beside.ts"
import { programs } from "./programs.ts"
import { hour, isHonoured, tried } from "./stage.ts"

const rounds = 10

/** Inside the time before its end in which Tokenkeep refreshes a login and its owner does not yet. */
const ahead = 8 * 60_000

const what = {
  pi: {
    login: "its login",
    alone: "one refresh, and both are in",
    coOwned: ["ends for both at once", -hour],
  },
  // Neither takes a lock before it asks the server.
  gemini: {
    login: "its login to an MCP server",
    alone: "when both present the refresh token, which happens, the login is gone",
    coOwned: ["nears its end and both want a token at once", ahead],
  },
  opencode: {
    login: "its login to an MCP server",
    alone: "when both present the refresh token, which happens, the login is gone",
    coOwned: ["nears its end and both want a token at once", ahead],
  },
} as const

for (const id of ["pi", "gemini", "opencode"] as const) {
  const options = optionsOf[id]
  const { alone, coOwned, login } = what[id]

  describe(`${programs[id].name}, alone`, () => {
    it(
      `${login}, ended, and two processes, ${rounds} times: ${alone}`,
      tried(id, options, async (stage) => {
        const home = await homes[id](stage)
        stage.strict()
        stage.as.server.script({ beforeMillis: 1_000, times: 1_000 })
        let lost = 0
        for (let round = 0; round < rounds; round++) {
          home.signIn(-hour)
          const before = stage.as.server.presentations().length
          await Promise.allSettled([home.use(), home.use()])
          const reused = stage.as.server
            .presentations()
            .slice(before)
            .some(({ was }) => was === "reuse")
          assert.strictEqual(isHonoured(stage, home.held().refresh), !reused)
          if (reused) lost++
        }
        if (id === "pi") assert.strictEqual(lost, 0)
        else assert.isAbove(lost, 0)
      }),
    )

    it(
      "members that it does not know: its refresh drops them",
      tried(id, options, async (stage) => {
        const home = await homes[id](stage)
        stage.strict()
        home.signIn(-hour)
        await home.use()
        assert.lengthOf(stage.minted(), 1)
        assert.isFalse(home.keepsMembers())
      }),
    )
  })

  describe(`${programs[id].name}, beside Tokenkeep`, () => {
    for (const [mode, words, ends, left] of [
      ["borrow", "borrowed", "ends for both at once", -hour],
      ["co-own", "co-owned", ...coOwned],
    ] as const) {
      it(
        `${login}, ${words}, ${ends}, ${rounds} times: one refresh, and both are in`,
        tried(id, options, async (stage) => {
          const home = await homes[id](stage)
          stage.strict()
          for (let round = 0; round < rounds; round++) {
            home.signIn(left)
            const shared = { ...home, mode }
            await Beside.share(stage, shared, `login-${round}`)
            assert.strictEqual(await Beside.bothAtOnce(stage, shared, `login-${round}`), 1)
          }
        }),
      )
    }

    it(
      `${login}, co-owned: it uses the token that Tokenkeep has just refreshed, and members that nobody knows are kept`,
      tried(id, options, async (stage) => {
        const home = await homes[id](stage)
        stage.strict()
        const shared = { ...home, mode: "co-own" } as const
        home.signIn(-hour)
        await Beside.overThreeLifetimes(stage, shared, "login")
        assert.isTrue(home.keepsMembers())
        await home.use()
        assert.deepStrictEqual([...new Set(stage.seen.map(({ token }) => token))], stage.minted().slice(-1))
        assert.lengthOf(stage.as.server.presentations(), 3)
      }),
    )
  })
}

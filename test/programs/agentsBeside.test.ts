/** pi, Gemini CLI and opencode: what they do alone with a login that ends, and together with Tokenkeep. */
import { assert, describe, it } from "@effect/vitest"
import { homes, optionsOf } from "./agentHomes.ts"
import * as Beside from "./beside.ts"
import { programs } from "./programs.ts"
import { hour, isHonoured, tried } from "./stage.ts"

const rounds = 10

/** What becomes of the login when two processes of the program want a token at its end. */
const alone = {
  pi: "one refresh, and both are in",
  gemini: "both present the refresh token, and the login is gone",
  opencode: "both present the refresh token, and the login is gone",
} as const

const login = { pi: "its login", gemini: "its login to an MCP server", opencode: "its login to an MCP server" } as const

for (const id of ["pi", "gemini", "opencode"] as const) {
  const options = optionsOf[id]

  describe(`${programs[id].name}, alone`, () => {
    it(
      `${login[id]}, ended, and two processes, ${rounds} times: ${alone[id]}`,
      tried(id, options, async (stage) => {
        const home = await homes[id](stage)
        stage.strict()
        stage.as.server.script({ beforeMillis: 500, times: 1_000 })
        for (let round = 0; round < rounds; round++) {
          home.signIn(-hour)
          const before = stage.as.server.presentations().length
          const both = await Promise.allSettled([home.use(), home.use()])
          const presented = stage.as.server.presentations().slice(before)
          const isKept = id === "pi"
          assert.strictEqual(
            both.every(({ status }) => status === "fulfilled"),
            isKept,
          )
          assert.strictEqual(
            presented.some(({ was }) => was === "reuse"),
            !isKept,
          )
          assert.strictEqual(isHonoured(stage, home.held().refresh), isKept)
        }
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
    for (const [mode, words] of [
      ["borrow", "borrowed"],
      ["co-own", "co-owned"],
    ] as const) {
      it(
        `${login[id]}, ${words}, ends for both at once, ${rounds} times: one refresh, and both are in`,
        tried(id, options, async (stage) => {
          const home = await homes[id](stage)
          stage.strict()
          for (let round = 0; round < rounds; round++) {
            home.signIn(-hour)
            const shared = { ...home, mode }
            await Beside.share(stage, shared, `login-${round}`)
            assert.strictEqual(await Beside.bothAtOnce(stage, shared, `login-${round}`), 1)
          }
        }),
      )
    }

    it(
      `${login[id]}, co-owned: it uses the token that Tokenkeep has just refreshed, and members that nobody knows are kept`,
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

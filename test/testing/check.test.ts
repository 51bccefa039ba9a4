import { assert, describe, it } from "@effect/vitest"
import * as Check from "../../src/testing/check.ts"
import { Counterexample } from "../../src/testing/Counterexample.ts"
import type { ForeignClient, ForeignScenario } from "../../src/testing/Foreign.ts"
import { copies } from "../../src/testing/Foreign.ts"
import { alike, scenario } from "../../src/testing/Scenario.ts"
import { type Parts, realParts } from "../../src/testing/Parts.ts"
import { mutants } from "./mutants.ts"

const two = scenario({ name: "two", about: "", processes: alike(2, "token"), epilogue: false })

/** Single flight within a process is thought to be enough. */
const noClaim: Parts = mutants.find(({ name }) => name === "no claim")!.parts

const counterexample = async (failing: Promise<unknown>): Promise<Counterexample> => {
  const error = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.instanceOf(error, Counterexample)
  return error as Counterexample
}

const message = (failing: Promise<unknown>): Promise<string> =>
  failing.then(
    () => "",
    (error: Error) => error.message,
  )

/** Reads, refreshes and writes, as most clients do; `lock` makes it wait for its turn. */
const client =
  (isMended: boolean): ForeignClient =>
  ({ fetch, storage, tokenkeep }) =>
  async () => {
    if (isMended) return tokenkeep.token()
    const { expires_at, access_token, refresh_token } = JSON.parse((await storage.get("tokens"))!)
    if (Date.now() < expires_at) return access_token
    const body = new URLSearchParams({ grant_type: "refresh_token", client_id: "client", refresh_token })
    const response = await fetch("https://as.example/token", { method: "POST", body })
    if (!response.ok) throw new Error(`the refresh failed: ${response.status}`)
    const next = JSON.parse(await response.text())
    await storage.set("tokens", JSON.stringify({ ...next, expires_at: Date.now() + next.expires_in * 1000 }))
    return next.access_token
  }

const foreign = (isMended: boolean): ForeignScenario => ({
  name: "two of them",
  processes: copies(2, client(isMended)),
  storage: ({ accessToken, refreshToken }) => ({
    tokens: JSON.stringify({ access_token: accessToken, refresh_token: refreshToken, expires_at: 0 }),
  }),
  watched: ["the session is kept"],
})

describe("Check.holds", () => {
  it("resolves with the report when every interleaving keeps every invariant", async () => {
    const report = await Check.holds({ ...two, faults: ["crash", "lostAnswer"], bounds: { faults: 1, stalls: 0 } })
    assert.strictEqual(report.verdict, "holds")
    assert.isAbove(report.happened["crash"] ?? 0, 0)
    assert.strictEqual((await Check.holds(foreign(true))).verdict, "holds")
  })

  it("rejects with the shortest story: as text, as a diagram, and with the line that keeps it as a test", async () => {
    for (const failing of [Check.holds(two, { parts: noClaim }), Check.holds(foreign(false))]) {
      const { message, schedule, story } = await counterexample(failing)
      assert.isDefined(story.violation)
      assert.include(message, `${story.title}: ${story.violation!.invariant}: ${story.violation!.detail}`)
      assert.match(message, /\n +XXX /)
      assert.match(message, /\nsequenceDiagram\n[\s\S]*VIOLATED/)
      assert.include(message, `await Check.replays(scenario, ${JSON.stringify(schedule)})`)
    }
  })

  it("rejects what is cut short, and what could not have failed", async () => {
    const large = { ...two, faults: ["crash" as const], restart: 1, bounds: { faults: 2, stalls: 2 } }
    assert.match(await message(Check.holds(large, { maxMillis: 0 })), /^two: incomplete after \d+ executions/)
    const never = { ...two, faults: ["crash" as const, "late" as const], bounds: { faults: 1, stalls: 0 } }
    assert.include(
      await message(Check.holds(never)),
      "nothing is shown by this scenario: late can happen nowhere in it",
    )
  })
})

describe("Check.replays", () => {
  it("rejects while the program still falls for it, with the same story", async () => {
    const found = await counterexample(Check.holds(two, { parts: noClaim }))
    const again = await counterexample(Check.replays(two, found.schedule, { parts: noClaim }))
    assert.deepStrictEqual(again.story, found.story)
    assert.strictEqual(again.schedule, found.schedule)
    const theirs = await counterexample(Check.holds(foreign(false)))
    assert.deepStrictEqual((await counterexample(Check.replays(foreign(false), theirs.schedule))).story, theirs.story)
  })

  it("resolves for a mended program, with the steps that it does not take any more", async () => {
    const { schedule } = await counterexample(Check.holds(two, { parts: noClaim }))
    const { skipped } = await Check.replays(two, schedule, { parts: realParts })
    assert.deepStrictEqual(skipped, ["P1:send"])
    const theirs = await counterexample(Check.holds(foreign(false)))
    assert.isNotEmpty((await Check.replays(foreign(true), theirs.schedule)).skipped)
  })

  it("goes on to the end, where a shorter schedule ends too early to show anything", async () => {
    const { schedule } = await counterexample(Check.holds(foreign(false)))
    const start = schedule.split(" ").slice(0, -2).join(" ")
    await counterexample(Check.replays(foreign(false), start))
  })

  it("rejects a schedule of something else altogether", async () => {
    assert.include(await message(Check.replays(two, "Q9:nothing")), "What can happen first: P0:call0, P1:call0")
  })
})

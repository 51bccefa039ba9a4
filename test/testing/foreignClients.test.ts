/**
 * Two token clients that are not ours, explored: the trace that ends in a logged-out user, and the same client through
 * Tokenkeep, which has none within the same bounds.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Foreign from "../../src/testing/exploreForeign.ts"
import * as Sequence from "../../src/testing/sequence.ts"
import * as Client from "./foreignClients.ts"

const watched = ["the session is kept"] as const
const { copies } = Foreign

const faults = ["crash", "lostRequest", "lostAnswer", "busyBefore", "busyAfter", "rateLimited", "silence"] as const

const mcp = (processes: number, calls: number): Foreign.ForeignScenario => ({
  name: `MCP SDK, ${processes} × ${calls}`,
  processes: copies(processes, Client.mcp, calls),
  storage: Client.mcpStorage,
})

const google = (processes: number, calls: number): Foreign.ForeignScenario => ({
  name: `google-auth-library, ${processes} × ${calls}`,
  processes: copies(processes, Client.googleAuth, calls),
  storage: Client.googleStorage,
})

const throughTokenkeep = (
  client: Foreign.ForeignClient,
  processes: number,
  calls: number,
): Foreign.ForeignScenario => ({
  name: `through Tokenkeep, ${processes} × ${calls}`,
  processes: copies(processes, client, calls),
})

/** The shortest trace that ends with a user who has to sign in again, as people read it. */
const loggedOut = async (scenario: Foreign.ForeignScenario) => {
  const { bounds, found, isShortest } = await Foreign.shortest({ ...scenario, watched }, { maxExecutions: 200 })
  if (found === undefined) return { steps: 0, isShortest, lines: [] }
  const { story } = await Foreign.replay({ ...scenario, watched }, found.schedule, { bounds })
  assert.deepStrictEqual(story.violation, found.violation)
  const lines = Sequence.toText(story)
    .split("\n")
    .map((line) => line.replace(/^ *(?:[\d.]+ s)? */, ""))
  return { steps: found.schedule.length, isShortest, lines }
}

const fromP1 = (lines: ReadonlyArray<string>) => lines.slice(lines.indexOf("Caller -> P1: call 0"))

describe("the MCP SDK's auth flow", () => {
  it("keeps its login when it is alone", async () => {
    const report = await Foreign.explore(mcp(1, 1))
    assert.deepInclude(report, { verdict: "holds" })
    assert.deepInclude(report.happened, { granted: 2 })
    assert.deepInclude(await Foreign.explore({ ...mcp(1, 1), rounds: 3 }), { verdict: "holds" })
  })

  it("loses it to two parallel calls in one process", async () => {
    const { lines, steps } = await loggedOut(mcp(1, 2))
    assert.strictEqual(steps, 28)
    const presented = lines.filter((line) => line === "P0 -> AS: POST /token rt-1")
    assert.lengthOf(presented, 2)
    assert.include(
      lines,
      "AS: 400 to rt-1: invalid_grant: The refresh token was used before. The whole family is revoked.",
    )
    assert.include(lines, "P0 -> Storage: delete tokens")
  })

  it("loses it to a call in each of two processes", async () => {
    const { isShortest, lines, steps } = await loggedOut(mcp(2, 1))
    assert.deepStrictEqual([steps, isShortest], [28, true])
    assert.deepStrictEqual(fromP1(lines), [
      "Caller -> P1: call 0",
      "P1 -> Storage: get tokens",
      "Storage --> P1: at-1 and rt-1",
      "P1 -> API: GET /resource at-1",
      "API --> P1: 401 to at-1: invalid_token",
      "P1 -> Storage: get tokens",
      "Storage --> P1: at-1 and rt-1",
      "P1 -> AS: POST /token rt-1",
      "AS: 400 to rt-1: invalid_grant: The refresh token was used before. The whole family is revoked.",
      "AS --> P1: 400 to rt-1: invalid_grant: The refresh token was used before.",
      "P0 -> Storage: set tokens: at-2 and rt-2",
      "P0 -> Storage: get tokens",
      "Storage --> P0: at-2 and rt-2",
      "P0 -> API: GET /resource at-2",
      "API --> P0: 401 to at-2: invalid_token",
      "P0 --> Caller: Error: Authentication failed for https://as.example/resource",
      "P1 -> Storage: delete tokens",
      "P1 -> Storage: get tokens",
      "Storage --> P1: nothing",
      "P1 --> Caller: Error: Failed to re-authenticate: a person has to sign in",
      "~~~ later: every access token has ended",
      "Caller -> Z: call 0",
      "Z -> Storage: get tokens",
      "Storage --> Z: nothing",
      "Z -> API: GET /resource no token",
      "API --> Z: 401 to no token",
      "Z -> Storage: get tokens",
      "Storage --> Z: nothing",
      "Z --> Caller: Error: Failed to re-authenticate: a person has to sign in",
      "XXX the session is kept: afterwards a new process gets no token (Error: Failed to re-authenticate: a person has to sign in), and no fault explains it",
    ])
  })

  it("deletes the winner's tokens on a server that forgives", async () => {
    const scenario = { ...mcp(2, 1), server: { reuse: "rejectOnly" }, watched: ["I3 nothing older replaces"] } as const
    const { found } = await Foreign.shortest(scenario)
    assert.deepInclude(found?.violation, { detail: "P1 deletes rt-2, which is good, and leaves rt-1" })
  })

  it("waits for ever when the server falls silent", async () => {
    const scenario = { ...mcp(1, 1), faults: ["silence"], bounds: { faults: 1, stalls: 0 } } as const
    const { found } = await Foreign.explore(scenario)
    assert.deepInclude(found[0]?.violation, { invariant: "I9 every waiter ends", detail: "P0 never answers (waiting)" })
  })
})

describe("google-auth-library", () => {
  it("keeps its login as long as one process refreshes once", async () => {
    for (const calls of [1, 2]) assert.deepInclude(await Foreign.explore(google(1, calls)), { verdict: "holds" })
  })

  it("loses it at the second refresh of one process: what it remembers is the first refresh token", async () => {
    const { isShortest, lines, steps } = await loggedOut({ ...google(1, 1), rounds: 2 })
    assert.deepStrictEqual([steps, isShortest], [17, true])
    assert.include(lines, "P0 -> Storage: set credentials: at-2 and rt-2")
    assert.lengthOf(
      lines.filter((line) => line === "P0 -> AS: POST /token rt-1"),
      2,
    )
  })

  it("loses it to a call in each of two processes", async () => {
    const { isShortest, lines, steps } = await loggedOut(google(2, 1))
    assert.deepStrictEqual([steps, isShortest], [17, true])
    assert.deepStrictEqual(lines.slice(0, -1), [
      "P0 -> Storage: get credentials",
      "Storage --> P0: at-1 and rt-1",
      "Caller -> P0: call 0",
      "P0 -> AS: POST /token rt-1",
      "AS: 200 to rt-1: at-2 and rt-2",
      "AS --> P0: 200 to rt-1: at-2 and rt-2",
      "P0 --> Caller: at-2",
      "P1 -> Storage: get credentials",
      "Storage --> P1: at-1 and rt-1",
      "Caller -> P1: call 0",
      "P1 -> AS: POST /token rt-1",
      "AS: 400 to rt-1: invalid_grant: The refresh token was used before. The whole family is revoked.",
      "AS --> P1: 400 to rt-1: invalid_grant: The refresh token was used before.",
      "P1 --> Caller: Error: invalid_grant",
      "P0 -> Storage: set credentials: at-2 and rt-2",
      "~~~ later: every access token has ended",
      "Z -> Storage: get credentials",
      "Storage --> Z: at-2 and rt-2",
      "Caller -> Z: call 0",
      "Z -> AS: POST /token rt-2",
      "AS: 400 to rt-2: invalid_grant: The grant was revoked.",
      "AS --> Z: 400 to rt-2: invalid_grant: The grant was revoked.",
      "Z --> Caller: Error: invalid_grant",
    ])
  })
})

describe("the same clients through Tokenkeep", () => {
  /** Everything watched, every interleaving: and the client never holds a refresh token. */
  const holds = async (scenario: Foreign.ForeignScenario, atLeast: number) => {
    const report = await Foreign.explore(scenario)
    assert.deepStrictEqual([scenario.name, report.verdict, report.found], [scenario.name, "holds", []])
    assert.isAtLeast(report.executions, atLeast)
    return report
  }

  const clients = [Client.mcpWithTokenkeep, Client.googleAuthWithTokenkeep]

  it("keep the login: two calls in one process, two processes, a second refresh", async () => {
    for (const client of clients) {
      await holds(throughTokenkeep(client, 1, 2), 10)
      await holds(throughTokenkeep(client, 2, 1), 10)
      await holds({ ...throughTokenkeep(client, 1, 1), rounds: 2 }, 1)
    }
  })

  it("keep it when the resource turns the token away before its time", async () => {
    const { happened } = await holds({ ...throughTokenkeep(Client.mcpWithTokenkeep, 2, 1), token: "refused" }, 10)
    assert.isUndefined(happened["reuse found"])
  })

  it("keep it through any one fault, as far as it can be kept", async () => {
    for (const client of clients) {
      const scenario = { ...throughTokenkeep(client, 2, 1), faults, bounds: { faults: 1, stalls: 0 }, restart: 1 }
      const { happened } = await holds(scenario, 100)
      for (const fault of faults) assert.isAtLeast(happened[fault] ?? 0, 1, fault)
    }
  })

  it("lose it to a copy of the refresh token that somebody else uses", async () => {
    const processes = [...copies(1, Client.mcpWithTokenkeep), ...copies(1, Client.mcp)]
    const { lines } = await loggedOut({ name: "two owners", processes, storage: Client.mcpStorage })
    assert.include(
      lines,
      "AS: 400 to rt-1: invalid_grant: The refresh token was used before. The whole family is revoked.",
    )
  })
})

/** The world for foreign clients itself: what it offers, what it sees, and that it is the same in every run. */
import { assert, describe, it } from "@effect/vitest"
import { allReductions, noReductions, type Reductions } from "../../src/testing/explore.ts"
import * as Foreign from "../../src/testing/exploreForeign.ts"
import { ForeignWorld } from "../../src/testing/ForeignWorld.ts"
import type { Invariant } from "../../src/testing/Monitor.ts"
import * as Sequence from "../../src/testing/sequence.ts"

type Client = Foreign.ForeignClient

const { copies } = Foreign

/** Reads, refreshes when the token has ended, writes: what many programs do by hand. `timeout` ends the request. */
const naive =
  (timeout?: number): Client =>
  ({ fetch, storage }) =>
  async () => {
    const tokens = JSON.parse((await storage.get("tokens"))!)
    if (Date.now() < tokens.expires_at) return tokens.access_token
    const response = await fetch(Foreign.tokenEndpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        client_id: "client",
        refresh_token: tokens.refresh_token,
      }),
      ...(timeout !== undefined && { signal: AbortSignal.timeout(timeout) }),
    })
    if (!response.ok) throw new Error(`the refresh failed: ${response.status}`)
    const { expires_in, ...fresh } = (await response.json()) as { access_token: string; expires_in: number }
    await storage.set("tokens", JSON.stringify({ ...fresh, expires_at: Date.now() + expires_in * 1000 }))
    return fresh.access_token
  }

const storage: Foreign.ForeignScenario["storage"] = ({ accessToken, expiresAt, refreshToken }) => ({
  tokens: JSON.stringify({ access_token: accessToken, refresh_token: refreshToken, expires_at: expiresAt }),
})

const scenario = (over: Partial<Foreign.ForeignScenario> = {}): Foreign.ForeignScenario => ({
  name: "naive",
  processes: copies(2, naive()),
  storage,
  ...over,
})

/** One process, one call of `client`, without an epilogue: what came of it. */
const once = async (client: Client, over: Partial<Foreign.ForeignScenario> = {}) => {
  const world = await ForeignWorld.make(
    { name: "once", processes: copies(1, client), epilogue: false, ...over },
    { record: true },
  )
  for (let [next] = world.enabled(); next !== undefined; [next] = world.enabled()) await world.step(next)
  world.atEnd()
  return { world, said: world.story.lines.findLast(({ to }) => to === "Caller")?.text, violation: world.violation() }
}

const violated = async (over: Partial<Foreign.ForeignScenario>, watched?: ReadonlyArray<Invariant>) => {
  const { found, verdict } = await Foreign.explore(scenario({ ...over, ...(watched && { watched }) }))
  return found[0] === undefined ? verdict : `${found[0].violation.invariant}: ${found[0].violation.detail}`
}

describe("what the world sees", () => {
  it("a refresh token that is presented twice, where the server minds", async () => {
    const { found } = await Foreign.explore(scenario(), { stopAtFirst: false })
    assert.sameMembers(
      found.map(({ violation }) => violation.detail),
      ["P1 presents rt-1 again while P0's request is on the wire", "P1 presents rt-1 again although P0 has the answer"],
    )
    for (const reuse of ["notRotating", "fork", "idempotent", "untilSuccessorUsed"] as const) {
      const watched = ["I1 presented at most once"] as const
      assert.strictEqual(await violated({ server: { reuse, graceMillis: 10_000 } }, watched), "holds", reuse)
    }
  })

  it("a login that is lost without a fault, and none that a fault explains", async () => {
    assert.match(await violated({}, ["the session is kept"]), /^the session is kept: afterwards a new process gets no/)
    const alone = { processes: copies(1, naive()), bounds: { faults: 1, stalls: 0 } }
    for (const fault of [
      "crash",
      "lostRequest",
      "lostAnswer",
      "busyBefore",
      "busyAfter",
      "rateLimited",
      "revoke",
    ] as const) {
      assert.strictEqual(await violated({ ...alone, faults: [fault], restart: 1 }), "holds", fault)
    }
  })

  it("a call that fails although nothing has gone wrong, or although a stored token works", async () => {
    const watched = ["I5 no error while a token works"] as const
    assert.match(
      await violated({}, watched),
      /^I5.*: P1: Error: the refresh failed: 400, although nothing has gone wrong/,
    )
    const server = { reuse: "rejectOnly" } as const
    const { found } = await Foreign.explore(scenario({ server, watched }), { stopAtFirst: false })
    assert.isTrue(found.some(({ violation }) => violation.detail.endsWith("although at-2 is stored and works")))
  })

  it("an older refresh token in the place of a newer", async () => {
    const late: Client =
      ({ storage: values }) =>
      async () => {
        const tokens = (await values.get("tokens"))!
        await values.set("tokens", tokens)
        return "-"
      }
    const processes = [...copies(1, naive()), ...copies(1, late)]
    assert.strictEqual(
      await violated({ processes }, ["I3 nothing older replaces"]),
      "I3 nothing older replaces: P1 overwrites rt-2, which is good, and leaves rt-1",
    )
  })

  it("a call that never ends, and the timeout that ends it", async () => {
    const silent = { faults: ["silence"], bounds: { faults: 1, stalls: 0 } } as const
    assert.match(
      await violated({ ...silent, processes: copies(1, naive()) }),
      /^I9 every waiter ends: P0 never answers/,
    )
    assert.strictEqual(await violated({ ...silent, processes: copies(1, naive(10_000)) }), "holds")
  })

  it("a token that does not work, and a refresh token where it does not belong", async () => {
    const stale: Client = () => async () => "at-1"
    assert.match((await once(stale)).violation!.detail, /P0 hands out at-1, which no resource server takes/)
    const gossip: Client =
      ({ fetch }) =>
      () =>
        fetch(`${Foreign.resource}?hint=rt-1`)
    assert.deepInclude((await once(gossip)).violation, {
      invariant: "I10 no secret",
      detail: "P0 sends rt-1 to /resource",
    })
  })

  it("a dead refresh token that is presented again", async () => {
    const stubborn: Client = (around) => {
      const call = naive()(around) as Foreign.ForeignCall
      return () => call().catch(() => call())
    }
    const other: Client = async ({ fetch }) => {
      const body = "grant_type=refresh_token&client_id=client&refresh_token=rt-1"
      return () => fetch(Foreign.tokenEndpoint, { method: "POST", body })
    }
    const processes = [...copies(1, stubborn), ...copies(1, other)]
    assert.strictEqual(
      await violated({ processes, epilogue: false }, ["I7 dead costs nothing"]),
      "I7 dead costs nothing: P0 presents rt-1 again, after it was told that the token is dead",
    )
  })
})

describe("what a client finds around it", () => {
  it("the clock, the timers, the dice and the network are the world's, and the platform's again afterwards", async () => {
    const seen: Array<unknown> = []
    const client: Client = () => async () => {
      const started = Date.now()
      const [random, uuid] = [Math.random(), crypto.randomUUID()]
      const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", crypto.getRandomValues(new Uint8Array(8))))
      await new Promise((resolve) => void setTimeout(resolve, 60_000).unref())
      let ticks = 0
      await new Promise<void>((resolve) => {
        const interval = setInterval(() => {
          if (++ticks < 3) return
          clearInterval(interval)
          resolve()
        }, 1_000)
      })
      clearTimeout(setTimeout(() => seen.push("never"), 1))
      const { status } = await globalThis.fetch(Foreign.resource)
      const elapsed = Date.now() - started
      seen.push([
        random,
        uuid,
        bytes.join(),
        elapsed,
        new Date().getTime() - started,
        performance.now() - started,
        status,
      ])
      return new Response()
    }
    const before = [Date, setTimeout, setInterval, Math.random, fetch, crypto.randomUUID, AbortSignal.timeout]
    const run = () => once(client)
    assert.deepInclude(await run(), { said: "200", violation: undefined })
    await run()
    assert.deepStrictEqual(
      [Date, setTimeout, setInterval, Math.random, fetch, crypto.randomUUID, AbortSignal.timeout],
      before,
    )
    assert.lengthOf(seen, 2)
    assert.deepStrictEqual(seen[0], seen[1])
    assert.deepStrictEqual((seen[0] as Array<unknown>).slice(3), [63_000, 63_000, 63_000, 401])
  })

  it("a request in any form, its abortion, and the end of a connection", async () => {
    const asked: Client =
      ({ fetch }) =>
      async () => {
        const request = new Request(Foreign.tokenEndpoint, {
          method: "POST",
          body: new Blob(["grant_type=x&client_id=client"]),
        })
        assert.strictEqual((await fetch(request)).status, 400)
        assert.strictEqual(
          (await fetch(new URL("/.well-known/oauth-authorization-server", Foreign.issuer))).status,
          200,
        )
        const nowhere = await fetch("https://elsewhere.example/").catch((error: unknown) => error)
        assert.instanceOf(nowhere, TypeError)
        const controller = new AbortController()
        const aborted = fetch(Foreign.resource, { signal: controller.signal })
        controller.abort()
        assert.deepInclude(await aborted.catch((error: unknown) => error), { name: "AbortError" })
        return new Response()
      }
    assert.deepInclude(await once(asked), { said: "200", violation: undefined })
  })

  it("a name, which makes processes differ", async () => {
    const named: Client =
      ({ process, storage: values }) =>
      async () => {
        await values.set("last", process.name)
        return new Response()
      }
    const finals = new Set<string>()
    const processes = copies(2, named)
    const report = await Foreign.explore({ name: "named", processes, epilogue: false }, { finals })
    assert.strictEqual(report.verdict, "holds")
    assert.strictEqual(finals.size, 2)
  })

  it("refuses two explorations at a time", async () => {
    const both = await Promise.allSettled([Foreign.explore(scenario()), Foreign.explore(scenario())])
    assert.include(
      both.map((one) => (one.status === "rejected" ? String(one.reason) : "done")),
      "Error: another exploration is under way in this process: await it first",
    )
  })
})

describe("exploring it", () => {
  it("gives the same trace for the same schedule, 300 times", async () => {
    const watched = ["the session is kept"] as const
    const { found } = await Foreign.shortest(scenario({ watched }))
    const texts = new Set<string>()
    for (let i = 0; i < 300; i++) {
      texts.add(Sequence.toText((await Foreign.replay(scenario({ watched }), found!.schedule)).story))
    }
    assert.strictEqual(texts.size, 1)
    assert.match([...texts][0]!, /XXX the session is kept/)
  })

  it("says so when a schedule cannot be replayed", async () => {
    const error = await Foreign.replay(scenario(), ["P0:call0", "P0:set/tokens"]).catch(String)
    assert.strictEqual(error, "Error: P0:set/tokens cannot happen here; what can: P0:get/tokens, P1:call0")
  })

  const variants: Readonly<Record<string, Reductions>> = {
    withoutSleepSets: { ...allReductions, sleepSets: false },
    withoutStateHash: { ...allReductions, stateHash: false },
    withoutSymmetry: { ...allReductions, symmetry: false },
    plain: noReductions,
  }

  const keeper: Client =
    ({ tokenkeep }) =>
    () =>
      tokenkeep.token()
  const small: ReadonlyArray<Foreign.ForeignScenario> = [
    scenario({ name: "strict", watched: ["the session is kept"] }),
    scenario({ name: "all watched" }),
    scenario({ name: "forgiving", server: { reuse: "fork", graceMillis: 10_000 } }),
    scenario({ name: "crash", faults: ["crash"], bounds: { faults: 1, stalls: 0 }, watched: ["the session is kept"] }),
    { name: "keeper", processes: copies(2, keeper) },
  ]

  it.each(small)("finds the same with and without reductions: $name", async (one) => {
    const look = async (reductions: Reductions) => {
      const finals = new Set<string>()
      const { executions, found, verdict } = await Foreign.explore(one, { reductions, stopAtFirst: false, finals })
      const violations = new Set(
        found.map(({ violation: { detail, invariant } }) => `${invariant}${detail.replaceAll(/P\d/g, "P")}`),
      )
      return { executions, seen: [verdict, [...finals].toSorted(), [...violations].toSorted()] }
    }
    const reduced = await look(allReductions)
    for (const [name, reductions] of Object.entries(variants)) {
      const other = await look(reductions)
      assert.deepStrictEqual([name, other.seen], [name, reduced.seen])
      assert.isAtLeast(other.executions, reduced.executions, name)
    }
  })
})

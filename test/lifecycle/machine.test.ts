import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { AnyStateNode, AnyTransitionDefinition } from "xstate"
import { getAdjacencyMap } from "xstate/graph"
import { decide, initial, machine, type State } from "../../src/lifecycle/machine.ts"
import type { Command, Event } from "../../src/lifecycle/protocol.ts"
import { usable } from "../../src/lifecycle/rules.ts"
import { alphabet, ended, fresh, inWindow, ticket, view } from "./views.ts"

const commandTypes: ReadonlyArray<Command["type"]> = [
  "look",
  "claim",
  "exchange",
  "replay",
  "commit",
  "release",
  "doubt",
  "condemn",
  "wake",
  "serve",
  "refuse",
  "postpone",
]

const leaf = (state: State): string => {
  let value: unknown = state.value
  let name = ""
  while (typeof value === "object" && value !== null) {
    const [key, inner] = Object.entries(value)[0]!
    name = key
    value = inner
  }
  return typeof value === "string" ? value : name
}

const run = (events: ReadonlyArray<Event>, background = true) => {
  let state = initial(background)
  const commands: Array<Command> = []
  for (const event of events) {
    const [next, wishes] = decide(state, event)
    state = next
    commands.push(...wishes)
  }
  return { state, commands, types: commands.map(({ type }) => type) }
}

const looked = (now: number, over: Parameters<typeof view>[0] = {}): Event => ({
  type: "Looked",
  now,
  view: view(over),
})
const asked = (now: number, minValidity = 0): Event => ({ type: "Asked", now, minValidity })
const claimed = (now: number, over: Parameters<typeof ticket>[0] = {}): Event => ({
  type: "Claimed",
  now,
  generation: 1,
  elapsed: 1,
  view: view({ ticket: ticket({ id: "mine.1", issuedAt: now, drainedAt: now + 30_000, ...over }) }),
})

describe("the statechart", () => {
  it("has the four states of the design", () => {
    assert.deepStrictEqual(Object.keys(machine.root.states), ["valid", "expiring", "refreshing", "dead"])
  })

  it("reaches every state and takes every transition (xstate/graph)", () => {
    const taken = new Set<AnyTransitionDefinition>()
    const reached = new Set<AnyStateNode>()
    for (const background of [true, false]) {
      const { value, context } = initial(background)
      const project = ({ context: c }: { context: State["context"] }) => [
        c.view.generation,
        c.view.canRefresh,
        c.view.verdict,
        c.view.ticket?.id,
        c.view.ticket?.attempt,
        c.view.ticket?.holderGone,
        c.view.ticket?.answered,
        c.view.reuse,
        c.view.pauseUntil > 0,
        c.pauseUntil > 0,
        c.refused,
        c.waiting,
        c.outcome.unknown,
        c.view.ticket?.vanished,
        c.outcome.reason,
        c.outcome.failures,
      ]
      const map = getAdjacencyMap(machine, {
        events: [...alphabet],
        fromState: machine.resolveState({ value, context }),
        serializeState: (snapshot) => JSON.stringify([snapshot.value, project(snapshot)]),
        limit: 10_000_000,
      })
      for (const { state, transitions } of Object.values(map)) {
        for (const node of state._nodes) reached.add(node)
        for (const { event } of Object.values<{ readonly event: Event }>(transitions)) {
          for (const transition of machine.getTransitionData(state, event) ?? []) taken.add(transition)
        }
      }
    }
    const nodes: Array<AnyStateNode> = []
    const visit = (node: AnyStateNode): void => {
      nodes.push(node)
      for (const child of Object.values(node.states)) visit(child)
    }
    visit(machine.root)
    assert.deepStrictEqual(
      nodes.filter((node) => !reached.has(node)).map((node) => node.id),
      [],
    )
    // A row of the shared list is one transition, whichever event it is weighed for: a pause that has just begun cannot
    // be over, so not every row can follow every event.
    const row = ({ guard, target }: AnyTransitionDefinition) => `[${String(guard)}] -> ${target?.[0]?.id}`
    const shared = new Set((machine.root.transitions.get("Looked") ?? []).map(row))
    const name = (transition: AnyTransitionDefinition) =>
      shared.has(row(transition))
        ? `weigh ${row(transition)}`
        : `${transition.source.id} ${transition.eventType} ${row(transition)}`
    const all = new Set(nodes.flatMap((node) => [...node.transitions.values()].flat().map(name)))
    for (const transition of taken) all.delete(name(transition))
    assert.deepStrictEqual([...all], [])
  })
})

const event = fc.constantFrom(...alphabet)
const events = fc.array(event, { maxLength: 60 })

describe("for any sequence of events", () => {
  it("only named commands come out, never one of XState's own", () => {
    fc.assert(
      fc.property(events, fc.boolean(), (sequence, background) =>
        run(sequence, background).types.every((type) => commandTypes.includes(type)),
      ),
    )
  })

  it("generations grow, in the state and in the commands", () => {
    fc.assert(
      fc.property(events, (sequence) => {
        let state = initial(true)
        for (const next of sequence) {
          const before = state.context.view.generation
          const [after, commands] = decide(state, next)
          // A granted token that the store lost to another writer is the one step back: it was never shown to anybody.
          const dropped = leaf(state) === "committing"
          assert.isTrue(after.context.view.generation >= before || dropped)
          for (const { params } of commands) {
            if ("generation" in params) assert.isTrue(params.generation >= before - 1)
          }
          state = after
        }
      }),
    )
  })

  it("a valid token that nobody refused leads to no claim and no exchange", () => {
    fc.assert(
      fc.property(events, fc.boolean(), (sequence, background) => {
        let state = initial(background)
        for (const next of sequence) {
          const [after, commands] = decide(state, next)
          const { refused, view: seen } = after.context
          const valid = next.now < seen.refreshAt && refused < seen.generation
          const within = next.type !== "Asked" || seen.expiresAt - next.now >= next.minValidity
          if (valid && within && after.context.minValidity === 0) {
            assert.notInclude(
              commands.map(({ type }) => type),
              "claim",
            )
          }
          state = after
        }
      }),
    )
  })

  it("an exchange follows only a ticket won for the same generation, and dead emits none", () => {
    fc.assert(
      fc.property(events, (sequence) => {
        let state = initial(true)
        for (const next of sequence) {
          const [after, commands] = decide(state, next)
          for (const command of commands) {
            if (command.type !== "exchange") continue
            assert.strictEqual(leaf(state), "claiming")
            assert.isTrue(next.type === "Claimed" && next.generation === command.params.generation)
          }
          if (leaf(state) === "dead" && leaf(after) === "dead") {
            assert.notInclude(
              commands.map(({ type }) => type),
              "claim",
            )
          }
          state = after
        }
      }),
    )
  })

  it("nobody waits at rest: a waiting caller is answered, or an answer is under way", () => {
    const underWay = ["claiming", "exchanging", "replaying", "committing", "checking", "recording", "following"]
    fc.assert(
      fc.property(events, fc.boolean(), (sequence, background) => {
        const { state } = run(sequence, background)
        assert.isTrue(!state.context.waiting || underWay.includes(leaf(state)), leaf(state))
      }),
    )
  })

  it("a served token is one that works, or one the store does not take", () => {
    fc.assert(
      fc.property(events, fc.boolean(), (sequence, background) => {
        let state = initial(background)
        for (const next of sequence) {
          const [after, commands] = decide(state, next)
          const holding = leaf(after) === "holding" || leaf(state) === "holding"
          if (commands.some(({ type }) => type === "serve")) {
            assert.isTrue(holding || usable(after.context, next.now), `${leaf(state)} ${next.type} ${leaf(after)}`)
          }
          state = after
        }
      }),
    )
  })

  it("a state that time must change has asked to be woken", () => {
    const timed = ["valid", "due", "pausing", "ending", "following", "doubting", "backingOff", "holding", "unrecorded"]
    fc.assert(
      fc.property(events, fc.boolean(), (sequence, background) => {
        const { commands, state } = run(sequence, background)
        const wish = commands.findLast(({ type }) => type === "wake")
        if (timed.includes(leaf(state))) assert.isDefined(wish)
      }),
    )
  })
})

describe("the refresh, step by step", () => {
  it("a token inside the window is served while it is refreshed", () => {
    const { state, types } = run([looked(inWindow), asked(inWindow)])
    assert.deepStrictEqual(types, ["serve", "claim", "serve"])
    assert.strictEqual(leaf(state), "claiming")
  })

  it("a short command leaves a usable token alone", () => {
    const { state, types } = run([looked(inWindow), asked(inWindow)], false)
    assert.strictEqual(leaf(state), "due")
    assert.notInclude(types, "claim")
  })

  it("claim, exchange, commit, serve: in this order", () => {
    const stored = view({
      generation: 2,
      obtainedAt: ended,
      usableUntil: ended + 1e6,
      refreshAt: ended + 9e5,
      expiresAt: ended + 1e6,
    })
    const { state, types } = run([
      looked(ended),
      asked(ended),
      claimed(ended),
      { type: "Granted", now: ended, generation: 1, view: stored },
      { type: "Stored", now: ended, view: stored },
    ])
    assert.deepStrictEqual(types, ["claim", "exchange", "commit", "serve", "wake"])
    assert.strictEqual(leaf(state), "valid")
  })

  it("a process that was paused after it won the ticket sends nothing", () => {
    const { types } = run([looked(ended), { ...claimed(ended), elapsed: 3_000 } as Event])
    assert.deepStrictEqual(types, ["claim", "release"])
  })

  it("a passing failure keeps a usable token in use and pauses", () => {
    const { state, types } = run([
      looked(inWindow),
      claimed(inWindow),
      { type: "Unavailable", now: inWindow, generation: 1, retryAt: 0, jitter: 0.5 },
      { type: "Stored", now: inWindow, view: view({ pauseUntil: inWindow + 750, failures: 1 }) },
    ])
    assert.deepStrictEqual(types, ["serve", "claim", "exchange", "release", "serve", "wake"])
    assert.strictEqual(leaf(state), "pausing")
  })

  it("a verdict comes from the server's word alone, and a dead credential asks nobody", () => {
    const { state, types } = run([
      looked(ended),
      asked(ended),
      claimed(ended),
      { type: "Denied", now: ended, generation: 1, reason: "rejected" },
      { type: "Stored", now: ended, view: view({ verdict: "rejected" }) },
      asked(ended),
      asked(ended + 1e9),
      { type: "Woke", now: ended + 2e9 },
    ])
    assert.strictEqual(leaf(state), "dead")
    assert.deepStrictEqual(types, [
      "claim",
      "exchange",
      "condemn",
      "refuse",
      "wake",
      "refuse",
      "wake",
      "refuse",
      "wake",
      "refuse",
      "wake",
    ])
  })

  it("an answer that somebody wrote down and left is read in his place, without a claim and without a request", () => {
    const left = { ticket: ticket({ answered: true, holderGone: true }) }
    const { state, types } = run([looked(ended, left), asked(ended)])
    assert.strictEqual(leaf(state), "replaying")
    assert.deepStrictEqual(types, ["replay"])
    const refused = run([looked(ended, left), { type: "Denied", now: ended, generation: 1, reason: "rejected" }])
    assert.deepStrictEqual(refused.types, ["replay", "condemn"])
    // Its author is alive and at work on it.
    const { state: follower } = run([looked(inWindow, { ticket: ticket({ answered: true }) }), asked(inWindow)])
    assert.strictEqual(leaf(follower), "following")
  })

  it("a verdict does not take a working token away", () => {
    const { state, types } = run([looked(inWindow, { verdict: "rejected" }), asked(inWindow)])
    assert.strictEqual(leaf(state), "ending")
    assert.deepStrictEqual(types, ["serve", "wake", "serve", "wake"])
  })

  it("a lost answer on a strict server: served to the end, then one second presentation, then lost", () => {
    const inDoubt = { ticket: ticket({ id: "mine.1", issuedAt: inWindow, vanished: true }) }
    const vanished: ReadonlyArray<Event> = [
      looked(inWindow),
      claimed(inWindow),
      { type: "Vanished", now: inWindow + 5_000, generation: 1, jitter: 0.5 },
      { type: "Stored", now: inWindow + 5_000, view: view(inDoubt) },
    ]
    assert.deepStrictEqual(run(vanished).types, ["serve", "claim", "exchange", "doubt", "serve", "wake"])
    const later = run([...vanished, { type: "Woke", now: inWindow + 100_000 }])
    assert.strictEqual(leaf(later.state), "doubting")
    assert.strictEqual(later.types.filter((type) => type === "claim").length, 1)
    const second = run([...vanished, { type: "Woke", now: ended }])
    assert.deepStrictEqual(second.commands.at(-1), {
      type: "claim",
      params: { generation: 1, attempt: 2, after: "mine.1" },
    })
    const denied = run([
      ...vanished,
      { type: "Woke", now: ended },
      claimed(ended, { id: "mine.2", attempt: 2 }),
      { type: "Denied", now: ended, generation: 1, reason: "rejected" },
    ])
    assert.deepStrictEqual(denied.commands.at(-1), {
      type: "condemn",
      params: { generation: 1, reason: "lostInRotation", ticketId: "mine.2" },
    })
  })

  it("an answer that vanished without a crash: the last presentation is not spent inside the outage", () => {
    const open = ticket({ issuedAt: ended, since: ended, drainedAt: ended + 30_000, vanished: true, holderGone: true })
    const at = (now: number) => run([looked(now, { ticket: open }), asked(now)])
    assert.notInclude(at(ended + 60_000).types, "claim")
    assert.deepStrictEqual(at(ended + 60_000).commands.at(-2), {
      type: "postpone",
      params: { retryAt: ended + 300_000 },
    })
    assert.include(at(ended + 300_000).types, "claim")
  })

  it("where a reuse costs nothing, a vanished answer is a pause like any other, as often as it happens", () => {
    for (const reuse of ["notRotating", "untilSuccessorUsed"] as const) {
      const open = { reuse, ticket: ticket({ id: "mine.1", issuedAt: ended, drainedAt: ended + 30_000 }) }
      const { commands } = run([
        looked(ended, { reuse }),
        { type: "Claimed", now: ended, generation: 1, elapsed: 1, view: view(open) },
        { type: "Vanished", now: ended + 1_000, generation: 1, jitter: 0.5 },
      ])
      assert.deepStrictEqual(commands.at(-1), {
        type: "release",
        params: { generation: 1, pauseUntil: ended + 30_000, failures: 1 },
      })
      const crashed = ticket({ attempt: 2, issuedAt: ended, holderGone: true })
      assert.strictEqual(run([looked(ended, { reuse, ticket: crashed })]).types.at(-1), "claim")
    }
  })

  it("a holder proven dead is followed by the second presentation at once, when nothing usable is left", () => {
    const { commands } = run([
      looked(ended, { ticket: ticket({ issuedAt: ended - 100, drainedAt: ended + 29_900, holderGone: true }) }),
    ])
    assert.deepStrictEqual(commands.at(-1), { type: "claim", params: { generation: 1, attempt: 2, after: "other.1" } })
  })

  it("there is never a third presentation", () => {
    const { state, types } = run([
      looked(ended, { ticket: ticket({ attempt: 2, issuedAt: ended - 1_000, drainedAt: ended + 29_000 }) }),
      { type: "Woke", now: ended + 100 },
      looked(ended + 30_000, { ticket: ticket({ attempt: 2, issuedAt: ended - 1_000, drainedAt: ended + 29_000 }) }),
    ])
    assert.notInclude(types, "claim")
    assert.strictEqual(types.at(-1), "condemn")
    assert.strictEqual(leaf(state), "recording")
  })

  it("a known grace window is used while it is open, and not after", () => {
    const gone = (now: number, graceMillis: number) =>
      run([looked(now, { reuse: "idempotent", graceMillis, ticket: ticket({ issuedAt: inWindow, holderGone: true }) })])
        .types
    assert.include(gone(inWindow + 1_000, 30_000), "claim")
    assert.notInclude(gone(inWindow + 29_000, 30_000), "claim")
  })

  it("an older refusal costs nothing; a current one is forced once", () => {
    const older = run([looked(fresh, { generation: 2 }), { type: "Refused", now: fresh, generation: 1 }])
    assert.deepStrictEqual(older.types, ["serve", "wake", "serve", "wake"])
    const current = run([
      looked(fresh),
      { type: "Refused", now: fresh, generation: 1 },
      { type: "Refused", now: fresh, generation: 1 },
    ])
    assert.deepStrictEqual(current.types, ["serve", "wake", "claim"])
  })

  it("a token refused right after a forced refresh waits, and is not dead", () => {
    const { commands, state } = run([
      looked(fresh, { forced: 1, obtainedAt: fresh }),
      { type: "Refused", now: fresh + 100, generation: 1 },
    ])
    assert.strictEqual(leaf(state), "backingOff")
    assert.deepStrictEqual(
      commands.find(({ type }) => type === "postpone"),
      {
        type: "postpone",
        params: { retryAt: fresh + 10_000 },
      },
    )
  })

  it("a store that does not take the new token: served from memory, stored later", () => {
    const stored = view({ generation: 2, usableUntil: ended + 1e6, refreshAt: ended + 9e5, expiresAt: ended + 1e6 })
    const held = run([
      looked(ended),
      asked(ended),
      claimed(ended),
      { type: "Granted", now: ended, generation: 1, view: stored },
      { type: "StoreFailed", now: ended },
      asked(ended),
      { type: "Woke", now: ended + 1_000 },
    ])
    assert.deepStrictEqual(held.types.slice(2), ["commit", "serve", "wake", "serve", "commit"])
    assert.deepStrictEqual(
      held.commands.filter(({ type }) => type === "commit").map(({ params }) => params),
      [{ generation: 1 }, { generation: 1 }],
    )
  })
})

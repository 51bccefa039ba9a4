import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { apply, type Change } from "../../src/lifecycle/Change.ts"
import * as Credential from "../../src/lifecycle/Credential.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as Pace from "../../src/lifecycle/pace.ts"
import { credential, tokens } from "./credentials.ts"

const holder = { instance: "p", host: "h", bootId: "b", pid: 1, startedAt: "1", label: "test" }
const ticket = (id: string, attempt: 1 | 2 = 1): Credential.Ticket => ({
  id,
  attempt,
  holder,
  issuedAt: 1,
  drainedAt: 2,
})
const claim = (id: string, attempt: 1 | 2 = 1, after?: string): Change => ({
  _tag: "Claim",
  generation: 1,
  ticket: ticket(id, attempt),
  after,
})
const next = tokens({ accessToken: Redacted.make("access-2"), refreshToken: Redacted.make("refresh-2") })

describe("a ticket", () => {
  it("is won once per generation", () => {
    const won = apply(credential(), 1, claim("a"))
    assert.strictEqual(won?.ticket?.id, "a")
    assert.isUndefined(apply(won, 1, claim("b")))
  })
  it("cannot be won for a generation that is gone, or a dead one", () => {
    assert.isUndefined(apply(credential({ generation: 2 }), 2, claim("a")))
    assert.isUndefined(apply(credential({ verdict: { reason: "rejected", at: 0 } }), 1, claim("a")))
  })
  it("cannot be won while everybody is told to wait", () => {
    const paused = credential({ pause: { until: 100, failures: 1, cause: "503" } })
    assert.isUndefined(apply(paused, 1, claim("a")))
    const later: Change = { _tag: "Claim", generation: 1, ticket: { ...ticket("a"), issuedAt: 100 }, after: undefined }
    assert.isDefined(apply(paused, 1, later))
  })
  it("is won a second time only after exactly the ticket in doubt, and never a third", () => {
    const doubtful = apply(credential(), 1, claim("a"))
    assert.isUndefined(apply(doubtful, 1, claim("b", 2, "x")))
    const second = apply(doubtful, 1, claim("b", 2, "a"))
    assert.strictEqual(second?.ticket?.first?.id, "a")
    assert.isUndefined(apply(second, 1, claim("c", 2, "b")))
  })
  it("given back after a second presentation leaves the doubt of the first", () => {
    const second = apply(apply(credential(), 1, claim("a")), 1, claim("b", 2, "a"))
    const back = apply(second, 1, { _tag: "Release", generation: 1, ticketId: "b", pause: undefined })
    assert.strictEqual(back?.ticket?.id, "a")
    assert.strictEqual(back?.ticket?.attempt, 1)
  })
  it("is given back by its holder only", () => {
    const won = apply(credential(), 1, claim("a"))
    assert.isUndefined(apply(won, 1, { _tag: "Release", generation: 1, ticketId: "b", pause: undefined }))
  })
})

describe("an answer", () => {
  const answer = { sentAt: 1, at: 2, status: 200, body: Redacted.make("{}") }
  const journal = (ticketId: string): Change => ({ _tag: "Journal", generation: 1, ticketId, answer })
  const won = apply(credential(), 1, claim("a"))
  const kept = apply(won, 1, journal("a"))
  it("is written down beside the ticket of whoever asked", () => {
    assert.strictEqual(kept?.ticket?.answer, answer)
    assert.isUndefined(apply(won, 1, journal("b")))
    assert.isUndefined(apply(credential(), 1, journal("a")))
  })
  it("leaves no room for a second presentation, until somebody has read that it says nothing", () => {
    assert.isUndefined(apply(kept, 1, claim("b", 2, "a")))
    const doubtful = apply(kept, 1, { _tag: "Doubt", generation: 1, ticketId: "a", at: 3 })
    assert.isUndefined(doubtful?.ticket?.answer)
    assert.strictEqual(apply(doubtful, 1, claim("b", 2, "a"))?.ticket?.first?.id, "a")
  })
})

describe("of two answers to one refresh token", () => {
  const other = tokens({ accessToken: Redacted.make("access-b"), refreshToken: Redacted.make("refresh-b") })
  const commitOf = (pair: typeof other, seed = "s"): Change => ({
    _tag: "Commit",
    generation: 1,
    seed,
    tokens: pair,
    forced: 0,
  })
  const rejected = {
    _tag: "Condemn",
    generation: 2,
    verdict: { reason: "rejected", at: 0 },
    ticketId: undefined,
  } as const
  const first = apply(credential({ seed: "s" }), 1, commitOf(next))
  const both = apply(first, 2, commitOf(other))
  const secretOf = (held: Credential.Credential | undefined) => held && Redacted.value(held.tokens.refreshToken!)
  it("the one that comes later is kept beside the other", () => {
    assert.strictEqual(both?.generation, 2)
    assert.isTrue(secretOf(both) === "refresh-2")
    assert.lengthOf(both?.alternates ?? [], 1)
    assert.isUndefined(apply(both, 2, commitOf(other)))
    assert.isUndefined(apply(first, 2, commitOf(other, "of another sign-in")))
  })
  it("and takes its place when the other turns out dead", () => {
    const second = apply(both, 2, rejected)
    assert.strictEqual(second?.generation, 3)
    assert.isTrue(secretOf(second) === "refresh-b")
    assert.isUndefined(second?.verdict)
    assert.isDefined(apply(second, 3, { ...rejected, generation: 3 })?.verdict)
    const client = apply(both, 2, { ...rejected, verdict: { reason: "clientRejected", at: 0 } })
    assert.isDefined(client?.verdict)
  })
})

describe("a pardon", () => {
  it("takes the verdict away, once and of this generation only", () => {
    const dead = credential({ verdict: { reason: "rejected", at: 0 } })
    const alive = apply(dead, 1, { _tag: "Pardon", generation: 1 })
    assert.isUndefined(alive?.verdict)
    assert.isUndefined(apply(alive, 1, { _tag: "Pardon", generation: 1 }))
    assert.isUndefined(apply(dead, 1, { _tag: "Pardon", generation: 2 }))
  })
})

describe("the pace of presentations", () => {
  const hour = 3_600_000
  /** Presents and is turned away, as fast as it is let. */
  const hammer = (lifetimeMillis: number | undefined, millis: number): number => {
    const expiry = { _tag: "Known", at: hour, ...(lifetimeMillis !== undefined && { lifetimeMillis }) } as const
    let stored = credential({ tokens: tokens({ expiry }) })
    let presented = 0
    for (let now = hour; now < hour + millis; now += 1_000) {
      const mine: Change = { _tag: "Claim", generation: 1, after: undefined, ticket: { ...ticket("a"), issuedAt: now } }
      const won = apply(stored, 1, mine)
      if (won === undefined) continue
      presented++
      stored = apply(won, 1, { _tag: "Release", generation: 1, ticketId: "a", pause: undefined })!
    }
    return presented
  }
  it("is at most 60 an hour for a token of an hour, whatever went wrong", () => {
    assert.isAtMost(hammer(hour, hour), 60)
    assert.isAtMost(hammer(hour, 10 * hour) - hammer(hour, 9 * hour), 30)
  })
  it("leaves an imported token, whose lifetime nobody knows, room for a short one", () => {
    assert.isAtMost(hammer(undefined, hour), 150)
    const imported = credential({ tokens: tokens({ expiry: { _tag: "Known", at: hour } }) })
    const won = apply(imported, 1, { ...claim("a"), ticket: { ...ticket("a"), issuedAt: hour } } as Change)
    const short = tokens({ expiry: { _tag: "Known", at: hour, lifetimeMillis: 1_000 } })
    const after = apply(won, 1, { _tag: "Commit", generation: 1, seed: undefined, tokens: short, forced: 0 })!
    assert.isAbove(hour - Pace.openAt(after), 100_000, "twenty more at once")
  })
  it("leaves a token of two minutes the room it needs", () => {
    assert.isAbove(hammer(120_000, hour), 100)
  })
})

describe("a commit", () => {
  const commit: Change = { _tag: "Commit", generation: 1, seed: undefined, tokens: next, forced: 0 }
  it("is guarded by the generation alone: a late winner's token is the truth", () => {
    const dead = credential({ verdict: { reason: "lostInRotation", at: 0 }, ticket: ticket("somebody else's") })
    const healed = apply(dead, 1, commit)
    assert.strictEqual(healed?.generation, 2)
    assert.isUndefined(healed?.verdict)
    assert.isUndefined(healed?.ticket)
    assert.isUndefined(apply(credential({ generation: 2 }), 2, commit))
  })
  it("keeps what the server may leave out: refresh token (RFC 6749 §6) and scope (§5.1)", () => {
    const { refreshToken: _, ...without } = next
    const kept = apply(credential({ tokens: tokens({ scope: "a b" }) }), 1, { ...commit, tokens: without } as Change)
    assert.isTrue(Redacted.value(kept!.tokens.refreshToken!) === "refresh-1")
    assert.strictEqual(kept?.tokens.scope, "a b")
  })
})

describe("a verdict", () => {
  it("never kills a newer generation, and never deletes a token", () => {
    const verdict: Change = {
      _tag: "Condemn",
      generation: 1,
      verdict: { reason: "rejected", at: 0 },
      ticketId: undefined,
    }
    assert.isUndefined(apply(credential({ generation: 2 }), 2, verdict))
    assert.isDefined(apply(credential(), 1, verdict)?.tokens.refreshToken)
  })
  it("on a lost rotation holds only while the ticket in doubt is open: given back, it proves nothing", () => {
    const lost: Change = { _tag: "Condemn", generation: 1, verdict: { reason: "lostInRotation", at: 0 }, ticketId: "b" }
    const second = apply(apply(credential(), 1, claim("a")), 1, claim("b", 2, "a"))
    const verdict = apply(second, 1, lost)?.verdict
    assert.deepStrictEqual(verdict?.lost, { by: "test (pid 1)", host: "h", at: 1 })
    assert.strictEqual(verdict?.reason, "lostInRotation")
    const back = apply(second, 1, { _tag: "Release", generation: 1, ticketId: "b", pause: undefined })
    assert.isUndefined(apply(back, 1, lost))
  })
  it("is nobody's who was refused late: somebody else has presented the token since", () => {
    const second = apply(apply(credential(), 1, claim("a")), 1, claim("b", 2, "a"))
    const late: Change = { _tag: "Condemn", generation: 1, verdict: { reason: "reused", at: 0 }, ticketId: "a" }
    assert.isUndefined(apply(second, 1, late))
  })
})

describe("a sign-in", () => {
  const put = (refreshToken: string): Change => {
    const { generation: _, ...again } = credential({ tokens: tokens({ refreshToken: Redacted.make(refreshToken) }) })
    return { _tag: "Put", credential: again }
  }
  it("replaces whatever was there under the next generation, ticket and verdict included", () => {
    const dead = credential({ verdict: { reason: "rejected", at: 0 }, ticket: ticket("a") })
    const replaced = apply(dead, 5, put("refresh-new"))
    assert.strictEqual(replaced?.generation, 6)
    assert.isUndefined(replaced?.verdict)
    assert.isUndefined(replaced?.ticket)
  })
  it("with the same refresh token keeps the ticket that may be presenting it", () => {
    const elsewhere = credential({ ticket: ticket("a"), tokenEndpoint: "https://elsewhere.example/token" })
    assert.strictEqual(apply(elsewhere, 1, put("refresh-1"))?.ticket?.id, "a")
  })
  it("of what is there already changes nothing, but gives a dead grant another chance", () => {
    assert.isUndefined(apply(credential({ ticket: ticket("a") }), 1, put("refresh-1")))
    assert.isDefined(apply(credential({ verdict: { reason: "rejected", at: 0 } }), 1, put("refresh-1")))
  })
  it("with a document whose refresh token has been used since keeps the newer tokens, and takes the rest", () => {
    const seed = fingerprint("refresh-1")
    const rotated = credential({ seed, generation: 2, tokens: next })
    const { generation: _, ...document } = credential({ seed })
    assert.isUndefined(apply(rotated, 2, { _tag: "Put", credential: document }))
    const moved = { ...document, tokenEndpoint: "https://elsewhere.example/token" }
    const taken = apply(rotated, 2, { _tag: "Put", credential: moved })
    assert.strictEqual(taken?.tokenEndpoint, moved.tokenEndpoint)
    assert.isTrue(Redacted.value(taken!.tokens.refreshToken!) === "refresh-2")
  })
})

const change: fc.Arbitrary<Change> = fc.integer({ min: 1, max: 4 }).chain((generation) =>
  fc.oneof(
    fc.record({
      _tag: fc.constant("Claim" as const),
      generation: fc.constant(generation),
      ticket: fc.constantFrom(ticket("a"), ticket("b"), ticket("c", 2)),
      after: fc.constantFrom("a", "b", undefined),
    }),
    fc.record({
      _tag: fc.constant("Commit" as const),
      generation: fc.constant(generation),
      seed: fc.constant("s"),
      tokens: fc.constant(next),
      forced: fc.constant(0),
    }),
    fc.record({
      _tag: fc.constant("Release" as const),
      generation: fc.constant(generation),
      ticketId: fc.constantFrom("a", "b", "c"),
      pause: fc.constant(undefined),
    }),
    fc.record({
      _tag: fc.constant("Condemn" as const),
      generation: fc.constant(generation),
      verdict: fc.constant({ reason: "rejected" as const, at: 0 }),
      ticketId: fc.constantFrom(undefined, "a", "b"),
    }),
  ),
)

it("for any changes: generations grow by one and only with new tokens", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      let stored = credential()
      for (const each of changes) {
        const after = apply(stored, stored.generation, each)
        if (after === undefined) continue
        const isNew = Redacted.value(after.tokens.accessToken) !== Redacted.value(stored.tokens.accessToken)
        assert.isAtMost(after.generation - stored.generation, 1)
        if (isNew) assert.strictEqual(after.generation - stored.generation, 1)
        if (each._tag === "Claim" || each._tag === "Release") assert.strictEqual(after.generation, stored.generation)
        stored = after
      }
    }),
  )
})

it("the stored form reads back as it was, and a credential prints no secret", () => {
  const full = credential({
    ticket: ticket("a"),
    tokens: tokens({ scope: "a" }),
    client: { clientId: "c", clientSecret: Redacted.make("hush"), authMethod: "client_secret_basic" },
  })
  const read = Credential.decode(Credential.encode(full))
  assert.isTrue(Result.isSuccess(read) && Credential.encode(read.success) === Credential.encode(full))
  const printed = JSON.stringify(full) + String(full.tokens.accessToken)
  for (const secret of ["access-1", "refresh-1", "hush"]) assert.isFalse(printed.includes(secret))
})

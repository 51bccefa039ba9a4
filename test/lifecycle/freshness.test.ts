import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Expiry from "../../src/lifecycle/Expiry.ts"
import type { Freshness } from "../../src/lifecycle/freshness.ts"
import { jitterOf, refreshAt, satisfies, usableUntil, windowMillis } from "../../src/lifecycle/freshness.ts"

const now = 1_700_000_000_000
const jwt = (exp: unknown) => ["e30", Buffer.from(JSON.stringify({ exp })).toString("base64url"), "signature"].join(".")
const known = (lifetimeMillis: number): Freshness => ({
  expiry: { _tag: "Known", at: lifetimeMillis, lifetimeMillis },
  obtainedAt: 0,
})

describe("freshness", () => {
  it("the window is 20 % of the lifetime, at least 70 s, at most half the lifetime", () => {
    assert.strictEqual(windowMillis(3_600_000), 720_000)
    assert.strictEqual(windowMillis(300_000), 70_000)
    assert.strictEqual(windowMillis(120_000), 60_000)
  })

  it("an hour's token is handed out to 10 s before its end", () => {
    assert.strictEqual(usableUntil(known(3_600_000)), 3_590_000)
    assert.isTrue(satisfies(known(3_600_000), 3_589_999, 0))
    assert.isFalse(satisfies(known(3_600_000), 3_590_000, 0))
  })

  it("more than half the lifetime cannot be asked for, except of an imported token", () => {
    assert.isTrue(satisfies(known(3_600_000), 1_800_000, 86_400_000))
    assert.isFalse(satisfies(known(3_600_000), 1_800_001, 86_400_000))
    assert.isFalse(satisfies({ expiry: { _tag: "Known", at: 3_600_000 }, obtainedAt: 0 }, 1, 86_400_000))
  })

  it("an unknown expiry is never reached", () => {
    for (const _tag of ["Unknown", "Never"] as const) {
      assert.isTrue(satisfies({ expiry: { _tag }, obtainedAt: 0 }, Number.MAX_SAFE_INTEGER, 1e12))
      assert.strictEqual(refreshAt({ expiry: { _tag }, obtainedAt: 0 }, 0.5), Infinity)
    }
  })

  it("for any lifetime and jitter: minted, then due, then unusable, then expired", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e11 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (lifetime, jitter) => {
          const freshness = known(lifetime)
          assert.isAbove(refreshAt(freshness, jitter), 0)
          assert.isBelow(refreshAt(freshness, jitter), usableUntil(freshness))
          assert.isBelow(usableUntil(freshness), lifetime)
        },
      ),
    )
  })

  it("jitter is in [0, 1) and the same for the same seed", () => {
    fc.assert(
      fc.property(fc.string(), (seed) => {
        assert.isTrue(jitterOf(seed) >= 0 && jitterOf(seed) < 1)
        assert.strictEqual(jitterOf(seed), jitterOf(seed))
      }),
    )
  })
})

describe("the expiry a server tells", () => {
  const cases: ReadonlyArray<[what: string, expiresIn: unknown, token: string, lifetimeSeconds: number | "Unknown"]> = [
    ["a number", 3600, "opaque", 3600],
    ["a numeric string", "3600", "opaque", 3600],
    ["missing", undefined, "opaque", "Unknown"],
    ["null", null, "opaque", "Unknown"],
    ["zero", 0, "opaque", "Unknown"],
    ["negative", -1, "opaque", "Unknown"],
    ["NaN", Number.NaN, "opaque", "Unknown"],
    ["the string NaN", "NaN", "opaque", "Unknown"],
    ["an empty string", "", "opaque", "Unknown"],
    ["a word", "soon", "opaque", "Unknown"],
    ["infinite", Infinity, "opaque", "Unknown"],
    ["an object", {}, "opaque", "Unknown"],
    ["ten days", 864_000, "opaque", 864_000],
    ["a year", 31_536_000, "opaque", 31_536_000],
    ["milliseconds, beyond any lifetime in seconds", 86_400_000, "opaque", 86_400],
    ["milliseconds, told apart by the JWT", 3_600_000, jwt(now / 1000 + 3600), 3600],
    ["missing, with a JWT", undefined, jwt(now / 1000 + 900), 900],
    ["zero, with a JWT", 0, jwt(now / 1000 + 900), 900],
    ["missing, with a JWT that has ended", undefined, jwt(now / 1000 - 1), "Unknown"],
    ["missing, with a JWT whose exp is text", undefined, jwt("tomorrow"), "Unknown"],
    ["missing, with something that only looks like a JWT", undefined, "a.b.c", "Unknown"],
    ["a number, and a JWT that agrees more or less", 3600, jwt(now / 1000 + 3500), 3600],
  ]
  for (const [what, expiresIn, token, lifetime] of cases) {
    it(`${what}: ${lifetime}`, () => {
      assert.deepStrictEqual(
        Expiry.fromTokenResponse(expiresIn, token, now, undefined),
        lifetime === "Unknown"
          ? { _tag: "Unknown" }
          : { _tag: "Known", at: now + lifetime * 1000, lifetimeMillis: lifetime * 1000 },
      )
    })
  }

  it("is never NaN and never in the past, whatever the server says", () => {
    fc.assert(
      fc.property(fc.anything(), fc.string(), (expiresIn, token) => {
        const expiry = Expiry.fromTokenResponse(expiresIn, token, now, undefined)
        assert.isTrue(expiry._tag === "Unknown" || (expiry._tag === "Known" && expiry.at >= now))
      }),
    )
  })
})

describe("the expiry of an imported document", () => {
  it("RFC 3339, epoch seconds, epoch milliseconds, a JWT's exp, or unknown", () => {
    assert.deepStrictEqual(Expiry.fromDocument("2026-11-20T12:00:00Z", "t"), {
      _tag: "Known",
      at: Date.parse("2026-11-20T12:00:00Z"),
    })
    assert.deepStrictEqual(Expiry.fromDocument(1_700_000_000, "t"), { _tag: "Known", at: now })
    assert.deepStrictEqual(Expiry.fromDocument("1700000000", "t"), { _tag: "Known", at: now })
    assert.deepStrictEqual(Expiry.fromDocument(now, "t"), { _tag: "Known", at: now })
    assert.deepStrictEqual(Expiry.fromDocument(undefined, jwt(now / 1000)), { _tag: "Known", at: now })
    assert.deepStrictEqual(Expiry.fromDocument(undefined, "t"), { _tag: "Unknown" })
  })

  it("what cannot be understood is said, not guessed", () => {
    for (const odd of ["tomorrow", -1, Number.NaN, {}, true, "2026", ""]) {
      if (odd === "2026") continue
      assert.isUndefined(Expiry.fromDocument(odd, "t"), String(odd))
    }
  })
})

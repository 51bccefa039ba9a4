import { assert, describe, it } from "@effect/vitest"
import { dangersOf, readable, type Seen } from "../../src/interop/danger.ts"

const one: Seen = { owner: "Codex", place: "/a", name: "x", isGrant: true, refreshFingerprint: "0123", reuse: "strict" }
const kinds = (seen: Seen, ...others: ReadonlyArray<Seen>) => dangersOf(seen, [seen, ...others]).map(({ kind }) => kind)

describe("what endangers a login", () => {
  it("nothing, where it is alone", () => assert.deepStrictEqual(kinds(one), []))

  it("its refresh token in another place, and only there", () => {
    assert.deepStrictEqual(kinds(one, { ...one, place: "/b" }), ["shared"])
    assert.deepStrictEqual(kinds(one, { ...one, place: "/b", refreshFingerprint: "4567" }), [])
    const gone: Seen = { ...one, refreshFingerprint: undefined, isGrant: false }
    assert.deepStrictEqual(kinds(gone, { ...gone, place: "/b" }), [])
  })

  it("a login that is kept together with its owner, only where the two do not hold the same", () => {
    const ours: Seen = {
      ...one,
      owner: "tokenkeep",
      place: "/keep.db",
      name: "mine",
      coOwned: { place: "/a", entry: "x" },
    }
    assert.deepStrictEqual(kinds(ours, one), [])
    assert.deepStrictEqual(kinds(one, ours), [])
    assert.deepStrictEqual(kinds(ours, one, { ...one, place: "/b" }), ["shared"])
    const [apart, ...others] = dangersOf(ours, [ours, { ...one, refreshFingerprint: "4567" }])
    assert.include(apart?.message, "tokenkeep token mine")
    assert.isEmpty(others)
  })

  it("a clock that is off by half a minute, with the direction", () => {
    assert.deepStrictEqual(kinds({ ...one, clockOffsetMillis: 29_999 }), [])
    const [behind] = dangersOf({ ...one, clockOffsetMillis: 90_000 }, [])
    assert.include(behind?.message, "90 s behind")
    const [ahead] = dangersOf({ ...one, clockOffsetMillis: -90_000 }, [])
    assert.include(ahead?.message, "90 s ahead of")
  })

  it("no refresh token, unless each token is minted", () => {
    const bare: Seen = { ...one, refreshFingerprint: undefined, refreshTokenRule: "Ask for it." }
    assert.include(dangersOf(bare, [bare])[0]?.message, "Ask for it.")
    assert.deepStrictEqual(kinds({ ...bare, isMinted: true }), [])
  })

  it("a file that others may reach", () => {
    assert.deepStrictEqual(readable("/a", 0o600, false), [])
    assert.deepStrictEqual(readable("/a", undefined, false), [])
    assert.include(readable("/it's", 0o644, false)[0]?.message, "chmod 600 '/it'\\''s'")
    assert.include(readable("/a", 0o750, true)[0]?.message, "chmod 700")
  })
})

/** The headers that carry a bound token, and what they take from an answer. From end to end: `dpop.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import { type Authorization, authorizationFor } from "../../src/client/authorization.ts"
import { generateKey } from "../../src/exchange/dpop.ts"

const url = new URL("https://api.example/v1?a=b#c")

const making = async () => {
  const granted = { token: "at", resource: undefined, dpopKey: await generateKey() }
  return () => authorizationFor(granted, url, "POST")
}

const claimsOf = ({ headers }: Authorization): Readonly<Record<string, unknown>> =>
  JSON.parse(Buffer.from(headers["DPoP"]!.split(".")[1]!, "base64url").toString("utf8"))

describe("a token bound to a key", () => {
  it("goes with a new proof each time, for the place and the method, without the query", async () => {
    const authorize = await making()
    const [first, second] = [await authorize(), await authorize()]
    assert.strictEqual(first.headers["Authorization"], "DPoP at")
    assert.deepInclude(claimsOf(first), { htu: "https://api.example/v1", htm: "POST" })
    assert.notStrictEqual(claimsOf(first)["jti"], claimsOf(second)["jti"])
  })

  it("takes the newest nonce, and nothing that is none", async () => {
    const authorize = await making()
    for (const [said, next] of [
      ["one, two", undefined],
      ["n-1", "n-1"],
      ["", "n-1"],
      [null, "n-1"],
      ['"n-2"', "n-1"],
      ["n-2", "n-2"],
    ] as const) {
      await (await authorize()).keep(said)
      assert.strictEqual(claimsOf(await authorize())["nonce"], next, String(said))
    }
  })

  it("is refused by any 401 but one for a nonce", async () => {
    const { refusal } = await (await making())()
    const challenges = { nonce: 'DPoP error="use_dpop_nonce"', other: 'DPoP error="invalid_token"' }
    assert.strictEqual(refusal(401, challenges.nonce), "nonce")
    assert.strictEqual(refusal(401, challenges.other), "token")
    assert.strictEqual(refusal(401, 'Bearer error="use_dpop_nonce"'), "token")
    assert.strictEqual(refusal(401, null), "token")
    assert.strictEqual(refusal(403, challenges.nonce), undefined)
  })
})

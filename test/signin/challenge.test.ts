import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Challenge, forAccessToken, parse } from "../../src/signin/challenge.ts"

const challenge = (scheme: string, parameters: Record<string, string> = {}, token68?: string): Challenge => ({
  scheme,
  token68,
  parameters: new Map(Object.entries(parameters)),
})

describe("WWW-Authenticate", () => {
  it.each<[string, ReadonlyArray<Challenge>]>([
    ["", []],
    [" , ,", []],
    ["Bearer", [challenge("bearer")]],
    ['Bearer realm="a"', [challenge("bearer", { realm: "a" })]],
    ["Negotiate a87421==, Bearer", [challenge("negotiate", {}, "a87421=="), challenge("bearer")]],
    [
      'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
      [
        challenge("newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }),
        challenge("basic", { realm: "simple" }),
      ],
    ],
    // What the MCP SDK's own reader gets wrong: another scheme first, a name that ends like ours, a name inside a text.
    [
      'Basic realm="x", Bearer scope="a b"',
      [challenge("basic", { realm: "x" }), challenge("bearer", { scope: "a b" })],
    ],
    ['Bearer x_scope="evil", scope="good"', [challenge("bearer", { x_scope: "evil", scope: "good" })]],
    [
      'Bearer error_description="needs scope=\\"evil\\"", scope="good"',
      [challenge("bearer", { error_description: 'needs scope="evil"', scope: "good" })],
    ],
    ["Bearer scope = a , error\t=\tb", [challenge("bearer", { scope: "a", error: "b" })]],
    ["Bearer scope=a,scope=b", [challenge("bearer", { scope: "a" })]],
    [
      "Bearer resource_metadata=https://as.example/.well-known/x?a=b",
      [challenge("bearer", { resource_metadata: "https://as.example/.well-known/x?a=b" })],
    ],
    ['Bearer realm="a" error="b"', [challenge("bearer", { realm: "a", error: "b" })]],
    // Malformed: the challenge and all behind it.
    ['Basic realm="a", Bearer realm="b', [challenge("basic", { realm: "a" })]],
    ['Bearer realm="a"b, Basic', []],
    ["Bearer realm=, Basic", [challenge("bearer", {}, "realm="), challenge("basic")]],
    ["(Bearer)", []],
  ])("%s", (header, expected) => {
    assert.deepStrictEqual(parse(header), expected)
  })

  const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,8}$/)
  const value = fc.string({
    unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCodePoint(code)),
    maxLength: 20,
  })
  const parameters = fc.uniqueArray(fc.tuple(token, value, fc.boolean()), {
    selector: ([name]) => name.toLowerCase(),
    minLength: 1,
    maxLength: 4,
  })
  const one = fc.oneof(
    fc.record({ scheme: token, parameters }),
    fc.record({ scheme: token, token68: fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,12}={0,2}$/) }),
    fc.record({ scheme: token }),
  )
  const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`
  const isToken = (text: string) => /^[A-Za-z0-9]+$/.test(text)

  it("reads back whatever is written by the grammar", () => {
    fc.assert(
      fc.property(
        fc.array(one, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(", ", ",", " ,\t", ", , "),
        (list, comma) => {
          const written = list.map((each) => {
            if ("token68" in each) return `${each.scheme} ${each.token68}`
            if (!("parameters" in each)) return each.scheme
            const pairs = each.parameters.map(
              ([name, text, bare]) => `${name}=${bare && isToken(text) ? text : quoted(text)}`,
            )
            return `${each.scheme} ${pairs.join(comma)}`
          })
          const expected = list.map((each) => ({
            scheme: each.scheme.toLowerCase(),
            token68: "token68" in each ? each.token68 : undefined,
            parameters: new Map(
              "parameters" in each ? each.parameters.map(([name, text]) => [name.toLowerCase(), text] as const) : [],
            ),
          }))
          assert.deepStrictEqual(parse(written.join(comma)), expected)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it("10,000 texts of its own alphabet: never throws, and finds nothing that is not there", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "Bearer",
        "DPoP",
        "Basic",
        " ",
        ",",
        "=",
        '"',
        "\\",
        "scope",
        "realm",
        "\t",
        "==",
        "\u0000",
        "é",
        "\r\n",
      ),
      fc.string({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const text = pieces.join("")
        for (const { parameters, scheme, token68 } of parse(text)) {
          assert.include(text.toLowerCase(), scheme)
          if (token68 !== undefined) assert.include(text, token68)
          for (const name of parameters.keys()) assert.include(text.toLowerCase(), name)
        }
      }),
      { numRuns: 10_000 },
    )
  })

  it("takes linear time for what never ends", () => {
    for (const text of [`Bearer ${'a="'.repeat(100_000)}`, "a ".repeat(100_000), `Bearer x="${"\\".repeat(100_001)}`]) {
      assert.isAtMost(parse(text).length, 1)
    }
  })

  it("prefers Bearer to DPoP, wherever they stand", () => {
    assert.strictEqual(forAccessToken('DPoP algs="ES256", Bearer scope="a"')?.scheme, "bearer")
    assert.strictEqual(forAccessToken('DPoP algs="ES256"')?.scheme, "dpop")
    assert.isUndefined(forAccessToken("Basic"))
    assert.isUndefined(forAccessToken(null))
  })
})

/** The fast path decides and prints as the core does, whatever is stored. */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { format, formats } from "../../src/cli/format.ts"
import { parseDuration } from "../../src/cli/duration.ts"
import { tooOld } from "../../src/cli/nodeVersion.ts"
import { parseTokenRequest } from "../../src/cli/request.ts"
import { served } from "../../src/cli/served.ts"
import { type Credential, decode, encode } from "../../src/lifecycle/Credential.ts"
import { satisfies } from "../../src/lifecycle/freshness.ts"
import { credential, tokens } from "../lifecycle/credentials.ts"

const now = 1_700_000_000_000
const span = fc.oneof(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 0, max: 100_000_000 }))
const text = fc.string({ minLength: 1 })
const expiry = fc.oneof(
  fc.constant({ _tag: "Unknown" as const }),
  fc.constant({ _tag: "Never" as const }),
  span.map((left) => ({ _tag: "Known" as const, at: now + left - 50_000 })),
  fc
    .tuple(span, span)
    .map(([left, lifetimeMillis]) => ({ _tag: "Known" as const, at: now + left - 50_000, lifetimeMillis })),
)
const credentials: fc.Arbitrary<Credential> = fc
  .record({
    expiry,
    accessToken: text,
    tokenType: fc.oneof(fc.constantFrom("Bearer", "bearer", "DPoP"), text),
    scope: fc.option(fc.string(), { nil: undefined }),
    ago: span,
    generation: fc.integer({ min: 1, max: 1e9 }),
    dead: fc.boolean(),
    paused: fc.boolean(),
  })
  .map(({ accessToken, ago, dead, expiry, generation, paused, scope, tokenType }) =>
    credential({
      generation,
      tokens: tokens({
        accessToken: Redacted.make(accessToken),
        expiry,
        tokenType,
        obtainedAt: now - ago,
        ...(scope === undefined ? {} : { scope }),
      }),
      ...(dead && { verdict: { reason: "rejected" as const, at: now } }),
      ...(paused && { pause: { until: now + 1, failures: 1, cause: "the server is down" } }),
    }),
  )

/** What the core makes of the same record: decoded by the Schema, judged by `satisfies`, with a note if it is dead. */
const byTheCore = (record: string, name: string, at: number, minTtlMillis: number) => {
  const stored = Result.getOrThrow(decode(record))
  const { accessToken, expiry, scope, tokenType } = stored.tokens
  if (stored.name !== name || stored.verdict !== undefined || !satisfies(stored.tokens, at, minTtlMillis))
    return undefined
  const expiresAt = expiry._tag === "Known" ? expiry.at : undefined
  return { token: Redacted.value(accessToken), tokenType, expiresAt, generation: stored.generation, scope }
}

describe("the fast path", () => {
  it("decides as the core does, and prints the same text", () => {
    const seen = { served: 0, passed: 0 }
    fc.assert(
      fc.property(credentials, span, fc.constantFrom(...formats), (stored, minTtlMillis, as) => {
        const record = encode(stored)
        const fast = served(record, "github", now, minTtlMillis)
        const core = byTheCore(record, "github", now, minTtlMillis)
        assert.deepStrictEqual(fast, core)
        if (fast && core) assert.strictEqual(format(fast, as), format(core, as))
        seen[fast === undefined ? "passed" : "served"]++
      }),
      { numRuns: 2_000 },
    )
    // The property says nothing if one of the answers never came.
    assert.isAbove(seen.served, 200)
    assert.isAbove(seen.passed, 200)
  })

  it("serves nothing that the Schema would not have read", () => {
    const damage = fc.tuple(
      fc.constantFrom("accessToken", "tokenType", "expiry", "obtainedAt", "scope"),
      fc.constantFrom(
        null,
        7,
        "",
        "text",
        true,
        {},
        [],
        { _tag: "Known" },
        { _tag: "Known", at: "soon" },
        { _tag: "Old" },
      ),
    )
    fc.assert(
      fc.property(credentials, damage, (stored, [key, value]) => {
        const record = JSON.parse(encode(stored))
        record.tokens[key] = value
        const damaged = JSON.stringify(record)
        if (Result.isFailure(decode(damaged))) assert.isUndefined(served(damaged, "github", now, 0))
      }),
      { numRuns: 1_000 },
    )
    for (const odd of ["{}", "[]", "null", "7", '{"tokens":null}']) assert.isUndefined(served(odd, "github", now, 0))
    assert.isUndefined(served(encode(credential()), "another", 0, 0))
  })
})

describe("the request the fast path understands", () => {
  it("token NAME, with its two flags in either order", () => {
    const request = { name: "github", minTtlMillis: 60_000, format: "raw" }
    assert.deepStrictEqual(parseTokenRequest(["token", "github"]), request as never)
    assert.deepStrictEqual(parseTokenRequest(["token", "github", "--format", "exec", "--min-ttl", "5m"]), {
      name: "github",
      minTtlMillis: 300_000,
      format: "exec",
    })
  })

  it("nothing else", () => {
    const others = [
      "",
      "token",
      "tokens github",
      "token -h",
      "token github -h",
      "token github --json",
      "token github --format",
      "token github --format yaml",
      "token github --min-ttl soon",
      "token github --min-ttl -1",
      "token github --format raw --format raw",
      "token github --refused abc",
      "token github extra",
      "token .github",
      "status github",
    ]
    for (const line of others) assert.isUndefined(parseTokenRequest(line === "" ? [] : line.split(" ")), line)
  })

  it("durations with a unit, or in seconds", () => {
    const cases = { "500ms": 500, "60s": 60_000, "5m": 300_000, "2h": 7_200_000, "60": 60_000, "1.5s": 1_500, "0": 0 }
    for (const [written, millis] of Object.entries(cases)) assert.strictEqual(parseDuration(written), millis, written)
    for (const odd of ["", "s", "-1s", "1d", "1 s", "1e3", "Infinity", "1s1"])
      assert.isUndefined(parseDuration(odd), odd)
  })
})

describe("the formats", () => {
  const token = { token: "t", tokenType: "bearer", expiresAt: now + 999, generation: 2, scope: "a b" }
  const unknown = { token: "t", tokenType: "DPoP", expiresAt: undefined, generation: 1, scope: undefined }

  it("raw, header, json and exec", () => {
    assert.strictEqual(format(token, "raw"), "t\n")
    assert.strictEqual(format(token, "header"), "Authorization: Bearer t\n")
    assert.strictEqual(format(unknown, "header"), "Authorization: DPoP t\n")
    const json = {
      access_token: "t",
      token_type: "bearer",
      expires_at: "2023-11-14T22:13:20Z",
      scope: "a b",
      generation: 2,
    }
    assert.strictEqual(format(token, "json"), `${JSON.stringify(json)}\n`)
    assert.deepStrictEqual(JSON.parse(format(token, "exec")), {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "t", expirationTimestamp: "2023-11-14T22:13:20Z" },
    })
  })

  it("what is not known is left out, and so is what no calendar holds", () => {
    assert.deepStrictEqual(JSON.parse(format(unknown, "json")), {
      access_token: "t",
      token_type: "DPoP",
      generation: 1,
    })
    assert.deepStrictEqual(JSON.parse(format({ ...unknown, expiresAt: 1e300 }, "exec")).status, { token: "t" })
  })
})

describe("the oldest Node", () => {
  it("is the one of package.json", async () => {
    const { engines } = (await import("../../package.json", { with: { type: "json" } })).default
    const [, oldest] = /^>=(\d+\.\d+)\.0$/.exec(engines.node) ?? []
    assert.include(tooOld("18.0.0"), `Node ${oldest} or newer`)
    assert.isUndefined(tooOld(`${oldest}.0`))
    for (const fine of ["22.20.1", "23.0.0", "24.21.0", "100.0.0"]) assert.isUndefined(tooOld(fine), fine)
    for (const old of ["22.18.9", "20.99.0", "8.0.0"]) assert.isDefined(tooOld(old), old)
  })
})

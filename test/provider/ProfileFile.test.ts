/** A profile that a person writes: what it may say, and what is said when it cannot be understood. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { builtIn } from "../../src/provider/builtIn.ts"
import { parse } from "../../src/provider/ProfileFile.ts"
import { find, generic } from "../../src/provider/ProviderProfile.ts"

const profileOf = (content: unknown, path = "/somewhere/acme.json") =>
  Result.getOrThrow(parse(path, JSON.stringify(content)))
const complaint = (text: string, path = "/somewhere/acme.json"): string => {
  const parsed = parse(path, text)
  return Result.isFailure(parsed) ? parsed.failure.message : ""
}
const complaintOf = (content: unknown) => complaint(JSON.stringify(content))

describe("a provider profile in a file", () => {
  it("says nothing that it does not have to", () => {
    assert.deepStrictEqual(profileOf({}), { ...generic, id: "acme", name: "acme" })
  })

  it("differs from the one it extends, and is found by its own servers only", () => {
    const keycloak = find(builtIn, "keycloak")!
    const spelling = { code: "invalid_request", phrase: "Session ended.", status: 400, means: "expired" } as const
    const acme = profileOf({
      name: "Acme SSO",
      extends: "keycloak",
      match: ["sso.acme.example", "*.acme.example/realms", "/acme/*"],
      authorize_params: { audience: "https://api.acme.example" },
      scopes: { add: ["offline_access"], separator: "," },
      send_resource: false,
      scope_on_refresh: true,
      token_endpoint_auth_method: "client_secret_post",
      request_body: "json",
      access_token_optional: true,
      expiry_source: "milliseconds",
      reuse: "idempotent",
      grace: 30,
      spellings: [spelling, { phrase: "Gone.", means: "revoked" }],
      refresh_token_rule: "Acme gives one to its friends.",
    })
    assert.deepStrictEqual(acme, {
      id: "acme",
      name: "Acme SSO",
      match: ["sso.acme.example", "*.acme.example/realms", "/acme/*"],
      authorizeParams: { audience: "https://api.acme.example" },
      offlineParams: keycloak.offlineParams,
      scopes: { ...generic.scopes, add: ["offline_access"], separator: "," },
      sendResource: false,
      scopeOnRefresh: true,
      clientAuth: "client_secret_post",
      requestBody: "json",
      accessTokenOptional: true,
      expirySource: "milliseconds",
      reuse: { class: "idempotent", graceMillis: 30_000 },
      spellings: [spelling, { code: "", phrase: "Gone.", means: "revoked" }, ...keycloak.spellings],
      refreshTokenRule: "Acme gives one to its friends.",
    })
    assert.deepStrictEqual(profileOf({ extends: "keycloak" }).match, [])
  })

  it("is refused with the file, the place and what belongs there", () => {
    assert.strictEqual(
      complaintOf({ reuse: "kind", grace: -1 }),
      "/somewhere/acme.json: reuse: expected one of notRotating, idempotent, fork, untilSuccessorUsed, rejectOnly, strict\n" +
        "/somewhere/acme.json: grace: expected a number of seconds, 0 or more",
    )
    assert.match(
      complaintOf({ spellngs: [] }),
      /^\/somewhere\/acme\.json: spellngs: no such member\. Those there are: name,/,
    )
    assert.match(complaintOf({ extends: "nobody" }), /: extends: expected one of google, /)
    assert.match(complaintOf({ send_resource: "no" }), /: send_resource: expected true or false$/)
    assert.match(complaintOf({ grace: 30 }), /: grace: it says nothing without reuse$/)
    assert.match(complaintOf([]), /: expected a JSON object$/)
    assert.match(complaint("{ nonsense"), /: expected a JSON object, and it stops being JSON at character 2$/)
    for (const name of ["Acme.json", "a b.json", "..json", ".json"]) {
      assert.match(complaint("{}", `/somewhere/${name}`), /an id has lower-case letters/)
    }
  })

  it("has no spelling that stands for a part of a sentence, or for every answer", () => {
    const spelled = (spelling: object) => complaintOf({ spellings: [{ means: "rejected", ...spelling }] })
    for (const spelling of [
      {},
      { code: "" },
      { phrase: "*" },
      { phrase: "*token*" },
      { phrase: "short*" },
      { status: 400 },
    ]) {
      assert.match(
        spelled(spelling),
        /: spellings\.0.*: expected objects with code or phrase/,
        JSON.stringify(spelling),
      )
    }
    assert.strictEqual(spelled({ phrase: "ACME-1234: *" }), "")
    assert.strictEqual(spelled({ code: "acme_gone", status: 410 }), "")
  })

  it("has no pattern that is every server's", () => {
    for (const pattern of ["*", "", ".", "*.*", "https://acme.example", "acme.example:443", "/", "/*", "*/x"]) {
      assert.match(complaintOf({ match: [pattern] }), /: match\.0: expected a list of hosts and paths/, pattern)
    }
  })

  it("never throws, and never repeats what stands in the file", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.object().map((value) => JSON.stringify({ reuse: "PLANTED", ...value })),
        ),
        (text) => {
          assert.notInclude(complaint(text), "PLANTED")
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

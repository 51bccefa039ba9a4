/** What a sign-in and a refresh ask of a profile, how a profile is found, and that doubt never loosens one. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { ReuseClass } from "../../src/lifecycle/Credential.ts"
import { builtIn, rows } from "../../src/provider/builtIn.ts"
import { matches } from "../../src/provider/match.ts"
import * as ProviderProfile from "../../src/provider/ProviderProfile.ts"
import { everywhere } from "../../src/provider/spellings.ts"
import { type Certainty, profileOf, type Row } from "../../src/provider/table/Row.ts"

const { authorizeParams, choose, generic, refreshParams, scopes, scopeText, whyNoRefreshToken } = ProviderProfile

const named = (id: string) => {
  const found = ProviderProfile.find(builtIn, id)
  if (found === undefined) throw new Error(`there is no profile ${id}`)
  return found
}

describe("the authorization request", () => {
  it("asks Google as Google wants it, and never for offline_access", () => {
    const asked = scopes(named("google"), ["openid", "offline_access"], ["openid", "offline_access"])
    assert.deepStrictEqual(asked, ["openid"])
    assert.deepStrictEqual(authorizeParams(named("google"), asked), { access_type: "offline", prompt: "consent" })
  })

  it("lets the person's parameters win, and takes away what is empty (RFC 6749 §3.1)", () => {
    const extra = { prompt: "select_account", access_type: "", login_hint: "me" }
    assert.deepStrictEqual(authorizeParams(named("google"), [], extra), { prompt: "select_account", login_hint: "me" })
  })

  it("asks for offline_access where it is advertised, with consent (OpenID Connect Core §11)", () => {
    const asked = scopes(generic, ["a", "a"], ["offline_access"])
    assert.deepStrictEqual(asked, ["a", "offline_access"])
    assert.deepStrictEqual(authorizeParams(generic, asked), { prompt: "consent" })
    assert.deepStrictEqual(scopes(generic, ["a"]), ["a"])
    assert.deepStrictEqual(authorizeParams(generic, ["a"]), {})
    // Alone it would replace the server's own default by a scope that opens nothing.
    assert.deepStrictEqual(scopes(generic, [], ["offline_access"]), [])
    // Microsoft needs no prompt for it.
    assert.deepStrictEqual(authorizeParams(named("entra"), ["offline_access"]), {})
  })

  it("adds what a provider wants for a refresh token", () => {
    assert.deepStrictEqual(scopes(named("x"), ["tweet.read"]), ["tweet.read", "offline.access"])
    assert.deepStrictEqual(scopes(named("salesforce"), ["api"]), ["api", "refresh_token"])
    assert.deepStrictEqual(authorizeParams(named("dropbox"), []), { token_access_type: "offline" })
    assert.deepStrictEqual(authorizeParams(named("reddit"), []), { duration: "permanent" })
    assert.deepStrictEqual(authorizeParams(named("atlassian"), []), {
      audience: "api.atlassian.com",
      prompt: "consent",
    })
    assert.deepStrictEqual(scopes(named("openai"), []), ["openid", "profile", "email", "offline_access"])
    assert.strictEqual(scopeText(named("linear"), ["read", "write"]), "read,write")
    assert.strictEqual(scopeText(generic, ["read", "write"]), "read write")
  })
})

describe("a refresh", () => {
  const grant = { resource: "https://mcp.example/mcp", scope: "a b" }

  it("sends the resource, except where the server rejects it", () => {
    assert.deepStrictEqual(refreshParams(generic, grant), { resource: grant.resource })
    assert.deepStrictEqual(refreshParams(generic, {}), {})
  })

  it("sends Microsoft the scopes of the grant, with the one that keeps the refresh token rolling", () => {
    assert.deepStrictEqual(refreshParams(named("entra"), grant), { scope: "a b offline_access" })
    assert.deepStrictEqual(refreshParams(named("entra"), { resource: grant.resource }), {})
  })
})

describe("no refresh token", () => {
  it("is explained, with the flags that ask for one", () => {
    const sent = new URLSearchParams({ scope: "openid", access_type: "offline", prompt: "none" })
    const { flags, why } = whyNoRefreshToken(named("google"), sent)
    assert.match(why, /^Google gives .* Not asked for: prompt=consent\.$/)
    assert.deepStrictEqual(flags, ["--authorize-param", "prompt=consent"])
    assert.deepStrictEqual(whyNoRefreshToken(named("x"), new URLSearchParams({ scope: "tweet.read" })).flags, [
      "--scope",
      "offline.access",
    ])
  })

  it("has no flags to offer when everything was asked for", () => {
    const sent = new URLSearchParams(authorizeParams(named("google"), []))
    assert.deepStrictEqual(whyNoRefreshToken(named("google"), sent), {
      why: named("google").refreshTokenRule,
      flags: [],
    })
    assert.include(whyNoRefreshToken(generic, new URLSearchParams()).why, "offline_access")
  })
})

describe("the choice of a profile", () => {
  const id = (server: { readonly issuer?: string; readonly tokenEndpoint?: string }) => choose(builtIn, server).id

  it("goes by the issuer, and by the token endpoint when there is none", () => {
    assert.strictEqual(
      id({ issuer: "https://acme.eu.auth0.com/", tokenEndpoint: "https://login.acme.example/token" }),
      "auth0",
    )
    assert.strictEqual(id({ tokenEndpoint: "https://oauth2.googleapis.com/token" }), "google")
    assert.strictEqual(
      id({ issuer: "https://as.example", tokenEndpoint: "https://oauth2.googleapis.com/token" }),
      "generic",
    )
    assert.strictEqual(id({}), "generic")
    assert.strictEqual(id({ issuer: "not a URL" }), "generic")
  })

  it("takes the whole host and whole segments of the path, and nothing that only looks like them", () => {
    const tried: ReadonlyArray<readonly [pattern: string, url: string, boolean]> = [
      ["zoom.us", "https://zoom.us/oauth/token", true],
      ["zoom.us", "https://ZOOM.us", true],
      ["zoom.us", "https://zoom.us.evil.example/oauth/token", false],
      ["zoom.us", "https://notzoom.us/oauth/token", false],
      ["zoom.us", "https://zoomaus/oauth/token", false],
      ["zoom.us", "https://evil.example/zoom.us", false],
      ["zoom.us", "https://zoom.us@evil.example/", false],
      ["*.auth0.com", "https://acme.eu.auth0.com", true],
      ["*.auth0.com", "https://auth0.com", false],
      ["*.auth0.com", "https://.auth0.com.evil.example", false],
      ["cognito-idp.*.amazonaws.com", "https://cognito-idp.eu-west-1.amazonaws.com/pool", true],
      ["github.com/login/oauth", "https://github.com/login/oauth/access_token", true],
      ["github.com/login/oauth", "https://github.com/login/oauthx", false],
      ["github.com/login/oauth", "https://github.com/", false],
      ["/realms/*", "https://sso.example/realms/staff/protocol/openid-connect/token", true],
      ["/realms/*", "https://sso.example/realms/", false],
      ["/realms/*", "https://sso.example/x/realms/staff", false],
      ["zoom.us", "", false],
    ]
    for (const [pattern, url, expected] of tried)
      assert.strictEqual(matches(pattern, url), expected, `${pattern} ${url}`)
  })

  it("leaves no server to two providers", () => {
    const servers = rows.flatMap(({ id, match }) => match.map((pattern) => ({ id, pattern })))
    for (const { id, pattern } of servers) {
      const path = pattern.startsWith("/") ? `as.example${pattern}` : pattern
      const url = `https://${path.replaceAll("*", "acme")}`
      const found = rows.filter(({ match }) => match.some((pattern) => matches(pattern, url)))
      assert.deepStrictEqual(
        found.map((row) => row.id),
        [id],
        url,
      )
    }
  })
})

describe("the table", () => {
  it("has each id once, and a source for every cell", () => {
    const ids = builtIn.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const { cells, id, spellings } of rows) {
      assert.match(id, /^[a-z0-9][a-z0-9_-]*$/)
      for (const cell of [...Object.values(cells), ...spellings]) assert.isNotEmpty(cell.source.trim(), id)
      assert.isDefined(cells.reuse, id)
    }
  })

  it("has no spelling that could match any answer at all", () => {
    for (const { code, phrase } of [...everywhere, ...builtIn.flatMap(({ spellings }) => spellings)]) {
      assert.isTrue(code !== "" || phrase !== undefined)
      if (phrase?.includes("*")) assert.match(phrase, /^[^*]{8,}\*$/)
    }
  })

  const certainties: ReadonlyArray<Certainty> = ["verified", "documented", "reported", "unsure"]

  it("lets no doubtful word about reuse loosen anything, whatever it says", () => {
    const reuse = fc.record({
      value: fc.record({ class: fc.constantFrom(...ReuseClass.literals), graceMillis: fc.nat() }),
      source: fc.string(),
      certainty: fc.constantFrom(...certainties),
    })
    fc.assert(
      fc.property(fc.constantFrom(...rows), reuse, (row, reuse) => {
        const profile = profileOf({ ...row, cells: { ...row.cells, reuse } })
        const trusted = reuse.certainty === "verified" || reuse.certainty === "documented"
        assert.deepStrictEqual(profile.reuse, trusted ? reuse.value : { class: "strict", graceMillis: 0 })
      }),
    )
  })

  it("uses nothing that is unsure", () => {
    for (const row of rows) {
      const unsure = <A extends object>(cell: A) => ({ ...cell, certainty: "unsure" as const })
      const doubted = {
        ...row,
        cells: Object.fromEntries(Object.entries(row.cells).map(([name, cell]) => [name, unsure(cell)])),
        spellings: row.spellings.map(unsure),
      } as Row
      const { id, match, name } = row
      assert.deepStrictEqual(profileOf(doubted), { ...generic, id, name, match })
    }
  })
})

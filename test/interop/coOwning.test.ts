/** One contract for everything that is written into other programs' files, over the shapes that the programs write. */
import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import {
  type CoOwning,
  type Edit,
  type Entry,
  type Json,
  refusal as refused,
  type Spot,
  type Successor,
} from "../../src/interop/ForeignStore.ts"
import * as JsonEdit from "../../src/interop/jsonEdit.ts"
import { owners } from "../../src/interop/owners.ts"
import { at, fileOf, type Fixture, fixtures, jwt, withUnknown } from "./foreignFixtures.ts"

const surroundings = { env: {}, platform: "linux", homedir: () => "/home/user" }
const obtainedAt = at + 60_000
const expiresAt = at + 7_200_000

const next: Successor = {
  accessToken: jwt({ exp: expiresAt / 1000, secret: "secret-at-next" }),
  refreshToken: "secret-rt-next",
  idToken: undefined,
  expiresAt,
  scope: "user:inference other",
  issuer: "https://as.example",
  obtainedAt,
}

/** As an owner writes its file, and as it is rewritten. */
const written = (content: Json): string => `${JSON.stringify(content, null, 2)}\n`
const rewritten = (content: Json, edits: ReadonlyArray<Edit>): string =>
  Result.getOrThrow(JsonEdit.edited(written(content), edits))

const apply = (content: Json, edits: ReadonlyArray<Edit>): Json => JSON.parse(rewritten(content, edits))

/** The text without what was edited. */
const without = (content: Json, edits: ReadonlyArray<Edit>): string =>
  rewritten(
    content,
    edits.map(({ path }) => ({ path, value: "edited" })),
  )

const plansOf = (fixture: Fixture): CoOwning | undefined => {
  const { coOwning } = fileOf(fixture)
  return typeof coOwning === "string" ? undefined : coOwning
}

const grantsIn = (fixture: Fixture, content: Json): ReadonlyArray<Entry> =>
  fileOf(fixture)
    .read(content, surroundings)
    .filter(({ held }) => held._tag === "Grant")

const tokensOf = (entry: Entry | undefined) => {
  const held = entry?.held
  if (held?._tag !== "Grant") return undefined
  const { tokens } = Redacted.value(held.document)
  return { access: tokens.access_token, refresh: tokens.refresh_token, expiresAt: held.expiresAt }
}

const coOwned = fixtures.filter((fixture) => plansOf(fixture) !== undefined)

/** All members that may get another value, by the names of the entries. */
const touched: Readonly<Record<string, Readonly<Record<string, ReadonlyArray<string>>>>> = {
  "Codex, auth.json": { chatgpt: ["tokens.access_token", "tokens.refresh_token", "last_refresh"] },
  "Codex, .credentials.json": {
    example: ["access_token", "expires_at", "refresh_token", "scopes"].map(
      (each) => `example|4282f2a9112820d2.${each}`,
    ),
    old: ["issuer", "access_token", "expires_at", "refresh_token", "scopes"].map(
      (each) => `old|4282f2a9112820d3.${each}`,
    ),
  },
  "pi, auth.json": Object.fromEntries(
    ["anthropic", "openai-codex", "openai-chatgpt"].map((name) => [
      name,
      [`${name}.access`, `${name}.refresh`, `${name}.expires`],
    ]),
  ),
  "pi, mcp-auth.json": {
    srv: ["tokens.access_token", "tokens.refresh_token", "tokens.expires_in", "tokens.scope", "tokensExpireAt"].map(
      (each) => `srv|https://srv.example/mcp.${each}`,
    ),
  },
  "opencode, auth.json": Object.fromEntries(
    ["anthropic", "openai"].map((name) => [name, [`${name}.access`, `${name}.refresh`, `${name}.expires`]]),
  ),
  "opencode, mcp-auth.json": {
    srv: ["accessToken", "refreshToken", "expiresAt", "scope"].map((each) => `srv.tokens.${each}`),
  },
  "Gemini CLI, oauth_creds.json": { google: ["access_token", "refresh_token", "scope", "expiry_date"] },
  "Gemini CLI, mcp-oauth-tokens.json": {
    srv: ["token.accessToken", "token.refreshToken", "token.expiresAt", "token.scope", "updatedAt"].map(
      (each) => `0.${each}`,
    ),
  },
  "Qwen Code, oauth_creds.json": { qwen: ["access_token", "refresh_token", "expiry_date"] },
  "Claude Code, .credentials.json": {
    claude: ["accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt", "scopes"].map(
      (each) => `claudeAiOauth.${each}`,
    ),
    srv: ["accessToken", "refreshToken", "expiresAt", "scope"].map((each) => `mcpOAuth.srv|0123abcd.${each}`),
  },
}

it("each file of each owner is written, or tells why not", () => {
  assert.sameMembers(
    coOwned.map(({ what }) => what),
    Object.keys(touched),
  )
  for (const { coOwning } of owners.flatMap(({ files }) => files)) {
    if (typeof coOwning === "string") assert.isAbove(coOwning.length, 40)
  }
})

describe.each(coOwned)("$what", (fixture) => {
  const { edits } = plansOf(fixture)!
  const content = withUnknown(fixture.content)
  const entries = grantsIn(fixture, content)
  const afterwards = (entry: Entry, successor: Successor, before = content) => {
    const after = apply(before, edits(entry.key, successor, before))
    return { after, entry: grantsIn(fixture, after).find(({ key }) => key === entry.key) }
  }

  it("touches these members and no others", () => {
    const found = Object.fromEntries(
      entries.map(({ key, name }) => [name, edits(key, next, content).map(({ path }) => path.join("."))]),
    )
    assert.deepStrictEqual(found, touched[fixture.what])
  })

  it("its reader reads the successor, and all else as it was, in its order", () => {
    for (const entry of entries) {
      const { after, entry: read } = afterwards(entry, next)
      assert.deepStrictEqual(tokensOf(read), { access: next.accessToken, refresh: next.refreshToken, expiresAt })
      const changed = edits(entry.key, next, content)
      assert.strictEqual(without(after, changed), without(content, changed))
      for (const other of entries.filter(({ key }) => key !== entry.key)) {
        assert.deepStrictEqual(tokensOf(grantsIn(fixture, after).find(({ key }) => key === other.key)), tokensOf(other))
      }
    }
  })

  it("without another refresh token the old one stays", () => {
    for (const entry of entries) {
      const { entry: read } = afterwards(entry, { ...next, refreshToken: undefined })
      assert.strictEqual(tokensOf(read)?.refresh, tokensOf(entry)?.refresh)
      assert.strictEqual(tokensOf(read)?.access, next.accessToken)
    }
  })

  it("without a known end, no old one is left, and none that has come already", () => {
    for (const entry of entries) {
      const { entry: read } = afterwards(entry, { ...next, accessToken: "secret-opaque", expiresAt: undefined })
      const saysUnknown = fixture.owner === "codex" || fixture.owner === "codex-mcp"
      assert.strictEqual(tokensOf(read)?.expiresAt, saysUnknown ? undefined : obtainedAt + 3_600_000)
    }
  })

  it("without a scope, or without a sign of the issuer, what is there stays", () => {
    for (const entry of entries) {
      const bare = edits(entry.key, { ...next, scope: undefined, issuer: undefined }, content)
      assert.isEmpty(bare.filter(({ path }) => /scope|issuer/.test(String(path.at(-1)))))
    }
  })

  it("writes whole milliseconds, and no undefined, whatever the server's clock says", () => {
    for (const entry of entries) {
      for (const { path, value } of edits(entry.key, { ...next, expiresAt: expiresAt + 0.25 }, content)) {
        const where = path.join(".")
        assert.isDefined(value, where)
        // opencode's seconds have a fraction, of milliseconds.
        if (typeof value === "number") {
          assert.isTrue(Number.isInteger(fixture.what === "opencode, mcp-auth.json" ? value * 1000 : value), where)
        }
      }
    }
  })

  it("signs nobody in again who signed out there, and adds no entry", () => {
    for (const { key } of entries) assert.deepStrictEqual(edits(key, next, fixture.signedOut), [])
    for (const gone of [null, [], {}, "text", 3]) {
      for (const { key } of entries) assert.deepStrictEqual(edits(key, next, gone), [])
    }
    // Where a file is one login only, no key is asked for.
    const isOne = entries.length === 1 && entries[0]?.key === ""
    for (const key of ["nobody", "__proto__", "constructor"]) {
      if (!isOne) assert.deepStrictEqual(edits(key, next, content), [])
    }
  })

  it("written twice is as written once", () => {
    for (const entry of entries) {
      const { after } = afterwards(entry, next)
      assert.deepStrictEqual(afterwards(entry, next, after).after, after)
    }
  })
})

const fixtureOf = (what: string): Fixture => fixtures.find((each) => each.what === what)!
const set = (what: string, key: string, successor: Successor, content: Json = fixtureOf(what).content) =>
  Object.fromEntries(
    plansOf(fixtureOf(what))!
      .edits(key, successor, content)
      .map(({ path, value }) => [path.join("."), value]),
  )

describe("Codex, auth.json", () => {
  const what = "Codex, auth.json"
  const idToken = (account: string) => jwt({ "https://api.openai.com/auth": { chatgpt_account_id: account } })
  const withTokens = (tokens: object) => ({ tokens: { access_token: "a", refresh_token: "r", ...tokens } })

  it("an account that is missing comes from the id token, the new one or the one that is there", () => {
    const without = withTokens({ id_token: idToken("acct_old") })
    assert.strictEqual(set(what, "", next, without)["tokens.account_id"], "acct_old")
    const named = { ...next, idToken: idToken("acct_new") }
    assert.strictEqual(set(what, "", named, without)["tokens.account_id"], "acct_new")
    assert.strictEqual(set(what, "", named, withTokens({ account_id: null }))["tokens.account_id"], "acct_new")
    assert.notProperty(set(what, "", named, withTokens({ account_id: "acct" })), "tokens.account_id")
  })

  it("an id token that Codex could not read is not written", () => {
    assert.strictEqual(set(what, "", { ...next, idToken: idToken("x") })["tokens.id_token"], idToken("x"))
    for (const spoilt of ["", "opaque", "a.b.c", "..", "e30.e30."]) {
      assert.notProperty(set(what, "", { ...next, idToken: spoilt }), "tokens.id_token")
    }
  })

  it("says when, in the form that Codex reads", () => {
    assert.strictEqual(set(what, "", next)["last_refresh"], "2026-11-20T23:07:40Z")
  })
})

describe("scopes", () => {
  it("that Claude Code could do nothing with are not written to its own login", () => {
    const what = "Claude Code, .credentials.json"
    assert.notProperty(set(what, "", { ...next, scope: "user:profile" }), "claudeAiOauth.scopes")
    assert.deepStrictEqual(set(what, "", next)["claudeAiOauth.scopes"], ["user:inference", "other"])
    assert.strictEqual(set(what, "srv|0123abcd", { ...next, scope: "x y" })["mcpOAuth.srv|0123abcd.scope"], "x y")
  })

  it("are a list for Codex", () => {
    const found = set("Codex, .credentials.json", "example|4282f2a9112820d2", { ...next, scope: "x y" })
    assert.deepStrictEqual(found["example|4282f2a9112820d2.scopes"], ["x", "y"])
  })
})

describe("the locks", () => {
  const spot = (over: Partial<Spot>): Spot => ({ place: "/p/file", target: "/p/file", key: "", surroundings, ...over })
  const plans = (what: string, over: Partial<Spot>) => {
    const { refreshing, writing } = plansOf(fixtureOf(what))!
    const of = (plan: typeof refreshing) => plan?.(spot(over)).map(({ kind, place }) => `${kind} ${place}`)
    return { refreshing: of(refreshing), writing: of(writing) }
  }

  it("of Codex: for the write alone, one in its folder and one beside the file itself", () => {
    const linked = { place: "/home/user/.codex/auth.json", target: "/shared/auth.json" }
    assert.deepStrictEqual(plans("Codex, auth.json", linked), {
      refreshing: undefined,
      writing: ["flock /home/user/.codex/auth.lock", "flock /shared/auth.json.lock"],
    })
  })

  it("of Codex for MCP: by the key of the entry, as Codex calls it", () => {
    const place = "/home/user/.codex/.credentials.json"
    // Both were seen with Codex 0.169.
    for (const [key, digest] of [
      ["example|4282f2a9112820d2", "9cc67bd561dcedf9c18cda797d8d8ce02d5a5e8c79c00c04c3220573b691ce99"],
      ["sim|f799ee1257d09bce", "a9306c31ed78fff7ad601718ed9c2255b00bd626c1d5d0720fb887d156937d14"],
    ] as const) {
      assert.deepStrictEqual(plans("Codex, .credentials.json", { key, place, target: place }), {
        refreshing: [`flock /home/user/.codex/mcp-oauth-locks/${digest}.lock`],
        writing: ["flock /home/user/.codex/mcp-oauth-locks/file-store.lock"],
      })
    }
  })

  it("of the others", () => {
    const linked = { place: "/h/folder/file", target: "/shared/other", key: "srv|https://srv.example/mcp" }
    assert.deepStrictEqual(Object.fromEntries(coOwned.slice(2).map(({ what }) => [what, plans(what, linked)])), {
      "pi, auth.json": { refreshing: ["folder /shared/other.lock"], writing: undefined },
      "pi, mcp-auth.json": {
        refreshing: ["folder /h/folder/mcp-auth-refresh-9d651268e93845fa.lock"],
        writing: undefined,
      },
      "opencode, auth.json": { refreshing: undefined, writing: undefined },
      "opencode, mcp-auth.json": { refreshing: undefined, writing: undefined },
      "Gemini CLI, oauth_creds.json": { refreshing: undefined, writing: undefined },
      "Gemini CLI, mcp-oauth-tokens.json": { refreshing: undefined, writing: undefined },
      "Qwen Code, oauth_creds.json": { refreshing: ["file /h/folder/oauth_creds.lock"], writing: undefined },
      "Claude Code, .credentials.json": {
        refreshing: ["folder /h/folder/.oauth_refresh.lock", "folder /h/folder.lock"],
        writing: ["folder /h/folder/.storage-write.lock"],
      },
    })
  })

  it("are shown to be alive at least thrice before anybody takes them over", () => {
    for (const fixture of coOwned) {
      const { refreshing, verifies, writing } = plansOf(fixture)!
      const all = [...(refreshing?.(spot({})) ?? []), ...(writing?.(spot({})) ?? [])]
      for (const { heartbeatMillis, kind, staleMillis } of all) {
        if (kind === "flock") assert.deepStrictEqual([heartbeatMillis, staleMillis], [undefined, undefined])
        else assert.isAtMost(heartbeatMillis! * 3, Math.min(staleMillis!, 10_000))
      }
      // Without a lock, what was written may be gone.
      if (all.length === 0) assert.isTrue(verifies)
    }
  })
})

describe("one that is not written although the others are", () => {
  const refusal = (what: string, over: Partial<Spot>, content: Json = fixtureOf(what).content) =>
    refused(fileOf(fixtureOf(what)), { place: "/p/f", target: "/p/f", key: "", surroundings, ...over }, content)

  it("of Codex for MCP: a symbolic link, and a key by which Codex does not lock it", () => {
    const what = "Codex, .credentials.json"
    assert.isUndefined(refusal(what, { key: "example|4282f2a9112820d2" }))
    assert.include(refusal(what, { key: "example|4282f2a9112820d2", target: "/elsewhere" }), "symbolic link")
    assert.include(refusal(what, { key: "old|4282f2a9112820d3" }), "codex mcp login")
    const local = { "x|4282f2a9112820d2": { server_name: "local:x", server_url: "https://mcp.example.com/mcp" } }
    assert.isUndefined(refusal(what, { key: "x|4282f2a9112820d2" }, local))
  })

  it.each([
    ["opencode, auth.json", "OPENCODE_AUTH_CONTENT", "{}"],
    ["Gemini CLI, oauth_creds.json", "GEMINI_FORCE_ENCRYPTED_FILE_STORAGE", "true"],
    ["Gemini CLI, mcp-oauth-tokens.json", "GEMINI_FORCE_ENCRYPTED_FILE_STORAGE", "true"],
  ])("%s: with %s", (what, variable, value) => {
    assert.isUndefined(refusal(what, {}))
    const message = refusal(what, { surroundings: { ...surroundings, env: { [variable]: value } } })
    assert.include(message, variable)
  })
})

/** One contract for every reader of another program's logins, over files in the shapes that the programs write. */
import { assert, beforeEach, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { Entry, Json } from "../../src/interop/ForeignStore.ts"
import * as ForeignFiles from "../../src/interop/foreignFiles.ts"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import { owners } from "../../src/interop/owners.ts"
import { at, type Expected, fileOf, type Fixture, fixtures, ownerOf, withUnknown } from "./foreignFixtures.ts"
import { temporaryFolder } from "../run.ts"

let home: string

beforeEach(() => {
  // What stands in it is what other programs hold.
  home = path.join(temporaryFolder("foreign"), "given")
  fs.mkdirSync(home)
})

const surroundings = (env: Readonly<Record<string, string>> = {}) => ({ env, platform: "linux", homedir: () => home })

const write = (fixture: Fixture, content: Json, place = path.join(home, fixture.place)): string => {
  fs.mkdirSync(path.dirname(place), { recursive: true })
  if (fixture.write) fixture.write(place, content)
  else fs.writeFileSync(place, JSON.stringify(content, null, 2), { mode: 0o600 })
  return place
}

const read = (fixture: Fixture, env?: Readonly<Record<string, string>>) =>
  ForeignFiles.found(ownerOf(fixture), surroundings(env))

const entriesOf = (files: ReadonlyArray<ForeignFiles.ForeignFile>): ReadonlyArray<Entry> =>
  files.flatMap(({ entries }) => entries)

/** What the entries say, in the words of a fixture. */
const grantsOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<Expected> =>
  entries.flatMap(({ held, name }) => {
    if (held._tag !== "Grant") return []
    const { client, issuer, provider, resource, token_endpoint, tokens } = Redacted.value(held.document)
    return [
      {
        name,
        ...(provider && { provider }),
        ...(token_endpoint && { tokenEndpoint: token_endpoint }),
        ...(issuer && { issuer }),
        ...(resource && { resource }),
        clientId: client.client_id,
        refresh: tokens.refresh_token ?? undefined,
        ...(held.expiresAt !== undefined && { expiresAt: held.expiresAt }),
      },
    ]
  })

const tagsOf = (entries: ReadonlyArray<Entry>): Readonly<Record<string, string>> =>
  Object.fromEntries(entries.filter(({ held }) => held._tag !== "Grant").map(({ held, name }) => [name, held._tag]))

const reasonsOf = (files: ReadonlyArray<ForeignFiles.ForeignFile>): string =>
  JSON.stringify(
    files.map(({ entries, problem }) => [problem, entries.map(({ held }) => ("reason" in held ? held.reason : ""))]),
  )

/** `value` with one of its parts replaced by each of `others`, for all parts. */
const spoilt = (value: Json, others: ReadonlyArray<Json>): ReadonlyArray<Json> => {
  if (typeof value !== "object" || value === null) return others
  return [
    ...others,
    ...Object.entries(value).flatMap(([key, part]) =>
      spoilt(part, others).map((other) =>
        Array.isArray(value)
          ? Object.assign([...(value as Array<Json>)], { [key]: other })
          : { ...value, [key]: other },
      ),
    ),
  ]
}

const tree = (folder: string): ReadonlyArray<string> =>
  fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((file) => {
      const place = path.join(folder, file)
      const { mode, mtimeMs, size } = fs.statSync(place)
      return `${file} ${mode} ${size} ${mtimeMs} ${fs.statSync(place).isFile() ? fs.readFileSync(place, "base64") : ""}`
    })

describe.each(fixtures)("$what", (fixture) => {
  it("each grant and whatever else is there", () => {
    write(fixture, fixture.content)
    const files = read(fixture)
    assert.deepStrictEqual(
      files.map(({ place }) => path.relative(home, place)),
      [fixture.place],
    )
    assert.deepStrictEqual(grantsOf(entriesOf(files)), fixture.grants)
    assert.deepStrictEqual(tagsOf(entriesOf(files)), fixture.others ?? {})
  })

  it("makes documents that can be taken over", () => {
    write(fixture, fixture.content)
    for (const { held } of entriesOf(read(fixture))) {
      if (held._tag !== "Grant") continue
      // As the command does once it has found the endpoint.
      const document = { token_endpoint: "https://found.example/token", ...Redacted.value(held.document) }
      const grant = Result.getOrThrow(GrantDocument.toCredential(document, "name", at))
      const { expiry } = grant.tokens
      assert.strictEqual(expiry._tag === "Known" ? expiry.at : undefined, held.expiresAt)
      assert.strictEqual(grant.tokens.tokenType, "Bearer")
    }
  })

  it("is looked for where its owner looks", () => {
    const [variable, place] = fixture.moved
    const elsewhere = path.join(home, "elsewhere")
    write(fixture, fixture.content, path.join(elsewhere, place))
    assert.deepStrictEqual(read(fixture), [])
    assert.deepStrictEqual(grantsOf(entriesOf(read(fixture, { [variable]: elsewhere }))), fixture.grants)
  })

  it("is left as it was", () => {
    write(fixture, fixture.content)
    const before = tree(home)
    read(fixture)
    assert.deepStrictEqual(tree(home), before)
  })

  it("signed out is told from signed in", () => {
    write(fixture, fixture.signedOut)
    const files = read(fixture)
    assert.lengthOf(files, 1)
    assert.isUndefined(files[0]?.problem)
    for (const { held } of entriesOf(files)) assert.strictEqual(held._tag, "SignedOut")
  })

  it("members that nobody knows change nothing", () => {
    write(fixture, withUnknown(fixture.content))
    const known = grantsOf(entriesOf(read(fixture)))
    assert.deepStrictEqual(known, fixture.grants)
  })

  it("wrong types anywhere: no token of another type, no secret in a reason", () => {
    const reader = fileOf(fixture)
    let grants = 0
    for (const content of spoilt(fixture.content, [null, 0, true, "", [], {}, "secret-text", Number.NaN])) {
      const entries = reader.read(content, surroundings())
      for (const { held } of entries) {
        if (held._tag !== "Grant") {
          assert.notInclude(held.reason, "secret")
          continue
        }
        grants++
        const { client, tokens } = Redacted.value(held.document)
        assert.isString(tokens.access_token)
        assert.isNotEmpty(tokens.access_token)
        assert.isNotEmpty(client.client_id)
        assert.notInclude(JSON.stringify(held), "secret")
      }
    }
    assert.isAbove(grants, 0)
  })

  it("a torn file is told as such, and is no sign-out", () => {
    if (fixture.write) return
    const place = write(fixture, fixture.content)
    const whole = fs.readFileSync(place, "utf8")
    for (let length = 1; length < whole.length; length += 7) {
      fs.writeFileSync(place, whole.slice(0, length))
      const files = read(fixture)
      assert.include(files[0]?.problem, "its owner may be writing it")
      assert.deepStrictEqual(entriesOf(files), [])
      assert.notInclude(reasonsOf(files), "secret")
    }
  })
})

describe("a database", () => {
  const fixture = fixtures.find(({ place }) => place.endsWith("openclaw-agent.sqlite"))!

  it("with its owner at work: what stands in the log is read, and the owner is not disturbed", () => {
    const place = write(fixture, fixture.content)
    const database = new DatabaseSync(place)
    const profiles = { "openai:new": { type: "oauth", provider: "openai", access: "secret-a", refresh: "secret-new" } }
    database.prepare("UPDATE auth_profile_store SET store_json = ?").run(JSON.stringify({ version: 1, profiles }))
    database.exec("BEGIN IMMEDIATE")
    assert.strictEqual(grantsOf(entriesOf(read(fixture)))[0]?.refresh, "secret-new")
    database.exec("COMMIT")
    database.close()
  })

  it("that is none", () => {
    const place = write(fixture, fixture.content)
    fs.writeFileSync(place, "secret-text")
    assert.deepStrictEqual(
      read(fixture).map(({ problem }) => problem),
      ["it is no SQLite database"],
    )
  })

  it("that is torn", () => {
    const place = write(fixture, fixture.content)
    fs.truncateSync(place, 5000)
    const [file] = read(fixture)
    assert.isString(file?.problem)
    assert.deepStrictEqual(file?.entries, [])
  })
})

it("Codex goes by its own variables before the well-known endpoint", () => {
  const fixture = fixtures[0]!
  write(fixture, fixture.content)
  const [grant] = grantsOf(entriesOf(read(fixture, { CODEX_REFRESH_TOKEN_URL_OVERRIDE: "http://127.0.0.1:9/token" })))
  assert.strictEqual(grant?.tokenEndpoint, "http://127.0.0.1:9/token")
})

it("a keyring's entry is the same JSON, from standard input", () => {
  const codex = owners.find(({ id }) => id === "codex-mcp")!
  const payload = {
    server_name: "srv",
    url: "https://srv.example/mcp",
    issuer: "https://as.example",
    client_id: "c",
    token_response: { access_token: "secret-at", token_type: "bearer", expires_in: 3600, refresh_token: "secret-rt" },
    expires_at: at,
  }
  const { entries } = ForeignFiles.inText(codex, JSON.stringify(payload), surroundings())
  assert.deepStrictEqual(grantsOf(entries), [
    {
      name: "srv",
      issuer: "https://as.example",
      resource: "https://srv.example/mcp",
      clientId: "c",
      refresh: "secret-rt",
      expiresAt: at,
    },
  ])
})

describe("what its owner would not use itself", () => {
  const fixtureOf = (what: string): Fixture => fixtures.find((each) => each.what === what)!
  const ignoredIn = (what: string, content: Json): string | undefined => {
    write(fixtureOf(what), content)
    return entriesOf(read(fixtureOf(what)))[0]?.ignored
  }

  const what = "Codex, auth.json"
  const file = fixtureOf(what).content as { readonly tokens: object; readonly last_refresh: string }
  const withTokens = (tokens: object) => ({ ...file, tokens: { ...file.tokens, ...tokens } })

  it.each([
    ["as it should be", file, undefined],
    ["signed out", { ...file, tokens: null }, undefined],
    ["without an account", withTokens({ account_id: null }), "account_id"],
    ["without the time of the last refresh", { ...file, last_refresh: undefined }, "for want of last_refresh"],
    ["with an id token that is none", withTokens({ id_token: "secret" }), "for want of id_token"],
    ["without a refresh token", withTokens({ refresh_token: undefined }), "for want of refresh_token"],
  ])("Codex, auth.json, %s", (_, content, words) => {
    const ignored = ignoredIn(what, content)
    if (words === undefined) assert.isUndefined(ignored)
    else assert.include(ignored, words)
    assert.notInclude(ignored ?? "", "secret")
  })

  it("Codex, .credentials.json, without an issuer", () => {
    const login = { server_name: "a", server_url: "https://a.example", client_id: "c", access_token: "secret-at" }
    const servers = "Codex, .credentials.json"
    assert.isUndefined(ignoredIn(servers, { "a|1": { ...login, issuer: "https://as.example" } }))
    assert.include(ignoredIn(servers, { "a|1": login }), "it has no issuer")
  })
})

/** What Codex keeps in the system's keyring, over a stand-in for the package that reaches it. */
import { assert, beforeEach, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as path from "node:path"
import * as CodexHome from "../../src/interop/codexHome.ts"
import * as ForeignFiles from "../../src/interop/foreignFiles.ts"
import * as ForeignKeyring from "../../src/interop/foreignKeyring.ts"
import { refusal, type Spot } from "../../src/interop/ForeignStore.ts"
import { owners } from "../../src/interop/owners.ts"
import * as Keyring from "./keyring.ts"
import { temporaryFolder } from "../run.ts"

let home: string
const keyring = Keyring.make(path.join(temporaryFolder("keyring"), "given"))
Keyring.use(keyring)

beforeEach(() => {
  // What stands in it is what other programs hold.
  home = path.join(fs.realpathSync(temporaryFolder("keyring")), "given")
  fs.mkdirSync(path.join(home, ".codex"), { recursive: true })
  keyring.reset()
})

const surroundings = (over: object = {}) => ({ env: {}, platform: "darwin", homedir: () => home, ...over })
const ownerOf = (id: string) => owners.find((owner) => owner.id === id)!
const found = (id: string, over?: object) => ForeignFiles.found(ownerOf(id), surroundings(over))
const configure = (text: string) => fs.writeFileSync(path.join(home, ".codex/config.toml"), text)

const refreshTokens = (files: ReadonlyArray<ForeignFiles.ForeignFile>) =>
  files.flatMap(({ entries, place }) =>
    entries.map(({ held, name }) => [
      place,
      name,
      held._tag === "Grant" ? Redacted.value(held.document).tokens.refresh_token : held._tag,
    ]),
  )

const login = { tokens: { access_token: "secret-at", refresh_token: "secret-rt-1" } }
const mcp = {
  server_name: "srv",
  url: "https://srv.example/mcp",
  issuer: "https://as.example",
  client_id: "c",
  token_response: { access_token: "secret-at", token_type: "bearer", expires_in: 3600, refresh_token: "secret-rt-2" },
  expires_at: 1_795_216_000_000,
}

describe("the login to ChatGPT", () => {
  const place = (account: string) => `keyring:Codex Auth/${account}`

  it("is called by the folder, as Codex calls it", () => {
    keyring.put("Codex Auth", "cli|186293cbcd01a1e8", login)
    const alice = surroundings({ env: { CODEX_HOME: "/home/alice/.codex" } })
    assert.strictEqual(CodexHome.account(alice), "cli|186293cbcd01a1e8")
    // Nothing says there that it is in the keyring.
    assert.deepStrictEqual(ForeignFiles.found(ownerOf("codex"), alice), [])
    const { entries } = ForeignFiles.at(ownerOf("codex"), place("cli|186293cbcd01a1e8"), surroundings())
    assert.lengthOf(entries, 1)
  })

  it.each([
    ['cli_auth_credentials_store = "keyring"\n', true, true],
    ["model = \"x\"\n  cli_auth_credentials_store='keyring' # here\n[a]\nb = 1\n", true, true],
    ['cli_auth_credentials_store = "auto"\n', true, false],
    ['cli_auth_credentials_store = "file"\n', false, false],
    ['[profiles.x]\ncli_auth_credentials_store = "keyring"\n', false, false],
    ['a = """\ncli_auth_credentials_store = "keyring"\n"""\n', false, false],
    ['# cli_auth_credentials_store = "keyring"\n', false, false],
    ["", false, false],
  ])("config.toml: %j", (config, isRead, isFileUnread) => {
    const account = CodexHome.account(surroundings())
    keyring.put("Codex Auth", account, login)
    fs.writeFileSync(path.join(home, ".codex/auth.json"), JSON.stringify(login))
    configure(config)
    const files = found("codex")
    const inKeyring = [[place(account), "chatgpt", "secret-rt-1"]]
    assert.deepStrictEqual(
      refreshTokens(files).filter(([where]) => where !== path.join(home, ".codex/auth.json")),
      isRead ? inKeyring : [],
    )
    assert.strictEqual(files[0]?.retired !== undefined, isFileUnread)
  })
})

describe("logins to MCP servers", () => {
  it("are listed, unless config.toml says that they are in the file", () => {
    keyring.put("Codex MCP Credentials", "srv|0123456789abcdef", mcp)
    keyring.put("Codex MCP Credentials", "a|0123456789abcdef", { ...mcp, server_name: "a" })
    assert.deepStrictEqual(refreshTokens(found("codex-mcp")), [
      ["keyring:Codex MCP Credentials/a|0123456789abcdef", "a", "secret-rt-2"],
      ["keyring:Codex MCP Credentials/srv|0123456789abcdef", "srv", "secret-rt-2"],
    ])
    configure('mcp_oauth_credentials_store = "file"')
    assert.deepStrictEqual(found("codex-mcp"), [])
  })

  it("one that is no JSON object is told as such", () => {
    keyring.put("Codex MCP Credentials", "srv|0123456789abcdef", "secret-text")
    const [file] = found("codex-mcp")
    assert.deepStrictEqual(
      file?.entries.map(({ held }) => held._tag),
      ["Unreadable"],
    )
  })
})

describe("a keyring that cannot be asked", () => {
  it("is passed over, and told of where logins are expected in it", () => {
    keyring.lock()
    assert.deepStrictEqual(found("codex-mcp"), [])
    const [reason] = ForeignFiles.unreached(ownerOf("codex-mcp"), surroundings())
    assert.include(reason, "is it unlocked")
    assert.notInclude(reason, "secret")
    assert.deepStrictEqual(ForeignFiles.unreached(ownerOf("codex"), surroundings()), [])
    configure('mcp_oauth_credentials_store = "keyring"\ncli_auth_credentials_store = "keyring"')
    for (const id of ["codex", "codex-mcp"]) assert.include(found(id)[0]?.problem, "is it unlocked")
    const named = ForeignFiles.at(ownerOf("codex"), "keyring:Codex Auth/cli|x", surroundings())
    assert.include(named.problem, "is it unlocked")
  })

  it("an item that is not there, or no place", () => {
    const at = (place: string) => ForeignFiles.at(ownerOf("codex"), place, surroundings()).problem
    assert.strictEqual(at("keyring:Codex Auth/cli|x"), "it is not there")
    assert.include(at("keyring:Codex Auth"), "keyring:SERVICE/ACCOUNT")
  })
})

describe("writing", () => {
  const place = "keyring:Codex Auth/cli|x"

  it("replaces what was read, and nothing else", () => {
    keyring.put("Codex Auth", "cli|x", login)
    const before = ForeignKeyring.read(place)!
    const after = JSON.stringify({ tokens: { access_token: "secret-at-2" } })
    assert.isFalse(ForeignKeyring.replace(place, `${before} `, after))
    assert.deepStrictEqual(keyring.get("Codex Auth", "cli|x"), login)
    assert.isTrue(ForeignKeyring.replace(place, before, after))
    assert.strictEqual(ForeignKeyring.read(place), after)
    assert.isFalse(ForeignKeyring.replace("keyring:Codex Auth/cli|y", before, after))
  })

  const spot = (over: Partial<Spot>): Spot => ({ place, target: place, key: "", surroundings: surroundings(), ...over })
  const keyringOf = (id: string) => ownerOf(id).files.find(({ kind }) => kind === "keyring")!

  it("is refused on Linux, where Codex reads its copy in the kernel first", () => {
    for (const id of ["codex", "codex-mcp"]) {
      assert.isUndefined(refusal(keyringOf(id), spot({}), {}))
      const linux = spot({ surroundings: surroundings({ platform: "linux" }) })
      assert.include(refusal(keyringOf(id), linux, {}), '= "file"')
    }
  })

  it("takes the locks of the file", () => {
    const { coOwning } = keyringOf("codex")
    const plans = typeof coOwning === "string" ? undefined : coOwning.writing?.(spot({}))
    assert.deepStrictEqual(plans, [
      { kind: "flock", place: path.join(home, ".codex/auth.lock") },
      { kind: "flock", place: path.join(home, ".codex/auth.json.lock") },
    ])
    const server = keyringOf("codex-mcp").coOwning
    const key = "keyring:Codex MCP Credentials/example|4282f2a9112820d2"
    const refreshing = typeof server === "string" ? undefined : server.refreshing?.(spot({ place: key }))
    const lock = "9cc67bd561dcedf9c18cda797d8d8ce02d5a5e8c79c00c04c3220573b691ce99.lock"
    assert.deepStrictEqual(refreshing, [{ kind: "flock", place: path.join(home, ".codex/mcp-oauth-locks", lock) }])
  })

  it("sets the successor where Codex's keyring form has it, and the issuer where it is missing", () => {
    const { coOwning, read } = keyringOf("codex-mcp")
    if (typeof coOwning === "string") return assert.fail(coOwning)
    const next = {
      accessToken: "secret-next",
      refreshToken: undefined,
      idToken: undefined,
      expiresAt: 1_795_223_200_000,
      scope: undefined,
      issuer: "https://as.example",
      obtainedAt: 1_795_216_000_000,
    }
    const edits = (content: object) =>
      Object.fromEntries(coOwning.edits("", next, content).map(({ path, value }) => [path.join("."), value]))
    assert.deepStrictEqual(edits(mcp), {
      expires_at: 1_795_223_200_000,
      "token_response.access_token": "secret-next",
      "token_response.expires_in": 7200,
    })
    assert.strictEqual(edits({ ...mcp, issuer: undefined })["issuer"], "https://as.example")
    assert.deepStrictEqual(edits({ token_response: {} }), {})
    assert.strictEqual(read({ ...mcp, server_name: undefined }, surroundings())[0]?.name, "server")
  })
})

/** The built command line over other programs' logins, against servers on loopback. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as AuthorizationServer from "./authorizationServer.ts"
import * as Keyring from "../interop/keyring.ts"
import { temporaryFolder } from "../run.ts"

const entry = path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

let folder: string
let server: AuthorizationServer.AuthorizationServer

beforeEach(async () => {
  // What stands in it is what other programs hold.
  folder = path.join(temporaryFolder("foreign-cli"), "given")
  fs.mkdirSync(folder)
  server = await AuthorizationServer.start()
})
afterEach(async () => {
  await server.close()
})

const run = async (args: ReadonlyArray<string>, { env = {}, input = "" } = {}) => {
  const child = spawn(process.execPath, [entry, ...args], {
    env: { PATH: process.env["PATH"], HOME: folder, TOKENKEEP_HOME: path.join(folder, "home"), ...env },
  })
  let [stdout, stderr] = ["", ""]
  child.stdout.on("data", (chunk) => (stdout += chunk))
  child.stderr.on("data", (chunk) => (stderr += chunk))
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve))
  assert.notInclude(stderr, "secret-")
  if (args[0] !== "token") assert.notInclude(stdout, "secret-")
  return { code, stdout, stderr }
}

const put = (place: string, content: unknown, mode = 0o600): string => {
  const file = path.join(folder, place)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, JSON.stringify(content), { mode })
  return file
}

const hour = 3_600_000
const codexLogin = {
  auth_mode: "chatgpt",
  tokens: { id_token: "e30.e30.c2ln", access_token: "secret-at-1", refresh_token: "secret-rt-1", account_id: "acct" },
  last_refresh: "2026-11-20T22:53:51Z",
}
const claudeLogin = (refreshToken: string, over: object = {}) => ({
  claudeAiOauth: { accessToken: "secret-at-2", refreshToken, expiresAt: Date.now() + hour, ...over },
})

const dangersIn = (stdout: string, owner: string): ReadonlyArray<string> =>
  JSON.parse(stdout)
    .credentials.filter((each: { owner: string }) => each.owner === owner)
    .flatMap(({ dangers }: { dangers: ReadonlyArray<{ kind: string }> }) => dangers.map(({ kind }) => kind))

describe("import --from", () => {
  it("takes the login of a program over from where it is kept, warns, and remembers it", async () => {
    const file = put(".codex/auth.json", codexLogin)
    const before = fs.readFileSync(file)
    const { code, stderr, stdout } = await run(["import", "--from", "codex", "--name", "chatgpt"])
    assert.strictEqual(code, 0, stderr)
    assert.include(stdout, "chatgpt is kept, generation 1")
    assert.include(stderr, `Codex still has the same refresh token (${file}), and it works once`)
    assert.include(stderr, "codex login")
    assert.deepStrictEqual(fs.readFileSync(file), before)
    const status = await run(["status", "chatgpt"])
    assert.include(status.stdout, `taken over from chatgpt of Codex (${file})`)
    assert.include(status.stdout, "openai")
    const json = JSON.parse((await run(["status", "chatgpt", "--json"])).stdout)
    assert.deepStrictEqual(json.foreign, { owner: "codex", place: file, entry: "chatgpt", mode: "import" })
    assert.strictEqual((await run(["token", "chatgpt"])).stdout, "secret-at-1\n")
  })

  it("a grant that was taken over is refreshed, and the file that it is from stays as it is", async () => {
    const expired = [
      {
        serverName: "srv",
        token: { accessToken: "secret-at-0", refreshToken: "secret-rt-1", expiresAt: 1, tokenType: "Bearer" },
        clientId: "abc",
        tokenUrl: server.tokenEndpoint,
      },
    ]
    const file = put(".gemini/mcp-oauth-tokens.json", expired)
    const before = fs.readFileSync(file)
    assert.strictEqual((await run(["import", "--from", "gemini", "--name", "srv"])).code, 0)
    const { code, stderr, stdout } = await run(["token", "srv"])
    assert.strictEqual(code, 0, stderr)
    assert.notInclude(stdout, "secret-at-0")
    assert.deepStrictEqual(server.presented, [fingerprint("secret-rt-1")])
    assert.deepStrictEqual(fs.readFileSync(file), before)
  })

  it("finds the token endpoint that a file does not say, by its issuer", async () => {
    const site = http.createServer((_, response) => {
      const issuer = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/the/token` }))
    })
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve))
    const issuer = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
    const login = { issuer, client_id: "c", access_token: "secret-at", refresh_token: "secret-rt", expires_at: null }
    const both = {
      "a|1": { ...login, server_name: "a" },
      "b|2": { ...login, server_name: "b", refresh_token: "secret-b" },
    }
    put(".codex/.credentials.json", both)
    const several = await run(["import", "--from", "codex-mcp", "--name", "b"])
    assert.strictEqual(several.code, 2)
    assert.include(several.stderr, "--entry NAME")
    for (const part of ["a  ", "b  ", fingerprint("secret-b")]) assert.include(several.stderr, part)
    const one = await run(["import", "--from", "codex-mcp", "--entry", "b", "--name", "b"])
    site.close()
    assert.strictEqual(one.code, 0, one.stderr)
    const status = JSON.parse((await run(["status", "b", "--json"])).stdout)
    assert.strictEqual(status.token_endpoint, `${issuer}/the/token`)
    assert.strictEqual(status.tokens.refresh_token_fingerprint, fingerprint("secret-b"))
  })

  it("what Codex keeps in the system's keyring, as its config says, or by its place", async () => {
    fs.mkdirSync(path.join(folder, ".codex"))
    fs.writeFileSync(path.join(folder, ".codex/config.toml"), 'cli_auth_credentials_store = "keyring"\n')
    const without = await run(["import", "--from", "codex", "--name", "chatgpt"])
    assert.strictEqual(without.code, 2)
    assert.include(without.stderr, "npm install @napi-rs/keyring")
    assert.include(without.stderr, "keyring:Codex Auth/cli|")
    const told = JSON.parse((await run(["doctor", "--json"])).stdout)
    assert.deepStrictEqual(
      told.files.map(({ dangers }: { dangers: ReadonlyArray<{ kind: string }> }) => dangers.map(({ kind }) => kind)),
      [["unreadable"]],
    )
    const { env, put: keep } = Keyring.make(folder)
    const [place = ""] = /keyring:Codex Auth\/cli\|[0-9a-f]{16}/.exec(without.stderr) ?? []
    keep("Codex Auth", place.slice("keyring:Codex Auth/".length), codexLogin)
    const { code, stderr } = await run(["import", "--from", "codex", "--name", "chatgpt"], { env })
    assert.strictEqual(code, 0, stderr)
    assert.include(stderr, `Codex still has the same refresh token (${place})`)
    assert.strictEqual((await run(["import", place, "--from", "codex", "--name", "again"], { env })).code, 0)
    assert.deepStrictEqual(dangersIn((await run(["doctor", "--json"], { env })).stdout, "Codex"), ["shared"])
    const shared = ["import", "--from", "codex", "--name", "borrowed", "--mode"]
    assert.strictEqual((await run([...shared, "borrow"], { env })).code, 0)
    keep("Codex Auth", place.slice("keyring:Codex Auth/".length), {
      ...codexLogin,
      tokens: { ...codexLogin.tokens, access_token: "secret-at-2", refresh_token: "secret-rt-2" },
    })
    const refused = ["token", "borrowed", "--refused", fingerprint("secret-at-1")]
    assert.strictEqual((await run(refused, { env })).stdout, "secret-at-2\n")
    const both = await run([...shared, "co-own"], { env })
    if (process.platform === "linux") {
      assert.strictEqual(both.code, 2)
      assert.include(both.stderr, 'set cli_auth_credentials_store = "file"')
    }
  })

  it("a keyring that nobody could look into is told of where nothing was found", async () => {
    const { code, stderr } = await run(["import", "--from", "codex-mcp", "--name", "srv"])
    assert.strictEqual(code, 2)
    assert.include(stderr, "npm install @napi-rs/keyring")
  })

  it("opencode's login out of its variable, and its file is told as one that it does not read then", async () => {
    const login = { anthropic: { type: "oauth", refresh: "secret-rt-1", access: "secret-at-1", expires: 1 } }
    put(".local/share/opencode/auth.json", { ...login, anthropic: { ...login.anthropic, refresh: "secret-rt-old" } })
    const env = { OPENCODE_AUTH_CONTENT: JSON.stringify(login) }
    const { code, stderr } = await run(["import", "--from", "opencode", "--name", "claude"], { env })
    assert.strictEqual(code, 0, stderr)
    assert.include(stderr, "auth.json: opencode does not read it while OPENCODE_AUTH_CONTENT is set")
    const again = ["import", "$OPENCODE_AUTH_CONTENT", "--from", "opencode", "--name", "claude"]
    assert.include((await run(again, { env })).stdout, "kept already")
    const status = JSON.parse((await run(["status", "claude", "--json"])).stdout)
    assert.strictEqual(status.tokens.refresh_token_fingerprint, fingerprint("secret-rt-1"))
    const { stdout } = await run(["doctor"], { env })
    assert.include(stdout, "opencode does not read it while OPENCODE_AUTH_CONTENT is set")
  })

  it("any JSON file with tokens in it, and what it does not say is asked for", async () => {
    const file = put("state.json", { session: { accessToken: "secret-at-1", refreshToken: "secret-rt-1" } })
    const args = ["import", file, "--from", "other", "--name", "work"]
    const lacking = await run(args)
    assert.strictEqual(lacking.code, 2)
    assert.include(lacking.stderr, "add --client-id and --token-endpoint")
    const given = ["--client-id", "c", "--token-endpoint", "https://as.example/token"]
    const { code, stderr } = await run([...args, ...given])
    assert.strictEqual(code, 0, stderr)
    const status = JSON.parse((await run(["status", "work", "--json"])).stdout)
    assert.strictEqual(status.token_endpoint, "https://as.example/token")
    assert.strictEqual(status.tokens.refresh_token_fingerprint, fingerprint("secret-rt-1"))
    for (const [wrong, word] of [
      [["import", "--from", "other", "--name", "work"], "FILE is missing"],
      [["import", "--from", "codex", "--client-id", "c", "--name", "work"], "--from other"],
      [[...args, ...given, "--mode", "borrow"], "--mode borrow needs a program"],
    ] as const) {
      const refused = await run(wrong)
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, word)
    }
  })

  it("whatever cannot be taken over is told with the reason and the next step", async () => {
    const missing = await run(["import", "--from", "qwen", "--name", "x"])
    assert.strictEqual(missing.code, 2)
    assert.include(missing.stderr, path.join(folder, ".qwen/oauth_creds.json"))
    put(".claude/.credentials.json", claudeLogin("", { accessToken: "", expiresAt: 0 }))
    const signedOut = await run(["import", "--from", "claude-code", "--name", "x"])
    assert.strictEqual(signedOut.code, 2)
    assert.include(signedOut.stderr, "signed out")
    const torn = path.join(folder, "secret-torn.json")
    fs.writeFileSync(torn, '{"access_token":"secret-')
    const broken = await run(["import", torn, "--from", "qwen", "--name", "x"])
    assert.strictEqual(broken.code, 2)
    assert.include(broken.stderr, "its owner may be writing it")
    const stranger = await run(["import", "--from", "secret-program", "--name", "x"])
    assert.strictEqual(stranger.code, 2)
    assert.include(stranger.stderr, "one of json, codex, codex-mcp")
    const nothing = await run(["import", "--name", "x"])
    assert.strictEqual(nothing.code, 2)
    assert.include(nothing.stderr, "--from")
  })
})

/** Each file of a folder as it is: its rights, when it was written, and what is in it. */
const states = (place: string) =>
  ["", ...fs.readdirSync(place).toSorted()].map((name) => {
    const file = path.join(place, name)
    const stats = fs.statSync(file)
    return [name, stats.mode, stats.mtimeMs, stats.isFile() ? fingerprint(fs.readFileSync(file, "base64")) : ""]
  })

describe("doctor", () => {
  it("nothing there: says so, and makes nothing", async () => {
    const { code, stderr, stdout } = await run(["doctor"])
    assert.strictEqual(code, 0)
    assert.strictEqual(stdout, "")
    assert.include(stderr, "no logins are on this machine")
    assert.deepStrictEqual(fs.readdirSync(folder), [])
  })

  it("one single-use grant in two places, by the fingerprint, and each place names the other", async () => {
    const file = put(".codex/auth.json", codexLogin)
    await run(["import", "--from", "codex", "--name", "chatgpt"])
    const { code, stdout } = await run(["doctor", "--json"])
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(dangersIn(stdout, "Codex"), ["shared"])
    assert.deepStrictEqual(dangersIn(stdout, "tokenkeep"), ["shared"])
    const { stdout: text } = await run(["doctor"])
    assert.include(text, `chatgpt of Codex (${file})`)
    assert.include(text, "chatgpt of tokenkeep")
    // With another login there, the danger is over.
    const other = { ...codexLogin.tokens, access_token: "secret-at-9", refresh_token: "secret-rt-9" }
    put(".codex/auth.json", { ...codexLogin, tokens: other })
    assert.deepStrictEqual(dangersIn((await run(["doctor", "--json"])).stdout, "Codex"), [])
  })

  it("states by our lifecycle, a missing refresh token with its cure, open files, left-over locks, and nothing changed", async () => {
    put(".gemini/oauth_creds.json", { access_token: "secret-at", expiry_date: Date.now() + hour }, 0o644)
    put(".claude/.credentials.json", claudeLogin("secret-rt-2", { expiresAt: 1 }))
    put(".codex/.credentials.json", {
      "a|1": {
        server_name: "a",
        server_url: "https://a.example",
        client_id: "c",
        access_token: "secret-at",
        refresh_token: "secret-r",
      },
    })
    fs.mkdirSync(path.join(folder, ".qwen"))
    fs.writeFileSync(path.join(folder, ".qwen/oauth_creds.json"), '{"access_token":"secret-')
    fs.chmodSync(path.join(folder, ".qwen/oauth_creds.json"), 0o600)
    const lock = path.join(folder, ".claude/.oauth_refresh.lock")
    fs.mkdirSync(lock)
    const fresh = await run(["doctor", "--json"])
    assert.notInclude(fresh.stdout, "staleLock")
    fs.utimesSync(lock, new Date(Date.now() - hour), new Date(Date.now() - hour))
    const before = fs.readdirSync(folder, { recursive: true }).toSorted()
    const { code, stderr, stdout } = await run(["doctor", "--json"])
    assert.strictEqual(code, 0, stderr)
    const { credentials, files } = JSON.parse(stdout)
    const states = Object.fromEntries(credentials.map(({ owner, state }: Record<string, string>) => [owner, state]))
    assert.deepStrictEqual(states, { Codex: "valid", "Gemini CLI": "valid", "Claude Code": "lapsed" })
    assert.deepStrictEqual(dangersIn(stdout, "Gemini CLI"), ["noRefreshToken"])
    assert.deepStrictEqual(dangersIn(stdout, "Codex"), ["ignored"])
    const kinds = files.flatMap(({ dangers, place }: { dangers: ReadonlyArray<{ kind: string }>; place: string }) =>
      dangers.map(({ kind }) => [path.relative(folder, place), kind]),
    )
    assert.sameDeepMembers(kinds, [
      [".gemini/oauth_creds.json", "readable"],
      [".qwen/oauth_creds.json", "unreadable"],
      [".claude/.oauth_refresh.lock", "staleLock"],
    ])
    const text = await run(["doctor"])
    for (const part of ["access_type=offline", "prompt=consent", "chmod 600", "its owner may be writing it"]) {
      assert.include(text.stdout, part)
    }
    assert.deepStrictEqual(fs.readdirSync(folder, { recursive: true }).toSorted(), before)
  })

  it("our own store is only looked at: what others may reach is told, and stays so", async () => {
    put(".codex/auth.json", codexLogin)
    await run(["import", "--from", "codex", "--name", "chatgpt"])
    const home = path.join(folder, "home")
    fs.chmodSync(home, 0o755)
    fs.chmodSync(path.join(home, "keep.db"), 0o644)
    // The first run of any command leaves its compiled code in the cache.
    await run(["doctor"])
    const before = states(home)
    const { code, stdout } = await run(["doctor", "--json"])
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(states(home), before)
    const { credentials, files } = JSON.parse(stdout)
    assert.deepStrictEqual(
      credentials.map(({ name, owner, state }: Record<string, string>) => [owner, name, state]),
      [
        ["tokenkeep", "chatgpt", "valid"],
        ["Codex", "chatgpt", "valid"],
      ],
    )
    const kinds = files.map(({ dangers, place }: { dangers: ReadonlyArray<{ kind: string }>; place: string }) => [
      path.relative(folder, place),
      ...dangers.map(({ kind }) => kind),
    ])
    assert.deepStrictEqual(kinds, [
      ["home", "readable"],
      ["home/keep.db", "readable"],
    ])
  })

  it("a store of ours that cannot be read is told of, and the rest too", async () => {
    put("home/keep.db", "no database")
    put(".codex/auth.json", codexLogin)
    const { code, stdout } = await run(["doctor", "--json"])
    assert.strictEqual(code, 0)
    const { credentials, files } = JSON.parse(stdout)
    assert.lengthOf(credentials, 1)
    const place = path.join(folder, "home/keep.db")
    const { dangers } = files.find((each: { place: string }) => each.place === place)
    assert.deepStrictEqual(
      dangers.map(({ kind }: { kind: string }) => kind),
      ["unreadable"],
    )
  })
})

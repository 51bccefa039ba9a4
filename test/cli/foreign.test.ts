/** The built command line over other programs' logins, against servers on loopback. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import * as AuthorizationServer from "./authorizationServer.ts"

const entry = path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

let folder: string
let server: AuthorizationServer.AuthorizationServer

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "tokenkeep-foreign-cli-"))
  server = await AuthorizationServer.start()
})
afterEach(async () => {
  await server.close()
  fs.rmSync(folder, { recursive: true, force: true })
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
const codexLogin = { auth_mode: "chatgpt", tokens: { access_token: "secret-at-1", refresh_token: "secret-rt-1" } }
const claudeLogin = (refreshToken: string, over: object = {}) => ({
  claudeAiOauth: { accessToken: "secret-at-2", refreshToken, expiresAt: Date.now() + hour, ...over },
})

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
    assert.include(status.stdout, `chatgpt of codex (${file})`)
    assert.include(status.stdout, "openai")
    const json = JSON.parse((await run(["status", "chatgpt", "--json"])).stdout)
    assert.deepStrictEqual(json.imported_from, { owner: "codex", place: file, entry: "chatgpt" })
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
    const nothing = await run(["import", "--name", "x"])
    assert.strictEqual(nothing.code, 2)
    assert.include(nothing.stderr, "--from")
  })
})

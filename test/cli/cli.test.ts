/** The built command line as real processes, against a token endpoint on loopback. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { temporaryFolder } from "../run.ts"
import * as AuthorizationServer from "./authorizationServer.ts"

const built = path.join(import.meta.dirname, "../../dist/cli")

interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

let folder: string
let home: string
let server: AuthorizationServer.AuthorizationServer

beforeEach(async () => {
  folder = temporaryFolder("cli")
  home = path.join(folder, "home")
  server = await AuthorizationServer.start()
})

afterEach(async () => {
  await server.close()
})

const launch = (args: ReadonlyArray<string>, { entry = path.join(built, "tokenkeep.cjs"), input = "" } = {}) => {
  const child = spawn(process.execPath, [entry, ...args], {
    env: { PATH: process.env["PATH"], HOME: folder, TOKENKEEP_HOME: home },
  })
  let [stdout, stderr] = ["", ""]
  child.stdout.on("data", (chunk) => (stdout += chunk))
  child.stderr.on("data", (chunk) => (stderr += chunk))
  child.stdin.end(input)
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (code, signal) => resolve({ code: signal === null ? code : null, stdout, stderr }))
  })
  return { child, finished }
}

/** A flag is called `--client-secret-file`. */
const secrets = /secret-(?!file)/

/** Runs a command to its end, and looks for secrets where none may be. */
const run = async (args: ReadonlyArray<string>, options?: { readonly entry?: string; readonly input?: string }) => {
  const finished = await launch(args, options).finished
  assert.notMatch(finished.stderr, secrets)
  if (args[0] !== "token") assert.notMatch(finished.stdout, secrets)
  return finished
}

const grant = (expiresIn: number, over: object = {}) => ({
  token_endpoint: server.tokenEndpoint,
  client: { client_id: "abc" },
  tokens: {
    access_token: "secret-at-1",
    refresh_token: "secret-rt-1",
    scope: "a b",
    expires_at: Math.floor(Date.now() / 1000) + expiresIn,
    ...over,
  },
})

const bringIn = async (expiresIn: number, over?: object) => {
  const { code, stderr } = await run(["import", "-", "--name", "github"], {
    input: JSON.stringify(grant(expiresIn, over)),
  })
  assert.strictEqual(code, 0, stderr)
  return stderr
}

describe("help", () => {
  it("each command says what it does, with examples and exit codes", async () => {
    for (const command of [
      "token",
      "import",
      "status",
      "list",
      "logout",
      "providers",
      "doctor",
      "diagram",
      "explore",
    ]) {
      const { code, stderr, stdout } = await run([command, "--help"])
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "")
      for (const part of ["DESCRIPTION", "USAGE", "EXAMPLES", `tokenkeep ${command}`, "EXIT CODES"]) {
        assert.include(stdout, part)
      }
      for (const line of stdout.split("\n")) assert.isAtMost(line.length, 120, line)
    }
  })

  it("the version, and completions with nothing else on stdout", async () => {
    assert.match((await run(["--version"])).stdout, /^tokenkeep \d+\.\d+\.\d+\n$/)
    const first = { bash: /^#|^_/, zsh: /^#compdef tokenkeep\n/, fish: /^#|^complete/ }
    for (const [shell, beginning] of Object.entries(first)) {
      const { code, stderr, stdout } = await run(["--completions", shell])
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "")
      assert.match(stdout, beginning)
      for (const word of ["token", "import", "min-ttl"]) assert.include(stdout, word)
    }
  })

  it("a request that cannot be understood: 2, a few words on stderr, nothing on stdout, and no value repeated", async () => {
    const lines = [
      [],
      ["frobnicate"],
      ["token"],
      ["token", "github", "secret-positional"],
      ["token", "secret-positional!"],
      ["token", "github", "--format", "secret-yaml"],
      ["token", "github", "--min-ttl", "secret-soon"],
      ["token", "github", "--eyJzecret-unknown"],
      ["token", "github", "--format"],
      ["import", "grant.json"],
      ["import", "-", "--name", "secret name"],
      ["status", "--json=secret-no"],
      ["diagram", "--format", "svgx"],
      ["providers", "secret-provider"],
    ]
    for (const line of lines) {
      const { code, stderr, stdout } = await run(line)
      assert.strictEqual(code, 2, line.join(" "))
      assert.strictEqual(stdout, "")
      assert.isNotEmpty(stderr)
      assert.notMatch(stderr, /[sz]ecret/)
    }
    assert.include((await run(["token", "github", "--min-ttl", "soon"])).stderr, "--min-ttl: expected a duration")
  })
})

describe("import", () => {
  it("from a file, and again: what was replaced is told by its fingerprint", async () => {
    const file = path.join(folder, "given", "grant.json")
    fs.mkdirSync(path.dirname(file))
    fs.writeFileSync(file, JSON.stringify(grant(3600)))
    const first = await run(["import", file, "--name", "github"])
    assert.strictEqual(first.code, 0, first.stderr)
    assert.include(first.stdout, "github is kept, generation 1")
    assert.include(first.stderr, "only tokenkeep may use this refresh token")
    assert.include((await run(["import", file, "--name", "github"])).stdout, "kept already, generation 1")
    fs.writeFileSync(file, JSON.stringify(grant(3600, { refresh_token: "secret-rt-other" })))
    const second = await run(["import", file, "--name", "github"])
    assert.include(second.stdout, "generation 2")
    assert.include(second.stderr, `replaced generation 1 of github (fingerprint ${fingerprint("secret-rt-1")})`)
    assert.strictEqual(fs.statSync(home).mode & 0o777, 0o700)
  })

  it("warns of what will not last", async () => {
    assert.include(await bringIn(3600, { refresh_token: null }), "no refresh token")
    assert.include(await bringIn(-60), "the access token ended at")
    assert.include(await bringIn(3600, { expires_at: null }), "no expiry is known")
  })

  it("a wrong document: 2, the field, and never its value", async () => {
    const wrong = await run(["import", "-", "--name", "github"], {
      input: JSON.stringify({ ...grant(1), token_endpoint: "http://secret-host.example/" }),
    })
    assert.strictEqual(wrong.code, 2)
    assert.include(wrong.stderr, "token_endpoint: expected an https: URL")
    assert.strictEqual((await run(["import", "-", "--name", "github"], { input: "secret-{" })).code, 2)
    const missing = await run(["import", path.join(folder, "secret-nothing"), "--name", "github"])
    assert.strictEqual(missing.code, 2)
    assert.include(missing.stderr, "it is not there")
  })
})

describe("token", () => {
  it("prints a valid token in four formats, without a request", async () => {
    await bringIn(3600)
    assert.deepStrictEqual(await run(["token", "github"]), { code: 0, stdout: "secret-at-1\n", stderr: "" })
    const header = await run(["token", "github", "--format", "header"])
    assert.strictEqual(header.stdout, "Authorization: Bearer secret-at-1\n")
    const json = JSON.parse((await run(["token", "github", "--format", "json"])).stdout)
    assert.deepInclude(json, { access_token: "secret-at-1", token_type: "Bearer", scope: "a b", generation: 1 })
    assert.match(json.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    const exec = JSON.parse((await run(["token", "github", "--format", "exec"])).stdout)
    assert.deepStrictEqual(exec, {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "secret-at-1", expirationTimestamp: json.expires_at },
    })
    assert.lengthOf(server.presented, 0)
  })

  it("the fast path answers alone, and both paths print the same", async () => {
    await bringIn(3600)
    const alone = path.join(folder, "alone.cjs")
    fs.copyFileSync(path.join(built, "tokenkeep.cjs"), alone)
    for (const format of ["raw", "header", "json", "exec"]) {
      const fast = await run(["token", "github", "--format", format], { entry: alone })
      assert.strictEqual(fast.code, 0, fast.stderr)
      // A flag that only the full parser knows.
      const full = await run(["token", "github", "--format", format, "--timeout", "9s"])
      assert.deepStrictEqual(full, fast)
    }
  })

  it("refreshes once what has ended, and keeps the successor", async () => {
    await bringIn(-60)
    assert.deepStrictEqual(await run(["token", "github"]), { code: 0, stdout: "secret-at-2\n", stderr: "" })
    assert.strictEqual((await run(["token", "github"])).stdout, "secret-at-2\n")
    assert.deepStrictEqual(server.presented, [fingerprint("secret-rt-1")])
  })

  it("refreshes what has less left than asked for, and the full parser does so too", async () => {
    await bringIn(600)
    assert.strictEqual((await run(["token", "github", "--min-ttl", "9m"])).stdout, "secret-at-1\n")
    assert.strictEqual((await run(["token", "github", "--min-ttl=11m"])).stdout, "secret-at-2\n")
    assert.lengthOf(server.presented, 1)
  })

  it("8 processes at once: one presentation", async () => {
    await bringIn(-60)
    const all = await Promise.all(Array.from({ length: 8 }, () => run(["token", "github"])))
    for (const each of all) assert.deepStrictEqual(each, { code: 0, stdout: "secret-at-2\n", stderr: "" })
    assert.lengthOf(server.presented, 1)
  })

  it("after a 401: by fingerprint, by token, or from stdin, and never twice for the same token", async () => {
    await bringIn(3600)
    const refused = ["token", "github", "--refused"]
    const second = await run([...refused, fingerprint("secret-at-1")])
    assert.deepStrictEqual(second, { code: 0, stdout: "secret-at-2\n", stderr: "" })
    assert.strictEqual((await run([...refused, "secret-at-1"])).stdout, "secret-at-2\n")
    assert.strictEqual((await run([...refused, "-"], { input: "secret-at-1\n" })).stdout, "secret-at-2\n")
    assert.lengthOf(server.presented, 1)
  })

  it("the server is down and the token works: the token, 0, and a note on stderr", async () => {
    await bringIn(45)
    server.mode = "unavailable"
    const { code, stderr, stdout } = await run(["token", "github"])
    assert.strictEqual(stdout, "secret-at-1\n")
    assert.strictEqual(code, 0)
    assert.include(stderr, "503")
    assert.lengthOf(server.presented, 1)
  })

  it("the server is down and nothing works: 4, and when to come back", async () => {
    await bringIn(-60)
    server.mode = "unavailable"
    const { code, stderr, stdout } = await run(["token", "github"])
    assert.strictEqual(code, 4)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /here, in \d+ s\./)
    server.mode = "ok"
    // The server said when; nobody asks it before that.
    assert.strictEqual((await run(["token", "github"])).code, 4)
    assert.lengthOf(server.presented, 1)
  })

  it("a dead grant: 3, the command that brings it back, and no further request", async () => {
    await bringIn(-60)
    server.mode = "denied"
    for (let i = 0; i < 2; i++) {
      const { code, stderr, stdout } = await run(["token", "github"])
      assert.strictEqual(code, 3)
      assert.strictEqual(stdout, "")
      assert.include(stderr, "tokenkeep import FILE --name github")
    }
    assert.lengthOf(server.presented, 1)
  })

  it("a dead grant whose token still works: the token, with a note", async () => {
    await bringIn(45)
    server.mode = "denied"
    for (let i = 0; i < 2; i++) {
      const { code, stderr, stdout } = await run(["token", "github"])
      assert.strictEqual(stdout, "secret-at-1\n")
      assert.strictEqual(code, 0)
      assert.include(stderr, "no other will follow")
    }
    const { stdout } = await run(["status", "github"])
    assert.match(stdout, /valid until .*, and no other will follow/)
    assert.include(stdout, "tokenkeep import FILE --name github")
    assert.lengthOf(server.presented, 1)
  })

  it("an unknown name: 2, and where to look", async () => {
    const { code, stderr } = await run(["token", "nobody"])
    assert.strictEqual(code, 2)
    assert.include(stderr, "tokenkeep list")
  })

  it("a store that cannot be read: 5, and it is left as it was", async () => {
    await bringIn(3600)
    const file = path.join(home, "keep.db")
    for (const rest of ["-wal", "-shm"]) fs.rmSync(file + rest, { force: true })
    fs.writeFileSync(file, "not a database at all, but somebody's file".repeat(100))
    const before = fs.readFileSync(file)
    for (const line of [["token", "github"], ["list"], ["logout", "github"], ["status", "github", "--json"]]) {
      const { code, stderr, stdout } = await run(line)
      assert.strictEqual(code, 5, stderr)
      assert.strictEqual(stdout, "")
      assert.include(stderr, "keep.db")
    }
    assert.isTrue(before.equals(fs.readFileSync(file)))
  })

  it("a newer store is not read by the fast path either", async () => {
    await bringIn(3600)
    const database = new DatabaseSync(path.join(home, "keep.db"))
    database.exec("PRAGMA user_version = 99")
    database.close()
    assert.strictEqual((await run(["token", "github"])).code, 5)
  })

  it("Ctrl-C while the server answers: the answer is stored, and 130", async () => {
    await bringIn(-60)
    server.mode = "slow"
    for (const [signal, code] of [["SIGINT", 130]] as const) {
      const { child, finished } = launch(["token", "github"])
      while (server.presented.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
      child.kill(signal)
      const { code: got, stdout, stderr } = await finished
      assert.strictEqual(got, code, stderr)
      assert.strictEqual(stdout, "")
    }
    server.mode = "ok"
    assert.deepStrictEqual(await run(["token", "github"]), { code: 0, stdout: "secret-at-2\n", stderr: "" })
    assert.lengthOf(server.presented, 1)
  })

  it("a caller that will not wait is told at once, and the answer is stored all the same", async () => {
    await bringIn(-60)
    server.mode = "slow"
    const { child, finished } = launch(["token", "github", "--timeout", "100ms"])
    const told = new Promise<number>((resolve) => child.stderr.once("data", () => resolve(performance.now())))
    const { code, stderr, stdout } = await finished
    assert.isAbove(performance.now() - (await told), 200)
    assert.strictEqual(code, 4)
    assert.strictEqual(stdout, "")
    assert.lengthOf(stderr.trim().split("\n"), 3)
    assert.include(stderr, "finishing what is under way, so that no token is lost")
    server.mode = "ok"
    assert.strictEqual((await run(["token", "github"])).stdout, "secret-at-2\n")
    assert.lengthOf(server.presented, 1)
  })

  it("SIGTERM gives 143, and a second signal ends it at once", async () => {
    await bringIn(-60)
    server.mode = "slow"
    const { child, finished } = launch(["token", "github"])
    while (server.presented.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    const asked = performance.now()
    child.kill("SIGTERM")
    await new Promise((resolve) => setTimeout(resolve, 50))
    child.kill("SIGTERM")
    assert.strictEqual((await finished).code, 143)
    assert.isBelow(performance.now() - asked, 500)
  })

  it("a reader that goes away is no failure", async () => {
    await bringIn(3600)
    const { child, finished } = launch(["token", "github", "--format", "json"])
    child.stdout.destroy()
    const { code, stderr } = await finished
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
  })
})

describe("status and list", () => {
  it("say where a credential stands, in words and as the document without its secrets", async () => {
    await bringIn(3600)
    const words = await run(["status", "github"])
    assert.include(words.stdout, "valid until")
    assert.include(words.stdout, fingerprint("secret-at-1"))
    const json = JSON.parse((await run(["status", "github", "--json"])).stdout)
    assert.deepInclude(json, { name: "github", state: "valid", usable: true, generation: 1, reuse: "strict" })
    assert.strictEqual(json.token_endpoint, server.tokenEndpoint)
    assert.strictEqual(json.tokens.refresh_token_fingerprint, fingerprint("secret-rt-1"))
    assert.deepStrictEqual(JSON.parse((await run(["status", "--json"])).stdout), [json])
    const list = await run(["list"])
    assert.match(list.stdout, /^github +valid +\d\d:\d\d/)
    const [only] = JSON.parse((await run(["list", "--json"])).stdout)
    assert.deepInclude(only, { name: "github", state: "valid", generation: 1, expires_at: json.tokens.expires_at })
  })

  it("tell the dead and the pausing", async () => {
    await bringIn(-60)
    server.mode = "unavailable"
    await run(["token", "github"])
    assert.match((await run(["status", "github"])).stdout, /503.*next try from/)
    server.mode = "denied"
    await bringIn(-60, { refresh_token: "secret-rt-x" })
    await run(["token", "github"])
    const dead = await run(["status", "github"])
    assert.include(dead.stdout, "a person must sign in")
    assert.match((await run(["list"])).stdout, /^github +sign in/)
    const json = JSON.parse((await run(["status", "github", "--json"])).stdout)
    assert.strictEqual(json.verdict.code, "invalid_grant")
  })

  it("an empty store is no error", async () => {
    const { code, stderr, stdout } = await run(["list"])
    assert.strictEqual(code, 0)
    assert.strictEqual(stdout, "")
    assert.include(stderr, `nothing is kept in ${home} yet`)
    // Nor is it made one.
    assert.isFalse(fs.existsSync(home))
    assert.strictEqual((await run(["list", "--json"])).stdout, "[]\n")
    assert.strictEqual((await run(["status", "nobody", "--json"])).code, 2)
  })
})

describe("logout", () => {
  it("forgets, says that the grant lives on, and the next one knows nothing", async () => {
    await bringIn(3600)
    const { code, stderr } = await run(["logout", "github"])
    assert.strictEqual(code, 0)
    assert.include(stderr, "lives on at the server")
    assert.strictEqual((await run(["token", "github"])).code, 2)
    assert.strictEqual((await run(["logout", "github"])).code, 2)
  })
})

describe("provider profiles", () => {
  const writeProfile = (name: string, content: unknown) => {
    const file = path.join(folder, name)
    fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content))
    return file
  }
  const importAs = (provider: string, over?: object) =>
    run(["import", "-", "--name", "github", "--provider", provider], {
      input: JSON.stringify({ ...grant(-1), ...over }),
    })

  it("are listed with their sources, for people and programs", async () => {
    const all = await run(["providers"])
    for (const id of ["google", "entra", "openai", "generic"]) assert.match(all.stdout, new RegExp(`^${id} `, "m"))
    const one = await run(["providers", "google"])
    assert.match(one.stdout, /access_type=offline prompt=consent {2}\[documented: developers\.google\.com/)
    const { cells, reuse } = JSON.parse((await run(["providers", "okta", "--json"])).stdout)
    assert.strictEqual(reuse.class, "strict")
    const doubted = cells.find((cell: { readonly label: string }) => cell.label === "a reused refresh token")
    assert.strictEqual(doubted.value, "idempotent, 30 s of grace")
    assert.strictEqual(doubted.instead, "strict")
  })

  it("one is named at the import, and shown by status", async () => {
    const { code, stderr } = await importAs("google")
    assert.strictEqual(code, 0, stderr)
    assert.match((await run(["status", "github"])).stdout, /provider +google, a reused refresh token: notRotating/)
    assert.strictEqual((await run(["token", "github"])).stdout, "secret-at-2\n")
  })

  it("one of a person's own is copied, and decides each later refresh in other processes", async () => {
    const file = writeProfile("acme.json", {
      match: ["127.0.0.1"],
      reuse: "fork",
      grace: 20,
      spellings: [{ code: "invalid_grant", means: "passing" }],
    })
    const first = await importAs(file)
    assert.strictEqual(first.code, 0, first.stderr)
    const copy = path.join(home, "providers", "acme.json")
    assert.include(first.stderr, `the provider profile acme is kept in ${copy}`)
    assert.strictEqual(fs.statSync(copy).mode & 0o777, 0o600)
    fs.rmSync(file)
    assert.match(
      (await run(["status", "github"])).stdout,
      /provider +acme, a reused refresh token: fork, 20 s of grace/,
    )
    server.mode = "denied"
    assert.strictEqual((await run(["token", "github"])).code, 4)
    // From now on it is the profile of that server, without being named.
    const second = await run(["import", "-", "--name", "other"], { input: JSON.stringify(grant(3600)) })
    assert.strictEqual(second.code, 0, second.stderr)
    assert.match((await run(["status", "other"])).stdout, /provider +acme,/)
  })

  it("one whose file is gone or broken: the refresh waits, and says what is missing", async () => {
    await importAs(writeProfile("acme.json", {}))
    const copy = path.join(home, "providers", "acme.json")
    fs.writeFileSync(copy, "{")
    const broken = await run(["token", "github"])
    assert.strictEqual(broken.code, 4)
    assert.include(broken.stderr, `the provider is acme, and ${copy}: expected a JSON object`)
    const listed = await run(["providers"])
    assert.strictEqual(listed.code, 0)
    assert.include(listed.stderr, `a provider profile is left out. ${copy}: expected a JSON object`)
    assert.lengthOf(server.presented, 0)
  })

  it("one that is wrong: 2, the file, the place, and nothing is kept", async () => {
    const { code, stderr } = await importAs(writeProfile("acme.json", { reuse: "secret-kind" }))
    assert.strictEqual(code, 2)
    assert.include(stderr, "acme.json: reuse: expected one of notRotating")
    assert.isFalse(fs.existsSync(path.join(home, "providers")))
    assert.strictEqual((await importAs(path.join(folder, "nowhere.json"))).code, 2)
    assert.strictEqual((await importAs("nobody")).code, 2)
  })
})

describe("diagram", () => {
  it("prints the statechart as it is in models/, in every form", async () => {
    const files = { mermaid: "lifecycle.mmd", svg: "lifecycle.svg", json: "lifecycle.json", text: "lifecycle.txt" }
    const models = path.join(import.meta.dirname, "../../models")
    for (const [format, file] of Object.entries(files)) {
      const { code, stderr, stdout } = await run(["diagram", "--format", format])
      assert.strictEqual(code, 0, stderr)
      assert.isAbove(stdout.length, 1_000)
      // The files begin with a word on where they come from.
      assert.isTrue(fs.readFileSync(path.join(models, file), "utf8").endsWith(stdout), format)
    }
    assert.match((await run(["diagram"])).stdout, /^stateDiagram-v2\n/)
  })
})

describe("explore", () => {
  it("tells the stories of models/sequences, as they are there", async () => {
    const name = "two-processes-at-expiry"
    const { stdout } = await run(["explore", name, "--story", "--format", "mermaid"])
    const file = path.join(import.meta.dirname, `../../models/sequences/${name}.mmd`)
    assert.strictEqual(stdout, fs.readFileSync(file, "utf8"))
    assert.include((await run(["explore", name, "--story"])).stdout, "P0 -> AS: refresh RT1")
  })

  it("prints the results as the table of models/scenarios.md", async () => {
    const { code, stdout } = await run(["explore", "refused/strict", "--format", "markdown"])
    assert.strictEqual(code, 0)
    const page = fs.readFileSync(path.join(import.meta.dirname, "../../models/scenarios.md"), "utf8")
    const table = (text: string) => text.split("\n").filter((line) => line.startsWith("| "))
    const rowIn = (text: string) =>
      table(text)
        .find((line) => line.startsWith("| refused/strict |"))
        ?.split(" | ")
    assert.strictEqual(table(stdout)[0], table(page)[0])
    // The counts are held against the program by `npm run explore -- --check`, which takes longer.
    assert.deepStrictEqual(rowIn(stdout)?.slice(0, 4), rowIn(page)?.slice(0, 4))
    assert.strictEqual(rowIn(stdout)?.[6], "holds")
    assert.include(stdout, "## Transitions taken")
  })

  it("replays a schedule, and refuses one that cannot be", async () => {
    const replay = (schedule: string, ...format: ReadonlyArray<string>) =>
      run(["explore", "refused/strict", "--replay", schedule, ...format])
    assert.include((await replay("P0:call0 P0:read")).stdout, "P0 -> Store: read")
    assert.match((await replay("P0:call0 P0:read", "--format", "mermaid")).stdout, /^---\ntitle: "refused\/strict"/)
    const wrong = await replay("P0:nothing")
    assert.strictEqual(wrong.code, 2)
    assert.include(wrong.stderr, "P0:nothing cannot happen here; what can: P0:call0")
  })
})

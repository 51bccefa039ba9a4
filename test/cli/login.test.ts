/** `login` and `logout --revoke` as real processes, against a server that somebody else wrote. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { temporaryFolder } from "../run.ts"
import { browser, listen } from "../signin/oidcProvider.ts"

const entry = path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

const folder = Effect.sync(() => temporaryFolder("login"))

interface Process {
  /** What `pattern` matches on stderr, as soon as it does. */
  readonly says: (pattern: RegExp) => Promise<string>
  readonly type: (line: string) => void
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
}

const start = (home: string, args: ReadonlyArray<string>, env: Record<string, string> = {}): Process => {
  const child = spawn(process.execPath, [entry, ...args], {
    env: { PATH: process.env["PATH"], HOME: home, TOKENKEEP_HOME: home, ...env },
  })
  let [stdout, stderr] = ["", ""]
  const listeners = new Set<() => void>()
  const hear = () => listeners.forEach((listener) => listener())
  child.stdout.on("data", (chunk) => (stdout += chunk))
  child.stderr.on("data", (chunk) => {
    stderr += chunk
    hear()
  })
  const ended = new Promise<Awaited<Process["ended"]>>((resolve) => {
    child.on("close", (code) => {
      hear()
      resolve({ code, stdout, stderr })
    })
  })
  return {
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(stderr)
          if (found) resolve(found[1] ?? found[0])
          else if (child.exitCode !== null)
            reject(new Error(`it ended with ${child.exitCode} and never said ${pattern}`))
          else return
          listeners.delete(look)
        }
        listeners.add(look)
        look()
      }),
    type: (line) => child.stdin.write(`${line}\n`),
    kill: (signal) => child.kill(signal),
    ended,
  }
}

const url = /^ {2}(http\S+)$/m
const flags = ["--client-id", "public", "--scope", "openid", "--scope", "offline_access", "--scope", "mail"]

describe("login", () => {
  it.live("opens the browser, keeps the grant, and the next one needs the name alone", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const { issuer, provider } = yield* listen()
      const granted: Array<string> = []
      provider.on("grant.success", ({ body }) => {
        for (const [name, value] of Object.entries(body)) if (name.endsWith("_token")) granted.push(String(value))
      })
      // A browser that only notes where it was sent.
      const seen = path.join(home, "seen")
      const program = path.join(home, "browser")
      fs.writeFileSync(program, `#!/bin/sh\nprintf '%s' "$1" > ${seen}.new && mv ${seen}.new ${seen}\n`, {
        mode: 0o755,
      })
      const login = start(home, ["login", "panva", "--issuer", issuer, ...flags], { BROWSER: program })
      const printed = yield* Effect.promise(() => login.says(url))
      const landed = yield* Effect.promise(() => browser().signIn(printed))
      assert.include(landed.text, "Signed in")
      const { code, stderr, stdout } = yield* Effect.promise(() => login.ended)
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(stdout, "panva is signed in, generation 1. Next: tokenkeep token panva\n")
      assert.notInclude(stderr, "WARNING")
      yield* Effect.promise(async () => {
        while (!fs.existsSync(seen)) await new Promise((resolve) => setImmediate(resolve))
      })
      assert.strictEqual(fs.readFileSync(seen, "utf8"), printed)

      const again = start(home, ["login", "panva"], { BROWSER: "none" })
      const there = yield* Effect.promise(() => again.says(url))
      yield* Effect.promise(() => browser().signIn(there))
      assert.include((yield* Effect.promise(() => again.ended)).stdout, "generation 2")

      const status = yield* Effect.promise(() => start(home, ["status", "panva", "--json"]).ended)
      assert.strictEqual(JSON.parse(status.stdout).issuer, issuer)

      const logout = yield* Effect.promise(() => start(home, ["logout", "panva", "--revoke"]).ended)
      for (const text of [stderr, stdout, status.stdout, logout.stdout, logout.stderr]) {
        assert.isFalse(
          granted.some((token) => text.includes(token)),
          "a token was printed",
        )
      }
      assert.lengthOf(granted, 6)
      assert.strictEqual(logout.stdout, "panva is revoked at the server\npanva is forgotten on this machine\n")
    }).pipe(Effect.scoped),
  )

  it.live("takes the address that a browser on another machine ended at", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const { issuer } = yield* listen()
      const login = start(home, ["login", "panva", "--issuer", issuer, ...flags, "--no-browser"])
      const printed = yield* Effect.promise(() => login.says(url))
      const landed = yield* Effect.promise(() => browser("consent", "/callback").signIn(printed))
      login.type("what?")
      yield* Effect.promise(() => login.says(/that is not the URL/))
      login.type(landed.url)
      const { code, stderr } = yield* Effect.promise(() => login.ended)
      assert.strictEqual(code, 0, stderr)
      // Neither the code nor the verifier is repeated.
      assert.notInclude(stderr, new URL(landed.url).searchParams.get("code")!)
    }).pipe(Effect.scoped),
  )

  it.live("a second process waits for the first one's sign-in, and takes over when that is given up", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const { issuer } = yield* listen()
      const args = ["login", "panva", "--issuer", issuer, ...flags]
      const first = start(home, args)
      yield* Effect.promise(() => first.says(url))
      const second = start(home, args)
      yield* Effect.promise(() => second.says(/is signing in to panva already/))
      // Killed, it cannot give its turn back.
      first.kill("SIGKILL")
      const printed = yield* Effect.promise(() => second.says(url))
      const third = start(home, args)
      yield* Effect.promise(() => third.says(/is signing in to panva already/))
      yield* Effect.promise(() => browser().signIn(printed))
      assert.include((yield* Effect.promise(() => second.ended)).stdout, "generation 1")
      const joined = yield* Effect.promise(() => third.ended)
      assert.include(joined.stdout, "generation 1")
      assert.notMatch(joined.stderr, url)
      assert.deepStrictEqual(fs.readdirSync(path.join(home, "logins")), [])
    }).pipe(Effect.scoped),
  )

  it.live("Ctrl-C ends it at once, and nothing is kept or left listening", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const { issuer } = yield* listen()
      const login = start(home, ["login", "panva", "--issuer", issuer, ...flags])
      const printed = yield* Effect.promise(() => login.says(url))
      login.kill("SIGINT")
      assert.strictEqual((yield* Effect.promise(() => login.ended)).code, 130)
      const redirect = new URL(printed).searchParams.get("redirect_uri")!
      assert.strictEqual((yield* Effect.exit(Effect.tryPromise(() => fetch(redirect))))._tag, "Failure")
      const { stdout } = yield* Effect.promise(() => start(home, ["list", "--json"]).ended)
      assert.deepStrictEqual(JSON.parse(stdout), [])
    }).pipe(Effect.scoped),
  )

  it.live("logout survives a server that takes nothing back", () =>
    Effect.gen(function* () {
      const home = yield* folder
      let broken = false
      const { issuer } = yield* listen({}, (_request, response, proceed) => {
        if (!broken) return proceed()
        response.writeHead(503).end()
      })
      const login = start(home, ["login", "panva", "--issuer", issuer, ...flags])
      const printed = yield* Effect.promise(() => login.says(url))
      yield* Effect.promise(() => browser().signIn(printed))
      yield* Effect.promise(() => login.ended)
      broken = true
      const { code, stderr, stdout } = yield* Effect.promise(() => start(home, ["logout", "panva", "--revoke"]).ended)
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout, "panva is forgotten on this machine\n")
      assert.include(stderr, "503")
    }).pipe(Effect.scoped),
  )

  it.live("says what is missing or wrong, with the exit code for it", () =>
    Effect.gen(function* () {
      const home = yield* folder
      const { issuer } = yield* listen({}, (request, response, proceed) => {
        if (request.url?.includes("down") !== true) return proceed()
        response.writeHead(503, { "retry-after": "20" }).end()
      })
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, string]> = [
        [[], 2, "--mcp URL, --issuer URL or --token-endpoint URL"],
        [["--issuer", "http://as.example"], 2, "not encrypted"],
        [["--issuer", issuer, "--authorize-param", "x"], 2, "NAME=VALUE"],
        [["--issuer", issuer, "--provider", "nobody"], 2, "no provider profile has"],
        [["--issuer", issuer, "--client-secret-file", "x"], 2, "--client-id"],
        [["--issuer", `${issuer}/down`], 4, "try again at"],
        [["--authorization-endpoint", issuer], 2, "--token-endpoint is needed"],
      ]
      for (const [args, code, words] of cases) {
        const ended = yield* Effect.promise(() => start(home, ["login", "a", ...args]).ended)
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.include(ended.stderr, words)
      }
    }).pipe(Effect.scoped),
  )
})

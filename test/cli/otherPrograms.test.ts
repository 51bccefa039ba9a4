/** The commands that stand behind other programs, as those programs run them: built, and in processes of their own. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { promisify } from "node:util"
import { openKeeper } from "../../src/promise.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { listen } from "../../src/testing/http.ts"
import { temporaryFolder } from "../run.ts"

const built = path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")
const secret = "secret-at-1"

interface Place {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
}

const used = async (use: (place: Place) => Promise<void>): Promise<void> => {
  const folder = temporaryFolder("programs")
  const home = path.join(folder, "home")
  await using keeper = await openKeeper({ home })
  await keeper.import("work", {
    token_endpoint: "http://127.0.0.1:1/token",
    client: { client_id: "abc" },
    tokens: { access_token: secret, refresh_token: "secret-rt-1", expires_at: "2100-01-01T00:00:00Z" },
  })
  fs.mkdirSync(path.join(folder, "bin"))
  fs.writeFileSync(path.join(folder, "bin/tokenkeep"), `#!/bin/sh\nexec "${process.execPath}" "${built}" "$@"\n`, {
    mode: 0o755,
  })
  const PATH = `${path.join(folder, "bin")}:${process.env["PATH"]}`
  await use({ folder, env: { PATH, HOME: folder, TOKENKEEP_HOME: home, GIT_TERMINAL_PROMPT: "0" } })
}

const run = async (place: Place, file: string, args: ReadonlyArray<string>, input = "") => {
  const running = promisify(execFile)(file, args, { env: place.env, cwd: place.folder })
  running.child.stdin?.end(input)
  return running.then(
    ({ stderr, stdout }) => ({ code: 0, stdout, stderr }),
    ({ code, stderr, stdout }) => ({ code: code as number, stdout: String(stdout), stderr: String(stderr) }),
  )
}

describe("tokenkeep exec", () => {
  it("gives the command a token in its environment, its own flags, and passes its exit code on", () =>
    used(async (place) => {
      const script = `process.stdout.write(String(process.env.MY === "${secret}") + process.argv.slice(1)); process.exit(7)`
      const { code, stdout } = await run(place, "tokenkeep", [
        "exec",
        "work",
        "--env",
        "MY",
        "--",
        process.execPath,
        "-e",
        script,
        "--",
        "-x",
        "--env",
        "y",
      ])
      assert.deepStrictEqual([code, stdout], [7, "true-x,--env,y"])
      const missing = await run(place, "tokenkeep", ["exec", "work", "--", "no-such-command"])
      assert.strictEqual(missing.code, 127)
      assert.include(missing.stderr, "there is no such command")
      const unknown = await run(place, "tokenkeep", ["exec", "nobody", "--", "true"])
      assert.strictEqual(unknown.code, 2)
    }))

  it("passes signals on, and waits for what the command makes of them", () =>
    used(async (place) => {
      const script = `process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1e6); console.log("ready")`
      const child = spawn("tokenkeep", ["exec", "work", "--", process.execPath, "-e", script], { env: place.env })
      const code = new Promise((resolve) => child.on("close", resolve))
      await new Promise((resolve) => child.stdout.once("data", resolve))
      child.kill("SIGTERM")
      assert.strictEqual(await code, 9)
    }))

  it("says which signal ended the command", () =>
    used(async (place) => {
      const { code } = await run(place, "tokenkeep", ["exec", "work", "--", "sh", "-c", "kill -9 $$"])
      assert.strictEqual(code, 137)
    }))
})

describe("tokenkeep git-credential", () => {
  it("answers git itself, for its own host and over https only", () =>
    used(async (place) => {
      const helper = "!tokenkeep git-credential work --host git.example.com"
      execFileSync("git", ["config", "--global", "credential.helper", helper], { env: place.env })
      const asked = (url: string) => run(place, "git", ["credential", "fill"], `url=${url}\n\n`)
      const { code, stdout } = await asked("https://git.example.com/a/b.git")
      assert.strictEqual(code, 0)
      const answered = Object.fromEntries(
        stdout
          .trim()
          .split("\n")
          .map((line) => line.split("=")),
      )
      assert.strictEqual(answered.username, "oauth2")
      // git-credential(1): in seconds. Git before 2.40 does not repeat it.
      const helped = await run(
        place,
        "tokenkeep",
        ["git-credential", "work", "--host", "git.example.com", "get"],
        "protocol=https\nhost=git.example.com\n\n",
      )
      assert.include(helped.stdout, `\npassword_expiry_utc=${Date.parse("2100-01-01T00:00:00Z") / 1000}\n`)
      assert.isTrue(answered.password === secret)
      for (const url of ["https://else.example.com/a", "http://git.example.com/a"]) {
        assert.isFalse((await asked(url)).stdout.includes(secret))
      }
    }))
})

it.live("git's erase names the password that was refused: the next get has another", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const as = yield* listen({})
      const grant = as.server.grant({}, Date.now())
      const document = grantDocument(grant, { issuer: as.url, tokenEndpoint: as.tokenEndpoint })
      yield* Effect.promise(() =>
        used(async (place) => {
          await using keeper = await openKeeper({ home: String(place.env["TOKENKEEP_HOME"]), background: false })
          await keeper.import("git", JSON.parse(JSON.stringify(document)))
          const helper = (operation: string, more = "") =>
            run(
              place,
              "tokenkeep",
              ["git-credential", "git", "--host", "git.example.com", operation],
              `protocol=https\nhost=git.example.com\n${more}\n`,
            )
          assert.include(await helper("get"), { code: 0 })
          assert.include(await helper("erase", `username=oauth2\npassword=${grant.accessToken}\n`), {
            code: 0,
            stdout: "",
          })
          assert.lengthOf(as.server.presentations(), 1)
          const { stdout } = await helper("get")
          assert.isFalse(stdout.includes(grant.accessToken))
          assert.lengthOf(as.server.presentations(), 1)
        }),
      )
    }),
  ),
)

describe("curl", () => {
  it("takes the header from standard input, where no list of processes shows it", (context) =>
    used(async (place) => {
      if (spawnSync("curl", ["--version"]).error) return context.skip("curl is not installed")
      const came: Array<string | undefined> = []
      const upstream = http.createServer((request, response) => {
        came.push(request.headers.authorization)
        response.end("in")
      })
      await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve))
      const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/x`
      const line = `tokenkeep token work --format header | curl --silent --fail --noproxy '*' -H @- ${url}`
      const { code, stdout } = await run(place, "sh", ["-c", line])
      upstream.close()
      assert.deepStrictEqual([code, stdout, came.length], [0, "in", 1])
      assert.isTrue(came[0] === `Bearer ${secret}`)
    }))
})

describe("tokenkeep docker-credential", () => {
  it("follows the protocol of docker-credential-helpers", () =>
    used(async (place) => {
      const helper = (operation: string, input: string) =>
        run(place, "tokenkeep", ["docker-credential", "work", "--host", "registry.example", operation], input)
      const { ServerURL, Secret, Username } = JSON.parse((await helper("get", "registry.example\n")).stdout)
      assert.deepStrictEqual([ServerURL, Username, Secret === secret], ["registry.example", "oauth2accesstoken", true])
      for (const url of ["https://else.example", "http://registry.example"]) {
        const other = await helper("get", `${url}\n`)
        assert.deepStrictEqual([other.code, other.stdout], [1, "credentials not found in native keychain\n"], url)
      }
      assert.strictEqual((await helper("store", "{}")).code, 0)
      assert.deepStrictEqual(JSON.parse((await helper("list", "")).stdout), {
        "https://registry.example": "oauth2accesstoken",
      })
    }))
})

describe("tokenkeep proxy", () => {
  it("serves several upstreams from a file until it is told to end", () =>
    used(async (place) => {
      const upstream = http.createServer((request, response) =>
        response.end(`${request.url} ${request.headers.authorization === `Bearer ${secret}`}`),
      )
      await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve))
      const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
      fs.writeFileSync(path.join(place.folder, "key"), "local\n", { mode: 0o600 })
      const config = {
        key_file: "key",
        upstreams: [
          { name: "work", upstream: `${url}/v1`, path: "/a" },
          { name: "work", upstream: url, path: "/b" },
        ],
      }
      fs.writeFileSync(path.join(place.folder, "proxy.json"), JSON.stringify(config))
      const child = spawn("tokenkeep", ["proxy", "--config", path.join(place.folder, "proxy.json")], {
        env: place.env,
        cwd: "/",
      })
      const ended = new Promise((resolve) => child.on("close", resolve))
      const printed = await new Promise<string>((resolve) => {
        let text = ""
        child.stdout.on("data", (chunk) => {
          text += String(chunk)
          if (text.trim().split("\n").length === 2) resolve(text.trim())
        })
      })
      const [a, b] = printed.split("\n")
      const headers = { "x-tokenkeep-key": "local" }
      const text = async (at: string) => (await fetch(at, { headers })).text()
      assert.strictEqual(await text(`${a}/x?y`), "/v1/x?y true")
      assert.strictEqual(await text(a!), "/v1 true")
      assert.strictEqual(await text(`${b}/x`), "/x true")
      assert.strictEqual((await fetch(b!)).status, 401)
      child.kill("SIGTERM")
      assert.strictEqual(await ended, 143)
      upstream.closeAllConnections()
      upstream.close()
    }))

  it("says what is wrong with its configuration, field by field, and repeats none of it", () =>
    used(async (place) => {
      const file = path.join(place.folder, "proxy.json")
      const said = async (config: unknown) => {
        fs.writeFileSync(file, JSON.stringify(config))
        const { code, stderr } = await run(place, "tokenkeep", ["proxy", "--config", file])
        assert.strictEqual(code, 2)
        assert.notInclude(stderr, "secret-")
        return stderr
      }
      assert.include(await said({}), "upstreams: expected a list")
      const upstream = "http://secret-user@example.com"
      const wrong = await said({ listen: "0.0.0.0:1", upstreams: [{ name: "secret- x", upstream, path: "x" }] })
      for (const field of ["listen", "upstreams.0.name", "upstreams.0.upstream", "upstreams.0.path"]) {
        assert.include(wrong, `--config: ${field}: expected`)
      }
      assert.include(
        await said({ upstreams: [{ name: "a", upstream: "https://a.example" }], prot: 1 }),
        "prot: there is no such",
      )
      const same = { upstream: "https://a.example", path: "/a" }
      const twice = await said({
        upstreams: [
          { name: "a", ...same },
          { name: "b", ...same },
        ],
      })
      assert.include(twice, "upstreams.1.path: expected a path such as /github, that no other upstream has")
      await using keeper = await openKeeper({ home: String(place.env["TOKENKEEP_HOME"]), background: false })
      await keeper.import("bound", {
        token_endpoint: "http://127.0.0.1:1/token",
        resource: "https://mcp.example/mcp",
        client: { client_id: "abc" },
        tokens: { access_token: secret, expires_at: "2100-01-01T00:00:00Z" },
      })
      const elsewhere = await run(place, "tokenkeep", ["proxy", "bound", "--upstream", "https://a.example"])
      assert.deepStrictEqual([elsewhere.code, elsewhere.stderr.includes("--allow-other-resource")], [2, true])
      const unknown = await run(place, "tokenkeep", ["proxy", "nobody", "--upstream", "https://a.example"])
      assert.deepStrictEqual([unknown.code, unknown.stderr.includes("no such credential")], [2, true])
      const nothing = await run(place, "tokenkeep", ["proxy"])
      assert.deepStrictEqual([nothing.code, nothing.stderr.includes("--upstream URL")], [2, true])
    }))
})

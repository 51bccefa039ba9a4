import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as Https from "node:https"
import * as path from "node:path"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import { temporaryFolder } from "../run.ts"

/** The command alone, as a process, whether or not the built program knows it already. */
const program = `
  import * as NodeServices from "@effect/platform-node/NodeServices"
  import * as Command from "effect/cli/Command"
  import * as Effect from "effect/Effect"
  import { testingServer } from "./src/cli/commands/testingServer.ts"
  import * as Presenter from "./src/cli/presenter.ts"
  import { runMain } from "./src/cli/run.ts"
  const run = Command.runWith(testingServer, { version: "0" })
  runMain(run(process.argv.slice(1)).pipe(Effect.provide(Presenter.layer), Effect.provide(NodeServices.layer)))
`

let folder: string
const children: Array<ChildProcess> = []

beforeEach(() => {
  folder = temporaryFolder("testing")
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
})

const launch = (...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, "--", ...args], {
    cwd: path.join(import.meta.dirname, "../.."),
  })
  children.push(child)
  const output = { stdout: "", stderr: "" }
  child.stderr.on("data", (chunk) => (output.stderr += chunk))
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve))
  const line = new Promise<Record<string, string>>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      output.stdout += chunk
      if (output.stdout.endsWith("\n")) resolve(JSON.parse(output.stdout) as Record<string, string>)
    })
    child.on("close", () => reject(new Error(output.stderr)))
  })
  line.catch(() => undefined)
  return { child, ended, line, output }
}

describe("tokenkeep testing-server", () => {
  it("prints where it is and a grant, serves, records, and ends with Ctrl-C", async () => {
    const log = path.join(folder, "requests.jsonl")
    const server = launch(
      "--reuse",
      "fork",
      "--grace",
      "30s",
      "--lifetime",
      "90s",
      "--spelling",
      "slack",
      "--requests-log",
      log,
    )
    const told = await server.line
    const now = Date.now()
    const credential = Result.getOrThrow(GrantDocument.toCredential(told["import"], "test", now))
    assert.deepStrictEqual(credential.reuse, { class: "fork", graceMillis: 30_000 })
    const { expiry } = credential.tokens
    assert.approximately(expiry._tag === "Known" ? expiry.at : 0, now + 90_000, 10_000)

    const body = new URLSearchParams({ grant_type: "refresh_token", client_id: "client", refresh_token: "none" })
    const answer = await fetch(told["token_endpoint"]!, { method: "POST", body })
    assert.deepStrictEqual(await answer.json(), { ok: false, error: "invalid_refresh_token" })
    assert.strictEqual((await fetch(told["metadata"]!)).status, 200)
    assert.deepInclude(JSON.parse(fs.readFileSync(log, "utf8")), { was: "unknown", outcome: "denied", answered: 200 })
    assert.strictEqual(fs.statSync(log).mode & 0o777, 0o600)

    server.child.kill("SIGINT")
    assert.strictEqual(await server.ended, 130)
    assert.strictEqual(server.output.stderr, "tokenkeep: listening; Ctrl-C ends it\n")
    assert.lengthOf(server.output.stdout.split("\n"), 2)
  })

  it("listens with TLS, and prints what a client has to trust", async () => {
    const { certificate, import: grant, metadata, token_endpoint, url } = await launch("--https", "--for", "10s").line
    assert.match(url!, /^https:\/\/127\.0\.0\.1:/)
    Result.getOrThrow(GrantDocument.toCredential(grant, "test", Date.now()))
    const get = (ca: string | undefined) =>
      new Promise((resolve) => {
        Https.get(metadata!, { ca }, (response) => {
          let body = ""
          response.on("data", (chunk) => (body += chunk))
          response.on("end", () => resolve(JSON.parse(body)))
        }).on("error", ({ code }: NodeJS.ErrnoException) => resolve(code))
      })
    assert.deepInclude(await get(certificate), { issuer: url, token_endpoint })
    assert.strictEqual(await get(undefined), "DEPTH_ZERO_SELF_SIGNED_CERT")
  })

  it("ends by itself, breaking off what is open", async () => {
    const server = launch("--for", "700ms")
    const { control, token_endpoint } = await server.line
    const faults = [{ answer: "never" }]
    const scripted = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ faults }),
    }
    assert.strictEqual((await fetch(control!, scripted)).status, 200)
    const open = fetch(token_endpoint!, { method: "POST", body: "" }).catch((error: Error) => error.name)
    assert.strictEqual(await server.ended, 0)
    assert.strictEqual(await open, "TypeError")
    assert.strictEqual(server.output.stderr, "")
  })

  it("says what it cannot do", async () => {
    const unwritable = launch("--requests-log", path.join(folder, "none", "x"))
    assert.strictEqual(await unwritable.ended, 2)
    assert.include(unwritable.output.stderr, "--requests-log: cannot write there (ENOENT)")
    const nowhere = launch("--port", "70000")
    assert.strictEqual(await nowhere.ended, 2)
    assert.include(nowhere.output.stderr, "a port from 0 to 65535")
    const first = launch("--for", "10s")
    const { url } = await first.line
    const second = launch("--port", new URL(url!).port)
    assert.strictEqual(await second.ended, 2)
    assert.include(second.output.stderr, "somebody listens there already")
  })
})

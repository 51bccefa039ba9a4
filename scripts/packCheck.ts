/**
 * Packs the package, and uses it as somebody who has just installed it: from an empty folder, with nothing of this
 * repository but the tarball. It needs the registry for the dependencies, and no other network.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const root = path.dirname(import.meta.dirname)
const work = fs.mkdtempSync(path.join(os.tmpdir(), "tokenkeep-pack-"))
const project = path.join(work, "project")
const env = { ...process.env, TOKENKEEP_HOME: path.join(work, "home"), NO_COLOR: "1" }

/** Its stdout. What it says on stderr is shown only when it fails. */
const run = (command: string, args: ReadonlyArray<string>, cwd = project, input = ""): string => {
  try {
    return execFileSync(command, args, { cwd, env, input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] })
  } catch (error) {
    const { stderr, stdout } = error as Error & { stdout?: string; stderr?: string }
    throw new Error([`${command} ${args.join(" ")} failed`, stdout, stderr].join("\n"), { cause: error })
  }
}

const write = (file: string, content: string): void => fs.writeFileSync(path.join(project, file), content)

const expect = (what: string, found: string, expected: string): void => {
  if (found !== expected) throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}`)
}

let current = "pack"
const step = (what: string, check: () => string | void): void => {
  current = what
  const said = check()
  console.log(`ok  ${what}${said ? `: ${said}` : ""}`)
}

/** A grant that needs no refresh for the next hour, and whose server is nowhere. */
const grant = {
  token_endpoint: "http://127.0.0.1:9/token",
  client: { client_id: "pack-check" },
  tokens: {
    access_token: "a-token-that-works",
    refresh_token: "never-to-be-sent",
    token_type: "Bearer",
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
  },
}
const token = grant.tokens.access_token

const script = `import { openKeeper } from "tokenkeep/promise"

const open = async () => {
  await using keeper = await openKeeper({ home: process.env.TOKENKEEP_HOME })
  await keeper.import("library", ${JSON.stringify(grant)})
  const credential = keeper.credential("library")
  const token = await credential.token({ minValidity: 60_000 })
  return [token, credential.peek(), await keeper.credential("shell").token()].join(" ")
}
console.log(await open())
`

const consumer = `import { Keeper, KeeperLive } from "tokenkeep"
import { openKeeper, SignInRequired, type PromiseCredential } from "tokenkeep/promise"

export const token = (credential: PromiseCredential): Promise<string> => credential.token({ minValidity: 60_000 })
export const peek = (credential: PromiseCredential): string | undefined => credential.peek()
export const open = async (): Promise<string> => {
  const keeper = await openKeeper({})
  try {
    return await token(keeper.credential("library"))
  } catch (error) {
    return error instanceof SignInRequired ? error.advice : "later"
  } finally {
    await keeper.close()
  }
}
// @ts-expect-error a forced refresh needs the refused token
export const force = (credential: PromiseCredential) => credential.refused()
export const services = [Keeper.Keeper, KeeperLive.layer] as const
`

/** The interface of `@napi-rs/keyring`, over a file: a machine that builds packages has no keyring, or a locked one. */
const keyring = `const fs = require("node:fs")
const file = ${JSON.stringify(path.join(work, "keyring.json"))}
const read = () => (fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {})
exports.Entry = class {
  constructor(service, account) {
    this.name = service + " " + account
  }
  getPassword() {
    return read()[this.name] ?? null
  }
  setPassword(password) {
    fs.writeFileSync(file, JSON.stringify({ ...read(), [this.name]: password }), { mode: 0o600 })
  }
}
`

const isInClear = (): boolean =>
  fs
    .readdirSync(env.TOKENKEEP_HOME)
    .filter((name) => name.startsWith("keep.db"))
    .some((name) => fs.readFileSync(path.join(env.TOKENKEEP_HOME, name)).includes(token))

const compilerOptions = (resolution: "nodenext" | "bundler") => ({
  module: resolution === "nodenext" ? "nodenext" : "esnext",
  moduleResolution: resolution,
  target: "es2024",
  lib: ["es2024", "esnext.disposable", "dom"],
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: true,
})

try {
  fs.mkdirSync(project)
  run("npm", ["run", "build"], root)
  // Without its scripts, because what the build says would stand before the JSON.
  const packed = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", work], root))
  const [{ entryCount, filename, size }] = Array.isArray(packed) ? packed : Object.values(packed)
  const tarball = path.join(work, filename)
  const bin = (name: string): string => path.join(root, "node_modules/.bin", name)
  console.log(`${filename}: ${entryCount} files, ${Math.round(size / 1024)} KiB`)

  step("publint", () => void run(bin("publint"), ["run", tarball, "--strict"], root))
  step("attw", () => void run(bin("attw"), [tarball, "--profile", "esm-only", "--no-definitely-typed"], root))

  step("npm install", () => {
    write("package.json", JSON.stringify({ name: "consumer", private: true, type: "module" }))
    run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball])
    const installed: unknown = JSON.parse(fs.readFileSync(path.join(project, "package-lock.json"), "utf8")).packages
    return `${Object.keys(installed as object).length - 1} packages`
  })
  step("tokenkeep --help", () => {
    if (!run("npx", ["tokenkeep", "--help"]).includes("import")) throw new Error("the help does not name the commands")
  })
  step("tokenkeep import - --name shell", () => {
    run("npx", ["tokenkeep", "import", "-", "--name", "shell"], project, JSON.stringify(grant))
  })
  step("tokenkeep token shell", () => expect("stdout", run("npx", ["tokenkeep", "token", "shell"]), `${token}\n`))
  step("tokenkeep/promise", () => {
    write("script.mjs", script)
    expect("stdout", run("node", ["script.mjs"]), `${token} ${token} ${token}\n`)
  })
  step("tokenkeep seal, with the optional package for keyrings", () => {
    const folder = path.join(project, "node_modules/@napi-rs/keyring")
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "@napi-rs/keyring", main: "index.js" }))
    fs.writeFileSync(path.join(folder, "index.js"), keyring)
    run("npx", ["tokenkeep", "seal"])
    if (isInClear()) throw new Error("a token stands in the sealed store")
    expect("stdout", run("npx", ["tokenkeep", "token", "shell"]), `${token}\n`)
    expect("stdout", run("node", ["script.mjs"]), `${token} ${token} ${token}\n`)
    run("npx", ["tokenkeep", "unseal"])
    if (!isInClear()) throw new Error("the store is still sealed")
  })
  for (const resolution of ["nodenext", "bundler"] as const) {
    step(`types with ${resolution}`, () => {
      write("consumer.ts", consumer)
      write("tsconfig.json", JSON.stringify({ compilerOptions: compilerOptions(resolution), files: ["consumer.ts"] }))
      run(bin("tsc"), ["-p", "tsconfig.json"])
    })
  }
} catch (error) {
  console.error(`not ok  ${current}\n${(error as Error).message}`)
  process.exitCode = 1
} finally {
  fs.rmSync(work, { recursive: true, force: true })
}

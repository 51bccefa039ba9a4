/** OpenClaw's tokens that are kept apart and encrypted, as OpenClaw of May 2026 writes them. */
import { assert, beforeEach, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as ForeignFiles from "../../src/interop/foreignFiles.ts"
import { openclaw } from "../../src/interop/openclaw.ts"
import { temporaryFolder } from "../run.ts"

const id = "0123456789abcdef0123456789abcdef"
const profileId = "openai-codex:default"
const seed = "secret-seed"

let home: string

const put = (place: string, content: string): void => {
  const file = path.join(home, place)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content)
}

const sealed = (of: string): string => {
  const key = Crypto.createHash("sha256").update(`openclaw:auth-profile-oauth:${seed}`).digest()
  const iv = Crypto.randomBytes(12)
  const cipher = Crypto.createCipheriv("aes-256-gcm", key, iv)
  cipher.setAAD(Buffer.from(`${id}\0${of}\0openai-codex`))
  const material = JSON.stringify({ access: "secret-at", refresh: "secret-rt", idToken: "secret-id" })
  const ciphertext = Buffer.concat([cipher.update(material), cipher.final()]).toString("base64url")
  const encrypted = {
    algorithm: "aes-256-gcm",
    iv: iv.toString("base64url"),
    tag: cipher.getAuthTag().toString("base64url"),
  }
  return JSON.stringify({
    version: 1,
    profileId: of,
    provider: "openai-codex",
    encrypted: { ...encrypted, ciphertext },
  })
}

const profile = (ref: string) => ({
  type: "oauth",
  provider: "openai-codex",
  expires: 1_795_216_000_000,
  oauthRef: { source: "openclaw-credentials", provider: "openai-codex", id: ref },
})

beforeEach(() => {
  // What stands in it is what other programs hold.
  home = path.join(temporaryFolder("openclaw"), "given")
  put(".openclaw/agents/main/agent/auth-profiles.json", JSON.stringify({ profiles: { [profileId]: profile(id) } }))
  put(`.openclaw/credentials/auth-profiles/${id}.json`, sealed(profileId))
})

const read = (env: Readonly<Record<string, string>> = {}, platform = "linux") => {
  const [file] = ForeignFiles.found(openclaw, { env, platform, homedir: () => home })
  const held = file?.entries[0]?.held
  return held?._tag === "Grant" ? Redacted.value(held.document).tokens.refresh_token : held?.reason
}

describe("tokens kept apart", () => {
  it.each([
    ["linux", ".config/openclaw/auth-profile-secret-key"],
    ["linux", ".openclaw-auth-profile-secrets/auth-profile-secret-key"],
    ["darwin", "Library/Application Support/OpenClaw/auth-profile-secret-key"],
    ["win32", "AppData/Roaming/OpenClaw/auth-profile-secret-key"],
  ])("%s: the key is in %s", (platform, place) => {
    assert.include(read({}, platform), "OPENCLAW_AUTH_PROFILE_SECRET_KEY")
    put(place, `${seed}\n`)
    assert.strictEqual(read({}, platform), "secret-rt")
  })

  it("the key is in a variable, and another one opens nothing", () => {
    assert.strictEqual(read({ OPENCLAW_AUTH_PROFILE_SECRET_KEY: seed }), "secret-rt")
    assert.include(read({ OPENCLAW_AUTH_PROFILE_SECRET_KEY: "another" }), "no key opens them")
    // The variable counts first, and the file after it.
    put(".config/openclaw/auth-profile-secret-key", seed)
    assert.strictEqual(read({ OPENCLAW_AUTH_PROFILE_SECRET_KEY: "another" }), "secret-rt")
  })

  it("those of another profile are not taken for these, nor a file from elsewhere", () => {
    const env = { OPENCLAW_AUTH_PROFILE_SECRET_KEY: seed }
    put(`.openclaw/credentials/auth-profiles/${id}.json`, sealed("openai-codex:other"))
    assert.include(read(env), "no key opens them")
    put(".openclaw/credentials/elsewhere.json", sealed(profileId))
    const profiles = { [profileId]: profile("../elsewhere") }
    put(".openclaw/agents/main/agent/auth-profiles.json", JSON.stringify({ profiles }))
    assert.include(read(env), "no key opens them")
  })

  it("are not there, or torn", () => {
    const env = { OPENCLAW_AUTH_PROFILE_SECRET_KEY: seed }
    const whole = sealed(profileId)
    for (const content of ["", "[]", '{"encrypted":{}}', whole.slice(0, -20)]) {
      put(`.openclaw/credentials/auth-profiles/${id}.json`, content)
      assert.include(read(env), "no key opens them")
    }
    fs.rmSync(path.join(home, ".openclaw/credentials"), { recursive: true })
    assert.include(read(env), "no key opens them")
  })
})

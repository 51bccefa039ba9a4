/**
 * The tokens that OpenClaw of May 2026 kept apart from their profile: encrypted in a file of their own, under a key that is
 * in a variable, in a file outside its folder, or on macOS in the keychain.
 */
import * as Crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Surroundings } from "../store/home.ts"
import * as ForeignKeyring from "./foreignKeyring.ts"
import { folderOf, type Json, members, text } from "./ForeignStore.ts"

/** Which tokens are meant: all of it is part of the encryption. */
export interface Reference {
  readonly id: string
  readonly profileId: string
  readonly provider: string
}

const keyFiles = (surroundings: Surroundings): ReadonlyArray<string> => {
  const { env, homedir, platform } = surroundings
  const user = (platform === "win32" ? env["USERPROFILE"] : env["HOME"]) || homedir()
  const folder =
    platform === "win32"
      ? path.join(env["APPDATA"] || path.join(user, "AppData", "Roaming"), "OpenClaw")
      : platform === "darwin"
        ? path.join(user, "Library", "Application Support", "OpenClaw")
        : path.join(env["XDG_CONFIG_HOME"] || path.join(user, ".config"), "openclaw")
  return [folder, path.join(user, ".openclaw-auth-profile-secrets")].map((each) =>
    path.join(each, "auth-profile-secret-key"),
  )
}

const orNothing = (read: () => string | undefined): string | undefined => {
  try {
    return text(read()?.trim())
  } catch {
    return undefined
  }
}

/** Asked for one after the other: a keychain may ask a person. */
const seeds = function* (surroundings: Surroundings): Generator<string | undefined> {
  yield orNothing(() => surroundings.env["OPENCLAW_AUTH_PROFILE_SECRET_KEY"])
  for (const file of keyFiles(surroundings)) yield orNothing(() => fs.readFileSync(file, "utf8"))
  if (surroundings.platform === "darwin") {
    const place = ForeignKeyring.placeOf("OpenClaw Auth Profile Secrets", "oauth-profile-master-key")
    yield orNothing(() => ForeignKeyring.read(place))
  }
}

const bytes = (value: Json): Buffer => Buffer.from(text(value) ?? "", "base64url")

type Members = Readonly<Record<string, Json>>

const encryptedIn = (place: string): Members | undefined => {
  try {
    return members(members(JSON.parse(fs.readFileSync(place, "utf8")))?.["encrypted"])
  } catch {
    return undefined
  }
}

const opened = (parts: Members, { id, profileId, provider }: Reference, seed: string): Json => {
  try {
    const key = Crypto.createHash("sha256").update(`openclaw:auth-profile-oauth:${seed}`).digest()
    const decipher = Crypto.createDecipheriv("aes-256-gcm", key, bytes(parts["iv"]), { authTagLength: 16 })
    decipher.setAAD(Buffer.from(`${id}\0${profileId}\0${provider}`, "utf8"))
    decipher.setAuthTag(bytes(parts["tag"]))
    const plain = Buffer.concat([decipher.update(bytes(parts["ciphertext"])), decipher.final()])
    return JSON.parse(plain.toString("utf8"))
  } catch {
    return undefined
  }
}

/** `access` and `refresh` of a profile, or nothing where no key at hand opens them. */
export const tokensOf = (reference: Reference, surroundings: Surroundings): Members | undefined => {
  if (!/^[a-f0-9]{32}$/.test(reference.id)) return undefined
  const folder =
    surroundings.env["OPENCLAW_OAUTH_DIR"] ||
    `${folderOf(surroundings, ["OPENCLAW_STATE_DIR"], ".openclaw")}/credentials`
  const encrypted = encryptedIn(`${folder}/auth-profiles/${reference.id}.json`)
  if (encrypted === undefined) return undefined
  for (const seed of seeds(surroundings)) {
    const found = seed === undefined ? undefined : members(opened(encrypted, reference, seed))
    if (found !== undefined) return found
  }
  return undefined
}

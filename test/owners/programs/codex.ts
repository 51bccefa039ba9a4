/**
 * Codex 0.169 and its `auth.json`. Facts: codex §2.3 to §2.8, §10.1.
 *
 * It presents the refresh token first, without any lock, and then commits under two: what another process has committed
 * meanwhile stays, and its own fresh tokens are thrown away. What it does not know is lost when it writes. Real ones hold
 * several managers in a process, and so ask several times where this one asks once.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { flock } from "../parts/flock.ts"
import {
  asObject,
  at,
  type Json,
  now,
  plan,
  point,
  present,
  readJson,
  run,
  say,
  writeRenamed,
} from "../parts/program.ts"

const path = at("auth.json")
const windowMillis = 5 * 60_000
/** Goes by `last_refresh`, where the token does not say when it ends. */
const intervalMillis = 8 * 86_400_000

interface Auth {
  readonly file: Json
  readonly tokens: Json
  readonly account: string | undefined
}

const claims = (jwt: unknown): Json | undefined => {
  const parts = typeof jwt === "string" ? jwt.split(".") : []
  if (parts.length !== 3 || parts.includes("")) return undefined
  try {
    return asObject(JSON.parse(Buffer.from(parts[1]!, "base64url").toString("utf8")))
  } catch {
    return undefined
  }
}

/** Whatever is wrong with the file, it counts as signed out. */
const load = (): Auth | undefined => {
  const file = asObject(readJson(path))
  const tokens = asObject(file?.["tokens"])
  if (file === undefined || tokens === undefined || claims(tokens["id_token"]) === undefined) return undefined
  if (typeof tokens["refresh_token"] !== "string" || typeof tokens["access_token"] !== "string") return undefined
  if (typeof file["last_refresh"] !== "string") return undefined
  const account = tokens["account_id"]
  return { file, tokens, account: typeof account === "string" ? account : undefined }
}

const isSame = (a: Auth, b: Auth | undefined): boolean =>
  b !== undefined &&
  JSON.stringify([a.tokens, a.file["last_refresh"]]) === JSON.stringify([b.tokens, b.file["last_refresh"]])

const optional = (from: Json, ...names: ReadonlyArray<string>): Json =>
  Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])))

/** Its own fields in its own order, and no others. */
const serialized = ({ file, tokens }: Pick<Auth, "file" | "tokens">): string =>
  JSON.stringify(
    {
      ...optional(file, "auth_mode"),
      OPENAI_API_KEY: file["OPENAI_API_KEY"] ?? null,
      tokens: {
        ...optional(tokens, "id_token", "access_token", "refresh_token", "oauth_provenance", "login_owner_id"),
        account_id: tokens["account_id"] ?? null,
      },
      ...optional(file, "last_refresh", "agent_identity", "personal_access_token", "bedrock_api_key"),
    },
    undefined,
    2,
  )

/** What the process goes by until a refresh reads the file again. */
let cached = load()
/** Refused for good, with this login: the server is not asked again while it stays. */
let hopeless: Auth | undefined

const isDue = ({ file, tokens }: Auth): boolean => {
  const ends = claims(tokens["access_token"])?.["exp"]
  return typeof ends === "number"
    ? ends * 1000 <= now() + windowMillis
    : Date.parse(String(file["last_refresh"])) < now() - intervalMillis
}

type Reloaded = "changed" | "same" | "skipped"

const reload = (): Reloaded => {
  const stored = load()
  if (cached === undefined || stored?.account === undefined || stored.account !== cached.account) return "skipped"
  const isChanged = !isSame(cached, stored)
  cached = stored
  say(isChanged ? "adopted" : "read", { refresh: stored.tokens["refresh_token"] })
  return isChanged ? "changed" : "same"
}

const lastingCodes = ["refresh_token_expired", "refresh_token_reused", "refresh_token_invalidated"]

/** Against another endpoint than its own issuer's, the provenance is dropped. */
const provenanceOf = (tokens: Json): Json => {
  const provenance = asObject(tokens["oauth_provenance"])
  return provenance !== undefined && `${String(provenance["issuer"])}/oauth/token` === plan.endpoint
    ? { oauth_provenance: provenance }
    : { oauth_provenance: undefined }
}

const commit = async (before: Auth, body: Json): Promise<void> => {
  const release = await flock(at("auth.lock"), "auth.lock", "exclusive", 0o666)
  const real = Fs.existsSync(path) ? Fs.realpathSync(path) : path
  const releaseFile = await flock(Path.join(Path.dirname(real), "auth.json.lock"), "auth.json.lock")
  const stored = load()
  if (!isSame(before, stored)) {
    // Also where nothing is left of it: a login that somebody ended stays ended.
    say("discarded", { refresh: body["refresh_token"] })
    cached = stored
  } else {
    Fs.closeSync(Fs.openSync(real, "r+"))
    const { file, tokens } = before
    const next = {
      file: { ...file, last_refresh: new Date(now()).toISOString() },
      tokens: { ...tokens, ...optional(body, "id_token", "access_token", "refresh_token"), ...provenanceOf(tokens) },
    }
    const beside = Path.join(Path.dirname(real), `.auth-${Crypto.randomBytes(3).toString("hex")}`)
    await writeRenamed(real, beside, serialized(next), { refresh: next.tokens["refresh_token"] })
    cached = load()
  }
  releaseFile()
  release()
}

const refresh = async (reason: "proactive_expiry" | "unauthorized_recovery"): Promise<void> => {
  const reloaded = reload()
  if (reloaded === "changed") return
  if (reloaded === "skipped" || cached === undefined) return point("signedOut")
  if (isSame(cached, hopeless)) return say("hopeless")
  const before = cached
  const provenance = asObject(before.tokens["oauth_provenance"])
  const { body, error, status } = await present(
    "json",
    {
      client_id: String(provenance?.["client_id"] ?? "app_EMoamEEZ73f0CkXaXp7hrann"),
      grant_type: "refresh_token",
      refresh_token: String(before.tokens["refresh_token"]),
      refresh_reason: reason,
    },
    { headers: { originator: "codex_exec" } },
  )
  if (status === 200) return commit(before, body)
  const code = String(asObject(body["error"])?.["code"] ?? error ?? body["code"])
  if (status === 401 || (status === 400 && code === "invalid_grant") || lastingCodes.includes(code)) hopeless = before
}

const accessToken = (): string | undefined => cached && String(cached.tokens["access_token"])

let recovered: "nothing" | "reload" | "refresh" = "nothing"

run({
  token: async () => {
    recovered = "nothing"
    if (cached === undefined) {
      say("signedOut")
      return undefined
    }
    // Refused or not, the token that is there is sent.
    if (isDue(cached)) await refresh("proactive_expiry")
    return accessToken()
  },
  // The first step may come to the same token, which is tried once more for nothing.
  refused: async () => {
    if (recovered === "nothing") {
      recovered = "reload"
      return reload() === "skipped" ? undefined : accessToken()
    }
    if (recovered === "refresh") return undefined
    recovered = "refresh"
    const before = cached
    await refresh("unauthorized_recovery")
    return cached === before ? undefined : accessToken()
  },
})

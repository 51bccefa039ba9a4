/**
 * Claude Code and its `.credentials.json`, as others have found it out. Facts: agent-tools §7, §11.7.
 *
 * It refreshes under two locks, taken in the same order by all, and writes under a third. A login that is dead is
 * blanked, after another look whether somebody else has renewed it. A symbolic link gives way to a file.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import { type Held, folderLock } from "../parts/folderLock.ts"
import { asObject, at, type Json, now, plan, present, readJson, run, say, writeRenamed } from "../parts/program.ts"

const path = at(".credentials.json")
const marginMillis = 5 * 60_000
const staleMillis = 60_000
const updateMillis = 5_000
/** Five times, and then it says that another one is refreshing. */
const pauses = [1_000, 1_250, 1_500, 1_750, 2_000]

const lock = (name: string, path: string): Promise<Held | undefined> =>
  folderLock(name, { path, staleMillis, updateMillis, pauses })

const file = (): Json => asObject(readJson(path)) ?? {}

/** Blanked is signed out. */
const loginIn = (file: Json): Json | undefined => {
  const login = asObject(file["claudeAiOauth"])
  const isWhole = typeof login?.["accessToken"] === "string" && login["accessToken"] !== "" && login["refreshToken"]
  return isWhole ? login : undefined
}

/** Sets these members of the login, and leaves all else. */
const write = async (members: Json): Promise<void> => {
  const held = await lock(".storage-write.lock", at(".storage-write.lock"))
  const all = file()
  const next = { ...all, claudeAiOauth: { ...asObject(all["claudeAiOauth"]), ...members } }
  const beside = `${path}.tmp.${process.pid}.${Crypto.randomBytes(3).toString("hex")}`
  await writeRenamed(path, beside, JSON.stringify(next), { refresh: members["refreshToken"] })
  await held?.release()
}

const exchange = async (refused: string | undefined): Promise<Json | undefined> => {
  const login = loginIn(file())
  say("read", { refresh: login?.["refreshToken"] })
  if (login === undefined) return undefined
  const isGood = refused === undefined ? !isDue(login) : login["accessToken"] !== refused
  if (isGood) {
    say("adopted", { refresh: login["refreshToken"] })
    return login
  }
  const presented = String(login["refreshToken"])
  const { body, error, status } = await present("json", {
    grant_type: "refresh_token",
    refresh_token: presented,
    client_id: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
  })
  if (error === "invalid_grant") {
    const stored = loginIn(file())
    if (stored !== undefined && stored["refreshToken"] !== presented) {
      say("adopted", { refresh: stored["refreshToken"] })
      return stored
    }
    // What it says of the refresh token's own end stays.
    await write({ accessToken: "", refreshToken: "", expiresAt: 0 })
    return undefined
  }
  if (status !== 200) return undefined
  const next = {
    accessToken: body["access_token"],
    refreshToken: body["refresh_token"] ?? presented,
    expiresAt: now() + Number(body["expires_in"]) * 1000,
  }
  await write(next)
  return next
}

/** The login that is good now; `refused` is the access token that is not, whatever the clock says. */
const refresh = async (refused?: string): Promise<Json | undefined> => {
  const first = await lock(".oauth_refresh.lock", at(".oauth_refresh.lock"))
  const second = first && (await lock(".claude.lock", `${Fs.realpathSync(plan.folder)}.lock`))
  try {
    if (second !== undefined) return await exchange(refused)
    say("lockedOut")
    return undefined
  } finally {
    await second?.release()
    await first?.release()
  }
}

const isDue = (login: Json): boolean => now() >= Number(login["expiresAt"]) - marginMillis

let isRecovered = false
const accessToken = (login: Json | undefined): string | undefined => login && String(login["accessToken"])

run({
  token: async () => {
    isRecovered = false
    const login = loginIn(file())
    if (login === undefined) {
      say("signedOut")
      return undefined
    }
    return accessToken(isDue(login) ? await refresh() : login)
  },
  refused: async (token) => {
    if (isRecovered) return undefined
    isRecovered = true
    return accessToken(await refresh(token))
  },
})

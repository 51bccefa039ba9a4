/** Codex: `auth.json`, its login to ChatGPT. The keyring's entry (`Codex Auth`) holds the same JSON, where config.toml says so. */
import * as path from "node:path"
import * as Clients from "./clients.ts"
import * as CodexHome from "./codexHome.ts"
import { placeOf } from "./foreignKeyring.ts"
import {
  apiKey,
  type CoOwning,
  type Entry,
  type Held,
  heldOf,
  type Json,
  members,
  type Owner,
  signedOut,
  text,
  unreadable,
} from "./ForeignStore.ts"
import type { Surroundings } from "../store/home.ts"
import { aheadOfFiveMinutes, claimsOf, fiveMinutes, setting, signedIn } from "./successor.ts"
import { timestamp } from "./timestamp.ts"

/** Codex itself goes by these, and by the file's own word on whose the grant is only after them. */
const clientOf = (provenance: Readonly<Record<string, Json>> | undefined, { env }: Surroundings) => {
  const issuer = text(provenance?.["issuer"])
  const named = env["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] || (issuer && `${issuer.replace(/\/+$/, "")}/oauth/token`)
  return {
    ...(named ? { issuer, tokenEndpoint: named } : Clients.openai),
    clientId: text(provenance?.["client_id"]) ?? (env["CODEX_APP_SERVER_LOGIN_CLIENT_ID"] || Clients.openai.clientId),
    // Wherever its endpoint is, it is spoken to in the same way.
    provider: Clients.openai.provider,
  }
}

const chatgpt = (content: Json, surroundings: Surroundings): Held => {
  const file = members(content)
  if (file === undefined) return unreadable("the file holds no JSON object")
  const tokens = members(file["tokens"])
  if (tokens === undefined) {
    if (file["tokens"] != null) return unreadable("tokens is not a JSON object")
    return text(file["OPENAI_API_KEY"]) || text(file["personal_access_token"]) ? apiKey : signedOut
  }
  return heldOf({
    ...clientOf(members(tokens["oauth_provenance"]), surroundings),
    access: tokens["access_token"],
    refresh: tokens["refresh_token"],
  })
}

/**
 * Codex asks the server first and takes its locks only to write (0.169), so that nothing keeps it from asking but a token
 * that is fresh before it looks. In the write it compares with the file, and adopts what stands there.
 */
const coOwning: CoOwning = {
  aheadMillis: aheadOfFiveMinutes,
  unguardedMillis: fiveMinutes,
  writing: ({ place, target }) => [
    { kind: "flock", place: path.join(path.dirname(place), "auth.lock") },
    { kind: "flock", place: `${target}.lock` },
  ],
  edits: (_, next, content) => {
    const tokens = signedIn(members(content)?.["tokens"], "access_token")
    if (tokens === undefined) return []
    // With an id token that it cannot read, Codex is signed out without a word; without an account it never refreshes.
    const idToken = claimsOf(next.idToken) && next.idToken
    const claims = claimsOf(idToken ?? tokens["id_token"])
    const account = text(members(claims?.["https://api.openai.com/auth"])?.["chatgpt_account_id"])
    return [
      ...setting(["tokens"], {
        id_token: idToken,
        access_token: next.accessToken,
        refresh_token: next.refreshToken,
        account_id: text(tokens["account_id"]) === undefined ? account : undefined,
      }),
      ...setting([], { last_refresh: timestamp(next.obtainedAt) }),
    ]
  },
}

const storeSetting = "cli_auth_credentials_store"

const storeOf = (surroundings: Surroundings): string => CodexHome.setting(surroundings, storeSetting) ?? "file"

/** What Codex misses, and does not say that it does (0.169). */
const ignoredFor = (content: Json): string | undefined => {
  const file = members(content)
  const tokens = members(file?.["tokens"])
  const missing = [
    ...(claimsOf(tokens?.["id_token"]) === undefined ? ["id_token"] : []),
    ...(typeof tokens?.["refresh_token"] === "string" ? [] : ["refresh_token"]),
    ...(text(file?.["last_refresh"]) === undefined ? ["last_refresh"] : []),
  ]
  if (missing.length > 0) return `Codex takes itself for signed out, for want of ${missing.join(" and ")}: codex login`
  return text(tokens?.["account_id"]) === undefined
    ? "Codex never refreshes it, for want of account_id: keep it fresh together, which fills that in (tokenkeep import --from codex --mode co-own), or codex login again"
    : undefined
}

const read = (content: Json, surroundings: Surroundings): ReadonlyArray<Entry> => {
  const held = chatgpt(content, surroundings)
  const ignored = held._tag === "Grant" ? ignoredFor(content) : undefined
  return [{ name: "chatgpt", key: "", held, ...(ignored !== undefined && { ignored }) }]
}

export const codex: Owner = {
  id: "codex",
  name: "Codex",
  signIn: "codex login",
  files: [
    {
      kind: "json",
      coOwning,
      places: (surroundings) => [`${CodexHome.folder(surroundings)}/auth.json`],
      retired: (surroundings) => CodexHome.unread(surroundings, storeSetting),
      read,
    },
    {
      kind: "keyring",
      // Locks as for the file, which is not there then.
      coOwning: {
        ...coOwning,
        writing: ({ surroundings }) =>
          ["auth.lock", "auth.json.lock"].map((file) => ({
            kind: "flock",
            place: path.join(CodexHome.realFolder(surroundings), file),
          })),
        refuses: ({ surroundings }) => CodexHome.keyringRefusal(surroundings, storeSetting),
      },
      places: (surroundings) =>
        ["keyring", "auto"].includes(storeOf(surroundings))
          ? [placeOf("Codex Auth", CodexHome.account(surroundings))]
          : [],
      expected: (surroundings) => storeOf(surroundings) === "keyring",
      read,
    },
  ],
}

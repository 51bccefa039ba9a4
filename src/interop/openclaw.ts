/**
 * OpenClaw: the profiles and MCP logins of its databases (since 2026.7), and the older `auth-profiles.json`.
 *
 * While OpenClaw refreshes a login, markers stand in the place of both tokens; after a refresh that failed they stay
 * there for good. They are never sent to anybody.
 */
import {
  apiKey,
  entriesOf,
  folderOf,
  type Held,
  type Json,
  members,
  type Owner,
  text,
  unreadable,
} from "./ForeignStore.ts"
import { sdkLogin } from "./mcpLogin.ts"
import { modelLogin } from "./modelLogin.ts"
import { tokensOf } from "./openclawSidecar.ts"
import type { Surroundings } from "../store/home.ts"

const marker = /^openclaw-oauth-refresh-fence:v1:[a-f0-9]{32}:(failed:)?(?:access|refresh):[a-f0-9]{64}$/
const anyMarker = "openclaw-oauth-refresh-fence:"

const fence = (profile: Readonly<Record<string, Json>>): Held | undefined => {
  const found = [profile["access"], profile["refresh"]].map((token) => text(token) ?? "")
  if (!found.some((token) => token.startsWith(anyMarker))) return undefined
  const parts = found.map((token) => marker.exec(token))
  // Of a later version, or only half of it: no token in any case.
  if (parts.some((part) => part === null)) return unreadable("OpenClaw's mark of a refresh that is not understood")
  return parts.some((part) => part?.[1] !== undefined)
    ? {
        _tag: "SignedOut",
        reason: "a refresh by OpenClaw failed, and it has put the refresh token away: sign in there",
      }
    : { _tag: "Busy", reason: "OpenClaw is refreshing it, or was ended while it did" }
}

/** A profile with the tokens that are kept apart from it. */
const apart = (value: Readonly<Record<string, Json>>, profileId: string, surroundings: Surroundings): Held => {
  const [id, provider] = [text(members(value["oauthRef"])?.["id"]) ?? "", text(value["provider"]) ?? ""]
  const tokens = tokensOf({ id, profileId, provider }, surroundings)
  return tokens === undefined
    ? unreadable(
        "its tokens are encrypted in a file beside it, and no key opens them: OPENCLAW_AUTH_PROFILE_SECRET_KEY",
      )
    : modelLogin(provider, { ...value, access: tokens["access"], refresh: tokens["refresh"] })
}

const profile = (value: Readonly<Record<string, Json>>, key: string, surroundings: Surroundings): Held => {
  const type = value["type"] ?? value["mode"]
  if (type === "api_key" || type === "apiKey") return apiKey
  if (type === "token") return { _tag: "NotAGrant", reason: "a token that was set by hand and is not refreshed" }
  if (type !== "oauth") return unreadable("its type is none of oauth, token, api_key")
  if (members(value["oauthRef"])) return apart(value, key, surroundings)
  if (value["authFlow"] === "external-cli") {
    return { _tag: "NotAGrant", reason: "a copy of another program's login: take that one over" }
  }
  return fence(value) ?? modelLogin(text(value["provider"]) ?? "", value)
}

const mcp = (value: Readonly<Record<string, Json>>): Held =>
  value["credentialState"] === "cleared" || value["credentialState"] === "uninitialized"
    ? { _tag: "SignedOut", reason: "no tokens are in it" }
    : sdkLogin({
        tokens: value["tokens"],
        client: value["clientInformation"],
        discovery: value["discoveryState"],
        expiresAt: value["tokenExpiresAt"],
        issuer: value["tokensAuthorizationServerUrl"],
      })

const stateFolder = (surroundings: Parameters<typeof folderOf>[0]) =>
  folderOf(surroundings, ["OPENCLAW_STATE_DIR"], ".openclaw")

const profilesOf = (store: Json, surroundings: Surroundings) =>
  entriesOf(members(store)?.["profiles"] ?? (members(store) && {}), (value, key) => profile(value, key, surroundings))

const fenced =
  "OpenClaw puts marks in the place of all copies of a login while it refreshes, and who writes between them can end the " +
  "login for good. Take it over (import), or let OpenClaw keep it"

export const openclaw: Owner = {
  id: "openclaw",
  name: "OpenClaw",
  signIn: "openclaw models auth login",
  locks: [
    {
      kind: "file",
      staleMillis: 180_000,
      byPid: true,
      places: (surroundings) => [`${stateFolder(surroundings)}/locks/oauth-refresh/lock-*`],
    },
  ],
  files: [
    {
      kind: "database",
      coOwning: fenced,
      places: (surroundings) => [
        `${stateFolder(surroundings)}/state/openclaw.sqlite`,
        `${stateFolder(surroundings)}/agents/*/agent/openclaw-agent.sqlite`,
      ],
      read: (content, surroundings) => {
        const tables = members(content) ?? {}
        const shared = members(tables["config_machine_state"])?.["authProfiles.store"]
        const own = members(tables["auth_profile_store"])?.["primary"]
        return [
          ...[shared, own].flatMap((store) => (store === undefined ? [] : profilesOf(store, surroundings))),
          ...entriesOf(tables["mcp_oauth_stores"] ?? {}, mcp),
        ]
      },
    },
    {
      kind: "json",
      coOwning: "OpenClaw reads it no more, so nobody is there to keep it fresh for",
      places: (surroundings) => [
        `${stateFolder(surroundings)}/agents/*/agent/auth-profiles.json`,
        `${folderOf(surroundings, [], ".clawdbot")}/agents/*/agent/auth-profiles.json`,
      ],
      retired: () => "OpenClaw reads it no more since 2026.7: openclaw doctor --fix moves it into its database",
      read: profilesOf,
    },
  ],
}

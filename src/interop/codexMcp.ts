/**
 * Codex: `.credentials.json`, its logins to MCP servers; and one of them as its keyring holds it (`Codex MCP Credentials`).
 *
 * An entry without `issuer` is one that Codex never refreshes (openai/codex#39615). It is as good as any other: its
 * authorization server is found through the MCP server.
 */
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as path from "node:path"
import {
  type CoOwning,
  type Entry,
  entriesOf,
  heldOf,
  notAnObject,
  type Json,
  members,
  type Owner,
  printable,
  text,
} from "./ForeignStore.ts"
import * as CodexHome from "./codexHome.ts"
import { accountOf, placeOf } from "./foreignKeyring.ts"
import type { Surroundings } from "../store/home.ts"
import { endOf, entryAt, setting, signedIn } from "./successor.ts"

const held = (entry: Readonly<Record<string, Json>>) => {
  // The keyring's form keeps the token endpoint's answer apart.
  const answer = members(entry["token_response"]) ?? entry
  return heldOf({
    access: answer["access_token"],
    refresh: answer["refresh_token"],
    scope: answer["scopes"] ?? answer["scope"],
    expiresAt: entry["expires_at"],
    clientId: entry["client_id"],
    issuer: entry["issuer"],
    resource: entry["server_url"] ?? entry["url"],
  })
}

const nameOf = (entry: Readonly<Record<string, Json>>, key: string): string => text(entry["server_name"]) ?? key

const ignored =
  "it has no issuer, and Codex refreshes none without: take it over, keep it fresh together, which fills that in " +
  "(tokenkeep import --from codex-mcp --mode co-own), or codex mcp login again"

const withIgnored = (entry: Entry): Entry =>
  entry.held._tag === "Grant" && !Redacted.value(entry.held.document).issuer ? { ...entry, ignored } : entry

const sha256 = (value: string): string => Crypto.createHash("sha256").update(value).digest("hex")

/** The key under which Codex keeps the login to a server, and by which it calls the lock of that login. */
const keyOf = (entry: Readonly<Record<string, Json>>): string => {
  const [name, url] = [text(entry["server_name"]) ?? "", text(entry["server_url"]) ?? ""]
  return `${name.replace(/^local:/, "")}${name.startsWith("executor:") ? ":" : "|"}${sha256(JSON.stringify({ type: "http", url, headers: {} })).slice(0, 16)}`
}

/** Codex holds the lock of a login over reading, asking and writing; whoever else does so too is never in its way. */
const coOwning: CoOwning = {
  refreshing: ({ key, place }) => [
    { kind: "flock", place: path.join(path.dirname(place), "mcp-oauth-locks", `${sha256(key)}.lock`) },
  ],
  writing: ({ place }) => [{ kind: "flock", place: path.join(path.dirname(place), "mcp-oauth-locks/file-store.lock") }],
  refuses: ({ key, place, target }, content) => {
    if (place !== target) {
      return "Codex does not write through a symbolic link, and loses what it refreshes: put the file itself there"
    }
    const entry = entryAt(content, key)
    return entry === undefined || keyOf(entry) === key
      ? undefined
      : "it stands under a key that is not the one Codex locks it by: codex mcp login again"
  },
  edits: (key, next, content) => {
    const entry = signedIn(entryAt(content, key), "access_token")
    if (entry === undefined) return []
    return setting([key], {
      issuer: text(entry["issuer"]) === undefined ? next.issuer : undefined,
      access_token: next.accessToken,
      // A fraction would spoil the whole file for Codex.
      expires_at: next.expiresAt === undefined ? null : Math.round(next.expiresAt),
      refresh_token: next.refreshToken,
      scopes: next.scope?.split(" ").filter((each) => each !== ""),
    })
  },
}

const storeSetting = "mcp_oauth_credentials_store"

const storeOf = (surroundings: Surroundings): string => CodexHome.setting(surroundings, storeSetting) ?? "auto"

/** A keyring entry is one login, with the answer of the token endpoint apart. */
const keyringCoOwning: CoOwning = {
  refreshing: ({ place, surroundings }) => [
    {
      kind: "flock",
      place: path.join(CodexHome.realFolder(surroundings), "mcp-oauth-locks", `${sha256(accountOf(place))}.lock`),
    },
  ],
  refuses: ({ surroundings }) => CodexHome.keyringRefusal(surroundings, storeSetting),
  edits: (_, next, content) => {
    const entry = members(content)
    if (entry === undefined || signedIn(entry["token_response"], "access_token") === undefined) return []
    return [
      ...setting([], {
        issuer: text(entry["issuer"]) === undefined ? next.issuer : undefined,
        expires_at: endOf(next),
      }),
      ...setting(["token_response"], {
        access_token: next.accessToken,
        expires_in: Math.max(0, Math.round((endOf(next) - next.obtainedAt) / 1000)),
        refresh_token: next.refreshToken,
        scope: next.scope,
      }),
    ]
  },
}

const readOne = (content: Json): ReadonlyArray<Entry> => {
  const entry = members(content)
  return entry === undefined
    ? [{ name: "(all)", key: "", held: notAnObject }]
    : [{ name: printable(nameOf(entry, "server")), key: "", held: held(entry) }]
}

export const codexMcp: Owner = {
  id: "codex-mcp",
  name: "Codex",
  signIn: "codex mcp login SERVER",
  files: [
    {
      kind: "json",
      coOwning,
      places: (surroundings) => [`${CodexHome.folder(surroundings)}/.credentials.json`],
      retired: (surroundings) => CodexHome.unread(surroundings, storeSetting),
      // From standard input it may be a keyring's entry.
      read: (content) =>
        (members(content)?.["token_response"] ? readOne(content) : entriesOf(content, held, nameOf)).map(withIgnored),
    },
    {
      kind: "keyring",
      coOwning: keyringCoOwning,
      places: (surroundings) =>
        ["keyring", "auto"].includes(storeOf(surroundings)) ? [placeOf("Codex MCP Credentials", "*")] : [],
      expected: (surroundings) => storeOf(surroundings) === "keyring",
      read: (content) => readOne(content).map(withIgnored),
    },
  ],
}

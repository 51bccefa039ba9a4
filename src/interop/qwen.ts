/** Qwen-code: `oauth_creds.json`, its login to Qwen. */
import * as path from "node:path"
import * as Clients from "./clients.ts"
import {
  type CoOwning,
  folderOf,
  type Held,
  heldOf,
  type Json,
  members,
  type Owner,
  unreadable,
} from "./ForeignStore.ts"
import { aheadOfFiveMinutes, endOf, heartbeatMillis, setting, signedIn } from "./successor.ts"

const held = (content: Json): Held => {
  const file = members(content)
  if (file === undefined) return unreadable("the file holds no JSON object")
  return heldOf({
    ...Clients.qwen,
    access: file["access_token"],
    refresh: file["refresh_token"],
    tokenType: file["token_type"],
    expiresAt: file["expiry_date"],
  })
}

/**
 * Any Qwen Code that ends removes the lock, whosever it is (seen with 0.24.4). So a refresh comes long before the 30 s in
 * which Qwen Code itself would want one.
 */
const coOwning: CoOwning = {
  aheadMillis: aheadOfFiveMinutes,
  refreshing: ({ place }) => [
    {
      kind: "file",
      place: path.join(path.dirname(place), "oauth_creds.lock"),
      staleMillis: 35_000,
      heartbeatMillis,
    },
  ],
  // Without a refresh token or an end, Qwen Code takes the whole file for invalid.
  edits: (_, next, content) =>
    signedIn(content, "access_token") === undefined
      ? []
      : setting([], {
          access_token: next.accessToken,
          refresh_token: next.refreshToken,
          expiry_date: endOf(next),
        }),
}

export const qwen: Owner = {
  id: "qwen",
  name: "Qwen Code",
  signIn: "qwen, then /auth",
  locks: [
    {
      kind: "file",
      staleMillis: 35_000,
      places: (surroundings) => [`${folderOf(surroundings, ["QWEN_HOME"], ".qwen")}/oauth_creds.lock`],
    },
  ],
  files: [
    {
      kind: "json",
      coOwning,
      places: (surroundings) => [`${folderOf(surroundings, ["QWEN_HOME"], ".qwen")}/oauth_creds.json`],
      read: (content) => [{ name: "qwen", key: "", held: held(content) }],
    },
  ],
}

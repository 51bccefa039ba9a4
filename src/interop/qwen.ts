/** Qwen-code: `oauth_creds.json`, its login to Qwen. */
import * as Clients from "./clients.ts"
import { folderOf, type Held, heldOf, type Json, members, type Owner, unreadable } from "./ForeignStore.ts"

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
      coOwning: "it is not written yet",
      places: (surroundings) => [`${folderOf(surroundings, ["QWEN_HOME"], ".qwen")}/oauth_creds.json`],
      read: (content) => [{ name: "qwen", key: "", held: held(content) }],
    },
  ],
}

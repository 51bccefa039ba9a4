/**
 * A login to a model provider as OpenClaw, pi and opencode keep it: `access`, `refresh` and `expires` (milliseconds) under
 * the provider's name, and sometimes the client and the server it is of.
 */
import * as Clients from "./clients.ts"
import { type CoOwning, type Held, heldOf, type Json, text, unreadable } from "./ForeignStore.ts"
import { endOf, entryAt, scopeLike, setting, signedIn } from "./successor.ts"

export const modelLogin = (provider: string, value: Readonly<Record<string, Json>>): Held => {
  if (provider === "github-copilot") {
    return { _tag: "NotAGrant", reason: "a GitHub token, which does not end and is not refreshed" }
  }
  const client = Clients.byProvider[provider]
  const [issuer, tokenEndpoint] = [text(value["issuer"]), text(value["tokenEndpoint"])]
  if (client === undefined && issuer === undefined && tokenEndpoint === undefined && text(value["access"])) {
    return unreadable("the token endpoint of this provider is not known. Hand it over as a document: --from json")
  }
  // A server that the entry names is not the well-known one: nothing else of that is taken then.
  const known =
    issuer === undefined && tokenEndpoint === undefined ? client : { issuer, tokenEndpoint, clientId: undefined }
  return heldOf({
    ...known,
    clientId: value["clientId"] ?? known?.clientId ?? client?.clientId,
    access: value["access"],
    refresh: value["refresh"],
    expiresAt: value["expires"],
    scope: value["scopes"],
  })
}

export const modelEdits: CoOwning["edits"] = (key, next, content) => {
  const entry = signedIn(entryAt(content, key), "access")
  if (entry?.["type"] !== "oauth") return []
  return setting([key], {
    access: next.accessToken,
    refresh: next.refreshToken,
    expires: endOf(next),
    // Few have them, and nobody looks for them where they are not.
    scopes: "scopes" in entry ? scopeLike(entry["scopes"], next.scope) : undefined,
  })
}

/**
 * The authorization endpoint: code with PKCE (RFC 6749 §4.1, RFC 7636, RFC 9207), for a person who always consents or
 * never does. Strict as OAuth 2.1 is: S256 for every client, exact redirect URIs, a code that works once for a minute.
 */
import * as Crypto from "node:crypto"
import { isLoopback } from "../exchange/endpointUrl.ts"
import type { Client } from "./clientAuth.ts"
import type { Family } from "./Family.ts"

/** What the person at the browser says. */
export type Consent = "grant" | "deny"

export interface Code {
  readonly clientId: string
  readonly redirectUri: string | undefined
  readonly challenge: string
  readonly scope: string | undefined
  readonly resource: string | undefined
  readonly expiresAt: number
  /** Redeemed: whoever brings it again is not the client (RFC 6749 §4.1.2). */
  family: Family | undefined
}

/** To the client with a code or an error, or a page for the person: nobody may be sent to an unknown address. */
export type Authorized =
  | { readonly _tag: "Redirect"; readonly location: string; readonly code: Code | undefined }
  | { readonly _tag: "Page"; readonly status: number; readonly message: string }

const codeLifetimeMillis = 60_000

/** RFC 8252 §7.3: a native app listens on whatever port is free. */
const withoutPort = (url: URL): string => {
  const copy = new URL(url)
  copy.port = ""
  return copy.href
}

const isRegistered = (client: Client, redirectUri: URL): boolean =>
  client.redirectUris === undefined
    ? redirectUri.protocol === "http:" && isLoopback(redirectUri)
    : client.redirectUris.some((text) => {
        const registered = URL.parse(text)
        if (registered === null) return false
        return isLoopback(registered) && registered.protocol === "http:"
          ? withoutPort(registered) === withoutPort(redirectUri)
          : registered.href === redirectUri.href
      })

const challengePattern = /^[A-Za-z0-9_-]{43}$/

export const authorize = (
  parameters: URLSearchParams,
  issuer: string,
  clients: ReadonlyMap<string, Client>,
  consent: Consent,
  now: number,
  nextCode: () => string,
): Authorized => {
  const page = (message: string): Authorized => ({ _tag: "Page", status: 400, message })
  const client = clients.get(parameters.get("client_id") ?? "")
  if (client === undefined) return page("No such client is registered.")
  const asked = parameters.get("redirect_uri") ?? client.redirectUris?.[0]
  const redirectUri = asked === undefined ? null : URL.parse(asked)
  if (redirectUri === null || !isRegistered(client, redirectUri)) return page("The redirect URI is not registered.")

  const back = (fields: Readonly<Record<string, string>>, code?: Code): Authorized => {
    const location = new URL(redirectUri)
    const state = parameters.get("state")
    for (const [name, value] of Object.entries({ ...fields, ...(state !== null && { state }), iss: issuer })) {
      location.searchParams.set(name, value)
    }
    return { _tag: "Redirect", location: location.href, code }
  }
  const refuse = (error: string, description: string) => back({ error, error_description: description })

  if (parameters.get("response_type") !== "code") return refuse("unsupported_response_type", "Only code is offered.")
  const challenge = parameters.get("code_challenge") ?? ""
  if (parameters.get("code_challenge_method") !== "S256" || !challengePattern.test(challenge)) {
    return refuse("invalid_request", "PKCE with S256 is required.")
  }
  if (consent === "deny") return refuse("access_denied", "The person said no.")
  const code = nextCode()
  return back(
    { code },
    {
      clientId: client.clientId,
      redirectUri: parameters.get("redirect_uri") ?? undefined,
      challenge,
      scope: parameters.get("scope") ?? undefined,
      resource: parameters.get("resource") ?? undefined,
      expiresAt: now + codeLifetimeMillis,
      family: undefined,
    },
  )
}

/** RFC 6749 §4.1.3 and RFC 7636 §4.6: what is wrong with the redemption of a code, or `undefined` when nothing is. */
export const redemptionProblem = (
  code: Code,
  clientId: string,
  parameters: URLSearchParams,
  now: number,
): "client" | "redirect" | "verifier" | "expired" | undefined => {
  if (code.clientId !== clientId) return "client"
  if (now >= code.expiresAt) return "expired"
  if (code.redirectUri !== undefined && parameters.get("redirect_uri") !== code.redirectUri) return "redirect"
  const verifier = parameters.get("code_verifier") ?? ""
  const hash = Crypto.createHash("sha256").update(verifier).digest("base64url")
  return hash === code.challenge ? undefined : "verifier"
}

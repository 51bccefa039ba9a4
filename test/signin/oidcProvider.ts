/** panva's oidc-provider with what a sign-in can ask of it, and a browser that clicks through its pages. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Crypto from "node:crypto"
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { createRequire } from "node:module"
import { http } from "../exchange/loopback.ts"

type Front = (request: IncomingMessage, response: ServerResponse, proceed: () => void) => void
type Provider = {
  readonly callback: () => RequestListener
  readonly on: (event: "grant.success", run: (context: { readonly body: Record<string, unknown> }) => void) => void
}
const { Provider } = createRequire(import.meta.url)("oidc-provider") as {
  readonly Provider: new (issuer: string, configuration: object) => Provider
}

export const redirectUri = "http://127.0.0.1/callback"

const keyPair = Crypto.generateKeyPairSync("ec", { namedCurve: "P-256" })

/** PEM, as it stands in a file. */
export const clientKey = keyPair.privateKey.export({ format: "pem", type: "pkcs8" }).toString()

const client = (client_id: string, over: object = {}) => ({
  client_id,
  application_type: "native",
  token_endpoint_auth_method: "none",
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
  redirect_uris: [redirectUri],
  ...over,
})

const configuration = (over: { readonly features?: object; readonly [name: string]: unknown }) => ({
  clients: [
    client("public"),
    client("confidential", { token_endpoint_auth_method: "client_secret_basic", client_secret: "s3cret: /%+&=~ long" }),
    client("machine", {
      token_endpoint_auth_method: "client_secret_basic",
      client_secret: "s3cret: /%+&=~ long",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    }),
    client("keyed", {
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [keyPair.publicKey.export({ format: "jwk" })] },
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    }),
  ],
  jwks: { keys: [Crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })] },
  cookies: { keys: [Crypto.randomUUID()] },
  scopes: ["openid", "offline_access", "mail", "files"],
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 3600,
    RefreshToken: 86_400,
    Grant: 86_400,
    Session: 86_400,
    Interaction: 600,
    IdToken: 600,
    DeviceCode: 600,
    ClientCredentials: 3600,
  },
  ...over,
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true },
    clientCredentials: { enabled: true },
    ...over.features,
  },
})

/** Listens on loopback. `front` stands before it, and answers itself or passes on. */
export const listen = Effect.fnUntraced(function* (
  over: { readonly features?: object; readonly [name: string]: unknown } = {},
  front: Front = (_request, _response, proceed) => proceed(),
) {
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const { info, warn } = console
      Object.assign(console, { info: () => undefined, warn: () => undefined })
      return { info, warn }
    }),
    (saved) => Effect.sync(() => Object.assign(console, saved)),
  )
  const { port, server } = yield* http(() => undefined)
  const issuer = `http://127.0.0.1:${port}`
  const provider = new Provider(issuer, configuration(over))
  const handle = provider.callback()
  const requests: Array<{ readonly path: string }> = []
  server.removeAllListeners("request").on("request", (request, response) => {
    requests.push({ path: new URL(request.url ?? "/", issuer).pathname })
    front(request, response, () => void handle(request, response))
  })
  return { issuer, provider, requests }
})

export interface Landed {
  readonly url: string
  readonly status: number
  readonly text: string
}

/**
 * A browser with cookies: signs in where it is asked to, consents or says no, and ends where the last redirect leads; at
 * a path where it finds nobody, because it runs on another machine, already before.
 */
export const browser = (choice: "consent" | "abort" = "consent", nobody?: string) => {
  const cookies = new Map<string, string>()
  const go = async (url: string, form?: Record<string, string>): Promise<Landed> => {
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get("location")
    const next = location === null ? null : new URL(location, url)
    if (next !== null && next.pathname === nobody) return { url: next.href, status: 0, text: "" }
    if (next !== null) return go(next.href)
    return { url, status: response.status, text: await response.text() }
  }
  const submit = (page: Landed, form: Record<string, string>) => {
    const [, action] = /action="([^"]+)"/.exec(page.text) ?? []
    assert.isDefined(action, "the page has no form")
    return go(new URL(action!, page.url).href, form)
  }
  return {
    go,
    /** From the authorization URL to wherever it ends. */
    signIn: async (url: string): Promise<Landed> => {
      const login = await go(url)
      if (!login.text.includes('name="prompt"')) return login
      if (choice === "abort") return go(new URL(/href="([^"]+\/abort)"/.exec(login.text)![1]!, login.url).href)
      const consent = await submit(login, { prompt: "login", login: "ada", password: "any" })
      return consent.text.includes('value="consent"') ? submit(consent, { prompt: "consent" }) : consent
    },
    /** Enters a device code and confirms it. */
    enter: async (url: string, code: string): Promise<Landed> => {
      const page = await go(url)
      const [, xsrf = ""] = /name="xsrf" value="([^"]+)"/.exec(page.text) ?? []
      const confirm = await submit(page, { xsrf, user_code: code })
      const [, again = ""] = /name="xsrf" value="([^"]+)"/.exec(confirm.text) ?? []
      const [, asked = code] = /name="user_code" value="([^"]+)"/.exec(confirm.text) ?? []
      const login = await submit(confirm, { xsrf: again, user_code: asked, confirm: "yes" })
      const consent = await submit(login, { prompt: "login", login: "ada", password: "any" })
      return consent.text.includes('value="consent"') ? submit(consent, { prompt: "consent" }) : consent
    },
  }
}

/**
 * A resource server whose tokens are bound to a key: it lets in who oauth4webapi says has the token and a good proof of it
 * (RFC 9449 §4.3), with the server's nonce when it wants one, and each proof once. Its tokens come from oidc-provider.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import * as oauth from "oauth4webapi"
import * as TokenSource from "../../src/client/TokenSource.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { http } from "../exchange/loopback.ts"
import { browser, listen } from "../signin/oidcProvider.ts"
import { world } from "../signin/world.ts"
import type { Handler } from "./world.ts"

const metadataPath = "/.well-known/oauth-protected-resource/api"

/** What it said to a request: "ok", "nonce", "refused", or the code of what is wrong with the proof. */
type Said = string

const claimsOf = (jwt: string): Readonly<Record<string, unknown>> =>
  JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"))

const challenge = (error: string) => `DPoP error="${error}", algs="ES256"`

const boundServer = Effect.fnUntraced(function* (issuer: string, handler: Handler) {
  const seen: Array<Said> = []
  const strays: Array<string> = []
  const refuses = new Set<string>()
  const proofs = new Set<unknown>()
  /** The one it wants in a proof, the one it tells whoever had another, and the one that goes out with what it lets in. */
  const nonce: { wanted?: string; told?: string; next?: string } = {}
  const { port, server } = yield* http(() => undefined)
  const origin = `http://127.0.0.1:${port}`
  const resource = `${origin}/api`
  const as = { issuer, jwks_uri: `${issuer}/jwks` }

  const judge = async ({ headers, method = "GET", url = "/" }: IncomingMessage): Promise<Said> => {
    const at = new URL(url, origin)
    const authorization = headers.authorization ?? ""
    const proof = String(headers["dpop"] ?? "")
    const request = new Request(at, { method, headers: { authorization, dpop: proof } })
    const options = { requireDPoP: true, [oauth.allowInsecureRequests]: true }
    try {
      await oauth.validateJwtAccessToken(as, request, resource, options)
    } catch (error) {
      return (error as { readonly code?: string }).code ?? "unknown"
    }
    const claims = claimsOf(proof)
    // oauth4webapi would forgive a query here.
    if (claims["htu"] !== `${at.origin}${at.pathname}`) return "htu"
    if (proofs.has(claims["jti"])) return "replayed"
    proofs.add(claims["jti"])
    if (nonce.wanted !== undefined && claims["nonce"] !== nonce.wanted) return "nonce"
    return refuses.has(fingerprint(authorization.slice("DPoP ".length))) ? "refused" : "ok"
  }

  /** Whether the request may go on; otherwise what to answer. */
  const admit = async (request: IncomingMessage): Promise<Readonly<Record<string, string>> | undefined> => {
    const said = await judge(request)
    seen.push(said)
    if (said === "ok") return undefined
    const error = said === "nonce" ? "use_dpop_nonce" : said === "refused" ? "invalid_token" : "invalid_dpop_proof"
    return { "www-authenticate": challenge(error), ...(nonce.told !== undefined && { "dpop-nonce": nonce.told }) }
  }

  server.removeAllListeners("request").on("request", (request, response) => {
    const { pathname } = new URL(request.url ?? "/", origin)
    if (pathname === metadataPath) {
      const document = { resource, authorization_servers: [issuer], dpop_bound_access_tokens_required: true }
      return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document))
    }
    if (!pathname.startsWith("/api")) {
      strays.push(...["authorization", "dpop"].filter((name) => name in request.headers))
      return response.writeHead(pathname.startsWith("/other") ? 401 : 404).end("outside")
    }
    return void admit(request).then((refusal) => {
      if (refusal === undefined) {
        if (nonce.next !== undefined) response.setHeader("dpop-nonce", nonce.next)
        return handler(request, response)
      }
      request.resume()
      return response.writeHead(401, refusal).end("not you")
    })
  })
  return { origin, resource, server, seen, strays, refuses, nonce, admit }
})

const client = { clientId: "public", authMethod: "none" } as const

/** Signed in to such a server, by its URL alone: that it wants a proof it says itself (RFC 9728 §2). */
export const signedIn = Effect.fnUntraced(function* (handler: Handler) {
  const { issuer, provider } = yield* listen({
    features: {
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          scope: "mail",
          audience: resource,
          accessTokenFormat: "jwt",
        }),
        useGrantedResource: () => true,
      },
    },
  })
  let grants = 0
  provider.on("grant.success", () => void grants++)
  const up = yield* boundServer(issuer, handler)
  const { keeper, signIn } = yield* world({ onVisit: (url) => browser().signIn(url) })
  const target = { mcp: up.resource }
  const { credential } = yield* signIn.login({ name: "bound", target, client, scopes: ["offline_access", "mail"] })
  assert.deepStrictEqual([credential.tokens.tokenType, credential.resource], ["DPoP", up.resource])
  up.seen.length = 0
  const handle = keeper.credential("bound")
  const source = TokenSource.make(handle, Effect.runPromise)
  /** Refreshes so far. */
  const refreshes = () => grants - 1
  return { ...up, name: credential.name, credential, keeper, handle, source, refreshes }
})

/**
 * Which client signs in: one that a person registered, else one that a metadata document describes (CIMD), else one that
 * is registered now (RFC 7591): the order of the MCP specification.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as oauth from "oauth4webapi"
import type { SignedIn } from "../lifecycle/Credential.ts"
import { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import { type AuthorizationServer, membersOf } from "./metadata.ts"
import { isRegistered } from "./redirectUri.ts"
import type { Client } from "./tokenRequest.ts"

export interface Registered {
  readonly client: Client
  readonly from: SignedIn["client"]
}

const authMethods = ["none", "client_secret_basic", "client_secret_post"] as const

const isAuthMethod = (method: unknown): method is (typeof authMethods)[number] =>
  authMethods.includes(method as (typeof authMethods)[number])

const refused = (message: string): SignInFailed => new SignInFailed({ reason: "refused", message })

/** The document is the client's name and its registration in one: it has to name itself and our redirect URI. */
const documentClient = Effect.fnUntraced(function* (
  url: string,
  redirectUri: string | undefined,
): Effect.fn.Return<Registered, SignInFailed> {
  const problem = Guard.urlProblem(url, "person", "the client metadata document's URL")
  if (problem !== undefined) return yield* problem
  if (new URL(url).pathname === "/")
    return yield* refused("the client metadata document's URL has no path, which it must")
  const { response } = yield* Guard.get("the client metadata document", url, "person")
  const members = yield* Effect.promise(() => membersOf(response))
  if (members?.["client_id"] !== url) return yield* refused(`the document at ${url} does not name itself as client_id`)
  const uris = members["redirect_uris"]
  const fits = (uri: unknown) => typeof uri === "string" && redirectUri !== undefined && isRegistered(uri, redirectUri)
  if (redirectUri !== undefined && !(Array.isArray(uris) && uris.some(fits))) {
    return yield* refused(`the document at ${url} does not list ${redirectUri} among its redirect_uris`)
  }
  return { client: { clientId: url, authMethod: "none" }, from: "document" }
})

export interface Wanted {
  readonly redirectUri: string | undefined
  readonly grantTypes: ReadonlyArray<string>
  readonly scopes: ReadonlyArray<string>
}

/** A client of its own for this sign-in (RFC 7591 §3). Public where the server allows it: a program keeps no secret. */
const register = Effect.fnUntraced(function* (
  server: AuthorizationServer,
  { grantTypes, redirectUri, scopes }: Wanted,
): Effect.fn.Return<Registered, SignInFailed> {
  const { metadata, source } = server
  const url = metadata.registration_endpoint!
  const supported = metadata.token_endpoint_auth_methods_supported
  const method = authMethods.find((method) => supported === undefined || supported.includes(method))
  if (method === undefined)
    return yield* refused("the server accepts no way in which a registered client could prove itself")
  const isNative = redirectUri === undefined || URL.parse(redirectUri)?.protocol !== "https:"
  const answer = yield* Guard.call("the registration endpoint", url, source, async (options) => {
    const response = await oauth.dynamicClientRegistrationRequest(
      metadata,
      {
        client_name: "tokenkeep",
        ...(redirectUri !== undefined && { redirect_uris: [redirectUri], response_types: ["code"] }),
        grant_types: [...grantTypes],
        token_endpoint_auth_method: method,
        // OpenID Connect registration §2: without it a server takes us for a website, which loopback is not.
        application_type: isNative ? "native" : "web",
        ...(scopes.length > 0 && { scope: scopes.join(" ") }),
      },
      options,
    )
    // 201 by RFC 7591 §3.2.1, and 200 by several servers.
    const { body, headers, status } = response
    return oauth.processDynamicClientRegistrationResponse(
      status === 200 ? new Response(body, { headers, status: 201 }) : response,
    )
  })
  const authMethod = answer["token_endpoint_auth_method"] ?? method
  if (!isAuthMethod(authMethod))
    return yield* refused("the server registered a client that has to prove itself another way")
  const given = answer["client_secret"]
  const secret = typeof given === "string" && given !== "" ? given : undefined
  if (authMethod !== "none" && secret === undefined)
    return yield* refused("the server registered a client without its secret")
  return {
    client: {
      clientId: answer.client_id,
      ...(secret !== undefined && authMethod !== "none" && { clientSecret: Redacted.make(secret) }),
      authMethod,
    },
    from: "registered",
  }
})

/** For a server where nobody has registered anything yet. `document` is the URL of a client metadata document, if there is one. */
export const obtain = Effect.fnUntraced(function* (
  server: AuthorizationServer,
  document: string | undefined,
  wanted: Wanted,
): Effect.fn.Return<Registered, SignInFailed> {
  const { metadata } = server
  if (document !== undefined && metadata["client_id_metadata_document_supported"] === true) {
    return yield* documentClient(document, wanted.redirectUri)
  }
  if (metadata.registration_endpoint !== undefined) return yield* register(server, wanted)
  return yield* new SignInFailed({
    reason: "unsupported",
    message:
      `${metadata.issuer} does not register clients by itself: register one there ` +
      `(redirect URI ${wanted.redirectUri ?? "none"}) and give it: --client-id ID`,
  })
})

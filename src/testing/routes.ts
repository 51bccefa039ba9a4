/**
 * The simulated server's pages, apart from the socket: what each path answers, as data. The token endpoint stands in
 * `http.ts`, because its faults happen on the socket.
 */
import { fingerprint } from "../lifecycle/fingerprint.ts"
import { type Answer, html, json, oauthError, text } from "./answers.ts"
import type { AuthorizationServer, Introspection } from "./AuthorizationServer.ts"
import { identify } from "./clientAuth.ts"
import { control } from "./control.ts"
import * as Metadata from "./metadata.ts"

export interface Asked {
  readonly method: string
  readonly url: URL
  readonly authorization: string | undefined
  readonly contentType: string | undefined
  readonly body: string
  /** From this machine, and not by way of a page in its browser. */
  readonly isLocal: boolean
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** A form (RFC 6749 appendix B), or a JSON object with texts, as OpenAI's and Anthropic's clients send it. */
export const parametersOf = ({ body, contentType }: Pick<Asked, "body" | "contentType">): URLSearchParams => {
  if (!/^application\/json\b/i.test(contentType ?? "")) return new URLSearchParams(body)
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(asRecord(parsed(body)) ?? {})) {
    if (typeof value === "string") parameters.append(name, value)
  }
  return parameters
}

const seconds = (millis: number): number => Math.floor(millis / 1000)

/** RFC 7662 §2.2. */
const introspected = (found: Introspection): Answer =>
  json(
    200,
    found.active
      ? {
          active: true,
          client_id: found.clientId,
          scope: found.scope,
          aud: found.resource,
          exp: seconds(found.expiresAt),
          token_type: "Bearer",
        }
      : { active: false },
  )

/** RFC 6750 §3.1 and RFC 9728 §5.1. */
const unauthorized = (issuer: string, why: string | undefined): Answer => {
  const metadata = `resource_metadata="${issuer}${Metadata.paths.protectedResource}${Metadata.paths.resource}"`
  const error = why === undefined ? "" : `error="invalid_token", error_description="The access token is ${why}", `
  return json(401, why === undefined ? {} : { error: "invalid_token" }, {
    "www-authenticate": `Bearer ${error}${metadata}`,
  })
}

const resource = (server: AuthorizationServer, authorization: string | undefined, now: number): Answer => {
  const [, token] = /^Bearer +([^ ].*)$/i.exec(authorization ?? "") ?? []
  if (token === undefined) return unauthorized(server.issuer, undefined)
  const found = server.access(token, now)
  if (!found.active) return unauthorized(server.issuer, found.why)
  return json(200, { client_id: found.clientId, scope: found.scope, access_token_fingerprint: fingerprint(token) })
}

const authorize = (server: AuthorizationServer, parameters: URLSearchParams, now: number): Answer => {
  const authorized = server.authorize(parameters, now)
  return authorized._tag === "Redirect"
    ? { ...text(302, ""), headers: { location: authorized.location } }
    : html(authorized.status, authorized.message)
}

const controlled = (server: AuthorizationServer, asked: Asked, now: number): Answer => {
  if (!asked.isLocal) return oauthError(403, "access_denied", "From this machine only.")
  const { issuer } = server
  const done = control(server, parsed(asked.body), { issuer, tokenEndpoint: `${issuer}${Metadata.paths.token}` }, now)
  return "wrong" in done ? json(400, { error: "invalid_request", wrong: done.wrong }) : json(200, done)
}

type Route = (server: AuthorizationServer, asked: Asked, now: number) => Answer

const { paths } = Metadata

const routes: Readonly<Record<string, Route>> = {
  [`GET ${paths.authorize}`]: (server, { url }, now) => authorize(server, url.searchParams, now),
  [`POST ${paths.authorize}`]: (server, asked, now) => authorize(server, parametersOf(asked), now),
  [`POST ${paths.revoke}`]: (server, asked) =>
    server.revoke({ parameters: parametersOf(asked), authorization: asked.authorization }),
  [`POST ${paths.introspect}`]: (server, asked, now) => {
    const parameters = parametersOf(asked)
    const { client } = identify({ parameters, authorization: asked.authorization }, server.clients)
    // RFC 7662 §2.1: whoever asks has to prove itself, or anyone could try tokens out.
    return client === undefined
      ? oauthError(401, "invalid_client")
      : introspected(server.introspect(parameters.get("token") ?? "", now))
  },
  [`GET ${paths.resource}`]: (server, { authorization }, now) => resource(server, authorization, now),
  [`POST ${paths.resource}`]: (server, { authorization }, now) => resource(server, authorization, now),
  [`GET ${paths.authorizationServer}`]: ({ issuer }) => json(200, Metadata.authorizationServer(issuer)),
  [`GET ${paths.openid}`]: ({ issuer }) => json(200, Metadata.authorizationServer(issuer)),
  [`GET ${paths.protectedResource}`]: ({ issuer }) => json(200, Metadata.protectedResource(issuer)),
  // RFC 9728 §3.1: the resource's own path comes after the well-known one.
  [`GET ${paths.protectedResource}${paths.resource}`]: ({ issuer }) => json(200, Metadata.protectedResource(issuer)),
  [`GET ${paths.log}`]: (server, { isLocal, url }) =>
    isLocal
      ? json(200, server.presentations(url.searchParams.get("fingerprint") ?? undefined))
      : oauthError(403, "access_denied", "From this machine only."),
  [`POST ${paths.control}`]: controlled,
}

/** The answer to anything but a request to the token endpoint. */
export const route: Route = (server, asked, now) =>
  routes[`${asked.method} ${asked.url.pathname}`]?.(server, asked, now) ?? oauthError(404, "not_found")

/**
 * Logins in a JSON file of a program that nobody here knows: whatever object holds an access token under one of its usual
 * names. The client and the server are looked for in the same object, then in those that hold it and those beside it.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { type Entry, heldOf, type Json, members, type Owner, printable, text, unreadable } from "./ForeignStore.ts"

/** What the file does not say. */
export interface Given {
  readonly clientId: string | undefined
  readonly tokenEndpoint: string | undefined
}

type Members = Readonly<Record<string, Json>>

const names = {
  access: ["access_token", "accessToken", "access"],
  refresh: ["refresh_token", "refreshToken", "refresh"],
  tokenType: ["token_type", "tokenType"],
  scope: ["scope", "scopes"],
  expiresAt: ["expires_at", "expiresAt", "expiry_date", "expiry", "expires", "expiration"],
  expiresIn: ["expires_in", "expiresIn"],
  createdAt: ["created_at", "createdAt", "obtained_at", "obtainedAt", "issued_at", "issuedAt"],
  clientId: ["client_id", "clientId"],
  clientSecret: ["client_secret", "clientSecret"],
  authMethod: ["token_endpoint_auth_method"],
  tokenEndpoint: ["token_endpoint", "tokenEndpoint", "token_url", "tokenUrl", "token_uri", "tokenUri"],
  issuer: ["issuer", "authorization_server", "authorizationServer", "authorizationServerUrl"],
  resource: ["resource", "server_url", "serverUrl", "mcpServerUrl"],
} as const

/** The first of the objects that has a member of one of these names. */
const sought = (objects: ReadonlyArray<Members>, name: keyof typeof names): Json =>
  objects.flatMap((object) => names[name].map((each) => object[each])).find((value) => value != null && value !== "")

/** No token was given out before 1973, and none ends after 5138: below is seconds, above milliseconds. */
const inMillis = (value: number): number => (Math.abs(value) < 1e11 ? value * 1000 : value)

const instant = (value: Json): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  if (typeof number === "number" && Number.isFinite(number)) return inMillis(number)
  const date = typeof value === "string" ? DateTime.make(value) : Option.none()
  return Option.isSome(date) ? DateTime.toEpochMillis(date.value) : undefined
}

/** A lifetime alone says nothing, unless it stands there since when it runs. */
const endOf = (tokens: Members): number | undefined => {
  const at = instant(sought([tokens], "expiresAt"))
  const [since, lifetime] = [instant(sought([tokens], "createdAt")), Number(sought([tokens], "expiresIn"))]
  return at ?? (since !== undefined && Number.isFinite(lifetime) ? since + lifetime * 1000 : undefined)
}

const holdsTokens = (object: Members): boolean => text(sought([object], "access")) !== undefined

/** Nobody hides a login any deeper. */
const deepest = 8

interface Place {
  readonly path: ReadonlyArray<string>
  readonly tokens: Members
  /** What holds it, the nearest first. */
  readonly around: ReadonlyArray<Members>
}

const placesIn = (value: Json, path: ReadonlyArray<string>, around: ReadonlyArray<Members>): ReadonlyArray<Place> => {
  if (typeof value !== "object" || value === null || path.length > deepest) return []
  const object: Members = Array.isArray(value) ? { ...value } : (value as Members)
  if (holdsTokens(object)) return [{ path, tokens: object, around }]
  return Object.entries(object).flatMap(([key, part]) => placesIn(part, [...path, key], [object, ...around]))
}

/** The objects in it that are of no other login. */
const beside = (object: Members): ReadonlyArray<Members> =>
  Object.values(object).flatMap((value) => {
    const found = members(value)
    return found === undefined || placesIn(found, [], []).length > 0 ? [] : [found]
  })

const entryOf = ({ around, path, tokens }: Place, given: Given): Entry => {
  const objects = [tokens, ...beside(tokens), ...around.flatMap((object) => [object, ...beside(object)])]
  const clientId = given.clientId ?? sought(objects, "clientId")
  const tokenEndpoint = given.tokenEndpoint ?? sought(objects, "tokenEndpoint")
  const [issuer, resource] = [sought(objects, "issuer"), sought(objects, "resource")]
  const missing = [
    ...(text(clientId) === undefined ? ["--client-id"] : []),
    ...([tokenEndpoint, issuer, resource].every((url) => text(url) === undefined) ? ["--token-endpoint"] : []),
  ]
  const held =
    missing.length > 0
      ? unreadable(`the file does not say all that a refresh needs: add ${missing.join(" and ")}`)
      : heldOf({
          access: sought([tokens], "access"),
          refresh: sought([tokens], "refresh"),
          tokenType: sought([tokens], "tokenType"),
          scope: sought([tokens], "scope"),
          expiresAt: endOf(tokens),
          clientId,
          clientSecret: sought(objects, "clientSecret"),
          authMethod: sought(objects, "authMethod"),
          tokenEndpoint,
          issuer,
          resource,
        })
  const key = path.join(".")
  return { name: key === "" ? "login" : printable(key), key, held }
}

/** An owner of which only the file is known that a person names. */
export const otherFile = (given: Given): Owner => ({
  id: "other",
  name: "The file",
  signIn: "in the program that wrote it",
  files: [
    {
      kind: "json",
      coOwning: "nobody here knows how its owner writes it",
      places: () => [],
      read: (content) => placesIn(content, [], []).map((place) => entryOf(place, given)),
    },
  ],
})

/**
 * The SDK's own refresh, answered on the spot instead of sent.
 *
 * **Invariants**
 *
 * - In the place of the refresh token the SDK gets a handle. A request that carries one never leaves the process; where
 *   one gets out by another way, the server sees a token that it never gave, and no grant dies of that.
 * - No answer here makes anybody refresh: a refresh is forced only by naming a refused access token, which `fetch` does.
 * - A passing failure is told as 503 `temporarily_unavailable`, the one reply for which neither SDK line opens a browser
 *   or drops its tokens. `invalid_client` is never said: version 1 would register a new client for it.
 */
import type { SignInRequired } from "../keeper/errors.ts"
import type { PromiseCredential } from "../promise.ts"
import type { Tokens } from "./mcpShapes.ts"

const scheme = "tokenkeep:"

export const handleOf = (name: string, generation: number): string => `${scheme}${name}:${generation}`

export const isHandle = (refreshToken: string | null | undefined): boolean => refreshToken?.startsWith(scheme) === true

/** What the SDKs send is a form; the parameters of anything else are none. */
export const formOf = (init: RequestInit | undefined): URLSearchParams => {
  if (init?.method?.toUpperCase() !== "POST") return new URLSearchParams()
  if (init.body instanceof URLSearchParams) return init.body
  const type = new Headers(init.headers).get("content-type") ?? ""
  return new URLSearchParams(
    typeof init.body === "string" && /^application\/x-www-form-urlencoded\b/i.test(type) ? init.body : undefined,
  )
}

/** Whether the request is the SDK's own refresh, with a handle. */
export const isOwnRefresh = (form: URLSearchParams): boolean =>
  form.get("grant_type") === "refresh_token" && isHandle(form.get("refresh_token"))

/** Nothing but a person's sign-in brings a token: the grant is dead, or there never was one. */
export const needsPerson = (error: unknown): boolean => {
  const tag = (error as { readonly _tag?: string } | null)?._tag
  return tag === "SignInRequired" || tag === "CredentialNotFound"
}

const json = (status: number, value: object): Response =>
  Response.json(value, { status, headers: { "cache-control": "no-store" } })

/** RFC 6749 §5.2. Only a message of ours goes into the description, and it holds no secret. */
const refusal = (error: unknown): Response => {
  const description = error instanceof Error ? { error_description: error.message } : {}
  if (!needsPerson(error)) return json(503, { error: "temporarily_unavailable", ...description })
  const isConfiguration = (error as Partial<SignInRequired>).reason === "clientRejected"
  return json(400, { error: isConfiguration ? "invalid_request" : "invalid_grant", ...description })
}

/** The token endpoint's answer to the SDK's refresh with the handle of a credential. */
export const answerRefresh = async (
  form: URLSearchParams,
  credential: PromiseCredential,
  tokens: () => Promise<Tokens>,
): Promise<Response> => {
  if (!form.get("refresh_token")?.startsWith(handleOf(credential.name, 0).slice(0, -1))) {
    return json(400, {
      error: "invalid_request",
      error_description: "The refresh token belongs to another credential.",
    })
  }
  try {
    const { issuer: _, ...wire } = await tokens()
    return json(200, wire)
  } catch (error) {
    return refusal(error)
  }
}

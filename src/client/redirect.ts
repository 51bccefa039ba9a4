/**
 * Redirects, followed one by one, so that the token goes no further than its own resource. `fetch` itself drops it for
 * another origin only, and a resource may be one folder of many on its origin (RFC 8707).
 *
 * As the Fetch standard has it (HTTP-redirect fetch): 303, and 301 or 302 after a POST, go on as GET without a body; no
 * credential header goes to another origin; twenty hops at most. A token that stayed behind once does not come back.
 */
import type { Authorization } from "./authorization.ts"
import { foreign, unsafe } from "./destination.ts"

type Fetch = typeof globalThis.fetch

const longest = 20

const ofTheBody = ["content-encoding", "content-language", "content-location", "content-length", "content-type"]

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

/** The request after a redirect. */
const next = (from: URL, to: URL, status: number, init: RequestInit) => {
  const method = (init.method ?? "GET").toUpperCase()
  const becomesGet = (status === 303 && method !== "HEAD") || ((status === 301 || status === 302) && method === "POST")
  const headers = new Headers(init.headers)
  if (becomesGet) for (const name of ofTheBody) headers.delete(name)
  if (to.origin !== from.origin) for (const name of ["cookie", "host", "proxy-authorization"]) headers.delete(name)
  const { body: _, ...rest } = init
  return becomesGet ? { ...rest, headers, method: "GET" } : { ...init, headers }
}

/** With these headers, and in any case without what somebody else says of a token. */
const withToken = (init: RequestInit, authorization: Authorization | undefined): RequestInit => {
  const headers = new Headers(init.headers)
  for (const name of ["authorization", "dpop"]) headers.delete(name)
  for (const [name, value] of Object.entries(authorization?.headers ?? {})) headers.set(name, value)
  return { ...init, headers }
}

export interface Rules {
  /** The headers with the token, for a hop that may have it; without them it goes on without, and so do all after it. */
  readonly authorize: (url: URL, method: string) => Promise<Authorization | undefined>
  readonly isReplayable: boolean
  readonly resource: string | undefined
}

export interface Followed {
  readonly response: Response
  /** With what the last request went; `undefined`: without the token. */
  readonly authorization: Authorization | undefined
}

/** What is asked for as a whole, by the platform's `Request` or by that of another `fetch`, such as undici's own. */
export const requestOf = (input: Parameters<Fetch>[0]): Request | undefined =>
  typeof input === "object" && "url" in input ? input : undefined

/**
 * Sends a request, and follows where it is sent unless `init.redirect` says otherwise.
 * Where a body would have to be sent again and cannot be, the redirect is the answer.
 */
export const follow = async (
  fetch: Fetch,
  input: Parameters<Fetch>[0],
  init: RequestInit | undefined,
  { authorize, isReplayable, resource }: Rules,
): Promise<Followed> => {
  const given = requestOf(input)
  let url = new URL(given?.url ?? String(input))
  let current: RequestInit = {
    ...init,
    headers: init?.headers ?? given?.headers ?? {},
    method: init?.method ?? given?.method ?? "GET",
    signal: init?.signal ?? given?.signal ?? null,
  }
  let authorization = await authorize(url, current.method!)
  const first = withToken(current, authorization)
  const redirect = init?.redirect ?? given?.redirect ?? "follow"
  if (redirect !== "follow") return { response: await fetch(input, first), authorization }
  let response = await fetch(input, { ...first, redirect: "manual" })
  for (let hops = 0; isRedirect(response.status); hops++) {
    const location = response.headers.get("location")
    const to = location === null ? null : URL.parse(location, url.href)
    if (to === null) break
    if (hops === longest) throw new TypeError(`more than ${longest} redirects, the last of them from ${url.origin}`)
    if (to.hash === "") to.hash = url.hash
    const following = next(url, to, response.status, current)
    if (!isReplayable && following.method !== "GET" && following.method !== "HEAD") break
    await authorization?.keep(response.headers.get("dpop-nonce"))
    await response.body?.cancel()
    const isOut = unsafe(to) !== undefined || to.origin !== url.origin || foreign(to, resource) !== undefined
    authorization = authorization === undefined || isOut ? undefined : await authorize(to, following.method!)
    // A second time there is no `Request` to take anything from.
    current = given === undefined || following.body != null ? following : { ...following, body: null }
    url = to
    response = await fetch(url, { ...withToken(current, authorization), redirect: "manual" })
    Object.defineProperty(response, "redirected", { value: true })
  }
  return { response, authorization }
}

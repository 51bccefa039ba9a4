/**
 * Redirects, followed one by one, so that the token goes no further than its own resource. `fetch` itself drops it for
 * another origin only, and a resource may be one folder of many on its origin (RFC 8707).
 *
 * As the Fetch standard has it (HTTP-redirect fetch): 303, and 301 or 302 after a POST, go on as GET without a body; no
 * credential header goes to another origin; twenty hops at most. A proof (RFC 9449) is for one URL, so it never goes on, nor the token with it.
 */
import { foreign, unsafe } from "./destination.ts"

type Fetch = typeof globalThis.fetch

const longest = 20

const ofTheBody = ["content-encoding", "content-language", "content-location", "content-length", "content-type"]

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

/** The request after a redirect; `undefined` when its body would have to be sent again and cannot be. */
const next = (from: URL, to: URL, status: number, init: RequestInit, resource: string | undefined) => {
  const method = (init.method ?? "GET").toUpperCase()
  const becomesGet = (status === 303 && method !== "HEAD") || ((status === 301 || status === 302) && method === "POST")
  const headers = new Headers(init.headers)
  if (becomesGet) for (const name of ofTheBody) headers.delete(name)
  const isBound = headers.has("dpop")
  headers.delete("dpop")
  if (isBound || unsafe(to) !== undefined || to.origin !== from.origin || foreign(to, resource) !== undefined) {
    headers.delete("authorization")
  }
  if (to.origin !== from.origin) for (const name of ["cookie", "host", "proxy-authorization"]) headers.delete(name)
  const { body: _, ...rest } = init
  return becomesGet ? { ...rest, headers, method: "GET" } : { ...init, headers }
}

/** Sends a request whose headers are complete, and follows where it is sent unless `init.redirect` says otherwise. */
export const follow = async (
  fetch: Fetch,
  input: Parameters<Fetch>[0],
  init: RequestInit,
  { isReplayable, resource }: { readonly isReplayable: boolean; readonly resource: string | undefined },
): Promise<Response> => {
  const given = input instanceof Request ? input : undefined
  if ((init.redirect ?? given?.redirect ?? "follow") !== "follow") return fetch(input, init)
  let url = new URL(given?.url ?? String(input))
  let current: RequestInit = init
  let response = await fetch(input, { ...init, redirect: "manual" })
  for (let hops = 0; isRedirect(response.status); hops++) {
    const location = response.headers.get("location")
    const to = location === null ? null : URL.parse(location, url.href)
    if (to === null) return response
    if (hops === longest) throw new TypeError(`more than ${longest} redirects, the last of them from ${url.origin}`)
    if (to.hash === "") to.hash = url.hash
    const method = current.method ?? given?.method ?? "GET"
    const signal = current.signal ?? given?.signal ?? null
    const following = next(url, to, response.status, { ...current, method, signal }, resource)
    if (!isReplayable && following.method !== "GET" && following.method !== "HEAD") return response
    await response.body?.cancel()
    // A second time there is no `Request` to take anything from.
    current = given === undefined || following.body != null ? following : { ...following, body: null }
    url = to
    response = await fetch(url, { ...current, redirect: "manual" })
    Object.defineProperty(response, "redirected", { value: true })
  }
  return response
}

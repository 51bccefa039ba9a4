/** A web without sockets: hosts with an address and pages, reached through the same checks as the real one. */
import { Fetch, type FetchFunction } from "../../src/exchange/Fetch.ts"
import { Unsent } from "../../src/exchange/Fetch.ts"
import * as Layer from "effect/Layer"

export type Page = (request: { readonly method: string; readonly url: URL; readonly body: URLSearchParams }) => Response

export interface Host {
  readonly addresses: ReadonlyArray<string>
  /** By path. Any other is not found. */
  readonly pages: Readonly<Record<string, Page | object>>
}

export const publicAddress = "203.0.113.7"

export const web = (hosts: Readonly<Record<string, Host>>) => {
  const requests: Array<string> = []
  const fetch: FetchFunction = async (text, init, check) => {
    const url = new URL(text)
    const host = hosts[url.host]
    if (host === undefined) throw Object.assign(new Error(), { code: "ENOTFOUND" })
    const problem = check?.(host.addresses)
    if (problem !== undefined) throw new Unsent(problem)
    requests.push(`${init.method ?? "GET"} ${text}`)
    const page = host.pages[url.pathname]
    if (page === undefined) return new Response(null, { status: 404 })
    if (typeof page !== "function") return Response.json(page)
    const body = new URLSearchParams(init.body instanceof URLSearchParams ? init.body : "")
    return page({ method: init.method ?? "GET", url, body })
  }
  return { requests, layer: Layer.succeed(Fetch, fetch) }
}

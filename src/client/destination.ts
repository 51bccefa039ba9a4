/** Where a credential's token may go: encrypted or to this machine, and below its own resource (RFC 8707). Pure. */
import { isLoopback } from "../exchange/endpointUrl.ts"

/** The request would carry the token in clear text, or to another resource than the one it is for. */
export class ForeignResource extends TypeError {
  override readonly name = "ForeignResource"
}

/** Whether `url` is at or below `home`: the same origin, and whole segments of its path. */
export const isWithin = (url: URL, home: URL): boolean => {
  const folder = home.pathname.endsWith("/") ? home.pathname : `${home.pathname}/`
  return url.origin === home.origin && `${url.pathname}/`.startsWith(folder)
}

const isSafe = (url: URL): boolean => url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url))

/** Why no token is sent to `url` at all; `undefined` when nothing speaks against it. */
export const unsafe = (url: URL): ForeignResource | undefined =>
  isSafe(url)
    ? undefined
    : new ForeignResource(`${url.origin} is neither https nor loopback: the token is not sent there`)

/** Why the token for `resource` is not sent to `url`. A credential without a resource is for whatever it is used for. */
export const foreign = (url: URL, resource: string | undefined): ForeignResource | undefined =>
  resource === undefined || isWithin(url, new URL(resource))
    ? undefined
    : new ForeignResource(`the token is for ${resource}; it is not sent to ${url.origin}${url.pathname}`)

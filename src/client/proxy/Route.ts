/**
 * Which requests go where, and with whose token. Pure.
 *
 * A route serves the paths below `path` and puts what follows after the path of `upstream`. Where nothing else is said
 * both are the same, so that links, redirects and cookies of the upstream work unchanged.
 */
import { endpointProblem } from "../../exchange/endpointUrl.ts"

export interface Route {
  /** The credential's name. */
  readonly name: string
  /** Without a slash at its end; the empty text is the root. */
  readonly path: string
  readonly upstream: URL
  /** Send the token although the credential is for another resource (RFC 8707). */
  readonly allowsForeign: boolean
}

const withoutSlash = (path: string): string => path.replace(/\/+$/, "")

export const make = (
  name: string,
  upstream: URL,
  options: { readonly path?: string | undefined; readonly allowsForeign?: boolean | undefined } = {},
): Route => ({
  name,
  path: withoutSlash(options.path ?? upstream.pathname),
  upstream,
  allowsForeign: options.allowsForeign ?? false,
})

/** What is wrong with a URL as an upstream, without repeating it; `undefined` when nothing is. */
export const upstreamProblem = (upstream: URL): string | undefined =>
  endpointProblem(upstream) ?? (upstream.search === "" ? undefined : "contains a query")

/** The path of a request, as the route compares it and the upstream will: without dots, however they are written. */
export const pathOf = (target: string): URL | undefined =>
  // An absolute target is for a forward proxy (RFC 9112 §3.2.2), and `//host` would be read as one.
  target.startsWith("/") ? (URL.parse(`http://path${target}`) ?? undefined) : undefined

const covers = ({ path }: Route, pathname: string): boolean => pathname === path || pathname.startsWith(`${path}/`)

/** The route of a request: the longest path wins. */
export const find = (routes: ReadonlyArray<Route>, { pathname }: URL): Route | undefined => {
  let found: Route | undefined
  for (const route of routes) {
    if (covers(route, pathname) && route.path.length >= (found?.path.length ?? 0)) found = route
  }
  return found
}

/** Where a request of this route goes. */
export const target = ({ path, upstream }: Route, { pathname, search }: URL): URL => {
  const rest = pathname.slice(path.length)
  const folder = withoutSlash(upstream.pathname)
  // Whoever asks for the root of a route means the upstream's own URL, with or without a slash as it is written there.
  const isRoot = rest === "" || (rest === "/" && path !== folder)
  const url = new URL(upstream)
  url.pathname = isRoot && path !== folder ? upstream.pathname : `${folder}${rest}`
  url.search = search
  return url
}

/** A redirect of the upstream into its own folder leads back through this proxy; any other stays as it is. */
export const locationOf = ({ path, upstream }: Route, location: string, asked: URL): string => {
  const url = URL.parse(location, asked.href)
  const folder = withoutSlash(upstream.pathname)
  const isOwn = url?.origin === upstream.origin && (url.pathname === folder || url.pathname.startsWith(`${folder}/`))
  return isOwn
    ? `${path}${url.pathname.slice(folder.length) || (path === "" ? "/" : "")}${url.search}${url.hash}`
    : location
}

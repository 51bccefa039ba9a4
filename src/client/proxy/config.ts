/**
 * Several upstreams of one proxy, from a JSON document:
 *
 * ```json
 * { "listen": "127.0.0.1:4180", "key_file": "proxy.key",
 *   "upstreams": [{ "name": "github", "upstream": "https://api.github.com", "path": "/github" }] }
 * ```
 *
 * Only `upstreams` is needed, and of each of them `name` and `upstream`. Unlike a grant, which other programs write, this is
 * written by hand, so a field that nobody knows is a mistake. Messages name the field and not what stands there.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isLoopback } from "../../exchange/endpointUrl.ts"
import { credentialNameRule, isCredentialName } from "../../interop/CredentialName.ts"
import { InvalidDocument, parse } from "../../interop/GrantDocument.ts"
import { pathsOf } from "../../provider/schemaPaths.ts"
import * as Route from "./Route.ts"

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ProxyConfig {
  readonly listen: Address | undefined
  readonly keyFile: string | undefined
  readonly routes: ReadonlyArray<Route.Route>
}

export const addressRule = "a loopback address and a port, such as 127.0.0.1:4180 or [::1]:4180"

/** `HOST:PORT` or only `PORT`, on this machine; `undefined` for anything else. Port 0 is any that is free. */
export const addressOf = (text: string): Address | undefined => {
  const [, host = "127.0.0.1", digits] = /^(?:(\[[0-9a-f:]+\]|[\w.]+):)?(\d{1,5})$/i.exec(text) ?? []
  const url = digits === undefined || Number(digits) > 65_535 ? null : URL.parse(`http://${host}:${digits}`)
  if (url === null || !isLoopback(url)) return undefined
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(digits) }
}

const Upstream = Schema.Struct({
  name: Schema.String,
  upstream: Schema.String,
  path: Schema.optionalKey(Schema.String),
  allow_other_resource: Schema.optionalKey(Schema.Boolean),
})

const Document = Schema.Struct({
  listen: Schema.optionalKey(Schema.String),
  key_file: Schema.optionalKey(Schema.String),
  upstreams: Schema.NonEmptyArray(Upstream),
})

const decode = Schema.decodeUnknownResult(Document, { errors: "all", onExcessProperty: "error" })

const pathRule = "a path such as /github, that no other upstream has and that is not below /.tokenkeep"

const expectations: Readonly<Record<string, string>> = {
  "": "a JSON object with upstreams",
  listen: addressRule,
  key_file: "the path of a file, as a text",
  upstreams: "a list with at least one { name, upstream }",
  name: credentialNameRule,
  upstream: "an https: URL without user, password, query and fragment (http: on loopback only)",
  path: pathRule,
  allow_other_resource: "true or false",
}

const invalid = (fields: ReadonlyArray<string>): InvalidDocument =>
  new InvalidDocument({
    fields,
    message: fields
      .map((field) => {
        const expected = expectations[field.replace(/^upstreams\.\d+\.?/, "")]
        return `--config: ${field || "the document"}: ${expected ? `expected ${expected}` : "there is no such field"}`
      })
      .join("\n"),
  })

const isPath = (path: string): boolean =>
  path.startsWith("/") && Route.pathOf(path)?.pathname === path && !/^\/\.tokenkeep(?:\/|$)/.test(path)

export const upstreamOf = (text: string): URL | undefined => {
  const url = URL.parse(text)
  return url === null || Route.upstreamProblem(url) !== undefined ? undefined : url
}

/** The configuration in `source`, or what is wrong with it, field by field. */
export const read = (source: string): Result.Result<ProxyConfig, InvalidDocument> => {
  const parsed = parse(source)
  if (Result.isFailure(parsed)) {
    return Result.fail(
      new InvalidDocument({ fields: [""], message: `--config: ${expectations[""]} is expected, as JSON` }),
    )
  }
  const decoded = decode(parsed.success)
  if (Result.isFailure(decoded)) return Result.fail(invalid([...new Set(pathsOf(decoded.failure.issue))]))
  const { key_file, listen, upstreams } = decoded.success
  const address = listen === undefined ? undefined : addressOf(listen)
  const seen = new Set<string>()
  const wrong: Array<string> = listen !== undefined && address === undefined ? ["listen"] : []
  const routes: Array<Route.Route> = []
  for (const [i, { allow_other_resource, name, path, upstream }] of upstreams.entries()) {
    const url = upstreamOf(upstream)
    if (!isCredentialName(name)) wrong.push(`upstreams.${i}.name`)
    if (url === undefined) wrong.push(`upstreams.${i}.upstream`)
    const route = Route.make(name, url ?? new URL("https://unknown"), { path, allowsForeign: allow_other_resource })
    if (seen.has(route.path) || (path !== undefined && !isPath(path))) wrong.push(`upstreams.${i}.path`)
    seen.add(route.path)
    routes.push(route)
  }
  return wrong.length > 0 ? Result.fail(invalid(wrong)) : Result.succeed({ listen: address, keyFile: key_file, routes })
}

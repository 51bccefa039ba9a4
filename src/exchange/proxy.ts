/**
 * Which proxy the environment wants for a URL: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in either case, the
 * lower case first, as curl and Node read them. Pure: the environment comes in as a value.
 *
 * What leaves this machine in clear text is not made worse by a proxy: loopback is proxied by a loopback proxy only (a
 * debugging proxy), because to any other the address means another machine.
 */
import { isLoopback } from "./endpointUrl.ts"

export type Environment = Readonly<Record<string, string | undefined>>

const read = (env: Environment, name: string): string => (env[name] ?? env[name.toUpperCase()] ?? "").trim()

const ports: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" }

const bare = (name: string): string => name.toLowerCase().replace(/^\[|\]$|\.$/g, "")

/** `example.com` and `.example.com` mean the name and all below it, `*.example.com` only those below. */
const excludes = (entry: string, url: URL): boolean => {
  const [, pattern = entry, port] = /^(\*|\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry) ?? []
  if (port !== undefined && port !== (url.port || ports[url.protocol])) return false
  if (pattern === "*") return true
  const host = bare(url.hostname)
  const suffix = bare(pattern.replace(/^\*?\./, ""))
  return host.endsWith(`.${suffix}`) || (host === suffix && !pattern.startsWith("*."))
}

/** The proxy for `url`, as the user wrote it but for a missing scheme. `undefined`: go straight. */
export const proxyFor = (url: URL, env: Environment): string | undefined => {
  // The last resort is Node's own rule (`NODE_USE_ENV_PROXY`): a lone HTTP_PROXY serves https: as well.
  const names = url.protocol === "https:" ? ["https_proxy", "all_proxy", "http_proxy"] : ["http_proxy", "all_proxy"]
  const value = names.map((name) => read(env, name)).find((value) => value !== "")
  if (value === undefined) return undefined
  const entries = read(env, "no_proxy")
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
  if (entries.some((entry) => excludes(entry, url))) return undefined
  const proxy = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  if (!isLoopback(url)) return proxy
  const parsed = URL.parse(proxy)
  return parsed !== null && isLoopback(parsed) ? proxy : undefined
}

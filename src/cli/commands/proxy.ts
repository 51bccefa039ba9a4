/** `tokenkeep proxy NAME --upstream URL`: a loopback proxy that adds the token, until Ctrl-C. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Config from "../../client/proxy/config.ts"
import { foreign } from "../../client/destination.ts"
import * as Health from "../../client/proxy/health.ts"
import * as Route from "../../client/proxy/Route.ts"
import type { Proxying, ProxyOptions } from "../../client/proxy/server.ts"
import { Keeper } from "../../keeper/Keeper.ts"
import { readFile } from "../input.ts"
import { withKeeper } from "../keeper.ts"
import { durationFlag, nameArgument, paragraphs } from "../params.ts"
import { advise, result } from "../terminal.ts"
import { Usage } from "../Usage.ts"

const usage = (message: string) => new Usage({ message })

/** Environment variable with the local key. */
const keyVariable = "TOKENKEEP_PROXY_KEY"

const readKey = Effect.fnUntraced(function* (file: string | undefined) {
  if (file === undefined) {
    const key = process.env[keyVariable]?.trim()
    return key ? Redacted.make(key, { label: "local key" }) : undefined
  }
  const key = (yield* Effect.mapError(readFile(file), ({ message }) =>
    usage(message.replace("FILE", "--key-file")),
  )).trim()
  if (key === "") return yield* usage("--key-file: there is nothing in the file")
  const isOpen = yield* Effect.sync(() => (Fs.statSync(file).mode & 0o077) !== 0)
  if (isOpen && process.platform !== "win32")
    yield* advise("--key-file: other users of this machine can read it. Next: chmod 600 FILE")
  return Redacted.make(key, { label: "local key" })
})

interface Given {
  readonly name: Option.Option<string>
  readonly upstream: Option.Option<URL>
  readonly config: Option.Option<string>
  readonly allowOtherResource: boolean
}

/** One upstream from the command line, or those of the file. */
const configOf = Effect.fnUntraced(function* ({ allowOtherResource, config, name, upstream }: Given) {
  if (Option.isSome(config)) {
    if (Option.isSome(name) || Option.isSome(upstream) || allowOtherResource)
      return yield* usage(
        "--config FILE says what NAME, --upstream and --allow-other-resource would; give one or the other",
      )
    const file = config.value
    const read = Config.read(
      yield* Effect.mapError(readFile(file), ({ message }) => usage(message.replace("FILE", "--config"))),
    )
    if (Result.isFailure(read)) return yield* read.failure
    const { keyFile } = read.success
    // Beside the file that names it, wherever the proxy is started from.
    return { ...read.success, keyFile: keyFile && Path.resolve(Path.dirname(file), keyFile) }
  }
  if (Option.isNone(name) || Option.isNone(upstream))
    return yield* usage("NAME and --upstream URL are needed, or --config FILE. More: tokenkeep proxy --help")
  const route = Route.make(name.value, upstream.value, { allowsForeign: allowOtherResource })
  return { listen: undefined, keyFile: undefined, routes: [route] }
})

/** What can be known before anybody asks: a wrong name is told now and not to the first client. */
const check = Effect.fnUntraced(function* ({ allowsForeign, name, upstream }: Route.Route) {
  const { advice, credential } = yield* (yield* Keeper).status(name)
  const elsewhere = allowsForeign ? undefined : foreign(upstream, credential.resource)
  if (elsewhere !== undefined)
    return yield* usage(`${name}: ${elsewhere.message}. If that is meant: --allow-other-resource`)
  const { environmentProblem } = yield* Effect.promise(() => import("../../client/proxy/upstreamAgent.ts"))
  const unreachable = environmentProblem(upstream, process.env)
  if (unreachable !== undefined)
    return yield* usage(
      `${upstream.host}: ${unreachable}. Next: HTTPS_PROXY=http://HOST:PORT, or NO_PROXY=${upstream.hostname}`,
    )
  // A dead one may be signed in again while the proxy runs.
  if (advice !== undefined)
    yield* advise(`${name}: requests will be answered with 401 once its token ends. Next: ${advice}`)
})

/** Loaded here, so that no other command has to load a server. */
const listen = Effect.fnUntraced(function* (options: ProxyOptions) {
  const Server = yield* Effect.promise(() => import("../../client/proxy/server.ts"))
  return yield* Effect.mapError(Server.listen(options), ({ code }) =>
    usage(`--listen: cannot listen there: ${code === "EADDRINUSE" ? "somebody listens there already" : code}`),
  )
})

const sayListening = Effect.fnUntraced(function* (
  { url }: Proxying,
  routes: ReadonlyArray<Route.Route>,
  hasKey: boolean,
) {
  for (const route of routes) {
    yield* result(`${url}${route.path || "/"}`)
    yield* advise(`${url}${route.path || "/"} is ${route.upstream.href} with the token of ${route.name}`)
  }
  if (hasKey) yield* advise("clients have to send the local key, as X-Tokenkeep-Key or as Authorization: Bearer")
  yield* advise(`how it is: ${url}${Health.path}; Ctrl-C ends it`)
})

export const proxy = Command.make(
  "proxy",
  {
    name: nameArgument.pipe(Argument.optional),
    upstream: Flag.String("upstream").pipe(
      Flag.withMetavar("URL"),
      Flag.withDescription("Where requests go; what is below its path is served under the same path"),
      Flag.filterMap(
        (text) => Option.fromNullishOr(Config.upstreamOf(text)),
        () => "an https: URL without user, password, query and fragment (http: on loopback only)",
      ),
      Flag.optional,
    ),
    listen: Flag.String("listen").pipe(
      Flag.withMetavar("ADDRESS"),
      Flag.withDescription("Listen there: 127.0.0.1:PORT (default: any free port)"),
      Flag.filterMap(
        (text) => Option.fromNullishOr(Config.addressOf(text)),
        () => Config.addressRule,
      ),
      Flag.optional,
    ),
    config: Flag.String("config").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Several upstreams, from a JSON file"),
      Flag.optional,
    ),
    keyFile: Flag.String("key-file").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription(`A local key that clients have to send (or ${keyVariable} in the environment)`),
      Flag.optional,
    ),
    allowOtherResource: Flag.Boolean("allow-other-resource").pipe(
      Flag.withDescription("Send the token although it is for another resource (RFC 8707)"),
      Flag.withDefault(false),
      Flag.withoutNegation,
    ),
    drain: durationFlag("drain").pipe(
      Flag.withDescription("At the end, requests under way get so long (default 10s)"),
      Flag.withDefault(10_000),
    ),
  },
  Effect.fnUntraced(function* ({ drain, keyFile, listen: address, ...given }) {
    const config = yield* configOf(given)
    const key = yield* readKey(Option.getOrUndefined(keyFile) ?? config.keyFile)
    return yield* Effect.gen(function* () {
      for (const route of config.routes) yield* check(route)
      const { host, port } = Option.getOrUndefined(address) ?? config.listen ?? { host: "127.0.0.1", port: 0 }
      const proxying = yield* listen({ routes: config.routes, host, port, key, drainMillis: drain })
      yield* sayListening(proxying, config.routes, key !== undefined)
      yield* Effect.addFinalizer(() => {
        const count = proxying.underWay()
        return count === 0 ? Effect.void : advise(`${count} under way get at most ${drain / 1000} s to end`)
      })
      return yield* Effect.never
    }).pipe(Effect.scoped, withKeeper({ background: true }))
  }),
).pipe(
  Command.withShortDescription("Run a loopback proxy that adds the token"),
  Command.withDescription(
    paragraphs(
      "Run a reverse proxy on this machine that adds the token to every request: for programs that cannot do OAuth, or do it",
      "badly. It streams both ways, WebSockets too; a 401 that a new token cures is not seen by the client. When there is no",
      "token it answers 401 or 503 itself, with the next step in a JSON body. An https: upstream is reached as HTTPS_PROXY and",
      "NO_PROXY say; NODE_EXTRA_CA_CERTS=FILE names authorities of your own.",
      "",
      "stdout: the address to give to the client, a line for each upstream.",
      '--config: { "listen": "127.0.0.1:4180", "key_file": "proxy.key", "upstreams": [{ "name": "github",',
      '"upstream": "https://api.github.com", "path": "/github" }] }. Only name and upstream are needed.',
      "--key-file: other users of this machine can reach the port; with a key they cannot use it.",
    ),
  ),
  Command.withExamples([
    {
      command: "tokenkeep proxy work --upstream https://mcp.example/mcp --listen 127.0.0.1:4180",
      description: "For an MCP client: http://127.0.0.1:4180/mcp",
    },
    { command: "tokenkeep proxy --config proxy.json", description: "Several at once" },
  ]),
)

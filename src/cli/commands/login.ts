/** `tokenkeep login NAME`: signs in, and keeps what the server grants. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Endpoints, Target } from "../../signin/discovery.ts"
import type { Outcome, Request } from "../../signin/SignIn.ts"
import { currentHome } from "../../store/home.ts"
import * as ProfileFiles from "../../store/profileFiles.ts"
import { readFile, readStdin } from "../input.ts"
import { withKeeper } from "../keeper.ts"
import { nameArgument, paragraphs } from "../params.ts"
import * as TerminalPerson from "../person.ts"
import { knownProfiles, namedProfile, providerFlag } from "../provider.ts"
import { advise, result } from "../terminal.ts"
import { when } from "../times.ts"
import { Usage } from "../Usage.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional)

const toggle = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false), Flag.withoutNegation)

const list = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.atLeast(0))

const flags = {
  mcp: text("mcp", "URL", "An MCP server or API: it says itself where to sign in"),
  issuer: text("issuer", "URL", "The authorization server"),
  provider: providerFlag,
  clientId: text(
    "client-id",
    "ID",
    "A client that is registered there; without it one is registered if the server allows",
  ),
  clientSecretFile: text("client-secret-file", "FILE", "The file with the client's secret, or - for standard input"),
  clientKey: text("client-key", "FILE", "The file with the client's private key (PEM or JWK), for private_key_jwt"),
  clientAuth: Flag.Literals("client-auth", [
    "none",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
  ]).pipe(Flag.withDescription("How the client proves itself (default: by what of it is given)"), Flag.optional),
  clientMetadata: text("client-metadata", "URL", "A client metadata document, for servers that take one as client id"),
  scope: list("scope", "SCOPE", "A scope to ask for, in place of the server's own wish; may be repeated"),
  addScope: list("add-scope", "SCOPE", "A scope on top of those asked for before; may be repeated"),
  authorizeParam: list("authorize-param", "K=V", "Another parameter for the authorization request; may be repeated"),
  device: toggle("device", "Sign in by a code that is entered in a browser anywhere"),
  clientCredentials: toggle("client-credentials", "Sign in as the client itself: no person, no browser"),
  dpop: toggle("dpop", "Have the tokens bound to a key that is kept with them (RFC 9449)"),
  parent: Flag.String("parent").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("Sign in by the word of the identity provider that NAME is signed in to (ID-JAG)"),
    Flag.optional,
  ),
  noBrowser: toggle("no-browser", "Open no browser; print the address, and take the pasted answer"),
  redirectUri: text(
    "redirect-uri",
    "URI",
    "Where the browser comes back to (default http://127.0.0.1/callback, any port)",
  ),
  authorizationEndpoint: text("authorization-endpoint", "URL", "For a server without metadata"),
  deviceEndpoint: text("device-authorization-endpoint", "URL", "For a server without metadata"),
  tokenEndpoint: text("token-endpoint", "URL", "For a server without metadata"),
  revocationEndpoint: text("revocation-endpoint", "URL", "For a server without metadata"),
  allowMissingPkce: toggle("allow-missing-pkce-metadata", "Go on although the server does not say that it checks PKCE"),
}

type Flags = Command.Command.Config.Infer<typeof flags>

const usage = (message: string) => new Usage({ message })

const targetOf = Effect.fnUntraced(function* (given: Flags): Effect.fn.Return<Target | undefined, Usage> {
  const [mcp, issuer, tokenEndpoint] = [given.mcp, given.issuer, given.tokenEndpoint].map(Option.getOrUndefined)
  if (tokenEndpoint !== undefined) {
    if (mcp !== undefined) return yield* usage("--mcp finds the endpoints itself: leave --token-endpoint out")
    const endpoints: Endpoints = {
      issuer,
      tokenEndpoint,
      authorizationEndpoint: Option.getOrUndefined(given.authorizationEndpoint),
      deviceAuthorizationEndpoint: Option.getOrUndefined(given.deviceEndpoint),
      revocationEndpoint: Option.getOrUndefined(given.revocationEndpoint),
    }
    return { endpoints }
  }
  if (Option.isSome(given.authorizationEndpoint) || Option.isSome(given.deviceEndpoint)) {
    return yield* usage("the flag --token-endpoint is needed as well")
  }
  if (mcp !== undefined) return { mcp, issuer }
  return issuer === undefined ? undefined : { issuer }
})

const keyOf = Effect.fnUntraced(function* (file: string) {
  const ClientKey = yield* Effect.promise(() => import("../../signin/clientKey.ts"))
  const key = ClientKey.parse(yield* file === "-" ? readStdin : readFile(file))
  return key === undefined
    ? yield* usage("--client-key: expected a private key that can sign, as PEM or as a JWK")
    : Redacted.make(key, { label: "client key" })
})

const clientOf = Effect.fnUntraced(function* (given: Flags) {
  const [clientId, file, keyFile] = [given.clientId, given.clientSecretFile, given.clientKey].map(Option.getOrUndefined)
  if (clientId === undefined) {
    const flag = file === undefined ? "--client-key" : "--client-secret-file"
    const isAlone = file === undefined && keyFile === undefined
    return isAlone ? undefined : yield* usage(`${flag}: the flag --client-id is needed as well`)
  }
  if (keyFile !== undefined) {
    if (file !== undefined) return yield* usage("--client-key: a client has a key or a secret, not both")
    return { clientId, authMethod: "private_key_jwt", clientKey: yield* keyOf(keyFile) } satisfies Request["client"]
  }
  const secret = file === undefined ? "" : (yield* file === "-" ? readStdin : readFile(file)).trim()
  if (file !== undefined && secret === "") return yield* usage("--client-secret-file: there is nothing in it")
  const authMethod = Option.getOrElse(given.clientAuth, () => (secret === "" ? "none" : "client_secret_basic"))
  if (secret === "" && authMethod !== "none") {
    const flag = authMethod === "private_key_jwt" ? "--client-key" : "--client-secret-file"
    return yield* usage(`--client-auth: the flag ${flag} is needed`)
  }
  const clientSecret = secret === "" ? {} : { clientSecret: Redacted.make(secret, { label: "client secret" }) }
  return { clientId, authMethod, ...clientSecret } satisfies Request["client"]
})

const wayOf = (given: Flags): Effect.Effect<Request["way"], Usage> => {
  const isBrowser = given.noBrowser || Option.isSome(given.redirectUri)
  const named = [
    ...(given.device ? ["device" as const] : []),
    ...(given.clientCredentials ? ["clientCredentials" as const] : []),
    ...(isBrowser && !given.device ? ["browser" as const] : []),
  ]
  return named.length > 1
    ? Effect.fail(usage("--client-credentials is a way to sign in without a person: leave the flags of the others out"))
    : Effect.succeed(named[0])
}

const parametersOf = Effect.fnUntraced(function* (given: ReadonlyArray<string>) {
  const parameters: Record<string, string> = {}
  for (const each of given) {
    const at = each.indexOf("=")
    if (at < 1) return yield* usage("--authorize-param: expected NAME=VALUE, such as prompt=consent")
    parameters[each.slice(0, at)] = each.slice(at + 1)
  }
  return parameters
})

const split = (given: ReadonlyArray<string>): ReadonlyArray<string> =>
  given.flatMap((each) => each.split(/[\s,]+/)).filter((each) => each !== "")

const say = Effect.fnUntraced(function* ({ credential, noRefreshToken, unasked, withheld }: Outcome) {
  const { expiry } = credential.tokens
  const now = credential.tokens.obtainedAt
  if (withheld.length > 0) yield* advise(`asked for and not granted: ${withheld.join(" ")}`)
  if (unasked.length > 0) yield* advise(`granted without being asked for: ${unasked.join(" ")}`)
  if (noRefreshToken !== undefined) {
    const end = expiry._tag === "Known" ? `ends at ${when(expiry.at, now)}` : "ends when the server says so"
    yield* advise(
      `WARNING: the server gave no refresh token. This sign-in ${end}, and then a person has to sign in again.`,
    )
    yield* advise(`${noRefreshToken.why}\nAsk again: ${noRefreshToken.again}`)
  }
  const { generation, name } = credential
  yield* result(`${name} is signed in, generation ${generation}. Next: tokenkeep token ${name}`)
})

export const login = Command.make(
  "login",
  { name: nameArgument, ...flags },
  Effect.fnUntraced(function* (given) {
    const reads = Option.getOrUndefined(given.clientSecretFile) !== "-" && (process.stdin.isTTY || given.noBrowser)
    const request: Request = {
      name: given.name,
      target: yield* targetOf(given),
      way: yield* wayOf(given),
      parent: Option.getOrUndefined(given.parent),
      provider: (yield* namedProfile(yield* knownProfiles, given.provider))?.id,
      client: yield* clientOf(given),
      clientDocument: Option.getOrUndefined(given.clientMetadata),
      scopes: given.scope.length === 0 ? undefined : split(given.scope),
      moreScopes: given.addScope.length === 0 ? undefined : split(given.addScope),
      authorizeParams: yield* parametersOf(given.authorizeParam),
      redirectUri: Option.getOrUndefined(given.redirectUri),
      dpop: given.dpop || undefined,
      allowMissingPkce: given.allowMissingPkce,
    }
    // Loaded here, so that no other command has to load it.
    const { layer, SignIn } = yield* Effect.promise(() => import("../../signin/SignIn.ts"))
    const Turn = yield* Effect.promise(() => import("../../signin/Turn.ts"))
    const home = currentHome()
    const person = TerminalPerson.layer({ opens: !given.noBrowser, reads })
    // A profile that a person has written counts for the sign-in too.
    const files = Layer.mergeAll(ProfileFiles.layer({ home }), Turn.layer({ home }))
    yield* SignIn.use((signIn) => signIn.login(request)).pipe(
      Effect.flatMap(say),
      Effect.provide(Layer.provide(layer, Layer.merge(person, files))),
      withKeeper(),
    )
  }),
).pipe(
  Command.withShortDescription("Sign in and keep what the server grants"),
  Command.withDescription(
    paragraphs(
      "Sign in through a browser, or with --device by a code, and keep what the server grants in place of what was kept",
      "under the name. What was there stays until the new grant is stored. A name that was signed in to once is signed in",
      "to again, with the same server, client and scopes, by its name alone.",
      "",
      "--mcp or --issuer: the server's metadata says where everything is. The endpoint flags are for servers without any.",
      "--no-browser: for a browser on another machine. Paste the address it ended at, although it shows an error there.",
      "--add-scope: when a server asks for more than was granted (insufficient_scope).",
      "--redirect-uri: for a client that was registered with another; a fixed port, localhost, or an https: page.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep login linear --mcp https://mcp.linear.app/mcp", description: "An MCP server" },
    {
      command: "tokenkeep login work --issuer https://login.example --client-id abc --scope openid --scope mail",
      description: "A client that is registered there",
    },
    { command: "tokenkeep login work", description: "The same again" },
    {
      command: "tokenkeep login box --issuer https://login.example --client-id abc --device",
      description: "No browser here",
    },
  ]),
)

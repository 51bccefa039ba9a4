/** `tokenkeep testing-server`: a simulated authorization server for tests of any client, until Ctrl-C. */
import * as fs from "node:fs"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ReuseClass } from "../../lifecycle/Credential.ts"
import { grantDocument } from "../../testing/grantDocument.ts"
import type { Listening, ListenOptions } from "../../testing/http.ts"
import { paths } from "../../testing/metadata.ts"
import type { Presentation } from "../../testing/Presentation.ts"
import { deadSpellingNames } from "../../testing/spellings.ts"
import { durationFlag, paragraphs } from "../params.ts"
import { advise, result } from "../terminal.ts"
import { Usage } from "../Usage.ts"

/** Appends each request as a line of JSON. What it cannot write any more is a defect: half a record is a wrong one. */
const recorder = Effect.fnUntraced(function* (file: string) {
  const fd = yield* Effect.acquireRelease(
    Effect.try({
      try: () => fs.openSync(file, "a", 0o600),
      catch: (error) => {
        const { code = "it is no writable file" } = error as NodeJS.ErrnoException
        return new Usage({ message: `--requests-log: cannot write there (${code})` })
      },
    }),
    (fd) => Effect.sync(() => fs.closeSync(fd)),
  )
  return (presentation: Presentation): void => {
    fs.writeSync(fd, `${JSON.stringify(presentation)}\n`)
  }
})

/** Loaded here, so that no other command has to load a server. */
const listen = Effect.fnUntraced(function* (options: ListenOptions) {
  const Server = yield* Effect.promise(() => import("../../testing/http.ts"))
  return yield* Effect.mapError(Server.listen(options), ({ code }) => {
    const why = code === "EADDRINUSE" ? "somebody listens there already" : code
    return new Usage({ message: `--port: cannot listen on ${options.port ?? "any port"}: ${why}` })
  })
})

/** Everything that a test has to know, in one line. */
const invitation = ({ certificate, resourceUrl, server, tokenEndpoint, url }: Listening, now: number): string =>
  JSON.stringify({
    url,
    token_endpoint: tokenEndpoint,
    resource: resourceUrl,
    metadata: `${url}${paths.authorizationServer}`,
    log: `${url}${paths.log}`,
    control: `${url}${paths.control}`,
    certificate,
    import: grantDocument(server.grant({ resource: resourceUrl }, now), { issuer: url, tokenEndpoint }),
  })

export const testingServer = Command.make(
  "testing-server",
  {
    port: Flag.Int("port").pipe(
      Flag.withMetavar("PORT"),
      Flag.withDescription("Listen there, on 127.0.0.1 (default: any free port)"),
      Flag.filter(
        (port) => port >= 0 && port <= 65_535,
        () => "a port from 0 to 65535",
      ),
      Flag.withDefault(0),
    ),
    https: Flag.Boolean("https").pipe(
      Flag.withDescription("Listen with TLS, by a certificate made for this run; clients have to be told to trust it"),
      Flag.withDefault(false),
      Flag.withoutNegation,
    ),
    reuse: Flag.Literals("reuse", ReuseClass.literals).pipe(
      Flag.withDescription("What it does with a refresh token that is presented again (default strict)"),
      Flag.withDefault("strict"),
    ),
    grace: durationFlag("grace").pipe(
      Flag.withDescription("For so long idempotent and fork honour it again (default 0)"),
      Flag.withDefault(0),
    ),
    lifetime: durationFlag("lifetime").pipe(
      Flag.withDescription("How long its access tokens live (default 1h)"),
      Flag.withDefault(3_600_000),
    ),
    spelling: Flag.Literals("spelling", deadSpellingNames).pipe(
      Flag.withDescription("How it calls a refresh token dead: as whose server does (default oauth)"),
      Flag.withDefault("oauth"),
    ),
    requestsLog: Flag.String("requests-log").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Append each token request as a line of JSON, secrets as fingerprints"),
      Flag.optional,
    ),
    for: durationFlag("for").pipe(Flag.withDescription("End by itself after so long"), Flag.optional),
  },
  Effect.fnUntraced(function* ({ for: span, grace, https, lifetime, port, requestsLog, reuse, spelling }) {
    const onPresentation = Option.isSome(requestsLog) ? yield* recorder(requestsLog.value) : undefined
    const policy = { reuse, graceMillis: grace, accessLifetimeMillis: lifetime, dead: spelling }
    const listening = yield* listen({ port, policy, onPresentation, tls: https ? "selfSigned" : undefined })
    yield* result(invitation(listening, yield* Clock.currentTimeMillis))
    if (Option.isSome(span)) return yield* Effect.sleep(span.value)
    yield* advise("listening; Ctrl-C ends it")
    return yield* Effect.never
  }, Effect.scoped),
).pipe(
  Command.withShortDescription("Run a simulated authorization server"),
  Command.withDescription(
    paragraphs(
      "Run a simulated authorization server on loopback, for tests of any client in any language. It prints one line of",
      "JSON: its addresses, in `import` a grant as tokenkeep import reads it, and with --https in `certificate` what a",
      "client has to trust. POST /control changes what it does next, GET /log tells what was presented.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep testing-server --reuse fork --grace 30s --spelling openai > server.json &" },
    {
      command: "jq -r .certificate server.json > ca.pem && NODE_EXTRA_CA_CERTS=ca.pem npm test",
      description: "With --https: curl takes --cacert, Go and Python SSL_CERT_FILE",
    },
    { command: "jq .import server.json | tokenkeep import - --name test", description: "A grant to play with" },
  ]),
)

/** `tokenkeep token NAME`: prints a working access token. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { parseDuration } from "../duration.ts"
import { formats } from "../format.ts"
import { readStdin } from "../input.ts"
import { durationFlag, nameArgument, paragraphs } from "../params.ts"
import { defaultTimeoutMillis, printToken } from "../printToken.ts"
import { defaultMinTtl } from "../request.ts"

const flags = {
  minTtl: durationFlag("min-ttl").pipe(
    Flag.withDescription(`Refresh first if less than this is left (default ${defaultMinTtl})`),
    Flag.withDefault(parseDuration(defaultMinTtl)!),
  ),
  refused: Flag.String("refused").pipe(
    Flag.withMetavar("TOKEN_OR_FINGERPRINT"),
    Flag.withDescription("Get another than this one, to which a server answered 401"),
    Flag.optional,
  ),
  format: Flag.Literals("format", formats).pipe(
    Flag.withDescription("How to print it (default raw)"),
    Flag.withDefault("raw"),
  ),
  retryDead: Flag.Boolean("retry-dead").pipe(
    Flag.withDescription("Try a grant once more that the server has called dead"),
    Flag.withDefault(false),
    Flag.withoutNegation,
  ),
  timeout: durationFlag("timeout").pipe(
    Flag.withDescription("How long to wait for a refresh (default 30s)"),
    Flag.withDefault(defaultTimeoutMillis),
  ),
}

export const token = Command.make(
  "token",
  { name: nameArgument, ...flags },
  Effect.fnUntraced(function* ({ format, minTtl, name, refused, retryDead, timeout }) {
    const given = Option.getOrUndefined(refused)
    const text = given === "-" ? (yield* readStdin).trim() : given
    yield* printToken({
      name,
      minTtlMillis: minTtl,
      format,
      refused: text === undefined ? undefined : Redacted.make(text, { label: "refused token" }),
      timeoutMillis: timeout,
      retryDead,
    })
  }),
).pipe(
  Command.withShortDescription("Print a working access token"),
  Command.withDescription(
    paragraphs(
      "Print a working access token, refreshed first when it has to be. While the server or the network is down, the token",
      "at hand is printed for as long as it works, with a note on stderr.",
      "",
      "--min-ttl: at most half of a token's lifetime counts, since no server grants more.",
      "--refused: the only way to force a refresh. Give the token's fingerprint (tokenkeep status NAME), because other users",
      "of this machine can read a command line; or - and the token on standard input.",
      "--retry-dead: servers do call a grant dead in an outage. This asks once more, and believes the answer.",
      "--format: raw is the token alone; header an HTTP header; exec an ExecCredential for kubectl.",
    ),
  ),
  Command.withExamples([
    { command: "tokenkeep token github", description: "The token alone" },
    {
      command: "tokenkeep token github --format header | curl -H @- https://api.example/user",
      description: "A request, with the token on no command line",
    },
    { command: "tokenkeep token github --min-ttl 10m", description: "For a job that takes ten minutes" },
    {
      command: "tokenkeep token github --refused 5f2b8c0e91aa",
      description: "After a 401, by the fingerprint of the refused token",
    },
  ]),
)

/**
 * The command line beyond the fast path. A plain `token` request that has to refresh goes straight to the Keeper; only
 * what needs the full parser loads it, which takes as long again as everything else.
 */
import * as Effect from "effect/Effect"
import { defaultTimeoutMillis, printToken } from "./printToken.ts"
import { parseTokenRequest } from "./request.ts"
import { runMain } from "./run.ts"

const argv = process.argv.slice(2)
const request = parseTokenRequest(argv)
runMain(
  request === undefined
    ? Effect.flatMap(
        Effect.promise(() => import("./commands.ts")),
        ({ run }) => run(argv),
      )
    : printToken({ ...request, refused: undefined, retryDead: false, timeoutMillis: defaultTimeoutMillis }),
)

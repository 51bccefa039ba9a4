/** The simulated authorization server on loopback, with one grant of single-use tokens (`secret-at-1`, `secret-rt-1`), and a knob for what it does next. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Fault from "../../src/testing/Fault.ts"
import { listen } from "../../src/testing/http.ts"

const always = { times: Number.MAX_SAFE_INTEGER }

const faults = {
  unavailable: {
    ...always,
    processed: false,
    answer: { status: 503, headers: { "retry-after": "7" }, body: "temporarily_unavailable" },
  },
  slow: { ...always, ...Fault.slow(0, 700) },
} satisfies Record<string, Fault.Fault>

export type AuthorizationServer = Awaited<ReturnType<typeof start>>

export const start = async () => {
  const scope = Scope.makeUnsafe()
  const listening = listen({ clients: [{ clientId: "abc" }], secretPrefix: "secret-" }).pipe(
    Effect.provideService(Scope.Scope, scope),
  )
  const { server, tokenEndpoint } = await Effect.runPromise(listening)
  const { number } = server.grant({ scope: "a b" }, Date.now())
  return {
    tokenEndpoint,
    /** The fingerprints of the refresh tokens that were presented, in order. */
    get presented() {
      return server.presentations().map(({ fingerprint }) => fingerprint)
    },
    set mode(mode: "ok" | "denied" | keyof typeof faults) {
      server.clearScript()
      if (mode === "denied") server.revokeGrant(number)
      else if (mode !== "ok") server.script(faults[mode])
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  }
}

/** `/.tokenkeep/health`: how the proxy and its credentials are, for people and supervisors. No secret is in it. */
import * as Effect from "effect/Effect"
import { timestamp } from "../../interop/timestamp.ts"
import type { Keeper } from "../../keeper/Keeper.ts"
import * as Answers from "./answers.ts"
import type { Route } from "./Route.ts"

export const path = "/.tokenkeep/health"

const describe = (keeper: Keeper["Service"], { name, path, upstream }: Route) =>
  keeper.status(name).pipe(
    Effect.map(({ advice, credential, refreshAt, state, usable }) => ({
      credential: name,
      path: `${path}/`,
      upstream: upstream.href,
      state: state.filter(Boolean).join("."),
      usable,
      generation: credential.generation,
      expires_at: credential.tokens.expiry._tag === "Known" ? timestamp(credential.tokens.expiry.at) : undefined,
      refresh_at: timestamp(refreshAt),
      advice,
    })),
    Effect.catch((error) =>
      Effect.succeed({ credential: name, path: `${path}/`, usable: false, message: error.message }),
    ),
  )

/** Ready (200), or about to end (503). Who does not know the local key hears no more than that. */
export const page = Effect.fnUntraced(function* (
  keeper: Keeper["Service"],
  routes: ReadonlyArray<Route>,
  {
    hasKey,
    isDraining,
    underWay,
  }: { readonly hasKey: boolean; readonly isDraining: boolean; readonly underWay: number },
) {
  const status = isDraining ? "draining" : "ok"
  const upstreams = hasKey ? yield* Effect.forEach(routes, (route) => describe(keeper, route)) : undefined
  const details = upstreams && { under_way: underWay - 1, upstreams }
  return Answers.json(isDraining ? 503 : 200, { status, ...details })
})

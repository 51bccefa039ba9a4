/** A credential as a client of the web sees it: a token for its resource, and another one when that is refused. */
import * as Redacted from "effect/Redacted"
import type * as Effect from "effect/Effect"
import type { TokenError } from "../keeper/errors.ts"
import type { Access, Handle } from "../keeper/Keeper.ts"

/** A token and what binds it: `resource` where it may go (RFC 8707), `dpopKey` to a key (RFC 9449). */
export interface Granted {
  readonly token: string
  readonly resource: string | undefined
  readonly dpopKey: Redacted.Redacted | undefined
}

/** Both reject as `credential.token` does. */
export interface TokenSource {
  readonly token: () => Promise<Granted>
  readonly refused: (token: string) => Promise<Granted>
}

export const grantedOf = ({ dpopKey, resource, token }: Access): Granted => ({
  token: Redacted.value(token),
  resource,
  dpopKey,
})

/** Of a handle, where `caller` asks. */
export const make = (
  handle: Handle,
  run: (effect: Effect.Effect<Access, TokenError>) => Promise<Access>,
  options: { readonly caller?: string } = {},
): TokenSource => ({
  token: async () => grantedOf(await run(handle.access(options))),
  refused: async (token) => grantedOf(await run(handle.refused(token, options))),
})

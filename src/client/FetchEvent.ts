/** What a client wrapper has to say that its caller would not see in a response. No secret is in it. */
import { parse } from "../signin/challenge.ts"

export type FetchEvent =
  /**
   * 403 `insufficient_scope` (RFC 6750 §3.1): the token works and may not do this. Another one of the same grant would not
   * either, so nothing is refreshed; a person has to sign in with more. `scope` is what the server asks for.
   */
  | { readonly type: "InsufficientScope"; readonly url: string; readonly scope: string | undefined }
  /**
   * The token was refused, or the server wants its nonce in the proof (RFC 9449 §9), and the request's body can be read only
   * once: the next request has what it takes, and this 401 stands.
   */
  | { readonly type: "NotReplayed"; readonly url: string }

/** Origin and path: a query may hold a secret. */
export const placeOf = ({ origin, pathname }: URL): string => `${origin}${pathname}`

/** The event of a 403's challenge, if it is this one. */
export const insufficientScope = (status: number, challenge: string | null, url: URL): FetchEvent | undefined => {
  if (status !== 403 || challenge === null) return undefined
  const said = parse(challenge).find(({ parameters }) => parameters.get("error") === "insufficient_scope")
  return said && { type: "InsufficientScope", url: placeOf(url), scope: said.parameters.get("scope") }
}

/**
 * The headers that carry a token to its resource server: as a bearer token (RFC 6750 §2.1), or with a proof of the key that
 * it is bound to (RFC 9449 §7.1).
 *
 * **Details**
 *
 * - A proof is for one request: its URL, its method and its moment. Every attempt and every hop of a redirect gets its own.
 * - A server that wants its nonce in the proof (§9) has not refused the token. The newest nonce of each origin is kept for
 *   all proofs with that key, whatever client makes them.
 */
import { handleOf } from "../exchange/dpop.ts"
import { parse } from "../signin/challenge.ts"
import type { Granted } from "./TokenSource.ts"

/** What a 401 is about. `nonce`: the same token again, with a proof that has the server's nonce. */
export type Refusal = "token" | "nonce"

export interface Authorization {
  readonly headers: Readonly<Record<string, string>>
  /** What an answer says of the token, by its status and its `WWW-Authenticate`. */
  readonly refusal: (status: number, challenge: string | null) => Refusal | undefined
  /** Takes the `DPoP-Nonce` of an answer, whatever its status (§8.2). Done when the next proof has it. */
  readonly keep: (nonce: string | null) => Promise<void>
}

const wantsNonce = (challenge: string | null): boolean =>
  parse(challenge ?? "").some(
    ({ parameters, scheme }) => scheme === "dpop" && parameters.get("error") === "use_dpop_nonce",
  )

/** RFC 9449 §8.1: `1*NQCHAR`. Anything else, two of them in one header too, is none. */
const isNonce = (text: string): boolean => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text)

const bearer = (token: string): Authorization => ({
  headers: { Authorization: `Bearer ${token}` },
  refusal: (status) => (status === 401 ? "token" : undefined),
  keep: () => Promise.resolve(),
})

/** oauth4webapi makes proofs for requests that it sends, so it gets a transport that hands the headers out and waits. */
const bound = async (
  token: string,
  key: NonNullable<Granted["dpopKey"]>,
  url: URL,
  method: string,
): Promise<Authorization> => {
  const oauth = await import("oauth4webapi")
  const DPoP = await handleOf(key)
  return new Promise((resolve, reject) => {
    const done = oauth.protectedResourceRequest(token, method, url, new Headers(), null, {
      DPoP,
      // Who calls has made sure that `http:` means loopback.
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: (_url: string, { headers }: { readonly headers: Record<string, string> }) =>
        new Promise<Response>((answer) => {
          resolve({
            headers: { Authorization: headers["authorization"]!, DPoP: headers["dpop"]! },
            refusal: (status, challenge) => (status === 401 ? (wantsNonce(challenge) ? "nonce" : "token") : undefined),
            keep: async (nonce) => {
              answer(new Response(null, nonce !== null && isNonce(nonce) ? { headers: { "dpop-nonce": nonce } } : {}))
              await done
            },
          })
        }),
    })
    done.catch(reject)
  })
}

/** `htu` is `url` without query and fragment, `htm` the method. */
export const authorizationFor = async ({ dpopKey, token }: Granted, url: URL, method: string): Promise<Authorization> =>
  dpopKey === undefined ? bearer(token) : bound(token, dpopKey, url, method)

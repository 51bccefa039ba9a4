/**
 * What the proxy itself answers: JSON for programs, with the sentence for a person and the command to run next in it.
 *
 * | status | when |
 * |---|---|
 * | 401 | a person has to sign in, or the local key is missing |
 * | 403 | a foreign `Host` or `Origin`, or a token that is not for this upstream |
 * | 404 | no upstream has this path |
 * | 501 | an upgrade with a body |
 * | 502 | the upstream did not answer |
 * | 503 | no token just now, or the request has to be sent again; `Retry-After` says when |
 */
import { fingerprint } from "../../lifecycle/fingerprint.ts"
import * as Failure from "../../exchange/failure.ts"
import * as Errors from "../../keeper/errors.ts"
import { StoreUnavailable } from "../../store/CredentialStore.ts"
import type { Refusal as TokenRefusal } from "../authorization.ts"
import { ForeignResource } from "../destination.ts"
import type { Refusal } from "./guard.ts"

export interface ProxyAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const answer = (
  status: number,
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): ProxyAnswer => ({
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  body: `${JSON.stringify(body)}\n`,
})

/** RFC 9110 §15.5.2 wants a challenge; one without `resource_metadata` starts no sign-in in an MCP client. */
const challenge = { "www-authenticate": 'Bearer realm="tokenkeep proxy"' }

const later = (seconds: number) => ({ "retry-after": String(Math.max(1, Math.ceil(seconds))) })

/** Where the store is locked or the disk is full, and the upstream is starting anew. */
const soonSeconds = 5

export const json = (status: number, body: Readonly<Record<string, unknown>>): ProxyAnswer => answer(status, body)

export const refused = (refusal: Refusal): ProxyAnswer => {
  switch (refusal) {
    case "host":
      return answer(403, {
        error: "foreign_host",
        message:
          "tokenkeep proxy: the Host header does not name this address. Use http://127.0.0.1:PORT as it was printed.",
      })
    case "origin":
      return answer(403, {
        error: "foreign_origin",
        message: "tokenkeep proxy: pages in a browser are not served, only programs on this machine.",
      })
    case "key":
      return answer(
        401,
        {
          error: "wrong_key",
          message:
            "tokenkeep proxy: the local key is missing or wrong. Send it as X-Tokenkeep-Key, or as Authorization: Bearer.",
        },
        challenge,
      )
  }
}

export const noRoute = (paths: ReadonlyArray<string>): ProxyAnswer =>
  answer(404, {
    error: "no_upstream",
    message: `tokenkeep proxy: nothing is served here, but below ${paths.join(", ")}`,
  })

const cured: Readonly<Record<TokenRefusal, string>> = {
  token: "the upstream refused the token. Another one is at hand now",
  nonce: "the upstream wants a nonce of its own in the token's proof (DPoP). It is known now",
}

/** What was refused is cured, but this request's body has gone by. */
export const sendAgain = (refusal: TokenRefusal, limitBytes: number): ProxyAnswer =>
  answer(
    503,
    {
      error: "send_again",
      message:
        `tokenkeep proxy: ${cured[refusal]}, but this request's body ` +
        `is longer than ${limitBytes} bytes or had not ended, so it was not kept. Send the request again.`,
    },
    later(1),
  )

export const badUpgrade = answer(501, {
  error: "upgrade_with_body",
  message: "tokenkeep proxy: a request that upgrades its connection has no body here. Send it without Upgrade.",
})

/** As OpenSSL words it: nobody whom this process trusts vouches for the certificate. */
const isUntrusted = (code: string | undefined): boolean =>
  code !== undefined && /SELF_SIGNED|^UNABLE_TO_|CERT_UNTRUSTED/.test(code)

/** Nothing was sent twice, and nobody knows whether the upstream has acted. */
export const noUpstream = (host: string, error: unknown): ProxyAnswer => {
  const code = Failure.codeOf(error)
  const advice = isUntrusted(code)
    ? ". If that is meant, start the proxy with NODE_EXTRA_CA_CERTS=FILE, the authority's certificate as PEM"
    : ""
  const message = `tokenkeep proxy: ${Failure.explain(error, host)}${advice}`
  return answer(502, { error: "upstream_unreachable", message, code: code ?? "unknown" }, later(1))
}

/** What the Keeper said instead of a token. */
export const untold = (error: unknown, now: number): ProxyAnswer => {
  if (error instanceof Errors.SignInRequired) {
    const { advice, credential, message, reason, since } = error
    return answer(401, { error: "sign_in_required", message, advice, credential, reason, since }, challenge)
  }
  if (error instanceof Errors.CredentialNotFound) {
    const { credential, message } = error
    return answer(401, { error: "credential_not_found", message, credential }, challenge)
  }
  if (error instanceof Errors.TemporarilyUnavailable) {
    const { credential, message, retryAt } = error
    return answer(
      503,
      { error: "try_again_later", message, credential, retry_at: retryAt },
      later((retryAt - now) / 1000),
    )
  }
  if (error instanceof StoreUnavailable) {
    return answer(503, { error: "store_unavailable", message: error.message }, later(soonSeconds))
  }
  if (error instanceof ForeignResource) {
    const message = `tokenkeep proxy: ${error.message}. If that is meant: --allow-other-resource`
    return answer(403, { error: "other_resource", message })
  }
  // Nobody knows what a defect quotes, so it is known by what its text hashes to, here and in a report.
  return answer(500, { error: "defect", message: `tokenkeep proxy: a defect (${fingerprint(String(error))})` })
}

/** How a client proves itself to the token endpoint and to those like it (RFC 6749 §2.3, RFC 7523 §2.2). */
import * as Redacted from "effect/Redacted"
import type { webcrypto } from "node:crypto"
import type { ClientAuth } from "oauth4webapi"
import type { Credential } from "../lifecycle/Credential.ts"

/** RFC 6749 §2.3.1. Only what a form must escape is escaped, because many servers compare without decoding. */
export const formEncoded = (text: string): string => new URLSearchParams([["", text]]).toString().slice(1)

type SigningKey = webcrypto.JsonWebKey & { readonly kid?: string }

/** The private key as `crypto.subtle` wants it, by the JWK's own `alg` (RFC 7518 §3.1, RFC 9864). */
const imported = (jwk: SigningKey): Promise<webcrypto.CryptoKey> => {
  const hash = `SHA-${jwk.alg?.slice(-3)}`
  const algorithms: Readonly<Record<string, Parameters<typeof crypto.subtle.importKey>[2]>> = {
    RS: { name: "RSASSA-PKCS1-v1_5", hash },
    PS: { name: "RSA-PSS", hash },
    ES: { name: "ECDSA", namedCurve: jwk.crv ?? "" },
    Ed: { name: "Ed25519" },
  }
  return crypto.subtle.importKey("jwk", jwk, algorithms[jwk.alg?.slice(0, 2) ?? ""] ?? "", false, ["sign"])
}

const assertion =
  (jwk: SigningKey): ClientAuth =>
  async (...request) => {
    const { PrivateKeyJwt } = await import("oauth4webapi")
    const key = await imported(jwk)
    return PrivateKeyJwt(jwk.kid === undefined ? key : { key, kid: jwk.kid })(...request)
  }

export const clientAuth = ({ authMethod, clientKey, clientSecret }: Credential["client"]): ClientAuth => {
  if (authMethod === "private_key_jwt") return assertion(JSON.parse(clientKey ? Redacted.value(clientKey) : "{}"))
  const secret = clientSecret === undefined ? "" : Redacted.value(clientSecret)
  return (_server, client, body, headers) => {
    if (authMethod === "client_secret_basic") {
      headers.set("authorization", `Basic ${btoa(`${formEncoded(client.client_id)}:${formEncoded(secret)}`)}`)
      return
    }
    body.set("client_id", client.client_id)
    if (authMethod === "client_secret_post" && secret !== "") body.set("client_secret", secret)
  }
}

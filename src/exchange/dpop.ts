/**
 * Proof of possession (RFC 9449): the key that a credential's tokens are bound to, and the nonces that servers hand out.
 *
 * A handle signs, and remembers the newest nonce of each server. There is one per key and process, so that the next
 * request knows what the last one was told.
 */
import * as Redacted from "effect/Redacted"
import type { webcrypto } from "node:crypto"
import type { CryptoKeyPair, DPoPHandle } from "oauth4webapi"
import { fingerprint } from "../lifecycle/fingerprint.ts"
import * as Answer from "../provider/answer.ts"

const algorithm = { name: "ECDSA", namedCurve: "P-256" }

/** A new private key as JWK text, for ES256: the one algorithm that servers of DPoP have in common. */
export const generateKey = async (): Promise<Redacted.Redacted> => {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  const jwk = await crypto.subtle.exportKey("jwk", privateKey)
  return Redacted.make(JSON.stringify(jwk), { label: "DPoP key" })
}

const keyPairOf = async (text: string): Promise<CryptoKeyPair> => {
  const jwk = JSON.parse(text) as webcrypto.JsonWebKey
  const { d: _, key_ops: __, ...open } = jwk
  const imported = (key: webcrypto.JsonWebKey, use: "sign" | "verify") =>
    // The public half goes into each proof, so it has to be readable.
    crypto.subtle.importKey("jwk", key, algorithm, use === "verify", [use])
  const [privateKey, publicKey] = await Promise.all([imported(jwk, "sign"), imported(open, "verify")])
  return { privateKey, publicKey }
}

const handles = new Map<string, Promise<DPoPHandle>>()

export const handleOf = (key: Redacted.Redacted): Promise<DPoPHandle> => {
  const text = Redacted.value(key)
  const id = fingerprint(text)
  const known = handles.get(id)
  if (known !== undefined) return known
  const made = import("oauth4webapi").then(async ({ DPoP }) => DPoP({}, await keyPairOf(text)))
  handles.set(id, made)
  return made
}

/** RFC 9449 §8: the server wants the request again with a nonce of its own, and has done nothing with this one. */
export const wantsNonce = (status: number, contentType: string | undefined, body: string): boolean => {
  const fields = status === 400 || status === 401 ? Answer.fieldsOf(body, contentType) : undefined
  return fields !== undefined && Answer.codesOf(fields)[0] === "use_dpop_nonce"
}

/** Reads a client's private key (PEM or JWK) into the form in which it is kept: a JWK that says its algorithm. */
import * as Crypto from "node:crypto"

/** The algorithm that most servers take for a key of that kind. */
const algorithmOf = (jwk: Crypto.JsonWebKey): string | undefined => {
  if (jwk.kty === "RSA") return "RS256"
  if (jwk.kty === "EC") return { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" }[jwk.crv ?? ""]
  return jwk.crv === "Ed25519" ? "EdDSA" : undefined
}

/** JSON text; `undefined` when it is no private key that can sign. */
export const parse = (text: string): string | undefined => {
  try {
    const given = text.trimStart().startsWith("{") ? (JSON.parse(text) as Crypto.JsonWebKey) : undefined
    const key = Crypto.createPrivateKey(given === undefined ? text : { key: given, format: "jwk" })
    const jwk = key.export({ format: "jwk" })
    const alg = typeof given?.["alg"] === "string" ? given["alg"] : algorithmOf(jwk)
    const kid = given?.["kid"]
    return alg === undefined ? undefined : JSON.stringify({ ...jwk, alg, ...(typeof kid === "string" && { kid }) })
  } catch {
    return undefined
  }
}

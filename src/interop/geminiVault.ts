/**
 * Gemini CLI's `gemini-credentials.json`: what it would rather keep in a keychain, encrypted under a key that is made of
 * the machine's name and the user's. On a machine of another name nobody can open it, Gemini CLI included.
 */
import * as Crypto from "node:crypto"
import * as os from "node:os"

/** `iv:tag:ciphertext` in hex, AES-256-GCM. `undefined`: of another key, or not whole. */
export const open = (source: string, machine = os.hostname(), user = os.userInfo().username): string | undefined => {
  const [iv, tag, sealed, ...rest] = source.trim().split(":")
  if (iv === undefined || tag === undefined || sealed === undefined || rest.length > 0) return undefined
  try {
    const key = Crypto.scryptSync("gemini-cli-oauth", `${machine}-${user}-gemini-cli`, 32)
    const decipher = Crypto.createDecipheriv("aes-256-gcm", key, Buffer.from(iv, "hex"), { authTagLength: 16 })
    decipher.setAuthTag(Buffer.from(tag, "hex"))
    return decipher.update(sealed, "hex", "utf8") + decipher.final("utf8")
  } catch {
    return undefined
  }
}

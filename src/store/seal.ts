/**
 * Sealing: a record as it stands in the store, encrypted with AES-256-GCM. The name is authenticated with it, so that a
 * record cannot be passed off as another name's.
 */
import * as Crypto from "node:crypto"

export interface Seal {
  /** Tells keys apart without telling the key: the first 12 hex characters of its SHA-256. */
  readonly id: string
  readonly close: (name: string, text: string) => string
  /** `undefined`: sealed with another key, for another name, or damaged. */
  readonly open: (name: string, sealed: string) => string | undefined
}

const prefix = "sealed1."
const algorithm = "aes-256-gcm"
const nonceBytes = 12
const tagBytes = 16

export const keyBytes = 32

export const isSealed = (record: string): boolean => record.startsWith(prefix)

export const make = (key: Buffer): Seal => ({
  id: Crypto.createHash("sha256").update(key).digest("hex").slice(0, 12),
  close: (name, text) => {
    const nonce = Crypto.randomBytes(nonceBytes)
    const cipher = Crypto.createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(name))
    const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()])
    return prefix + sealed.toString("base64url")
  },
  open: (name, sealed) => {
    const bytes = Buffer.from(sealed.slice(prefix.length), "base64url")
    try {
      const nonce = bytes.subarray(0, nonceBytes)
      const decipher = Crypto.createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes })
        .setAAD(Buffer.from(name))
        .setAuthTag(bytes.subarray(-tagBytes))
      return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString("utf8")
    } catch {
      return undefined
    }
  },
})

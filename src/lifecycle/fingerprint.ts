/** The only form in which a secret appears in a log, an error or a trace: the first 12 hex characters of its SHA-256. */
import * as Crypto from "node:crypto"

export const fingerprint = (secret: string): string =>
  Crypto.createHash("sha256").update(secret).digest("hex").slice(0, 12)

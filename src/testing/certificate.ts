/**
 * A self-signed certificate, made anew for each run, so that no private key lies anywhere and no other program is needed:
 * X.509 v3 (RFC 5280), its own authority, for servers that listen on loopback only.
 *
 * Strict verifiers (Python's since 3.13, Apple's) want a key usage, an extended key usage, a subject key identifier and a
 * short life too.
 */
import * as Crypto from "node:crypto"
import * as Net from "node:net"
import { timestamp } from "../interop/timestamp.ts"

/** Both as PEM. */
export interface KeyPair {
  readonly key: string
  readonly cert: string
}

const lengthOf = (size: number): ReadonlyArray<number> => {
  if (size < 0x80) return [size]
  return size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
}

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(body.length)]), body])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"))
const text = (tag: number, value: string) => der(tag, Buffer.from(value))
const octets = (...parts: ReadonlyArray<Uint8Array>) => der(0x04, ...parts)

const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
const truth = der(0x01, Buffer.from([0xff]))
const serverAuth = oid("2b06010505070301")

/** UTCTime: `261121040052Z`. */
const utcTime = (millis: number): Buffer => text(0x17, timestamp(millis)!.replaceAll(/[-:T]/g, "").slice(2))

/** A name or an IPv4 address, as they stand in `subjectAltName`. */
const alternative = (host: string): Buffer =>
  Net.isIPv4(host) ? der(0x87, Buffer.from(host.split(".").map(Number))) : text(0x82, host)

const extension = (id: string, isCritical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(isCritical ? [truth] : []), octets(value))

const dayMillis = 86_400_000

/** For `hosts`, names or IPv4 addresses, from a day before `now` (epoch milliseconds) to ninety days after. */
export const selfSigned = (hosts: ReadonlyArray<string>, now: number): KeyPair => {
  const { privateKey, publicKey } = Crypto.generateKeyPairSync("ec", { namedCurve: "P-256" })
  const spki = publicKey.export({ type: "spki", format: "der" })
  const name = sequence(der(0x31, sequence(oid("550403"), text(0x0c, hosts[0] ?? "localhost"))))
  const extensions = [
    extension("551d13", true, sequence(truth)),
    // digitalSignature and keyCertSign.
    extension("551d0f", true, der(0x03, Buffer.from([2, 0x84]))),
    extension("551d25", false, sequence(serverAuth)),
    extension("551d0e", false, octets(Crypto.createHash("sha256").update(spki).digest().subarray(0, 20))),
    extension("551d11", false, sequence(...hosts.map(alternative))),
  ]
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, ...Crypto.randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(utcTime(now - dayMillis), utcTime(now + 90 * dayMillis)),
    name,
    spki,
    der(0xa3, sequence(...extensions)),
  )
  const signature = Crypto.sign("sha256", body, privateKey)
  const whole = sequence(body, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature))
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: new Crypto.X509Certificate(whole).toString(),
  }
}

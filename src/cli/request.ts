/**
 * The command line that is run most: `token NAME [--min-ttl D] [--format F]` and nothing else, understood without any
 * library. Whatever is not exactly that is left to the full parser, which also words the complaint.
 *
 * It imports only what imports nothing (fast path).
 */
import { isCredentialName } from "../interop/CredentialName.ts"
import { parseDuration } from "./duration.ts"
import { type Format, isFormat } from "./format.ts"

export interface TokenRequest {
  readonly name: string
  readonly minTtlMillis: number
  readonly format: Format
}

/** A token with less left than this is refreshed first, unless the caller says otherwise. */
export const defaultMinTtl = "60s"

export const parseTokenRequest = (argv: ReadonlyArray<string>): TokenRequest | undefined => {
  const [command, name, ...flags] = argv
  if (command !== "token" || name === undefined || !isCredentialName(name)) return undefined
  let minTtl: string | undefined
  let format: string | undefined
  for (let i = 0; i < flags.length; i += 2) {
    const value = flags[i + 1]
    if (value === undefined) return undefined
    if (flags[i] === "--min-ttl" && minTtl === undefined) minTtl = value
    else if (flags[i] === "--format" && format === undefined) format = value
    else return undefined
  }
  const minTtlMillis = parseDuration(minTtl ?? defaultMinTtl)
  const as = format ?? "raw"
  return minTtlMillis === undefined || !isFormat(as) ? undefined : { name, minTtlMillis, format: as }
}

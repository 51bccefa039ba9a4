/**
 * Which names a credential may have: readable, typable without quotes, safe in a file name's place and in a log line.
 *
 * It imports nothing, because the command line's fast path reads it too.
 */
const pattern = /^[A-Za-z0-9][A-Za-z0-9._@:/-]{0,127}$/

export const isCredentialName = (name: string): boolean => pattern.test(name)

/** What a name has to look like, for people. */
export const credentialNameRule = "1 to 128 letters, digits or . _ @ : / -, beginning with a letter or a digit"

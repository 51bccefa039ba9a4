/**
 * Makes a server's words fit to be shown to people: short, on one line, and without a secret in them (I10).
 *
 * Two nets, because either alone has holes. What is known to be secret (what was sent, what the answer grants) is
 * removed wherever it stands, whole or in part, in the encodings in which servers echo a request. What merely looks like
 * a token is removed unseen: a server may quote one that we never held.
 */

const redacted = "<redacted>"

/** So many characters of a secret in a row are never shown: some servers name a token by its beginning. */
const longestPart = 7

/** Control, format, private-use and unassigned characters: they break terminals and split a secret into harmless pieces. */
const unprintable = /\p{C}+/gu

/** Base64, base64url, JWT, hex and percent-encoded text. No sentence has a word as long. */
const tokenLike = /[A-Za-z0-9_+/=.~%-]{16,}/g

const encodings = (secret: string): ReadonlyArray<string> => {
  const form = new URLSearchParams([["", secret]]).toString().slice(1)
  const json = JSON.stringify(secret).slice(1, -1)
  return [secret, form, json, form.replaceAll("+", "%20"), Buffer.from(secret, "utf8").toString("base64")]
}

/** A host name in a redirect comes back in lower case. ASCII only, so that every index stays what it is. */
const lower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** Every run of `longestPart + 1` characters that stands in one of `forms`. */
const partsOf = (forms: ReadonlyArray<string>): ReadonlySet<string> => {
  const parts = new Set<string>()
  for (const form of forms) {
    for (let i = 0; i + longestPart < form.length; i++) parts.add(form.slice(i, i + longestPart + 1))
  }
  return parts
}

/** Removes each of `secrets` from `text`, in every encoding, and quoted parts of them too. */
export const withoutSecrets = (text: string, secrets: ReadonlyArray<string>): string => {
  const forms = [...new Set(secrets.filter((secret) => secret !== "").flatMap(encodings))]
  const parts = partsOf(forms.map(lower))
  const folded = lower(text)
  const kept: Array<string> = []
  let from = 0
  for (let i = 0; i + longestPart < text.length; i++) {
    if (!parts.has(folded.slice(i, i + longestPart + 1))) continue
    let end = i + longestPart + 1
    while (end < text.length && parts.has(folded.slice(end - longestPart, end + 1))) end++
    kept.push(text.slice(from, i), redacted)
    from = end
    i = end - 1
  }
  const rest = [...kept, text.slice(from)].join("")
  // A secret too short to have parts is removed as a whole.
  return forms
    .filter((form) => form.length <= longestPart)
    .reduce((rest, form) => rest.replaceAll(form, redacted), rest)
}

/** A server's description for people: printable, secrets and lookalikes gone, at most 200 characters. */
export const description = (text: string, secrets: ReadonlyArray<string>): string => {
  // Cut first, generously: a server may send a megabyte, and redaction makes it shorter.
  const printable = text.slice(0, 4_000).replace(unprintable, " ").replace(/\s+/g, " ").trim()
  const scrubbed = withoutSecrets(printable, secrets).replace(tokenLike, redacted)
  return scrubbed.length <= 200 ? scrubbed : `${scrubbed.slice(0, 199)}…`
}

/**
 * A server's code when it is one: words joined by `_`, `.` or `-`. Anything else could be a token in the wrong member,
 * and is not repeated.
 */
export const code = (text: string, secrets: ReadonlyArray<string>): string | undefined => {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(text) || withoutSecrets(text, secrets) !== text) return undefined
  return text.split(/[_.-]+/).every((word) => /^(?:[A-Za-z]{0,24}|[A-Za-z0-9]{1,12})$/.test(word)) ? text : undefined
}

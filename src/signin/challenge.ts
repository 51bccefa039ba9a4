/**
 * Reads `WWW-Authenticate` (RFC 9110 §11.6.1): any number of challenges, in one header or several, in any order, with
 * quoted strings and token68. Pure and total: no text makes it throw.
 *
 * **Details**
 *
 * - Whether a word begins a challenge or a parameter shows only behind it: a parameter has an `=` there.
 * - Servers write URLs without quotes, and forget the comma between parameters: both are understood.
 * - What is malformed ends the reading: the challenge it stands in is dropped, since half of it may say something else
 *   than the whole, and so is all behind it. A parameter that comes twice counts once, as it came first.
 */

export interface Challenge {
  /** In lower case, because schemes are compared without it. */
  readonly scheme: string
  readonly token68: string | undefined
  /** By their names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

const tokens = {
  separators: /[ \t,]*/y,
  spaces: /[ \t]*/y,
  word: /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y,
  equals: /[ \t]*=[ \t]*/y,
  quoted: /"(?:[^"\\]|\\.)*"/sy,
  unquoted: /[^\s",]+/y,
  // The whole rest of a challenge, or it is not one.
  token68: /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y,
  end: /[ \t]*(?=,|$)/y,
  valueEnd: /[ \t]+|(?=,|$)/y,
} as const

const unquote = (text: string): string => (text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : text)

export const parse = (header: string): ReadonlyArray<Challenge> => {
  let at = 0
  /** What `kind` matches here, or `undefined` without moving on. */
  const take = (kind: keyof typeof tokens): string | undefined => {
    const pattern = tokens[kind]
    pattern.lastIndex = at
    const found = pattern.exec(header)?.[0]
    if (found !== undefined) at += found.length
    return found
  }
  const challenges: Array<Challenge> = []
  const parameter = (into: Map<string, string>): "read" | "none" | "malformed" => {
    const start = at
    const name = take("word")
    if (name === undefined || take("equals") === undefined) {
      at = start
      return "none"
    }
    const value = take("quoted") ?? take("unquoted")
    if (value === undefined || take("valueEnd") === undefined) return "malformed"
    if (!into.has(name.toLowerCase())) into.set(name.toLowerCase(), unquote(value))
    return "read"
  }

  take("separators")
  while (at < header.length) {
    const scheme = take("word")
    if (scheme === undefined) break
    const parameters = new Map<string, string>()
    const spaced = take("spaces") !== ""
    if (!spaced && at < header.length && header[at] !== ",") break
    const token68 = spaced ? take("token68") : undefined
    let outcome: ReturnType<typeof parameter> = "none"
    if (token68 === undefined && spaced) {
      outcome = parameter(parameters)
      while (outcome === "read") {
        take("separators")
        outcome = parameter(parameters)
      }
    }
    if (outcome === "malformed") break
    if (parameters.size === 0 && take("end") === undefined) break
    challenges.push({ scheme: scheme.toLowerCase(), token68, parameters })
    take("separators")
  }
  return challenges
}

/** The challenge that asks for an OAuth access token: Bearer (RFC 6750 §3) or DPoP (RFC 9449 §7.1), in that order. */
export const forAccessToken = (header: string | null): Challenge | undefined => {
  const challenges = header === null ? [] : parse(header)
  return ["bearer", "dpop"].flatMap((scheme) => challenges.filter((challenge) => challenge.scheme === scheme))[0]
}

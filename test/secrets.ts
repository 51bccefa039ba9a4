/**
 * How secrets are recognized wherever they turn up (I10). Imports nothing of vitest: the runner and scripts use it too.
 *
 * The tests' own secrets are recognizable by construction: whatever leaves a test's memory, to a process, a socket or a
 * file, begins with one of the `marks`, or with the prefix of a simulated server. Those that a real server makes are not,
 * and are told by their value.
 */

/** Base64 of a part of a longer text: what stays of it wherever it begins. */
const encodedInside = (secret: string): ReadonlyArray<string> =>
  [0, 1, 2].map((offset) => {
    const encoded = Buffer.from(`${" ".repeat(offset)}${secret}`, "utf8")
      .toString("base64")
      .replace(/=+$/, "")
    return encoded.slice(offset === 0 ? 0 : offset + 1, -1)
  })

const formsOf = (secret: string): ReadonlyArray<string> => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  new URLSearchParams([["", secret]]).toString().slice(1),
  ...encodedInside(secret),
]

/** Whether one of the secrets is in the text: plain, in JSON, in a URL, in a form or in Base64. */
export const leaks = (text: string, secrets: ReadonlyArray<string>): boolean => {
  const lower = text.toLowerCase()
  return secrets.flatMap(formsOf).some((form) => lower.includes(form.toLowerCase()))
}

const marks = ["secret-access-", "secret-refresh-", "secret-client"]

/** `http.ts` in `src/testing`: twelve random bytes, so that the word alone, which is in every report, is none. */
const simulated = "simulated-"

const pattern = new RegExp(
  [`${simulated}[0-9a-f]{24}-`, ...marks, ...[simulated, ...marks].flatMap(encodedInside)].join("|"),
  "i",
)

/** Where in the text a secret begins that is recognizable by construction. */
export const findSecret = (text: string): number | undefined => pattern.exec(text)?.index

/**
 * The library as its documentation shows it. It reads a grant from standard input, and prints what it got: tokens as
 * fingerprints. In between it tells the simulated server what to do next.
 */
import { createHash } from "node:crypto"
import { text } from "node:stream/consumers"
import { openKeeper } from "tokenkeep/promise"

const { control, document, home, url } = JSON.parse(await text(process.stdin))

const fingerprint = (token) => token && createHash("sha256").update(token).digest("hex").slice(0, 12)
const order = (what) => fetch(control, { method: "POST", body: JSON.stringify(what) })
const shown = async (response) => [response.status, (await response.json()).access_token_fingerprint]

const use = async () => {
  await using keeper = await openKeeper({ home })
  await keeper.import("github", document)
  const github = keeper.credential("github")
  const found = { peekBefore: github.peek() ?? null }
  const token = await github.token({ minValidity: 60_000 })
  Object.assign(found, { token: fingerprint(token), peek: fingerprint(github.peek()) })
  found.valid = await shown(await github.fetch(url))

  await order({ revokeToken: token })
  found.revoked = await shown(await github.fetch(url, { method: "POST", body: "once more" }))
  found.refused = fingerprint(await github.refused(token))
  found.foreign = await github.fetch("https://elsewhere.example/").catch(({ name }) => name)

  await order({ policy: { refusesAccessTokens: true } })
  found.always = await shown(await github.fetch(url))
  found.still = await github.fetch(url).catch(({ message, name }) => `${name}: ${message.split(".")[0]}`)
  found.unknown = await keeper
    .credential("nobody")
    .token()
    .catch(({ name }) => name)
  found.document = await keeper.import("gitlab", { tokens: token }).catch(({ name }) => name)
  found.list = (await keeper.list()).map(({ credential }) => `${credential.name} ${credential.generation}`)
  return found
}

console.log(JSON.stringify(await use()))

/**
 * One of the demo's programs, as somebody writes it who uses the library: it wants several tokens at once, and makes a
 * request with each. It says "ready", begins when it is told to, and prints when the last token was there (epoch
 * milliseconds) and for which token each request was answered.
 *
 *     node program.mjs NAME URL REQUESTS
 */
import { once } from "node:events"
import { openKeeper } from "tokenkeep/promise"

const [name, url, requests] = process.argv.slice(2)

await using keeper = await openKeeper()
const credential = keeper.credential(name)

console.log("ready")
await once(process.stdin, "data")
process.stdin.destroy()

const asked = Array.from({ length: Number(requests) }, () => credential.token())
await Promise.allSettled(asked)
const at = performance.timeOrigin + performance.now()

const answers = asked.map(async (token) => {
  const response = await fetch(url, { headers: { authorization: `Bearer ${await token}` } })
  return response.ok ? (await response.json()).access_token_fingerprint : `HTTP ${response.status}`
})
const got = (await Promise.allSettled(answers)).map(({ reason, value }) => value ?? reason.name)
console.log(JSON.stringify({ at, got }))

/**
 * A program as a user of the library writes it: `tokenkeep/promise` as it is built, in a process of its own.
 *
 *     node worker.mjs NAME [OPTIONS]
 *
 * It prints "ready", and then takes a wish a line, in JSON, for the credential NAME or others that it names, and answers
 * each with a line: how often it got which token, and what it was told instead. Tokens leave it as fingerprints only. When its input ends it does nothing more, and does
 * not close what it has opened.
 */
import { createHash } from "node:crypto"
import { writeSync } from "node:fs"
import { createInterface } from "node:readline"
import { openKeeper } from "tokenkeep/promise"

const [started, options = "{}"] = process.argv.slice(2)

const fingerprint = (token) => createHash("sha256").update(token).digest("hex").slice(0, 12)
const print = (value) => writeSync(1, `${JSON.stringify(value)}\n`)

const { keepers = 1, end, ...rest } = JSON.parse(options)
const keeper = await openKeeper(rest)
for (let more = keepers - 1; more > 0; more--) await openKeeper(rest)
const last = new Map()

const keep = (name, token) => {
  last.set(name, token)
  return fingerprint(token)
}

/** What each wish gets: a fingerprint, or something else that is no secret. */
const wishes = {
  token: async (credential, { minValidity }) => keep(credential.name, await credential.token({ minValidity })),
  peek: (credential) => {
    const token = credential.peek()
    return token === undefined ? "nothing" : fingerprint(token)
  },
  refused: async (credential) => keep(credential.name, await credential.refused(last.get(credential.name))),
  fetch: async (credential, { url }) => {
    const response = await credential.fetch(url)
    const body = await response.json()
    // Only the simulated server says which token it saw.
    return response.ok ? (body.access_token_fingerprint ?? "answered") : `${response.status} ${body.error}`
  },
  generation: async (credential) => `${(await keeper.status(credential.name)).credential.generation}`,
}

const told = ({ advice, message, name, reason, retryAt, _tag }) => ({
  tag: _tag ?? name,
  message,
  advice,
  reason,
  retryAt,
})

const carryOut = async ({ times = 1, wish, names = [started], ...parameters }) => {
  const calls = names.flatMap((name) => {
    const credential = keeper.credential(name)
    return Array.from({ length: times }, async () => wishes[wish](credential, parameters))
  })
  const settled = await Promise.allSettled(calls)
  const got = {}
  for (const { status, value } of settled) if (status === "fulfilled") got[value] = (got[value] ?? 0) + 1
  return { got, errors: settled.filter(({ status }) => status === "rejected").map(({ reason }) => told(reason)) }
}

/** How it ends on SIGUSR2: in the middle of whatever it does. */
const ends = {
  exit: () => process.exit(7),
  close: async () => {
    await keeper.close()
    process.exit(7)
  },
  throw: () => {
    throw new Error("as planned")
  },
}
if (end) process.on("SIGUSR2", ends[end])

print("ready")
for await (const line of createInterface({ input: process.stdin })) print(await carryOut(JSON.parse(line)))

/**
 * `npm run demo`: what Tokenkeep does, in real processes against a strict authorization server on loopback.
 *
 * It needs no network and no account, and leaves nothing behind: a temporary home, the server in this process, and
 * children that end with it, on Ctrl-C too. It fails when a number is not what it has to be.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import type { Grant } from "../src/testing/AuthorizationServer.ts"
import * as Fault from "../src/testing/Fault.ts"
import { grantDocument } from "../src/testing/grantDocument.ts"
import { listen } from "../src/testing/http.ts"
import type { Overrides } from "../src/testing/Policy.ts"
import { type Finished, makeHome } from "./demo/processes.ts"

const programs = 8
const requests = 10
/** How long the server takes for a refresh: as long as one that is not next door. */
const answerMillis = 250
/** How long the imported access token lives on. */
const lifeMillis = 3_000

const say = (text = ""): void => console.log(text)

const row = (what: string, value: string, note = ""): void =>
  say(`  ${what.padEnd(36)}${value.padStart(8)}${note === "" ? "" : `   ${note}`}`)

const quote = (text: string): void => {
  for (const line of text.trim().match(/\S.{0,82}(?=\s|$)/g) ?? []) say(`      ${line}`)
}

const ms = (millis: number): string => `${Math.round(millis)} ms`

const wrong: Array<string> = []

/** `found` itself, and a complaint at the end if it is something else. */
const check = <A>(what: string, found: A, expected: A): A => {
  if (found !== expected) wrong.push(`${what}: expected ${String(expected)}, and it was ${String(found)}`)
  return found
}

const demo = Effect.gen(function* () {
  const began = performance.now()
  const { race, start, tokenkeep } = yield* makeHome
  let arrived = (): void => {}
  const { resourceUrl, server, tokenEndpoint, url } = yield* listen({ onPresentation: () => arrived() })

  const requestsSo = () => server.presentations().length
  const ended = (what: string, { code }: Finished, expected: number): string =>
    `exit ${check(`exit code of ${what}`, code, expected)}`

  /** A grant whose access token lives on for so long, imported as a person would. */
  const importGrant = Effect.fnUntraced(function* (name: string, leftMillis: number, policy: Overrides = {}) {
    const { accessLifetimeMillis } = server.policy()
    const grant = server.grant({ resource: resourceUrl, policy }, Date.now() - accessLifetimeMillis + leftMillis)
    const document = JSON.stringify(grantDocument(grant, { issuer: url, tokenEndpoint }))
    ended(`import ${name}`, yield* tokenkeep(["import", "-", "--name", name], document), 0)
    return grant
  })

  say("tokenkeep, in real processes against a strict authorization server on loopback:")
  say("a refresh token works once, and to present it again ends the login.")
  say()

  const { expiresAt }: Grant = yield* importGrant("demo", lifeMillis)
  const valid = yield* tokenkeep(["token", "demo", "--min-ttl", "0s"])
  say("While the access token works, nobody is asked.")
  say()
  row("tokenkeep token demo", ended("token demo", valid, 0), `${check("requests", requestsSo(), 0)} requests`)
  say()

  server.script({ ...Fault.slow(0, answerMillis), times: 2 })
  yield* importGrant("alone", -1)
  const alone = yield* race("alone", resourceUrl, { programs: 1, requests: 1, from: 0 })
  const before = requestsSo()
  const all = yield* race("demo", resourceUrl, { programs, requests, from: expiresAt })
  const minted = server.presentations().at(-1)?.granted?.accessToken
  const answered = all.got.filter((token) => token === minted).length

  say(`It has ended, and ${programs} programs with ${requests} requests each want another at the same moment.`)
  say(`The server takes ${answerMillis} ms for a refresh.`)
  say()
  row("refresh tokens presented", `${check("presentations", requestsSo() - before, 1)}`)
  row("tokens, each used for a request", `${check("tokens", answered, programs * requests)}`)
  row("failures", `${check("failures", all.got.length - answered, 0)}`)
  row("time to the last token", ms(all.millis), `one program with one request: ${ms(alone.millis)}`)
  say()

  /** `tokenkeep token NAME`, killed once its request has reached the server; and then once more. */
  const kill = Effect.fnUntraced(function* (name: string, fault: Fault.Fault, policy?: Overrides) {
    yield* importGrant(name, -1, policy)
    server.script(fault)
    const request = Effect.callback<void>((resume) => {
      arrived = () => resume(Effect.void)
    })
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { child, finished } = yield* start("tokenkeep", ["token", name])
        yield* Effect.raceFirst(request, finished)
        child.kill("SIGKILL")
        check(`end of token ${name}`, (yield* finished).signal, "SIGKILL")
      }),
    )
    return yield* tokenkeep(["token", name])
  })

  say("kill -9 in the middle of a refresh. What the next `tokenkeep token` says, if the server")
  say()
  const early = yield* kill("early", { processed: false, answer: "never" })
  row("had not acted yet", ended("token early", early, 0), `a token, after ${ms(early.millis)}`)
  const late = yield* kill("late", Fault.silence, { reuse: "idempotent", graceMillis: 60_000 })
  row("had, and repeats itself for a while", ended("token late", late, 0), `a token, after ${ms(late.millis)}`)
  const strict = yield* kill("strict", Fault.silence)
  row("had, and is strict", ended("token strict", strict, 3), "nobody has the new token, and that is said:")
  say()
  quote(strict.stderr)
  say()
  const told = requestsSo()
  const again = yield* tokenkeep(["token", "strict"])
  row("asked again", ended("token strict", again, 3), `${check("requests", requestsSo() - told, 0)} requests`)
  yield* importGrant("strict", 3_600_000)
  row("signed in again, imported", ended("token strict", yield* tokenkeep(["token", "strict"]), 0), "a token")
  say()
  return performance.now() - began
}).pipe(
  Effect.scoped,
  Effect.timeout("60 seconds"),
  Effect.map((millis) => {
    for (const complaint of wrong) say(`WRONG  ${complaint}`)
    if (wrong.length > 0) process.exitCode = 1
    else say(`Nothing is left behind. ${(millis / 1000).toFixed(1)} s`)
  }),
)

// A terminal that is closed ends it like Ctrl-C.
process.once("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
NodeRuntime.runMain(demo)

/**
 * Rounds of `kill -9` at random moments of a refresh: real processes over one home, against the HTTP front of the
 * simulated server. `npm run kill` runs a thousand, `kill.test.ts` a hundred.
 *
 * In each round a process that refreshes an ended token is killed, sometimes while another one wants the token too, and
 * then a process that comes after it asks. What became of the login is judged by the server's own record and by what it
 * would still honour, not by what anybody says.
 *
 * **Invariants**
 *
 * - A round follows from its seed alone, as far as processes can be told when to do something.
 * - Nothing that is kept of a round is secret (I10).
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Os from "node:os"
import * as Path from "node:path"
import * as GrantDocument from "../../src/interop/GrantDocument.ts"
import type { Line } from "../../src/lifecycle/History.ts"
import { type Credential, ReuseClass, type Ticket } from "../../src/lifecycle/Credential.ts"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { grantDocument } from "../../src/testing/grantDocument.ts"
import { listen } from "../../src/testing/http.ts"
import type { Presentation } from "../../src/testing/Presentation.ts"
import { seeded } from "../../src/testing/random.ts"
import * as Sqlite from "../../src/store/sqlite.ts"
import * as Processes from "./processes.ts"

/** How a round goes, as its seed has it. Times in milliseconds. */
interface Plan {
  readonly seed: number
  readonly reuse: ReuseClass
  /** A command, which has to start first, or a program that runs already. */
  readonly victim: "command" | "program"
  readonly next: "command" | "program"
  /** A program that wants the token at the same time. */
  readonly bystander: boolean
  /** How long the server takes before and after its work. */
  readonly before: number
  readonly after: number
  /** When the victim is killed: so long after it was told to begin, or after its request arrived. */
  readonly anchor: "start" | "arrival"
  readonly delay: number
}

/** Where the victim was when it died. */
export const stages = [
  "before the ticket",
  "before the request",
  "before the answer was written",
  "before the commit",
  "after the commit",
  "while another refreshed",
] as const
type Stage = (typeof stages)[number]

export interface Round extends Plan {
  readonly stage: Stage
  readonly lost: boolean
  /** The server rotated for the victim, and the answer is nowhere: nobody could have saved it on a server that forgives nothing. */
  readonly answerLost: boolean
  /** The verdict says what it was, and the history who lost it and who found out, where and when. */
  readonly diagnosed: boolean
  /** The refresh token was presented again although whoever presented it first was alive, or a third time. */
  readonly hammered: boolean
  /** The longest that anybody waited for a token (or for the verdict) after the kill, from the start of its process. */
  readonly waited: number
  /** Whatever else was not as it should be. */
  readonly complaints: ReadonlyArray<string>
}

const classes = ReuseClass.literals

const planOf = (seed: number): Plan => {
  const next = seeded(seed)
  const victim = next() < 0.3 ? "command" : "program"
  const [before, after] = [Math.floor(next() * 15), Math.floor(next() * 15)]
  const anchor = next() < 0.4 ? "start" : "arrival"
  // A command needs a while before it even asks for the ticket.
  const span = anchor === "arrival" ? before + after + 20 : victim === "command" ? 300 : 60
  return {
    seed,
    reuse: classes[seed % classes.length]!,
    victim,
    next: next() < 0.3 ? "command" : "program",
    bystander: next() < 0.4,
    before,
    after,
    anchor,
    delay: next() * span,
  }
}

const graceMillis = 60_000

const refreshTokenOf = ({ tokens }: Credential): string => Redacted.value(tokens.refreshToken!)

/** Who presented a refresh token first, as the ticket has it. */
const firstHolder = ({ first, holder }: Ticket): number => (first?.holder ?? holder).pid

/** As the store has it right after the death, unless somebody else has gone on already: then by what he did. */
const stageOf = (credential: Credential, pid: number, sent: boolean, repeated: boolean): Stage => {
  if (repeated) return "before the answer was written"
  const { generation, ticket } = credential
  if (ticket !== undefined && firstHolder(ticket) !== pid) return "while another refreshed"
  if (generation > 1) return "after the commit"
  if (ticket === undefined) return "before the ticket"
  if (ticket.attempt === 1 && ticket.answer !== undefined) return "before the commit"
  return sent ? "before the answer was written" : "before the request"
}

export interface Options {
  readonly rounds: number
  readonly seed: number
  /** For the home of all of them. */
  readonly folder: string
  /** How many rounds at a time. */
  readonly parallel: number
  readonly onRound?: (round: Round) => void
}

/** Programs that outlive the rounds: one waits beside the victim, one comes after it. */
interface Survivors {
  readonly bystander: Processes.Worker
  readonly next: Processes.Worker
}

/** What somebody who asked got. */
interface Told {
  readonly token: string | undefined
  readonly reason: string | undefined
  readonly millis: number
}

const ofAnswer = ({ errors, got }: Processes.Answer, millis: number): Told => ({
  token: Object.keys(got)[0],
  reason: errors[0] && (errors[0].reason ?? errors[0].tag),
  millis,
})

const ofCommand = ({ code, millis, result, stderr }: Processes.Finished): Told => ({
  token: code === 0 ? result : undefined,
  reason:
    code === 0 ? undefined : stderr.includes("the answer to a refresh was lost") ? "lostInRotation" : `exit ${code}`,
  millis,
})

/** The history names the one who died with the answer, and the one whom the server told that it was too late. */
const tellsWho = (history: ReadonlyArray<Line>, victim: number): boolean => {
  const isBy = ({ at, by, host }: Line) => by.endsWith(`(pid ${victim})`) && host === Os.hostname() && at > 0
  const denied = history.find(({ event }) => event === "Denied")
  return history.some(isBy) && denied !== undefined && !isBy(denied) && denied.code === "invalid_grant"
}

/** Carries out the rounds, and answers with what came of each. */
export const rounds = Effect.fnUntraced(function* (options: Options) {
  const { folder, onRound } = options
  const home = Path.join(folder, "home")
  const prefix = `simulated-${Crypto.randomBytes(12).toString("hex")}-`
  const secrets: Processes.Secrets = { everywhere: () => [prefix], inResults: () => [`${prefix}rt-`] }
  const { outputs, start, worker } = Processes.make({ folder, home, secrets })
  const store = yield* Sqlite.make({ home })

  /** By the fingerprint of its first refresh token: the name, and who held the ticket at each presentation. */
  const tickets = new Map<string, { readonly name: string; readonly seen: Array<Ticket | undefined> }>()
  const onPresentation = ({ fingerprint = "" }: Presentation): void => {
    const round = tickets.get(fingerprint)
    // At once, before the answer leaves and the ticket with it.
    if (round) Effect.runFork(Effect.map(store.read(round.name), (found) => round.seen.push(found?.ticket)))
  }
  const { server, tokenEndpoint, url } = yield* listen({ secretPrefix: prefix, onPresentation })

  const victims = yield* Queue.bounded<Processes.Worker>(2)
  yield* Effect.forkScoped(Effect.forever(Effect.flatMap(worker("-"), (ready) => Queue.offer(victims, ready))))
  const survivors = yield* Queue.unbounded<Survivors>()
  yield* Effect.forEach(
    Array.from({ length: options.parallel }),
    () =>
      Effect.flatMap(Effect.all({ bystander: worker("-"), next: worker("-") }, { concurrency: "unbounded" }), (pair) =>
        Queue.offer(survivors, pair),
      ),
    { concurrency: "unbounded" },
  )

  const prepare = Effect.fnUntraced(function* (plan: Plan, name: string) {
    const { after, before, reuse } = plan
    const lifetime = server.policy().accessLifetimeMillis
    const policy = { reuse, graceMillis: reuse === "idempotent" || reuse === "fork" ? graceMillis : 0 }
    const grant = server.grant({ policy }, Date.now() - lifetime - 1_000)
    const presented = fingerprint(grant.refreshToken!)
    tickets.set(presented, { name, seen: [] })
    server.script({ aim: { fingerprint: presented }, times: 9, beforeMillis: before, afterMillis: after })
    // Members without a value are absent in JSON.
    const document = JSON.parse(JSON.stringify(grantDocument(grant, { issuer: url, tokenEndpoint })))
    const credential = Result.getOrThrow(GrantDocument.toCredential(document, name, Date.now()))
    yield* Effect.orDie(store.compareAndSwap(name, { _tag: "Put", credential }))
    return presented
  })

  const timed = Effect.fnUntraced(function* (program: Processes.Worker, name: string) {
    const began = performance.now()
    const answer = yield* program.ask({ wish: "token", names: [name] })
    return ofAnswer(answer, performance.now() - began)
  })

  const round = Effect.fnUntraced(function* (plan: Plan): Effect.fn.Return<Round, never, Scope.Scope> {
    const name = `r${plan.seed}`
    const presented = yield* prepare(plan, name)
    const presentations = () => server.presentations(presented)
    const { bystander, next } = yield* Queue.take(survivors)

    const isCommand = plan.victim === "command"
    const program = isCommand ? undefined : yield* Queue.take(victims)
    let began = performance.now()
    const victim: Processes.Running = program ?? (yield* start(["token", name]))
    if (program) yield* program.wish({ wish: "token", names: [name] })
    if (plan.bystander) yield* bystander.wish({ wish: "token", names: [name] })
    if (plan.anchor === "arrival") {
      const limit = performance.now() + 2_000
      while (presentations().length === 0 && performance.now() < limit) yield* Effect.sleep(1)
      began = performance.now()
    }
    yield* Effect.sleep(Math.max(0, began + plan.delay - performance.now()))

    const killedAt = Date.now()
    const dying = performance.now()
    yield* victim.kill("SIGKILL")
    yield* victim.finished
    const left = (yield* Effect.orDie(store.read(name)))!

    const asked =
      plan.next === "command" ? Effect.scoped(Effect.flatMap(start(["token", name]), (it) => it.finished)) : undefined
    const tells = yield* Effect.all(
      [
        asked ? Effect.map(asked, ofCommand) : timed(next, name),
        ...(plan.bystander
          ? [Effect.map(bystander.answer, (answer) => ofAnswer(answer, performance.now() - dying))]
          : []),
      ],
      { concurrency: "unbounded" },
    )
    yield* Queue.offer(survivors, { bystander, next })

    const found = (yield* Effect.orDie(store.read(name)))!
    const history = yield* Effect.orDie(store.history(name))
    const shown = presentations()
    const { honoured } = server.inspect(refreshTokenOf(found), Date.now())
    const lost = found.verdict !== undefined || !honoured
    const minted = shown.map(({ granted }) => granted?.accessToken)
    const ticket = tickets.get(presented)!.seen.at(-1)
    const byVictim = ticket !== undefined && firstHolder(ticket) === victim.pid
    const sent = byVictim && shown.length === ticket.attempt
    const stage = stageOf(left, victim.pid, sent, sent && shown.length === 2)
    const complaints = tells.flatMap(({ reason, token }) => {
      if (token !== undefined) return minted.includes(token) ? [] : ["got a token that was not minted for it"]
      return lost && reason === "lostInRotation" ? [] : [`was told: ${reason}`]
    })
    const done: Round = {
      ...plan,
      stage,
      lost,
      answerLost: stage === "before the answer was written" && shown[0]?.granted !== undefined,
      diagnosed: found.verdict?.reason === "lostInRotation" && tellsWho(history, victim.pid),
      hammered: shown.length > 2 || (shown.length === 2 && (shown[1]!.at < killedAt || !byVictim)),
      waited: Math.max(...tells.map(({ millis }) => millis)),
      complaints,
    }
    onRound?.(done)
    return done
  })

  const plans = Array.from({ length: options.rounds }, (_, index) => planOf(options.seed + index))
  const done = yield* Effect.forEach(plans, (plan) => Effect.scoped(round(plan)), { concurrency: options.parallel })
  return { rounds: done, leaking: Processes.leaking(outputs, secrets) }
}, Effect.scoped)

/** Longer than this nobody may wait: a crashed holder is proven dead, and then there is nothing to wait for. */
const longestWaitMillis = 2_000

/** What a busy machine may add, which takes its time to start a process. Less than the shortest wait that is one. */
const longestSlownessMillis = 2_500

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** What must not be, a line each. A login may be lost where the server's answer was, on a server that forgives nothing. */
export const wrong = (done: ReadonlyArray<Round>): ReadonlyArray<string> => {
  const slowness = Math.min(longestSlownessMillis, 5 * median(done.map(({ waited }) => waited)))
  return done.flatMap((round) => {
    const { answerLost, complaints, diagnosed, hammered, lost, reuse, seed, waited } = round
    const isForgiving = reuse !== "strict" && reuse !== "rejectOnly"
    const found = [
      ...(lost && isForgiving ? ["a login was lost on a server that forgives"] : []),
      ...(lost && !answerLost ? ["a login was lost although no answer was"] : []),
      ...(lost && !diagnosed ? ["a login was lost and nobody says so"] : []),
      ...(hammered ? ["a refresh token was presented again while its holder lived, or a third time"] : []),
      ...(waited > longestWaitMillis + slowness ? [`somebody waited for ${Math.round(waited)} ms`] : []),
      ...complaints,
    ]
    const how = `${reuse}, ${round.victim} killed ${round.stage}, then ${round.next}`
    return found.map((what) => `${what} (${how}: --seed ${seed} --rounds 1)`)
  })
}

const row = (name: string, done: ReadonlyArray<Round>): ReadonlyArray<string> => {
  const count = (is: (round: Round) => boolean) => String(done.filter(is).length)
  return [
    name,
    String(done.length),
    ...stages.map((stage) => count((round) => round.stage === stage)),
    count(({ lost }) => lost),
    count(({ diagnosed, lost }) => lost && diagnosed),
    count(({ hammered }) => hammered),
    `${Math.round(Math.max(0, ...done.map(({ waited }) => waited)))} ms`,
  ]
}

/** What came of the rounds, by class: where the victim was when it was killed, and what that cost. */
export const table = (done: ReadonlyArray<Round>): string => {
  const head = [
    "class",
    "rounds",
    ...stages.map((stage) => `killed ${stage}`),
    "logins lost",
    "diagnosed as a lost answer",
    "presented while the holder lived",
    "longest wait after the restart",
  ]
  const rows = [
    ...classes.map((reuse) =>
      row(
        reuse,
        done.filter((round) => round.reuse === reuse),
      ),
    ),
    row("all", done),
  ]
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")
}

/**
 * One cell of the table: so many processes with so many parallel calls each, whose access token was revoked a moment ago.
 * The authorization server is strict: a refresh token works once, and to present it again ends the login.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { grantDocument } from "../../../src/testing/grantDocument.ts"
import { fingerprint } from "../../../src/lifecycle/fingerprint.ts"
import type { Fault } from "../../../src/testing/Fault.ts"
import type { Face, Line } from "./clients.ts"
import type { Called, Wish } from "./worker.ts"
import { world } from "./world.ts"

export interface Cell {
  readonly line: Line
  readonly face: Face
  readonly processes: number
  readonly calls: number
  /** Over how many milliseconds the 401s arrive. */
  readonly spread: number
  /** What befalls the requests to the token endpoint. */
  readonly fault?: Fault
}

export interface Outcome {
  /** Requests with `grant_type=refresh_token`. */
  readonly refreshes: number
  readonly ok: number
  readonly browsers: number
  /** Nobody holds a refresh token that the server would honour. */
  readonly isLoggedOut: boolean
  readonly errors: ReadonlyArray<string>
}

const mostProcesses = 4

/** How long the token endpoint takes. */
const latencyMillis = 20

const worker = (home: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = ChildProcess.spawn(process.execPath, [Path.join(import.meta.dirname, "worker.ts"), home], {
        stdio: ["pipe", "pipe", "inherit"],
      })
      const lines = Readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const next = async (): Promise<unknown> => {
        const { done, value } = await lines.next()
        if (done) throw new Error("The process ended without an answer.")
        return JSON.parse(value)
      }
      await next()
      return {
        ask: async (wish: Wish): Promise<Called> => {
          child.stdin.write(`${JSON.stringify(wish)}\n`)
          return (await next()) as Called
        },
        kill: () => child.kill("SIGKILL"),
      }
    }),
    ({ kill }) => Effect.sync(() => void kill()),
  )

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, each) => total + each, 0)

/** Servers and processes for any number of cells, one after the other. */
export const stage = Effect.fnUntraced(function* (folder: string) {
  const { as, home, keeper, resource } = yield* world({}, folder)
  const workers = yield* Effect.all(
    Array.from({ length: mostProcesses }, () => worker(home)),
    { concurrency: "unbounded" },
  )
  let count = 0

  const run = async ({ calls, face, fault, line, processes, spread }: Cell): Promise<Outcome> => {
    const grant = as.server.grant({ resource: resource.url }, Date.now())
    const name = `cell-${++count}`
    const file = Path.join(folder, "given", `${name}.json`)
    const { issuer } = as.server
    if (face === "alone") {
      const { accessToken: access_token, refreshToken: refresh_token } = grant
      Fs.mkdirSync(Path.dirname(file), { recursive: true })
      Fs.writeFileSync(file, JSON.stringify({ access_token, refresh_token, token_type: "Bearer", issuer }))
    } else {
      const document = JSON.stringify(grantDocument(grant, { issuer, tokenEndpoint: as.tokenEndpoint }))
      await keeper.import(name, JSON.parse(document))
    }
    const taking = workers.slice(0, processes)
    const setup = { line, face, url: resource.url, name: face === "alone" ? file : name }
    await Promise.all(taking.map(({ ask }) => ask({ connect: setup })))

    as.server.clearScript()
    as.server.script({ beforeMillis: latencyMillis, ...fault, times: 10_000 })
    as.server.revokeToken(grant.accessToken)
    resource.spread(spread)
    const called = await Promise.all(taking.map(({ ask }) => ask({ call: calls })))
    as.server.clearScript()

    return {
      refreshes: presentationsOf(grant.refreshToken!),
      ok: sum(called.map(({ ok }) => ok)),
      browsers: sum(called.map(({ browsers }) => browsers)),
      isLoggedOut: !(face === "alone" ? isHonoured(inFile(file)) : await isKept(name)),
      errors: [...new Set(called.flatMap(({ errors }) => errors))],
    }
  }

  /** Of this refresh token and of those that came of it. A Keeper may still be busy with an earlier cell's. */
  const presentationsOf = (refreshToken: string): number => {
    const family = new Set<string | undefined>([fingerprint(refreshToken)])
    let found = 0
    for (const presentation of as.server.presentations()) {
      if (!family.has(presentation.fingerprint)) continue
      found++
      if (presentation.granted?.refreshToken) family.add(presentation.granted.refreshToken)
    }
    return found
  }
  const isHonoured = (refreshToken: string | undefined): boolean =>
    refreshToken !== undefined && as.server.inspect(refreshToken, Date.now()).honoured
  const inFile = (file: string): string | undefined =>
    Fs.existsSync(file)
      ? (JSON.parse(Fs.readFileSync(file, "utf8")) as { refresh_token?: string }).refresh_token
      : undefined
  const isKept = async (name: string): Promise<boolean> => {
    const { tokens, verdict } = (await keeper.status(name)).credential
    return verdict === undefined && isHonoured(tokens.refreshToken && Redacted.value(tokens.refreshToken))
  }
  return { run }
})

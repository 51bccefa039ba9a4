/**
 * What the fake owner programs share: how they are told what to do, and how they say what they do. Each of them behaves
 * as the facts say that its program does, and has nothing of Tokenkeep in it: it is the second opinion.
 *
 *     node programs/codex.ts '{"folder": …, "endpoint": …, "resource": …}'
 *
 * Once it is ready, it takes an order a line: `use` sends one request with a token as its program would, and is answered
 * with `used` or `failed`; `go` leaves the point at which it has stopped; `free` leaves it and all that follow;
 * `advance N` sets its clock N ms ahead. When its input ends, it ends as its program does.
 *
 * **Invariants**
 *
 * - A line a step, in JSON and before the next one begins, so that whoever kills it knows where it was.
 * - Tokens leave it as fingerprints only.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Readline from "node:readline"

export interface Plan {
  /** Where its program keeps its logins. */
  readonly folder: string
  readonly endpoint: string
  /** What its requests go to. */
  readonly resource: string
  /** It stops after these steps, each time, until it is told to go on. Its timers go on. */
  readonly stopAt?: ReadonlyArray<string>
  /** Its clock is so much ahead. */
  readonly aheadMillis?: number
  /** What it waits between two tries for a lock is divided by this. How old a lock must be to be taken over is not. */
  readonly haste?: number
  /** Which of several logins it uses. */
  readonly login?: string
}

export interface Program {
  /** The access token that it would send now, refreshed if its rule says so. */
  readonly token: () => Promise<string | undefined>
  /** The server answered 401 to this one: another, if its program has a way to one. Asked again after each 401. */
  readonly refused?: (token: string) => Promise<string | undefined>
}

export type Fields = Readonly<Record<string, unknown>>

export const plan: Plan = JSON.parse(process.argv[2] ?? "")

let stopAt = plan.stopAt ?? []
let aheadMillis = plan.aheadMillis ?? 0

/** Epoch milliseconds by its own clock. */
export const now = (): number => Date.now() + aheadMillis

export const at = (file: string): string => Path.join(plan.folder, file)

const fingerprint = (token: unknown): unknown =>
  typeof token === "string" && token !== ""
    ? Crypto.createHash("sha256").update(token).digest("hex").slice(0, 12)
    : token

export const say = (step: string, fields: Fields = {}): void => {
  const shown = Object.entries(fields).map(([name, value]) => [
    name,
    name === "access" || name === "refresh" ? fingerprint(value) : value,
  ])
  Fs.writeSync(1, `${JSON.stringify({ step, ...Object.fromEntries(shown) })}\n`)
}

const waiting: Array<() => void> = []

/** Says it, and stops there if that is the plan. */
export const point = async (step: string, fields: Fields = {}): Promise<void> => {
  say(step, fields)
  if (stopAt.includes(step)) await new Promise<void>((resume) => waiting.push(resume))
}

/** Between two tries for a lock. */
export const pause = (millis: number): Promise<void> =>
  new Promise((resume) => setTimeout(resume, millis / (plan.haste ?? 1)))

// ------------------------------------------------------------------------------------------------------------ files

export type Json = Readonly<Record<string, unknown>>

/** `undefined`: it is not there, or it cannot be read as JSON. */
export const readJson = (path: string): unknown => {
  try {
    return JSON.parse(Fs.readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}

export const asObject = (value: unknown): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined

const writeHalves = async (fd: number, content: string, fields: Fields): Promise<void> => {
  const bytes = Buffer.from(content, "utf8")
  const half = bytes.length >> 1
  Fs.writeSync(fd, bytes, 0, half)
  await point("writing", fields)
  Fs.writeSync(fd, bytes, half)
}

/** Over what is there: for a while the file is half of what it should be. */
export const writeInPlace = async (path: string, content: string, fields: Fields, flags: number = 0): Promise<void> => {
  const { O_CREAT, O_TRUNC, O_WRONLY } = Fs.constants
  const fd = Fs.openSync(path, O_WRONLY | O_CREAT | O_TRUNC | flags, 0o600)
  await writeHalves(fd, content, fields)
  Fs.closeSync(fd)
  await point("wrote", fields)
}

/** Beside it, and then in its place. */
export const writeRenamed = async (path: string, beside: string, content: string, fields: Fields): Promise<void> => {
  const fd = Fs.openSync(beside, "w", 0o600)
  await writeHalves(fd, content, fields)
  Fs.fsyncSync(fd)
  Fs.closeSync(fd)
  Fs.renameSync(beside, path)
  await point("wrote", fields)
}

// ----------------------------------------------------------------------------------------------------------- server

export interface Answer {
  /** 0: there was none. */
  readonly status: number
  readonly body: Json
  readonly error: string | undefined
}

/** Presents the refresh token among the parameters. */
export const present = async (
  as: "form" | "json",
  parameters: Readonly<Record<string, string>>,
  options: { readonly timeoutMillis?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> => {
  await point("presenting", { refresh: parameters["refresh_token"] })
  const type = as === "json" ? "application/json" : "application/x-www-form-urlencoded"
  try {
    const response = await fetch(plan.endpoint, {
      method: "POST",
      headers: { "content-type": type, ...options.headers },
      body: as === "json" ? JSON.stringify(parameters) : new URLSearchParams(parameters).toString(),
      signal: options.timeoutMillis === undefined ? null : AbortSignal.timeout(options.timeoutMillis),
    })
    const { status } = response
    const body = asObject(await response.json().catch(() => undefined)) ?? {}
    const error = typeof body["error"] === "string" ? body["error"] : undefined
    if (status === 200) await point("granted", { access: body["access_token"], refresh: body["refresh_token"] })
    else await point("rejected", { status, error })
    return { status, body, error }
  } catch {
    await point("unanswered")
    return { status: 0, body: {}, error: undefined }
  }
}

const request = async (token: string): Promise<number> => {
  const { body, status } = await fetch(plan.resource, { headers: { authorization: `Bearer ${token}` } })
  await body?.cancel()
  return status
}

// ----------------------------------------------------------------------------------------------------------- orders

const use = async ({ refused, token }: Program): Promise<void> => {
  let access = await token()
  while (access !== undefined) {
    const status = await request(access)
    if (status !== 401) return say("used", { access, status })
    say("unauthorized", { access })
    access = await refused?.(access)
  }
  say("failed")
}

/** Takes orders until there are no more. */
export const run = (program: Program): void => {
  let last = Promise.resolve()
  Readline.createInterface({ input: process.stdin })
    .on("line", (line) => {
      const [order, millis] = line.split(" ")
      if (order === "free") stopAt = []
      if (order === "go" || order === "free") waiting.shift()?.()
      else if (order === "advance") aheadMillis += Number(millis)
      else
        last = last
          .then(() => use(program))
          .catch((error: NodeJS.ErrnoException) => say("failed", { code: error.code ?? error.name }))
    })
    .on("close", () => void last.then(() => process.exit(0)))
  say("ready")
}

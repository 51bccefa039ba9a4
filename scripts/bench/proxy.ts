/**
 * What the proxy costs: against the least reverse proxy that node:http makes, over the same upstream and in the same run.
 *
 * Upstream, bare proxy, `tokenkeep proxy` and the client are a process each, as they are in life.
 */
import { spawn, type ChildProcess } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { median, ratio } from "./measure.ts"
import type { Row } from "./report.ts"
import * as Server from "./server.ts"

const commandLine = path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")
const stage = path.join(import.meta.dirname, "proxyStage.ts")

interface Running {
  readonly url: string
  readonly child: ChildProcess
}

/** A process that prints its URL when it listens. */
const start = async (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}): Promise<Running> => {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "ignore"] })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (chunk) => resolve(String(chunk).trim().replace(/\/$/, "")))
    child.once("exit", () => reject(new Error(`it does not start: ${args.join(" ")}`)))
  })
  return { url, child }
}

const once = (url: string, agent: http.Agent): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`answered ${response.statusCode}`))
      response.resume().on("end", resolve)
    })
    request.on("error", reject)
  })

/** Milliseconds a request, one after the other on a warm connection. */
const latency = async (url: string, agent: http.Agent, times: number): Promise<number> => {
  const started = performance.now()
  for (let i = 0; i < times; i++) await once(url, agent)
  return (performance.now() - started) / times
}

/** Requests a second, over so many connections at once. */
const throughput = async (url: string, agent: http.Agent, times: number, connections: number): Promise<number> => {
  const started = performance.now()
  let left = times
  const worker = async () => {
    while (left-- > 0) await once(url, agent)
  }
  await Promise.all(Array.from({ length: connections }, worker))
  return (times / (performance.now() - started)) * 1000
}

const residentMiB = (pid: number): number => {
  const [, kibibytes] = /VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
  return Number(kibibytes) / 1024
}

const openStreams = async (url: string, count: number): Promise<http.Agent> => {
  const agent = new http.Agent()
  for (let i = 0; i < count; i += 50) {
    const batch = Array.from(
      { length: Math.min(50, count - i) },
      () =>
        new Promise<void>((resolve, reject) => {
          const request = http.get(`${url}/stream`, { agent }, (response) => response.once("data", () => resolve()))
          request.on("error", reject)
        }),
    )
    await Promise.all(batch)
  }
  return agent
}

export const proxy = async (): Promise<ReadonlyArray<Row>> => {
  const place = await Server.open()
  await place.grant("bench", 36_000_000)
  const upstream = await start([stage, "upstream"])
  const bare = await start([stage, "bare", upstream.url])
  const ours = await start([commandLine, "proxy", "bench", "--upstream", upstream.url], { TOKENKEEP_HOME: place.home })
  const agent = new http.Agent({ keepAlive: true })
  const alone: Array<number> = []
  const added: Array<number> = []
  const rates: { readonly bare: Array<number>; readonly ours: Array<number> } = { bare: [], ours: [] }
  for (let round = -3; round < 12; round++) {
    const direct = await latency(upstream.url, agent, 200)
    const through = await latency(ours.url, agent, 200)
    const order = round % 2 === 0 ? (["bare", "ours"] as const) : (["ours", "bare"] as const)
    for (const which of order) {
      const rate = await throughput(which === "bare" ? bare.url : ours.url, agent, 1_500, 32)
      if (round >= 0) rates[which].push(rate)
    }
    if (round < 0) continue
    alone.push(direct)
    added.push(through - direct)
  }
  const streams = 1_000
  const idleMiB = residentMiB(ours.child.pid!)
  const open = await openStreams(ours.url, streams)
  await sleep(500)
  const openMiB = residentMiB(ours.child.pid!)
  open.destroy()
  agent.destroy()
  for (const { child } of [ours, bare, upstream]) child.kill("SIGKILL")
  await place.close()

  const perSecond = (values: ReadonlyArray<number>) => `${Math.round(median(values)).toLocaleString("en")}/s`
  return [
    {
      what: "tokenkeep proxy: added to a request on a warm connection",
      value: median(added),
      unit: "ms",
      target: { is: "at most", value: 0.5 },
      note: `without it ${median(alone).toFixed(2)} ms`,
    },
    {
      what: "tokenkeep proxy: requests a second, against a bare node:http proxy",
      value: ratio(rates.ours, rates.bare),
      unit: "×",
      target: { is: "at least", value: 0.7 },
      note: `${perSecond(rates.ours)}, bare ${perSecond(rates.bare)}; 32 connections`,
    },
    {
      what: "tokenkeep proxy: memory with 1,000 open streams",
      value: openMiB,
      unit: "MiB",
      target: { is: "at most", value: 300 },
      note: `before ${idleMiB.toFixed(0)} MiB`,
    },
  ]
}

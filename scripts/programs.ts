/**
 * Tries Tokenkeep with the programs of others: `npm run programs`, some minutes. Installs pinned versions from the registry
 * into a folder outside the repository (`TOKENKEEP_PROGRAMS`, or the system's cache folder), runs the tests of
 * `test/programs` with them, and writes what came of it to `models/programs.md` and into the README.
 *
 * A program that cannot be installed is said so, and its tests are skipped.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import { installed, type Program, programs, variable } from "../test/programs/programs.ts"

const root = path.join(import.meta.dirname, "..")
const say = (text: string): void => void process.stderr.write(`${text}\n`)

const cacheFolder = (): string => {
  if (process.platform === "darwin") return path.join(os.homedir(), "Library/Caches")
  const named = process.platform === "win32" ? process.env["LOCALAPPDATA"] : process.env["XDG_CACHE_HOME"]
  return named || path.join(os.homedir(), ".cache")
}

const folder = path.resolve(process.env[variable] || path.join(cacheFolder(), "tokenkeep/programs"))

const run = (command: string, args: ReadonlyArray<string>, stdio: "inherit" | "pipe", env: NodeJS.ProcessEnv = {}) =>
  new Promise<{ readonly code: number | null; readonly stderr: string }>((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", stdio, stdio], env: { ...process.env, ...env } })
    let stderr = ""
    child.stderr?.on("data", (chunk) => (stderr += chunk))
    child.stdout?.resume()
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stderr }))
  })

/** Why it could not be installed. */
const install = async (program: Program): Promise<string | undefined> => {
  const { name, package: id, version } = program
  if (installed(folder, program) === version) return void say(`${name} ${version} is there`)
  say(`${name}: installing ${id} ${version} …`)
  const flags = ["--no-audit", "--no-fund", "--save-exact"]
  const { code, stderr } = await run("npm", ["install", "--prefix", folder, ...flags, `${id}@${version}`], "pipe")
  if (code === 0) return undefined
  const why = /^npm error (?!code )(.+)$/m.exec(stderr)?.[1] ?? `npm ended with ${code}`
  say(`${name} could not be installed, and is left out: ${why}`)
  return why
}

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly assertionResults: ReadonlyArray<{
      readonly ancestorTitles: ReadonlyArray<string>
      readonly title: string
      readonly status: "passed" | "failed" | "skipped" | "pending"
    }>
  }>
}

/** The end of a describe's title, and what it is about. */
const sections = {
  recipes: ["", "With the recipes of the README"],
  alone: [", alone", "What the programs do by themselves"],
  beside: [", beside Tokenkeep", "Beside Tokenkeep, over one login"],
} as const

const results = { passed: "yes", failed: "**no**", skipped: "not tried", pending: "not tried" }

/** A line for each test of a section. */
const rowsOf = ({ testResults }: Report, [end]: readonly [end: string, title: string]): ReadonlyArray<string> =>
  Object.values(programs).flatMap((program) => {
    const version = installed(folder, program) ?? program.version
    return testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ ancestorTitles }) => ancestorTitles[0] === `${program.name}${end}`)
      .map(({ status, title }) => `| ${program.name} ${version}${end} | ${title} | ${results[status]} |`)
  })

const head = ["| program | what was tried, and came of it | seen |", "|---|---|---|"]

/** What the tests of races are called: the login, in which way it is kept, and what came of it. */
const race = /^(its (?:ChatGPT )?login(?: to an MCP server)?), (ended|borrowed|co-owned), (.*)10 times: (.+)$/

const early = " (before its end)"

/** A line for each login over which there were races, with what came of them in each way. */
const races = ({ testResults }: Report): ReadonlyArray<string> => {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
  const rows = Object.values(programs).flatMap((program) => {
    const found = new Map<string, Record<string, Set<string>>>()
    for (const { ancestorTitles, status, title } of tests) {
      const [, login, way, when, result] = race.exec(title) ?? []
      if (!ancestorTitles[0]?.startsWith(`${program.name}, `) || login === undefined || way === undefined) continue
      const cells = found.get(login) ?? {}
      found.set(login, cells)
      const cell = status === "passed" ? `${result}${when?.startsWith("nears") ? early : ""}` : results[status]
      cells[way] = (cells[way] ?? new Set()).add(cell)
    }
    return [...found].map(([login, cells]) => {
      const texts = ["ended", "borrowed", "co-owned"].map((way) => {
        const all = [...(cells[way] ?? ["–"])]
        // What holds at the end holds before it.
        return all.filter((each) => !all.some((other) => each === `${other}${early}`)).join("; ")
      })
      return `| ${program.name} ${installed(folder, program) ?? program.version}, ${login} | ${texts.join(" | ")} |`
    })
  })
  return [
    "| login | two processes of the program | it and Tokenkeep, borrowed | it and Tokenkeep, co-owned |",
    "|---|---|---|---|",
    ...rows,
  ]
}

const [begin, finish] = ["<!-- programs:begin -->", "<!-- programs:end -->"]

/** The part of the README between the marks. */
const writeReadme = async (lines: ReadonlyArray<string>): Promise<void> => {
  const file = path.join(root, "README.md")
  const text = await fs.readFile(file, "utf8")
  const [from, to] = [text.indexOf(begin), text.indexOf(finish)]
  if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${finish}`)
  await fs.writeFile(file, text.slice(0, from) + [begin, ...lines, ""].join("\n") + text.slice(to))
}

await fs.mkdir(folder, { recursive: true })
// Without it npm would look for a package further up.
await fs.writeFile(path.join(folder, "package.json"), '{ "private": true }\n', { flag: "wx" }).catch(() => undefined)
say(`Programs are kept in ${folder}`)
const missing: Array<string> = []
for (const program of Object.values(programs)) {
  const why = await install(program)
  if (why !== undefined) missing.push(`- ${program.name} ${program.version} could not be installed: ${why}`)
}

const output = path.join(folder, "results.json")
await fs.rm(output, { force: true })
const vitest = path.join(root, "node_modules/vitest/vitest.mjs")
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${output}`]
const { code } = await run(process.execPath, [vitest, "run", "test/programs", ...reporters], "inherit", {
  [variable]: folder,
})
const report = JSON.parse(await fs.readFile(output, "utf8")) as Report
const how = `\`npm run programs\` tried it, with Node ${process.versions.node} on ${process.platform} ${process.arch}.`

const page = [
  "# Tokenkeep with real programs",
  "",
  "Everything is on loopback: a strict authorization server, where a refresh token works once and to present it again ends",
  "the login; model endpoints; a real MCP server. A host that a program has built in is led there too. The tests are in",
  `\`test/programs\`. ${how}`,
  ...Object.values(sections).flatMap((section) => ["", `## ${section[1]}`, "", ...head, ...rowsOf(report, section)]),
  ...(missing.length === 0 ? [] : ["", "## Not installed", "", ...missing]),
]
await fs.writeFile(path.join(root, "models/programs.md"), `${page.join("\n")}\n`)
await writeReadme([...races(report), "", how])
say("Written: models/programs.md, and the table in README.md")
process.exitCode = code ?? 1

/**
 * Measures MCP clients of both SDK lines whose access token ends under parallel calls, alone and with Tokenkeep, and
 * writes the table into the README: `npm run mcp`, some minutes. The stage is the tests' own.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import { type Cell, type Outcome, stage } from "../test/client/mcp/cells.ts"
import type { Face, Line } from "../test/client/mcp/clients.ts"

const rounds = 10
const readme = path.join(import.meta.dirname, "../README.md")
const [begin, end] = ["<!-- mcp:begin -->", "<!-- mcp:end -->"]

const sizes = [1, 4].flatMap((processes) => [1, 2, 5, 20, 50].map((calls) => [processes, calls] as const))

const clients: ReadonlyArray<readonly [title: string, line: Line, face: Face]> = [
  ["1.x alone", "1.x", "alone"],
  ["1.x + Tokenkeep", "1.x", "fetch"],
  ["2.x alone", "2.x", "alone"],
  ["2.x + Tokenkeep", "2.x", "fetch"],
]

/** The smallest and the largest, where they differ. */
const range = (numbers: ReadonlyArray<number>): string => {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return least === most ? String(least) : `${least}–${most}`
}

const summary = (outcomes: ReadonlyArray<Outcome>): string => {
  const of = (member: "refreshes" | "ok" | "browsers") => range(outcomes.map((outcome) => outcome[member]))
  const out = outcomes.filter(({ isLoggedOut }) => isLoggedOut).length
  return `${of("refreshes")} · ${of("ok")} · ${of("browsers")} · ${out}/${outcomes.length}`
}

const version = async (name: string): Promise<string> => {
  const file = path.join(import.meta.dirname, `../node_modules/${name}/package.json`)
  return `${name} ${JSON.parse(await fs.readFile(file, "utf8")).version}`
}

const measured = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => fs.mkdtemp(path.join(os.tmpdir(), "tokenkeep-mcp-"))),
    (folder) => Effect.promise(() => fs.rm(folder, { recursive: true, force: true, maxRetries: 5 })),
  )
  const { run } = yield* stage(folder)
  const rows: Array<string> = []
  for (const [processes, calls] of sizes) {
    for (const spread of [0, 60]) {
      process.stderr.write(`${processes} × ${calls}, 401s over ${spread} ms\n`)
      const columns: Array<string> = []
      for (const [, line, face] of clients) {
        const cell: Cell = { line, face, processes, calls, spread }
        const outcomes = yield* Effect.promise(async () => {
          const all: Array<Outcome> = []
          for (let round = 0; round < rounds; round++) all.push(await run(cell))
          return all
        })
        columns.push(summary(outcomes))
      }
      const when = spread === 0 ? "together" : `over ${spread} ms`
      rows.push(`| ${processes} × ${calls} | ${when} | ${columns.join(" | ")} |`)
    }
  }
  return rows
}).pipe(Effect.scoped)

const rows = await Effect.runPromise(measured)
const table = [
  begin,
  `| processes × calls | 401s | ${clients.map(([title]) => title).join(" | ")} |`,
  `|---|---|${clients.map(() => "---|").join("")}`,
  ...rows,
  "",
  `Refreshes · calls that succeed · browsers opened · logged out. ${rounds} rounds a cell, ${await version("@modelcontextprotocol/sdk")},`,
  `${await version("@modelcontextprotocol/client")}, Node ${process.versions.node}; \`npm run mcp\` measures it again.`,
  end,
].join("\n")

const text = await fs.readFile(readme, "utf8")
const [from, to] = [text.indexOf(begin), text.indexOf(end)]
if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`)
await fs.writeFile(readme, text.slice(0, from) + table + text.slice(to + end.length))
process.stdout.write(`${table}\n`)

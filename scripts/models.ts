/**
 * Writes what reviewers look at into `models/`: the statechart as Mermaid, text, JSON, a picture and a table of states and
 * events, and the stories of `src/testing/stories.ts` as sequence diagrams, told by the real program in the simulated
 * world. And the table of provider profiles.
 *
 * With `--check` it writes nothing and fails when a file there is not what the program says today.
 */
import { instance } from "@viz-js/viz"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { chart } from "../src/lifecycle/Chart.ts"
import { json, mermaid, text } from "../src/lifecycle/diagram.ts"
import { dot } from "../src/lifecycle/dot.ts"
import { table } from "../src/lifecycle/table.ts"
import { markdown } from "../src/provider/describe.ts"
import { toMermaid } from "../src/testing/sequence.ts"
import { plots, tell } from "../src/testing/stories.ts"
import * as remarks from "../test/testing/untaken.ts"

const folder = path.join(import.meta.dirname, "../models")
const generatedFrom = (source: string): string => `Generated from ${source} by \`npm run models\`.`
const origin = generatedFrom("src/lifecycle/machine.ts")

/** What every file in `models/` that this script owns has to contain. */
export const render = async (): Promise<ReadonlyMap<string, string>> => {
  const machine = chart()
  const viz = await instance()
  const svg = viz
    .renderString(dot(machine), { engine: "dot", format: "svg" })
    // Graphviz names its own version and date, which say nothing about the machine.
    .replace(/^[\s\S]*?(?=<svg)/, `<!-- ${origin} -->\n`)
    // Wherever it is looked at, a font as wide as the one it was laid out for.
    .replaceAll(`font-family="Arial"`, `font-family="Arial, Helvetica, Liberation Sans, sans-serif"`)
  return new Map([
    ["lifecycle.mmd", `%% ${origin}\n${mermaid(machine)}`],
    ["lifecycle.txt", `${origin}\n\n${text(machine)}`],
    ["lifecycle.json", json(machine)],
    ["lifecycle.md", `<!-- ${origin} -->\n\n${table(machine, remarks)}`],
    ["lifecycle.svg", svg],
    ["providers.md", `# Provider profiles\n\n${generatedFrom("src/provider/table")}\n\n${markdown()}`],
    ...plots.map((plot) => [`sequences/${plot.scenario.name}.mmd`, toMermaid(tell(plot))] as const),
  ])
}

/** Pictures of stories that are told no more. */
const strays = async (): Promise<ReadonlyArray<string>> => {
  const told = new Set(plots.map(({ scenario: { name } }) => `${name}.mmd`))
  const found = await fs.readdir(path.join(folder, "sequences")).catch(() => [])
  return found.filter((file) => !told.has(file))
}

/** The files that are missing, differ, or should not be there. */
export const outdated = async (): Promise<ReadonlyArray<string>> => {
  const current = await Promise.all(
    [...(await render())].map(async ([file, content]) => {
      const found = await fs.readFile(path.join(folder, file), "utf8").catch(() => undefined)
      return found === content ? [] : [`models/${file}`]
    }),
  )
  return [...current.flat(), ...(await strays()).map((file) => `models/sequences/${file}`)]
}

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const files = await outdated()
    for (const file of files) console.error(`${file} is not what the program does today: run \`npm run models\``)
    if (files.length > 0) process.exitCode = 1
    else console.log("models/ is current")
  } else {
    await fs.mkdir(path.join(folder, "sequences"), { recursive: true })
    for (const name of await strays()) await fs.rm(path.join(folder, "sequences", name))
    for (const [file, content] of await render()) await fs.writeFile(path.join(folder, file), content)
  }
}

/**
 * Writes what reviewers look at into `models/`: the statechart as Mermaid, as text and as a picture.
 *
 * With `--check` it writes nothing and fails when a file there is not what the machine in `src/lifecycle` says today.
 */
import { instance } from "@viz-js/viz"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { chart } from "../src/lifecycle/Chart.ts"
import { mermaid, text } from "../src/lifecycle/diagram.ts"
import { dot } from "../src/lifecycle/dot.ts"

const folder = path.join(import.meta.dirname, "../models")
const origin = "Generated from src/lifecycle/machine.ts by `npm run models`."

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
    ["lifecycle.svg", svg],
  ])
}

/** The files that are missing or differ. */
export const outdated = async (): Promise<ReadonlyArray<string>> => {
  const current = await Promise.all(
    [...(await render())].map(async ([file, content]) => {
      const found = await fs.readFile(path.join(folder, file), "utf8").catch(() => undefined)
      return found === content ? [] : [`models/${file}`]
    }),
  )
  return current.flat()
}

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const files = await outdated()
    for (const file of files) console.error(`${file} is not what src/lifecycle/machine.ts says: run \`npm run models\``)
    if (files.length > 0) process.exitCode = 1
    else console.log("models/ is current")
  } else {
    await fs.mkdir(folder, { recursive: true })
    for (const [file, content] of await render()) await fs.writeFile(path.join(folder, file), content)
  }
}

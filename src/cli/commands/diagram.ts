/** `tokenkeep diagram`: the statechart that every credential goes through. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { chart } from "../../lifecycle/Chart.ts"
import * as Diagram from "../../lifecycle/diagram.ts"
import { result } from "../terminal.ts"

/**
 * The picture was drawn when `models/` was written: what draws it is large, and not part of the package. The build puts
 * it beside the program; the sources have it where it was written.
 */
const svg = (): string => {
  const built = path.join(import.meta.dirname, "lifecycle.svg")
  return fs.readFileSync(
    fs.existsSync(built) ? built : path.join(import.meta.dirname, "../../../models/lifecycle.svg"),
    "utf8",
  )
}

const spellings = {
  mermaid: () => Diagram.mermaid(chart()),
  svg,
  json: () => Diagram.json(chart()),
  text: () => Diagram.text(chart()),
}

export const diagram = Command.make(
  "diagram",
  {
    format: Flag.Literals("format", ["mermaid", "svg", "json", "text"]).pipe(
      Flag.withDescription("svg: a picture; json: for programs (default mermaid)"),
      Flag.withDefault("mermaid"),
    ),
  },
  ({ format }) => Effect.flatMap(Effect.sync(spellings[format]), (drawn) => result(drawn.trimEnd())),
).pipe(
  Command.withShortDescription("Print the statechart"),
  Command.withDescription(
    "Print the statechart of a credential, with guards and commands, generated from the machine that decides.",
  ),
  Command.withExamples([
    { command: "tokenkeep diagram --format text" },
    { command: "tokenkeep diagram --format svg > lifecycle.svg" },
  ]),
)

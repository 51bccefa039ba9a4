/** `tokenkeep diagram`: the statechart that every credential goes through. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { chart } from "../../lifecycle/Chart.ts"
import * as Diagram from "../../lifecycle/diagram.ts"
import { result } from "../terminal.ts"

const spellings = { mermaid: Diagram.mermaid, text: Diagram.text }

export const diagram = Command.make(
  "diagram",
  {
    format: Flag.Literals("format", ["mermaid", "text"]).pipe(
      Flag.withDescription("mermaid: for pages that render it; text: for terminals (default mermaid)"),
      Flag.withDefault("mermaid"),
    ),
  },
  ({ format }) => result(spellings[format](chart()).trimEnd()),
).pipe(
  Command.withShortDescription("Print the statechart"),
  Command.withDescription("Print the statechart of a credential, generated from the machine that decides."),
  Command.withExamples([{ command: "tokenkeep diagram --format text" }]),
)

/**
 * The programs of others that Tokenkeep is tried with: which versions, and where they are. Imports nothing of vitest:
 * `scripts/programs.ts` installs them by this list.
 *
 * They are looked for in one place and nowhere else, so that nothing on a person's machine is ever run by a test.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Names the folder that has `node_modules` with the programs. */
export const variable = "TOKENKEEP_PROGRAMS"

export interface Program {
  /** As people call it. */
  readonly name: string
  readonly package: string
  /** Pinned: what is written about a program is true of a version. */
  readonly version: string
  readonly command: string
}

export const programs = {
  codex: { name: "Codex", package: "@openai/codex", version: "0.169.0", command: "codex" },
  openclaw: { name: "OpenClaw", package: "openclaw", version: "2026.9.6", command: "openclaw" },
  // Newer ones want packages that the registry does not have.
  pi: { name: "pi", package: "@earendil-works/pi-coding-agent", version: "0.87.1", command: "pi" },
  opencode: { name: "opencode", package: "opencode-ai", version: "1.18.33", command: "opencode" },
  gemini: { name: "Gemini CLI", package: "@google/gemini-cli", version: "0.61.0", command: "gemini" },
  qwen: { name: "Qwen Code", package: "@qwen-code/qwen-code", version: "0.24.4", command: "qwen" },
  claude: { name: "Claude Code", package: "@anthropic-ai/claude-code", version: "2.1.329", command: "claude" },
} as const satisfies Record<string, Program>

export type ProgramId = keyof typeof programs

/** The version that is installed in the folder. */
export const installed = (folder: string | undefined, { command, package: name }: Program): string | undefined => {
  if (!folder || !Fs.existsSync(Path.join(folder, "node_modules/.bin", command))) return undefined
  const { version } = JSON.parse(Fs.readFileSync(Path.join(folder, "node_modules", name, "package.json"), "utf8"))
  return String(version)
}

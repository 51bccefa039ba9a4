/** All programs whose logins can be read. */
import { claudeCode } from "./claudeCode.ts"
import { codex } from "./codex.ts"
import { codexMcp } from "./codexMcp.ts"
import type { Owner } from "./ForeignStore.ts"
import { gemini } from "./gemini.ts"
import { mcpRemote } from "./mcpRemote.ts"
import { openclaw } from "./openclaw.ts"
import { opencode } from "./opencode.ts"
import { pi } from "./pi.ts"
import { qwen } from "./qwen.ts"

export const owners: ReadonlyArray<Owner> = [
  codex,
  codexMcp,
  openclaw,
  pi,
  opencode,
  gemini,
  qwen,
  claudeCode,
  mcpRemote,
]

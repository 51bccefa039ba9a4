/** One login, a real program and Tokenkeep: how they share it, and whether both come through. */
import { assert } from "@effect/vitest"
import { fingerprint } from "../../src/lifecycle/fingerprint.ts"
import { assertEnded, type Finished } from "./launch.ts"
import { hour, isHonoured, type Stage } from "./stage.ts"

/** A program's login, as the test sees it from outside. */
export interface Shared {
  /** As `tokenkeep import --from` calls it. */
  readonly from: "claude-code" | "codex" | "codex-mcp" | "gemini" | "openclaw" | "opencode" | "pi" | "qwen"
  readonly mode: "borrow" | "co-own"
  /** For Tokenkeep, where it has to know what the program is told. */
  readonly env: Readonly<Record<string, string>>
  /** Has the program use its login. Rejects when it was not let in. */
  readonly use: () => Promise<void>
  /** What is in the program's own store now. */
  readonly held: () => { readonly access: string; readonly refresh: string | null }
}

/** Takes the login that stands in the program's store into Tokenkeep's care, under this name. */
export const share = async (stage: Stage, { env, from, mode }: Shared, name: string): Promise<void> =>
  assertEnded(await stage.run("tokenkeep", ["import", "--from", from, "--mode", mode, "--name", name], { env }), 0)

export const token = (stage: Stage, { env }: Shared, name: string): Promise<Finished> =>
  stage.run("tokenkeep", ["token", name], { env })

/** Tokenkeep hands out what the program holds, and the server honours both its tokens. */
export const assertInStep = async (stage: Stage, shared: Shared, name: string): Promise<void> => {
  const asked = await token(stage, shared, name)
  assertEnded(asked, 0)
  const { access, refresh } = shared.held()
  assert.strictEqual(fingerprint(asked.stdout.trim()), fingerprint(access))
  assert.isTrue(stage.as.server.introspect(access, Date.now()).active)
  assert.isTrue(isHonoured(stage, refresh), "the program is logged out")
}

/**
 * The program and Tokenkeep want a token of the same ended login at the same moment, and meet at a slow token endpoint. Both
 * are signed in afterwards. Answers with how often a refresh token was presented.
 */
export const bothAtOnce = async (stage: Stage, shared: Shared, name: string): Promise<number> => {
  const before = stage.as.server.presentations().length
  stage.as.server.script({ beforeMillis: 500, times: 100 })
  const [asked] = await Promise.all([token(stage, shared, name), shared.use()])
  stage.as.server.clearScript()
  // 4: a borrower has to wait for the owner, and says so.
  assert.include(shared.mode === "borrow" ? [0, 4] : [0], asked.code, asked.stderr)
  await assertInStep(stage, shared, name)
  return stage.as.server.presentations().length - before
}

/**
 * Tokenkeep alone, over three lifetimes of the access token: two short ones that pass, and one that is still going on. Its
 * owner is not there, or would not refresh it.
 */
export const overThreeLifetimes = async (stage: Stage, shared: Shared, name: string): Promise<void> => {
  await share(stage, shared, name)
  for (const accessLifetimeMillis of [2_000, 2_000, hour]) {
    stage.as.server.setPolicy({ accessLifetimeMillis })
    assertEnded(await token(stage, shared, name), 0)
    if (accessLifetimeMillis < hour) await stage.untilEnded()
  }
  await assertInStep(stage, shared, name)
}

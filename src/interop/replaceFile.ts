import * as Effect from "effect/Effect"
import * as fs from "node:fs"
export const replace = (target: string, _before: string, after: string): Effect.Effect<void, { message: string }> =>
  Effect.sync(() => {
    fs.writeFileSync(target + ".tmp", after, { mode: 0o600 })
    fs.renameSync(target + ".tmp", target)
  })
export const rehearse = (_target: string, _o: { refusesLinks?: boolean }): Effect.Effect<void, { message: string }> =>
  Effect.void

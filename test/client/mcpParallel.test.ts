/**
 * Parallel calls of real MCP clients, in one and in four processes, at the moment when their access token is revoked: one
 * refresh, every call succeeds, nobody is logged out. The SDKs alone, on the same stage, show that it could be otherwise.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fault from "../../src/testing/Fault.ts"
import { html } from "../../src/testing/answers.ts"
import { temporaryFolder } from "../run.ts"
import { type Cell, stage } from "./mcp/cells.ts"
import type { Face, Line } from "./mcp/clients.ts"

// Thousands of requests between processes that share two cores.
vi.setConfig({ testTimeout: 90_000 })

const clients: ReadonlyArray<readonly [Line, Face]> = [
  ["1.x", "fetch"],
  ["1.x", "login"],
  ["2.x", "fetch"],
  ["2.x", "authProvider"],
  ["2.x", "login"],
]

/** The faces share what refreshes, so one of them is tried at every size, and the others at a small and a large one. */
const cells = (line: Line, face: Face): ReadonlyArray<Cell> =>
  [1, 4].flatMap((processes) =>
    (face === "fetch" ? [1, 2, 5, 20, 50] : [2, 20]).flatMap((calls) =>
      [0, 60].map((spread) => ({ line, face, processes, calls, spread })),
    ),
  )

const said = ({ calls, face, line, processes, spread }: Cell): string =>
  `${line} ${face}, ${processes} × ${calls}, 401s over ${spread} ms`

const passing: Readonly<Record<string, Fault.Fault>> = {
  "a 500": { processed: false, answer: html(500, "Internal Server Error") },
  "a 429": { processed: false, answer: html(429, "Too Many Requests") },
  "a reset": Fault.lostRequest,
}

describe("parallel calls of MCP clients", () => {
  it.live("with Tokenkeep refresh once, and all succeed", () =>
    Effect.gen(function* () {
      const { run } = yield* stage(temporaryFolder("mcp"))
      for (const cell of clients.flatMap(([line, face]) => cells(line, face))) {
        const outcome = yield* Effect.promise(() => run(cell))
        const ok = cell.calls * cell.processes
        assert.deepStrictEqual(outcome, { refreshes: 1, ok, browsers: 0, isLoggedOut: false, errors: [] }, said(cell))
      }
    }).pipe(Effect.scoped),
  )

  it.live("with Tokenkeep open no browser for a failure that passes", () =>
    Effect.gen(function* () {
      const { run } = yield* stage(temporaryFolder("mcp"))
      for (const [line, face] of clients) {
        for (const [trouble, fault] of Object.entries(passing)) {
          const cell = { line, face, processes: face === "fetch" ? 4 : 1, calls: 5, spread: 60, fault }
          const { refreshes, ...outcome } = yield* Effect.promise(() => run(cell))
          const errors = ["TemporarilyUnavailable"]
          assert.deepStrictEqual(
            outcome,
            { ok: 0, browsers: 0, isLoggedOut: false, errors },
            `${said(cell)}, ${trouble}`,
          )
          // One for all of them. The Keeper tries again when its pause is over, which a busy machine may live to see.
          assert.isBelow(refreshes, cell.calls, `${said(cell)}, ${trouble}`)
        }
      }
    }).pipe(Effect.scoped),
  )

  it.live("without it log the user out, and open a browser", () =>
    Effect.gen(function* () {
      const { run } = yield* stage(temporaryFolder("mcp"))
      for (const line of ["1.x", "2.x"] as const) {
        const alone = { line, face: "alone", processes: 1, spread: 0 } as const
        const five = yield* Effect.promise(() => run({ ...alone, calls: 5 }))
        assert.isTrue(five.refreshes > 1 && five.isLoggedOut, said({ ...alone, calls: 5 }))
        for (const [trouble, fault] of Object.entries(passing)) {
          const { browsers } = yield* Effect.promise(() => run({ ...alone, calls: 1, fault }))
          assert.strictEqual(browsers, 1, `${line}, ${trouble}`)
        }
      }
    }).pipe(Effect.scoped),
  )
})

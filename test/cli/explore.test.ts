/** `tokenkeep explore` as a real process: bounds of one's own, and what it says of them. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as path from "node:path"

const entry = path.join(import.meta.dirname, "../../dist/cli/tokenkeep.cjs")

const run = (...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [entry, "explore", ...args], { encoding: "utf8" })

describe("tokenkeep explore", () => {
  it("takes more or less than the scenario asks for, and says what it was", () => {
    const { status, stdout } = run(
      "refused/strict",
      "--processes",
      "1",
      "--faults",
      "0",
      "--stalls",
      "1",
      "--preemptions",
      "0",
    )
    assert.strictEqual(status, 0)
    assert.match(stdout, /^holds +refused\/strict +processes=1 +faults<=0 stalls<=1 preemptions<=0 +\d+ executions/)
  })

  it("finds more where more may go wrong", () => {
    const executions = (faults: string): number =>
      JSON.parse(run("impatient-callers", "--faults", faults, "--json").stdout)[0].executions
    assert.isAbove(executions("2"), 2 * executions("1"))
  })

  it("replays with bounds of one's own what the scenario's would not allow", () => {
    const schedule = ["P0:call0", "P0!crash", "P1:call0", "P1!crash"].join(" ")
    const { status, stderr } = run("impatient-callers/strict", "--replay", schedule)
    assert.strictEqual(status, 2)
    assert.include(stderr, "P1!crash cannot happen here")
    const { stdout } = run("impatient-callers/strict", "--faults", "2", "--replay", schedule)
    assert.include(stdout, "P1")
  })

  it("refuses bounds that nobody would see the end of, and names the flag", () => {
    const { status, stderr } = run("refused", "--processes", "8")
    assert.strictEqual(status, 2)
    assert.include(stderr, "--processes: expected a whole number from 1 to 7")
  })
})

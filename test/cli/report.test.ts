import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import { exitCodes, exitCodeTable } from "../../src/cli/exitCodes.ts"
import { reportOf } from "../../src/cli/report.ts"
import { localTime, relative, span, when } from "../../src/cli/times.ts"
import { Usage } from "../../src/cli/Usage.ts"
import { SignInRequired, TemporarilyUnavailable } from "../../src/keeper/errors.ts"
import { StoreUnavailable } from "../../src/store/CredentialStore.ts"

const now = 1_700_000_000_000
const name = "github"
const message = "what happened"

describe("what is said when something goes wrong", () => {
  it("each error has its exit code", () => {
    const cases = [
      [new Usage({ message }), exitCodes.usage],
      [
        new SignInRequired({ credential: name, reason: "rejected", since: now, advice: "", message }),
        exitCodes.signInRequired,
      ],
      [new TemporarilyUnavailable({ credential: name, retryAt: now + 45_000, message }), exitCodes.tryAgainLater],
      [new StoreUnavailable({ reason: "full", path: "/x", message }), exitCodes.storeUnavailable],
    ] as const
    for (const [error, code] of cases) {
      const report = reportOf(Cause.fail(error), now)
      assert.strictEqual(report?.code, code)
      assert.include(report?.text, message)
    }
    assert.include(reportOf(Cause.fail(cases[2][0]), now)?.text, "in 45 s.")
  })

  it("a defect is told by its kind and its place, and never by its words", () => {
    for (const defect of [
      new TypeError("secret-a"),
      "secret-a",
      { secret: "secret-a" },
      new Error("x\n    secret-a"),
    ]) {
      const report = reportOf(Cause.die(defect), now)
      assert.strictEqual(report?.code, exitCodes.defect)
      assert.notInclude(report?.text, "secret-a")
    }
    assert.include(reportOf(Cause.die(new TypeError("")), now)?.text, "TypeError")
  })

  it("an interruption says nothing, and the help lists every code", () => {
    assert.isUndefined(reportOf(Cause.interrupt(), now))
    const listed = exitCodeTable.map(([code]) => code).toSorted()
    assert.deepStrictEqual(listed, Object.values(exitCodes).toSorted())
  })
})

describe("instants as people read them", () => {
  it("how far away, in two units", () => {
    const cases = [
      [0, "0 s"],
      [45_900, "45 s"],
      [61_000, "1 min 1 s"],
      [60_000, "1 min"],
      [2_460_000, "41 min"],
      [7_500_000, "2 h 5 min"],
      [86_400_000, "1 day"],
      [3 * 86_400_000 + 7_200_000, "3 days 2 h"],
      [400 * 86_400_000, "400 days"],
    ] as const
    for (const [millis, text] of cases) assert.strictEqual(span(millis), text)
    assert.strictEqual(relative(now + 61_000, now), "in 1 min 1 s")
    assert.strictEqual(relative(now - 12_000, now), "12 s ago")
  })

  it("the local time, with the date on another day and seconds when it is near", () => {
    assert.match(localTime(now + 10_000, now), /^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d$/)
    assert.match(localTime(now + 40 * 3_600_000, now), /^\d{4}-\d\d-\d\d \d\d:\d\d$/)
    assert.match(when(now, now), /^\d\d:\d\d:\d\d \(in 0 s\)$/)
    assert.isString(localTime(1e300, now))
  })
})

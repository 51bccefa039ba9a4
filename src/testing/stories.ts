/**
 * Schedules worth reading: the same world and the same program as in the exploration, with the interesting turns chosen
 * by hand, for the pictures in `models/`.
 */
import type { ReuseClass } from "../lifecycle/Credential.ts"
import { alike, type Scenario, scenario } from "./Scenario.ts"
import type { Story } from "./sequence.ts"
import { World } from "./World.ts"

/** `turns`: steps to be taken as soon as they are on offer, in this order; between them whatever comes first. */
export interface Plot {
  readonly file: string
  readonly title: string
  readonly scenario: Scenario
  readonly turns: ReadonlyArray<string>
}

/** Two processes at expiry, and the answer to the first is lost. */
const lostAnswer = (reuse: ReuseClass): Plot => ({
  file: `lost-answer-${reuse}`,
  title: `The answer to a refresh is lost, on a server of the class ${reuse}`,
  scenario: scenario({
    name: `a lost answer, ${reuse}`,
    about: "",
    processes: alike(1, "token"),
    token: "inWindow",
    background: true,
    server: { reuse, graceMillis: 60_000 },
    faults: ["lostAnswer"],
    bounds: { faults: 1, stalls: 0 },
  }),
  turns: ["P0>RT1:server", "P0>RT1!lostAnswer"],
})

export const plots: ReadonlyArray<Plot> = [
  {
    file: "two-processes-at-expiry",
    title: "Two processes ask at the same moment for a token that has ended",
    scenario: scenario({ name: "two at expiry", about: "", processes: alike(2, "token"), epilogue: false }),
    turns: ["P0:call0", "P1:call0", "P0:read", "P1:read", "P0:claim", "P1:claim"],
  },
  {
    file: "crash-before-the-server-acted",
    title: "A process is killed with its request on the wire, before the server has acted",
    scenario: scenario({
      name: "crash before rotation",
      about: "",
      processes: alike(2, "token"),
      faults: ["crash", "lostRequest"],
      bounds: { faults: 2, stalls: 0 },
      epilogue: false,
    }),
    turns: ["P0:call0", "P0:read", "P0:claim", "P0:send", "P0>RT1!lostRequest", "P0!crash", "P1:call0"],
  },
  {
    file: "crash-after-rotation-strict",
    title: "A process is killed after a strict server has rotated: nobody can save this login, so it is said",
    scenario: scenario({
      name: "crash after rotation",
      about: "",
      processes: alike(2, "token"),
      faults: ["crash"],
      bounds: { faults: 1, stalls: 0 },
      epilogue: false,
    }),
    turns: ["P0:call0", "P0:read", "P0:claim", "P0:send", "P0>RT1:server", "P0!crash", "P1:call0"],
  },
  {
    file: "crash-after-rotation-idempotent",
    title: "A process is killed after a forgiving server has rotated: the next one gets the same answer",
    scenario: scenario({
      name: "crash after rotation",
      about: "",
      processes: alike(2, "token"),
      server: { reuse: "idempotent", graceMillis: 60_000 },
      faults: ["crash"],
      bounds: { faults: 1, stalls: 0 },
      epilogue: false,
    }),
    turns: ["P0:call0", "P0:read", "P0:claim", "P0:send", "P0>RT1:server", "P0!crash", "P1:call0"],
  },
  ...(["strict", "rejectOnly", "idempotent", "fork", "untilSuccessorUsed", "notRotating"] as const).map(lostAnswer),
  {
    file: "early-401-with-a-straggler",
    title: "A resource server refuses a token early; a straggler hears of it after the refresh",
    scenario: scenario({
      name: "an early 401",
      about: "",
      processes: alike(2, "refused"),
      token: "fresh",
      epilogue: false,
    }),
    turns: ["P0:call0", "P0:read", "P0:claim", "P0:send", "P0>RT1:server", "P0>RT1:answer", "P0:commit", "P1:call0"],
  },
]

/** Plays a plot to its end. */
export const tell = ({ scenario: set, title, turns }: Plot): Story => {
  const world = new World(set, { ...set.bounds, record: true })
  const ahead = [...turns]
  for (;;) {
    const actions = world.enabled()
    const next =
      actions.find(({ id }) => id === ahead[0]) ??
      // What a later turn waits for is not taken before its time.
      actions.find(({ fault, id, stall }) => fault === 0 && stall === 0 && !ahead.includes(id)) ??
      actions.find(({ fault, stall }) => fault === 0 && stall === 0)
    if (next === undefined || world.violation() !== undefined) break
    if (next.id === ahead[0]) ahead.shift()
    world.step(next)
  }
  if (ahead.length > 0) throw new Error(`${set.name}: the turn ${ahead[0]} never came`)
  return { title, lines: world.sim.lines ?? [], violation: world.violation() }
}

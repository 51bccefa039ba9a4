/**
 * Schedules worth reading: the same world and the same program as in the exploration, with the interesting turns chosen
 * by hand, for the pictures in `models/`.
 */
import { ReuseClass } from "../lifecycle/Credential.ts"
import { alike, type Scenario, scenario } from "./Scenario.ts"
import type { Story } from "./sequence.ts"
import { World } from "./World.ts"

/** `turns`: steps to be taken as soon as they are on offer, in this order; between them whatever comes first. */
export interface Plot {
  /** Its name is the file's, and what it is about the picture's title. */
  readonly scenario: Scenario
  readonly turns: ReadonlyArray<string>
}

/** Two processes with a call each at the token's end, and what goes wrong in it, unless `over` says otherwise. */
const plot = (name: string, about: string, over: Partial<Scenario>, turns: ReadonlyArray<string>): Plot => {
  const { faults = [] } = over
  const bounds = { faults: faults.length, stalls: 0 }
  return { scenario: scenario({ name, about, processes: alike(2, "token"), epilogue: false, bounds, ...over }), turns }
}

const server = (reuse: ReuseClass): Scenario["server"] => ({ reuse, graceMillis: 60_000 })

/** P0 has sent its request. */
const sent = ["P0:call0", "P0:read", "P0:claim", "P0:send"]
/** The server has answered it. */
const answered = [...sent, "P0>RT1:server"]

const crashAfterRotation = (reuse: ReuseClass): Plot =>
  plot(
    `crash-after-rotation-${reuse}`,
    `A process is killed when the server has answered and it has not heard, on a server of the class ${reuse}`,
    { server: server(reuse), faults: ["crash"] },
    [...answered, "P0!crash", "P1:call0"],
  )

const lostAnswer = (reuse: ReuseClass): Plot =>
  plot(
    `lost-answer-${reuse}`,
    `The answer to a refresh is lost, on a server of the class ${reuse}`,
    {
      processes: alike(1, "token"),
      token: "inWindow",
      background: true,
      server: server(reuse),
      faults: ["lostAnswer"],
      epilogue: true,
    },
    ["P0>RT1:server", "P0>RT1!lostAnswer"],
  )

/** A process of ours and the owner of the login, which holds its lock over reading, asking and writing. */
const beside = (name: string, about: string, turns: ReadonlyArray<string>, over: Partial<Scenario> = {}): Plot =>
  plot(
    name,
    about,
    { processes: alike(1, "token"), owner: { habit: "lock", mode: "co-own", calls: [1] }, ...over },
    turns,
  )

/** P0 has the owner's lock, and the server's answer is written down. */
const granted = ["P0:call0", "P0:lock", "P0:send", "P0>RT1:server", "P0>RT1:answer", "P0:journal"]

export const plots: ReadonlyArray<Plot> = [
  beside(
    "the-owner-is-faster",
    "A login that is another program's too: its owner refreshes first, and we go on from what stands in its file",
    ["P0:call0", "P0:claim", "Owner0:call0", "Owner0:lock", "Owner0:send", "Owner0:write", "P0:lock"],
  ),
  beside(
    "the-owner-waits",
    "A login that is another program's too: we refresh under its owner's lock, and it goes on from what we write",
    ["P0:call0", "P0:lock", "Owner0:call0", "P0:send", "P0:write", "Owner0:lock"],
  ),
  beside(
    "the-owners-file-is-torn",
    "The owner's file cannot be read when the answer is there: its lock is held until what was granted is in it",
    [...granted, "File!fileTorn", "Owner0:call0"],
    { faults: ["fileTorn"] },
  ),
  beside(
    "killed-before-the-owners-file",
    "A process is killed when the answer is written down and not in the owner's file yet: its successor writes it there",
    [...granted, "P0!crash", "P0':call0", "P0':write", "Owner0:call0"],
    { faults: ["crash"], restart: 1 },
  ),
  plot("two-processes-at-expiry", "Two processes ask at the same moment for a token that has ended", {}, [
    "P0:call0",
    "P1:call0",
    "P0:read",
    "P1:read",
    "P0:claim",
    "P1:claim",
  ]),
  plot(
    "early-401-with-a-straggler",
    "A resource server refuses a token early; stragglers in this process and in another hear of it after the refresh",
    { processes: [{ calls: ["refused", "refused"] }, { calls: ["refused"] }], token: "fresh" },
    [...answered, "P0>RT1:answer", "P0:commit", "P0:call1", "P1:call0"],
  ),
  plot(
    "crash-before-the-server-acted",
    "A process is killed with its request on the wire, before the server has acted",
    { faults: ["crash", "lostRequest"] },
    [...sent, "P0>RT1!lostRequest", "P0!crash", "P1:call0"],
  ),
  ...ReuseClass.literals.map(crashAfterRotation),
  ...ReuseClass.literals.map(lostAnswer),
  plot(
    "the-server-is-busy",
    "A server says 503 to one process, and the others leave it alone too",
    { faults: ["busyBefore"] },
    [...sent, "P0>RT1!busyBefore", "P1:call0"],
  ),
  plot(
    "a-revoked-grant",
    "A grant is revoked: one process hears of it, and nobody asks the server again",
    { faults: ["revoke"] },
    ["AS!revoke", ...answered, "P0>RT1:answer", "P0:condemn", "P1:call0"],
  ),
  plot(
    "the-disk-is-full",
    "The disk is full when the answer comes: it is held, served to those who ask here, and stored when it can be",
    { faults: ["storeFails"] },
    [...answered, "Store!storeFails", "P0>RT1:answer", "P0:commit"],
  ),
  plot(
    "a-login-in-the-middle",
    "A person signs in while the old grant is being refreshed: the login wins",
    { faults: ["signIn"] },
    [...answered, "Person!signIn", "P0>RT1:answer"],
  ),
  plot(
    "the-caller-goes-away",
    "A caller goes away in the middle: the exchange is not its own, and the next caller gets what it brings",
    { processes: alike(1, "token", "token"), faults: ["cancel"] },
    [...sent, "P0:call0!cancel", "P0:call1"],
  ),
]

/** Plays a plot to its end. */
export const tell = ({ scenario: set, turns }: Plot): Story => {
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
  return { title: set.about, lines: world.sim.lines ?? [], violation: world.violation() }
}

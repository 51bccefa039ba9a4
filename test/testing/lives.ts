/**
 * Scenarios drawn at random, and one random life in each: for the property tests and for `npm run soak`.
 *
 * A life is a function of its numbers alone, the scenario included, so that a seed tells all and fast-check can shrink.
 */
import * as fc from "fast-check"
import { ReuseClass } from "../../src/lifecycle/Credential.ts"
import { replay } from "../../src/testing/explore.ts"
import { type Chance, seeded, type Walk, type WalkOptions, walk } from "../../src/testing/random.ts"
import { type Call, type Fault, type OwnerFault, type Scenario, scenario } from "../../src/testing/Scenario.ts"
import { toText } from "../../src/testing/sequence.ts"
import { World } from "../../src/testing/World.ts"

/** Every fault there is; the type says when one is missing. */
const faults = Object.keys({
  crash: 0,
  cancel: 0,
  lostRequest: 0,
  lostAnswer: 0,
  late: 0,
  twice: 0,
  busyBefore: 0,
  busyAfter: 0,
  rateLimited: 0,
  storeFails: 0,
  pause: 0,
  signIn: 0,
  signOut: 0,
  revoke: 0,
} satisfies Record<Exclude<Fault, OwnerFault>, 0>) as ReadonlyArray<Fault>

const times = <A>(count: number, make: () => A): ReadonlyArray<A> => Array.from({ length: count }, make)

/** 1–4 processes, all classes, all ages, up to six faults and four stalls. The first choice is always the plainest. */
const draw = (chance: Chance): Scenario => {
  const among = <A>(...choices: ReadonlyArray<A>): A => choices[Math.floor(chance() * choices.length)]!
  const reuse = among(...ReuseClass.literals)
  const background = among(false, true)
  const someRefused = among(false, false, true)
  const call = (): Call => (someRefused ? among<Call>("token", "refused") : "token")
  const twoHosts = among(false, false, false, true)
  const lifetimeMinutes = among(60, 60, 5, 15, 24 * 60)
  const happening = faults.filter(() => chance() < 0.5)
  return scenario({
    name: "soak",
    about: "drawn at random",
    processes: times(among(1, 2, 3, 4), () => ({
      calls: times(among(1, 2, 3), call),
      ...(twoHosts && among(false, true) && { host: "h2", skewMillis: 120_000 }),
    })),
    token: among("ended", "inWindow", "fresh"),
    server: {
      reuse,
      graceMillis: among(0, 10_000, 60_000),
      accessLifetimeMillis: lifetimeMinutes * 60_000,
      ...(among(false, false, true) && { revokesAccessTokens: false }),
      ...(reuse === "notRotating" && among(false, true) && { omitsRefreshToken: true }),
      ...(among(false, true) && { replacesSuccessor: false }),
    },
    ...(among(false, false, false, true) && { believed: { class: "strict", graceMillis: 0 } as const }),
    background,
    faults: happening,
    bounds: { faults: among(0, 1, 2, 3, 4, 5, 6), stalls: among(0, 1, 2, 3, 4) },
    restart: among(0, 1, 2),
    ...(among(false, true) && { options: { callerDeadlineMillis: 30_000 } }),
  })
}

const minute = 60_000
const day = 24 * 60 * minute

/** What no session dies of: after it everything is still expected to be well. */
const harmless: ReadonlyArray<Fault> = ["cancel", "busyBefore", "rateLimited", "storeFails", "signIn", "pause"]

/** Weeks and months of processes that keep a grant alive in the background, with now and then something going wrong. */
const longLife =
  (happening: "harmless" | "anything") =>
  (chance: Chance): Scenario => {
    const among = <A>(...choices: ReadonlyArray<A>): A => choices[Math.floor(chance() * choices.length)]!
    const reuse = among(...ReuseClass.literals)
    return scenario({
      name: `long life, ${happening}`,
      about: "drawn at random",
      processes: times(among(1, 2, 3), () => ({ calls: times(among(10, 20, 40), (): Call => "token") })),
      token: among("ended", "inWindow", "fresh"),
      server: { reuse, graceMillis: minute, accessLifetimeMillis: among(60 * minute, day, 7 * day, 30 * day) },
      background: true,
      faults: happening === "harmless" ? harmless : faults.filter(() => chance() < 0.5),
      bounds: { faults: among(2, 6, 20), stalls: 60 },
      restart: 10,
    })
  }

export interface Life extends Walk {
  readonly scenario: Scenario
  /** Every number that was drawn for it. */
  readonly numbers: ReadonlyArray<number>
  readonly world: World
}

const live = (chance: Chance, kind: Kind): Life => {
  const numbers: Array<number> = []
  const recording = (): number => {
    const number = chance()
    numbers.push(number)
    return number
  }
  const { from, pace } = kinds[kind]
  const drawn = from(recording)
  const world = new World(drawn, drawn.bounds)
  return { scenario: drawn, world, ...walk(world, recording, pace), numbers }
}

/** In a long life time passes more often than not much happens, and what goes wrong is spread over all of it. */
const slow: WalkOptions = { faults: 0.05, stalls: 0.15 }

/** What a life can be drawn from. */
export const kinds = {
  short: { from: draw, pace: {} },
  harmless: { from: longLife("harmless"), pace: slow },
  anything: { from: longLife("anything"), pace: slow },
}
export type Kind = keyof typeof kinds

export const ofSeed = (kind: Kind, seed: number): Life => live(seeded(seed), kind)

/** `numbers` that have run out are 0: nothing unusual happens any more. */
const ofNumbers = (numbers: ReadonlyArray<number>, kind: Kind): Life => {
  let next = 0
  return live(() => numbers[next++] ?? 0, kind)
}

/** A shorter life that breaks the same invariant, by fast-check. */
export const shrink = (life: Life, kind: Kind, limitMillis = 60_000): Life => {
  const invariant = life.violation?.invariant
  const scale = 1 << 20
  const again = (numbers: ReadonlyArray<number>): Life =>
    ofNumbers(
      numbers.map((number) => number / scale),
      kind,
    )
  const property = fc.property(
    fc.array(fc.nat({ max: scale - 1 }), { maxLength: life.numbers.length }),
    (numbers) => again(numbers).violation?.invariant !== invariant,
  )
  const { counterexample } = fc.check(property, {
    examples: [[life.numbers.map((number) => Math.floor(number * scale))]],
    numRuns: 1,
    interruptAfterTimeLimit: limitMillis,
  })
  const numbers = counterexample?.[0]
  return numbers === undefined ? life : again(numbers)
}

/** What a person needs to look into it: the seed, the story, the scenario and the schedule. */
export const explain = (kind: Kind, seed: number, life: Life): string => {
  const world = replay(life.scenario, life.schedule)
  return [
    toText({ title: "", lines: world.sim.lines ?? [], violation: world.violation() ?? life.violation }),
    `scenario: ${JSON.stringify(life.scenario)}`,
    `schedule: ${life.schedule.join(" ")}`,
    `again: npm run soak -- --kind ${kind} --seed ${seed} --runs 1`,
  ].join("\n")
}

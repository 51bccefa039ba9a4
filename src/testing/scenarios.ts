/**
 * The scenarios that every change is held against. Their bounds are what continuous integration completes in a few
 * minutes; `deep` is what `npm run explore:deep` adds.
 */
import { ReuseClass } from "../lifecycle/Credential.ts"
import { invariants } from "./Monitor.ts"
import { bodies, type ExpiresIn, expiresInSpellings } from "./Policy.ts"
import { deepOwnerScenarios, ownerScenarios } from "./ownerScenarios.ts"
import { alike, type Fault, type Scenario, scenario } from "./Scenario.ts"
import { deadSpellingNames, profileOnly } from "./spellings.ts"

/** What a network and a process can do to one exchange. */
const network: ReadonlyArray<Fault> = [
  "crash",
  "cancel",
  "lostRequest",
  "lostAnswer",
  "busyBefore",
  "busyAfter",
  "rateLimited",
]

/** Long enough for a retry after the drain time to be inside. */
const graceMillis = 60_000

const ofEveryClass = (of: (reuse: ReuseClass) => Scenario): ReadonlyArray<Scenario> => ReuseClass.literals.map(of)

const server = (reuse: ReuseClass): Scenario["server"] => ({ reuse, graceMillis })

/** Races at the token's end: how many, how often each asks, and how much goes wrong. */
const atTheEnd = (
  name: string,
  about: string,
  processes: Scenario["processes"],
  bounds: Scenario["bounds"],
  reuse: ReuseClass,
): Scenario =>
  scenario({ name: `${name}/${reuse}`, about, processes, server: server(reuse), faults: network, restart: 1, bounds })

const twoCalls = "two processes, two callers each, at the token's end"
const three = "three processes at the token's end, anybody paused once"
const threeCalls = "three processes, two callers each"
const four = "four processes at the token's end"
const five = "five processes at the token's end"

const races: ReadonlyArray<Scenario> = [
  ...ofEveryClass((reuse) =>
    atTheEnd("two-calls-each", twoCalls, alike(2, "token", "token"), { faults: 2, stalls: 0 }, reuse),
  ),
  ...ofEveryClass((reuse) => atTheEnd("three-at-expiry", three, alike(3, "token"), { faults: 2, stalls: 1 }, reuse)),
  ...ofEveryClass((reuse) =>
    atTheEnd("three-calls-each", threeCalls, alike(3, "token", "token"), { faults: 1, stalls: 0 }, reuse),
  ),
  ...ofEveryClass((reuse) => atTheEnd("four-at-expiry", four, alike(4, "token"), { faults: 2, stalls: 0 }, reuse)),
  ...ofEveryClass((reuse) =>
    scenario({
      name: `in-the-window/${reuse}`,
      about: "two processes that refresh in the background, the token still good",
      processes: alike(2, "token"),
      token: "inWindow",
      background: true,
      server: server(reuse),
      faults: [...network, "late", "pause"],
      restart: 1,
      bounds: { faults: 2, stalls: 0 },
    }),
  ),
  ...ofEveryClass((reuse) =>
    scenario({
      name: `two-hosts/${reuse}`,
      about: "two hosts, one clock two minutes ahead, and everything may stand still for ten minutes",
      processes: [{ calls: ["token"] }, { calls: ["token"], host: "h2", skewMillis: 120_000 }],
      server: server(reuse),
      faults: [...network, "pause"],
      restart: 1,
      bounds: { faults: 2, stalls: 0 },
    }),
  ),
]

/** What only some servers, stores or people do. */
const circumstances: ReadonlyArray<Scenario> = [
  ...ofEveryClass((reuse) =>
    scenario({
      name: `refused/${reuse}`,
      about: "a resource server refuses a token early; two processes hear of it, one of them twice",
      processes: [{ calls: ["refused", "refused"] }, { calls: ["refused"] }],
      token: "fresh",
      server: server(reuse),
      faults: network,
      restart: 1,
      bounds: { faults: 1, stalls: 0 },
    }),
  ),
  scenario({
    name: "late-and-twice/strict",
    about: "requests that arrive after their sender gave up, or twice",
    processes: alike(2, "token"),
    faults: ["late", "twice", "lostRequest", "crash"],
    restart: 1,
    bounds: { faults: 2, stalls: 1 },
  }),
  scenario({
    name: "the-store-fails/strict",
    about: "the disk is full for a while, at any moment",
    processes: [{ calls: ["token", "token"] }, { calls: ["token"] }],
    faults: ["storeFails", "crash", "lostAnswer"],
    restart: 1,
    bounds: { faults: 2, stalls: 0 },
  }),
  scenario({
    name: "a-person-interferes/strict",
    about: "somebody signs in or out, or revokes the grant, in the middle",
    processes: alike(2, "token"),
    faults: ["signIn", "signOut", "revoke", "crash", "busyAfter"],
    restart: 1,
    bounds: { faults: 2, stalls: 0 },
  }),
  scenario({
    name: "access-tokens-survive/strict",
    about: "a server that revokes the family and lets its access tokens live",
    processes: alike(2, "token"),
    server: { reuse: "strict", revokesAccessTokens: false },
    token: "inWindow",
    background: true,
    faults: network,
    restart: 1,
    bounds: { faults: 2, stalls: 0 },
  }),
  scenario({
    name: "no-new-refresh-token/notRotating",
    about: "a server that leaves the refresh token out of its answers",
    processes: alike(2, "token"),
    server: { reuse: "notRotating", omitsRefreshToken: true },
    faults: network,
    restart: 1,
    bounds: { faults: 1, stalls: 0 },
  }),
  scenario({
    name: "impatient-callers/strict",
    about: "callers that wait for five seconds at most",
    processes: alike(2, "token"),
    faults: ["lostAnswer", "crash"],
    options: { callerDeadlineMillis: 5_000 },
    bounds: { faults: 1, stalls: 0 },
    restart: 1,
  }),
]

/** Every way to say that a grant is dead, after an administrator has revoked it. */
const answers: ReadonlyArray<Scenario> = deadSpellingNames.map((dead) => {
  const provider = profileOnly.get(dead)
  return scenario({
    name: `revoked/${dead}`,
    about: `a revoked grant, spelled as ${dead} does`,
    processes: alike(2, "token"),
    server: { reuse: "strict", dead },
    ...(provider !== undefined && { provider }),
    faults: ["revoke", "crash"],
    restart: 1,
    bounds: { faults: 2, stalls: 0 },
  })
})

/** A token with no known end is used until a resource server refuses it: here nobody does, so that one rule is off. */
const butForItsEnd = invariants.filter((name) => name !== "the token works")

const tellsItsEnd: ReadonlySet<ExpiresIn> = new Set(["seconds", "string", "milliseconds"])

/** Every way to grant: odd lifetimes, and answers in other shapes than RFC 6749 has them. */
const grants: ReadonlyArray<Scenario> = [
  ...expiresInSpellings
    .filter((spelling) => spelling !== "seconds")
    .map((expiresIn) =>
      scenario({
        name: `lifetime/${expiresIn}`,
        about: `a lifetime, spelled or left out: ${expiresIn}`,
        processes: alike(2, "token"),
        server: { reuse: "strict", expiresIn },
        faults: network,
        restart: 1,
        bounds: { faults: 1, stalls: 0 },
        ...(!tellsItsEnd.has(expiresIn) && { watched: butForItsEnd }),
      }),
    ),
  ...bodies
    .filter((body) => body !== "json")
    .map((body) =>
      scenario({
        name: `granted/${body}`,
        about: `tokens granted in another shape: ${body}`,
        processes: alike(2, "token"),
        server: { reuse: "strict", body },
        faults: network,
        restart: 1,
        bounds: { faults: 1, stalls: 0 },
      }),
    ),
]

export const scenarios: ReadonlyArray<Scenario> = [...races, ...circumstances, ...grants, ...answers, ...ownerScenarios]

/** Larger bounds, for which continuous integration has no time: `npm run explore:deep`. */
export const deep: ReadonlyArray<Scenario> = [
  ...ofEveryClass((reuse) =>
    atTheEnd("deep-two-calls-each", twoCalls, alike(2, "token", "token"), { faults: 2, stalls: 1 }, reuse),
  ),
  ...ofEveryClass((reuse) =>
    atTheEnd("deep-three-at-expiry", three, alike(3, "token"), { faults: 3, stalls: 1 }, reuse),
  ),
  ...ofEveryClass((reuse) =>
    atTheEnd("deep-three-calls-each", threeCalls, alike(3, "token", "token"), { faults: 2, stalls: 0 }, reuse),
  ),
  ...ofEveryClass((reuse) => atTheEnd("deep-five-at-expiry", five, alike(5, "token"), { faults: 2, stalls: 0 }, reuse)),
  ...deepOwnerScenarios,
]

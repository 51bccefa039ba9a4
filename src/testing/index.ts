/**
 * Tokenkeep for tests: a simulated authorization server with two fronts, a simulated world, and an explorer that tries
 * every interleaving of the real program in it. Exported as `tokenkeep/testing`.
 */
export * as AuthorizationServer from "./AuthorizationServer.ts"
export * as Check from "./check.ts"
export { Counterexample } from "./Counterexample.ts"
export * as Explore from "./explore.ts"
export * as Foreign from "./exploreForeign.ts"
export * as Parts from "./Parts.ts"
export * as Policy from "./Policy.ts"
export * as Scenario from "./Scenario.ts"
export * as Sequence from "./sequence.ts"
export * as SimulatedEndpoint from "./endpoint.ts"
export * as SimulatedServer from "./http.ts"
export * as World from "./World.ts"
export { deep, scenarios } from "./scenarios.ts"

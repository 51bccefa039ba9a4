/** The parts of a program in a simulated world that a test may put another in the place of. */
import type { TokenEndpoint } from "../exchange/TokenEndpoint.ts"
import type { ForeignDisk } from "../interop/ForeignDisk.ts"
import type { Handle } from "../keeper/Keeper.ts"
import type { Owners } from "../keeper/Owners.ts"
import { apply } from "../lifecycle/Change.ts"
import { decide } from "../lifecycle/machine.ts"
import type { CredentialStore } from "../store/CredentialStore.ts"
import type { Process } from "./Simulation.ts"

/** The two clocks of a host, in milliseconds: the world's, and one that stops while everything stands still. */
export interface Clocks {
  readonly now: () => number
  readonly uptime: () => number
}

/**
 * What a test may put in the place of a part, to see whether the explorer notices. Production uses the defaults. A part
 * knows nothing but what it is given: what it does must follow from what has happened to its process.
 */
export interface Parts {
  readonly decide: typeof decide
  readonly apply: typeof apply
  readonly keeper: (keeper: Handle, clocks: Clocks, process: Process) => Handle
  readonly store: (store: CredentialStore["Service"], process: Process) => CredentialStore["Service"]
  readonly endpoint: (endpoint: TokenEndpoint["Service"], process: Process) => TokenEndpoint["Service"]
  /** What a Keeper asks about the owners of its logins, and the disk on which those stand. */
  readonly owners: (owners: typeof Owners.Service, process: Process) => typeof Owners.Service
  readonly disk: (disk: typeof ForeignDisk.Service, process: Process) => typeof ForeignDisk.Service
}

export const realParts: Parts = {
  decide,
  apply,
  keeper: (keeper) => keeper,
  store: (store) => store,
  endpoint: (endpoint) => endpoint,
  owners: (owners) => owners,
  disk: (disk) => disk,
}

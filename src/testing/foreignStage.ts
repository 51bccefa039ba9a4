/** What the parts of a foreign world share: simulation, server, monitor, and the way in which a process asks for a step. */
import * as Sim from "./Simulation.ts"
import type { AuthorizationServer } from "./AuthorizationServer.ts"
import type { ForeignMonitor } from "./ForeignMonitor.ts"

export interface Stage {
  readonly sim: Sim.Simulation
  readonly server: AuthorizationServer
  readonly monitor: ForeignMonitor
  readonly isAlive: (name: string) => boolean
  /** All that is stored anywhere. */
  readonly everything: () => string
  /** Something has gone wrong by now that may be why a call fails. */
  readonly isDisturbed: () => boolean
  readonly count: (what: string) => void
}

/** Keys of the storage have few bits: two that share one are taken for one, which costs reductions and no truth. */
const keyBits = 7

export const keyBit = (key: string): number => {
  let sum = 0
  for (let i = 0; i < key.length; i++) sum += key.charCodeAt(i)
  return 1 << (24 + (sum % keyBits))
}

export const allKeys = 0x7f << 24

/** One thing that a process may do next: `run` when the explorer says so. Gives back how to take the offer back. */
export const offer = (
  { sim }: Stage,
  process: Sim.Process,
  kind: string,
  touches: { readonly read: number; readonly wrote: number },
  run: () => void,
  enabled: () => boolean = () => true,
): (() => void) => {
  const sequence = ++process.operations
  const operation: Sim.Operation = {
    id: Sim.nameOf(process, kind),
    kind,
    detail: () => "",
    enabled,
    run: () => {
      process.pending.splice(process.pending.indexOf(operation), 1)
      sim.read |= touches.read
      sim.wrote |= touches.wrote | Sim.own(process.index)
      process.observe(`${sequence}${kind}@${sim.now}`)
      run()
    },
  }
  process.pending.push(operation)
  return () => {
    const at = process.pending.indexOf(operation)
    if (at >= 0) process.pending.splice(at, 1)
  }
}

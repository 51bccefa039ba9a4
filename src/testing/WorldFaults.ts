/**
 * What can go wrong in a world now: with its processes, its callers, its store, its clock, and with people. What can go
 * wrong with a message is the network's to say.
 */
import type { Fault } from "./Scenario.ts"
import * as Sim from "./Simulation.ts"
import type { World } from "./World.ts"
import * as OwnerJudge from "./ownerJudge.ts"
import type { AddFault } from "./WorldNetwork.ts"
import type { Member } from "./WorldProcesses.ts"

/** How long everything stands still. */
export const pauseMillis = 600_000

export class WorldFaults {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  /** The faults on offer where `others` are the steps that cost none. */
  steps(others: ReadonlyArray<Sim.Action>): Array<Sim.Action> {
    const { scenario, sim } = this.#world
    const actions: Array<Sim.Action> = []
    const add: AddFault = (kind, id, process, run) => {
      const happens = (): void => {
        this.#world.faultsLeft--
        this.#world.count(kind)
        this.#world.faulted[kind] = (this.#world.faulted[kind] ?? 0) + 1
        sim.wrote |= Sim.Budget
        run()
      }
      actions.push({ id: `${id}!${kind}`, process, fault: 1, stall: 0, local: false, run: happens })
    }
    for (const kind of scenario.faults) this.#offer(kind, others, add)
    return actions
  }

  #offer(kind: Fault, others: ReadonlyArray<Sim.Action>, add: AddFault): void {
    const { faulted, file, network, processes, server, store } = this.#world
    switch (kind) {
      case "crash":
        for (const member of processes.members) {
          const { process } = member
          const isAtWork = process.alive && process.operations > 0 && !this.#isIdle(member)
          if (isAtWork) add(kind, process.name, process.index, () => this.#crash(member))
        }
        return
      case "cancel":
        for (const member of processes.members) {
          const { calls, process } = member
          for (const call of calls) {
            if (!call.isWaiting || !process.alive) continue
            add(kind, `${process.name}:call${call.index}`, process.index, () => processes.cancel(member, call))
          }
        }
        return
      case "revoke":
        if (!server.isRevoked()) this.#everywhere(kind, "AS", add, () => this.#revoke())
        return
      case "storeFails":
        if (!store.isDown) this.#everywhere(kind, "Store", add, () => store.fillDisk())
        return
      case "signIn":
        if (faulted.signIn === undefined) this.#everywhere(kind, "Person", add, () => this.#signIn())
        return
      case "signOut":
        if (store.stored !== undefined) this.#everywhere(kind, "Person", add, () => store.signOut())
        return
      case "pause":
        // When nothing can happen any more, there is nobody to notice.
        if (others.some(({ stall }) => stall === 0)) this.#everywhere(kind, "Clock", add, () => this.#pause())
        return
      case "fileTorn":
        if (file !== undefined && !file.isTorn) this.#everywhere(kind, "File", add, () => file.tear())
        return
      case "fileStuck":
        if (file !== undefined && !file.isStuck) this.#everywhere(kind, "File", add, () => file.stick())
        return
      // The owner takes its locks for that too.
      case "ownerSignIn":
        if (file?.locks.size === 0 && faulted.ownerSignIn === undefined)
          this.#everywhere(kind, "Person", add, () => this.#ownerSignIn())
        return
      case "ownerSignOut":
        if (file?.locks.size === 0 && file.login !== undefined)
          this.#everywhere(kind, "Person", add, () => file.signOut())
        return
      default:
        network.faults(kind, add)
    }
  }

  /** A fault that no other step commutes with. */
  #everywhere(kind: Fault, id: string, add: AddFault, run: () => void): void {
    add(kind, id, -1, () => {
      this.#world.sim.wrote = Sim.Everything
      run()
    })
  }

  /** Its death would change nothing for anybody. */
  #isIdle({ calls, process, started }: Member): boolean {
    return (
      started === calls.length &&
      calls.every(({ done }) => done !== undefined) &&
      !this.#world.network.messages.some((message) => message.process === process) &&
      process.pending.length === 0
    )
  }

  #crash({ process }: Member): void {
    const { file, monitor, network, processes, scenario, sim, store } = this.#world
    sim.wrote |= Sim.own(process.index) | Sim.network(process.index) | Sim.Ghost | Sim.Alive
    sim.log(process.name, process.name, "is killed", "fault")
    OwnerJudge.killed(this.#world, process)
    process.die()
    file?.killed(process)
    network.killed(process)
    for (const rotation of monitor.rotations) {
      if (rotation.fate === "delivered" && rotation.holder === process) monitor.lose(rotation)
    }
    for (const all of monitor.presentations.values()) {
      for (const presentation of all) {
        if (presentation.process === process && store.stored?.verdict === undefined) monitor.forgotten(presentation)
      }
    }
    if (scenario.restart > 0) {
      const refused = Array.from({ length: scenario.restart }, () => false)
      processes.spawn(process.index, `${process.name}'`, process.host, process.skewMillis, refused)
    }
  }

  #revoke(): void {
    const { monitor, server, sim } = this.#world
    server.revoke()
    monitor.excuse ??= "an administrator revoked the grant"
    sim.log("AS", "AS", "an administrator revokes the grant", "fault")
  }

  #signIn(): void {
    const { server, sim, store } = this.#world
    store.signIn(server.issue(sim.now))
  }

  #ownerSignIn(): void {
    const { file, server, sim } = this.#world
    file!.signIn({ ...server.issue(sim.now), expiresAt: sim.now + server.policy.accessLifetimeMillis })
  }

  #pause(): void {
    const { sim } = this.#world
    sim.log("Clock", "Clock", "everything stands still for ten minutes", "fault")
    sim.now += pauseMillis
  }
}

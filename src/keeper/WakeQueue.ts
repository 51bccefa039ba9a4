/**
 * All wishes to be woken, earliest first: a binary heap in which an item's wish can be changed in O(log n), so that one
 * timer serves any number of credentials.
 */

/** Something that can be woken. `wakeAt` in epoch milliseconds; `slot` is where it sits, -1 when it does not. */
export interface Sleeper {
  wakeAt: number
  slot: number
}

export interface WakeQueue<A extends Sleeper> {
  /** Puts, moves or (for `Infinity`) takes out. */
  readonly set: (sleeper: A, at: number) => void
  /** The earliest wish, `Infinity` when there is none. */
  readonly earliest: () => number
  /** Takes out and returns one whose time has come. */
  readonly due: (now: number) => A | undefined
}

export const make = <A extends Sleeper>(): WakeQueue<A> => {
  const heap: Array<A> = []

  const place = (sleeper: A, slot: number): void => {
    heap[slot] = sleeper
    sleeper.slot = slot
  }
  const rise = (sleeper: A, from: number): void => {
    let slot = from
    while (slot > 0) {
      const parent = heap[(slot - 1) >> 1]!
      if (parent.wakeAt <= sleeper.wakeAt) break
      place(parent, slot)
      slot = (slot - 1) >> 1
    }
    place(sleeper, slot)
  }
  const sink = (sleeper: A, from: number): void => {
    let slot = from
    for (;;) {
      let child = slot * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.wakeAt < heap[child]!.wakeAt) child++
      if (heap[child]!.wakeAt >= sleeper.wakeAt) break
      place(heap[child]!, slot)
      slot = child
    }
    place(sleeper, slot)
  }
  const remove = (sleeper: A): void => {
    const slot = sleeper.slot
    if (slot < 0) return
    sleeper.slot = -1
    const last = heap.pop()!
    if (last === sleeper) return
    if (slot > 0 && heap[(slot - 1) >> 1]!.wakeAt > last.wakeAt) rise(last, slot)
    else sink(last, slot)
  }

  return {
    set: (sleeper, at) => {
      remove(sleeper)
      sleeper.wakeAt = at
      if (at === Infinity) return
      heap.push(sleeper)
      rise(sleeper, heap.length - 1)
    },
    earliest: () => heap[0]?.wakeAt ?? Infinity,
    due: (now) => {
      const first = heap[0]
      if (first === undefined || first.wakeAt > now) return undefined
      remove(first)
      return first
    },
  }
}

/**
 * Asks, and waits no longer than the caller does: an abort rejects with its reason, and one that is there already asks
 * nobody. What has been asked for goes on, because a refresh belongs to no caller.
 */
export const unlessAborted = async <A>(ask: () => Promise<A>, signal: AbortSignal | null | undefined): Promise<A> => {
  if (signal == null) return ask()
  signal.throwIfAborted()
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = () => reject(signal.reason as Error)
    signal.addEventListener("abort", onAbort)
    stop = () => signal.removeEventListener("abort", onAbort)
  })
  return Promise.race([ask(), aborted]).finally(stop)
}

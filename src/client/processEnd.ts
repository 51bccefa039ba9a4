/**
 * What has to happen before this process ends: on SIGTERM, on SIGINT, and when it has nothing left to do.
 *
 * **Details**
 *
 * - One listener for all that is open. With one each, the first to be done would end the process for the others too.
 * - Whoever is being closed already is waited for like the rest. A second signal waits for nobody.
 * - `process.exit` and a signal that nobody can catch wait for nothing.
 */
type Close = () => Promise<void>

const signals = ["SIGINT", "SIGTERM"] as const

/** What is open, and whether it wants to be told of signals. */
const open = new Map<Close, boolean>()

const closeAll = (): Promise<unknown> => Promise.allSettled([...open.keys()].map((close) => close()))

/** A program whose event loop is empty is at its end, but an answer may wait for its turn to be stored. */
const onIdle = (): void => void closeAll()

const onSignal = (signal: NodeJS.Signals): void => {
  const isAlone = process.listenerCount(signal) === 1
  for (const close of open.keys()) open.set(close, false)
  listen()
  // Whoever else listens decides when the process ends; alone, it ends as it would have without us, only later.
  void closeAll().then(() => isAlone && process.kill(process.pid, signal))
}

const listen = (): void => {
  process.removeListener("beforeExit", onIdle)
  for (const signal of signals) process.removeListener(signal, onSignal)
  if (open.size > 0) process.on("beforeExit", onIdle)
  if ([...open.values()].includes(true)) for (const signal of signals) process.on(signal, onSignal)
}

/** `close` is called before the process ends, unless that has been taken back. Called twice, it has to be the same. */
export const beforeEnd = (close: Close, options: { readonly handleSignals: boolean }): (() => void) => {
  open.set(close, options.handleSignals)
  listen()
  return () => {
    if (open.delete(close)) listen()
  }
}

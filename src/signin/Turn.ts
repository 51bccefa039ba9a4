/**
 * Whose turn it is to sign in under a name, among the processes of this machine: a person should not have to do it twice
 * because two programs noticed at the same moment. It saves work and gives no safety; the store does that.
 *
 * **Details**
 *
 * - A turn is a file that names its holder, made whole by one `link`. That of a process which has ended is taken over.
 * - Where there is no folder, each process has its own turn.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Processes } from "../keeper/Processes.ts"
import { Holder } from "../lifecycle/Credential.ts"

/** Whoever else has the turn; `undefined` when it is ours until the scope ends. */
type Take = (name: string) => Effect.Effect<Holder | undefined, never, Scope.Scope>

export const Turn = Context.Reference<Take>("tokenkeep/signin/Turn", {
  defaultValue: () => () => Effect.undefined,
})

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Holder))

const read = (file: string): Holder | undefined => {
  try {
    const found = decode(Fs.readFileSync(file, "utf8"))
    return found._tag === "Some" ? found.value : undefined
  } catch {
    return undefined
  }
}

const attempt = (action: () => void): boolean => {
  try {
    action()
    return true
  } catch {
    return false
  }
}

export const layer = (options: { readonly home: string }): Layer.Layer<never> =>
  Layer.effect(
    Turn,
    Effect.map(Processes, ({ isGone, self }): Take => {
      const folder = Path.join(options.home, "logins")
      const release = (file: string) => {
        if (read(file)?.instance === self.instance) attempt(() => Fs.unlinkSync(file))
      }
      /** One try. `undefined`: it is ours, or nobody can say whose, which must not keep a person from signing in. */
      const take = (file: string): Holder | undefined => {
        const own = `${file}.${self.instance}`
        const isWritten = attempt(() => {
          Fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
          Fs.writeFileSync(own, JSON.stringify({ ...self, label: "login" }), { mode: 0o600 })
        })
        if (!isWritten) return undefined
        const isOurs = attempt(() => Fs.linkSync(own, file))
        const holder = isOurs ? undefined : read(file)
        if (holder !== undefined && isGone(holder)) {
          // By renaming, so that of several who find it only one takes it over.
          attempt(() => Fs.renameSync(own, file))
          return undefined
        }
        attempt(() => Fs.unlinkSync(own))
        return holder?.instance === self.instance ? undefined : holder
      }
      return (name) =>
        Effect.suspend(() => {
          const file = Path.join(folder, encodeURIComponent(name))
          return Effect.acquireRelease(
            Effect.sync(() => take(file)),
            (holder) => Effect.sync(() => holder === undefined && release(file)),
          )
        })
    }),
  )

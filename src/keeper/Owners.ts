/**
 * The other programs in whose files some of our logins stand: what a Keeper asks them, and how they are kept out while a
 * refresh token is on the wire.
 *
 * It is a reference and no requirement, since most Keepers have no such login. Without an implementation
 * (`interop/foreignOwners.ts`) those logins serve what is stored and are not refreshed.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Outcome } from "../exchange/TokenEndpoint.ts"
import type { Credential, Foreign, Tokens } from "../lifecycle/Credential.ts"

/** What an owner's file says, compared with what is stored here. `cause` is said to people. */
export type Sight =
  | { readonly _tag: "InStep" }
  /** The owner has other tokens, and they are newer. */
  | { readonly _tag: "Moved"; readonly tokens: Tokens }
  /** The file holds tokens that we have replaced: its owner does not know yet. */
  | { readonly _tag: "Behind" }
  /** The owner has another login, and nothing says that it is newer: it is neither followed nor overwritten. */
  | { readonly _tag: "Apart"; readonly cause: string }
  | { readonly _tag: "SignedOut"; readonly cause: string }
  /** It cannot be read just now, or its owner is refreshing it. */
  | { readonly _tag: "Unclear"; readonly cause: string }

/** Presents the refresh token within what is left of the deadline, in milliseconds. */
export type Present = (deadlineMillis: number) => Effect.Effect<Outcome>

interface Shape {
  /** Reads the owner's file, and changes nothing. */
  readonly look: (credential: Credential) => Effect.Effect<Sight>
  /**
   * One presentation in step with the owner: its locks are held from before the file is read again until the answer is in
   * it. What the owner was granted meanwhile is as good as an answer, and nothing is sent then; a borrowed login has no
   * other way.
   */
  readonly exchange: (credential: Credential, deadlineMillis: number, present: Present) => Effect.Effect<Outcome>
  /** Writes our tokens into a file that has fallen behind. Answers with what stood in the way, for people. */
  readonly catchUp: (credential: Credential) => Effect.Effect<string | undefined>
  /** Something that is another value once the file has changed. Synchronous and cheap: it is asked every few seconds. */
  readonly revision: (foreign: Foreign) => string
}

const unreachable = ({ program }: Foreign): Outcome => ({
  _tag: "NotSent",
  cause: `it is kept together with ${program}, whose file this program does not reach`,
})

export const Owners = Context.Reference<Shape>("tokenkeep/keeper/Owners", {
  defaultValue: () => ({
    look: () => Effect.succeed({ _tag: "InStep" }),
    exchange: ({ foreign }) => Effect.succeed(unreachable(foreign!)),
    catchUp: () => Effect.undefined,
    revision: () => "",
  }),
})

/** A login that its owner uses too, and about which the two have to agree. */
export type Shared = Foreign & { readonly mode: "borrow" | "co-own" }

export const isShared = (foreign: Foreign | undefined): foreign is Shared =>
  foreign !== undefined && foreign.mode !== "import"

/** `tokens` with the wish to be refreshed before their owner would. */
export const ahead = (tokens: Tokens, foreign: Foreign | undefined): Tokens => {
  const aheadMillis = foreign?.aheadMillis
  if (aheadMillis === undefined || tokens.expiry._tag !== "Known") return tokens
  return { ...tokens, refreshAt: Math.min(tokens.refreshAt ?? Infinity, tokens.expiry.at - aheadMillis) }
}

/**
 * The machine's vocabulary: events are facts in the past tense, commands are wishes in the imperative.
 *
 * Every answer to a command carries the generation the command was for, and an answer to another generation is ignored:
 * that is the fence which makes a late, detached or duplicated answer harmless. Instants are epoch milliseconds.
 */
import type { DeadReason } from "./Credential.ts"
import type { View } from "./View.ts"

export type Event =
  /** A caller wants a token that lives `minValidity` milliseconds longer, and the one at hand may not do. */
  | { readonly type: "Asked"; readonly now: number; readonly minValidity: number }
  /** A resource server answered 401 to the access token of `generation`. */
  | { readonly type: "Refused"; readonly now: number; readonly generation: number }
  /** The store was read, or a person signed in: this is what it holds now. */
  | { readonly type: "Looked"; readonly now: number; readonly view: View }
  | { readonly type: "Woke"; readonly now: number }
  /** The ticket is ours. `elapsed` milliseconds passed since we asked for it, on a clock that sleep does not stop. */
  | {
      readonly type: "Claimed"
      readonly now: number
      readonly generation: number
      readonly elapsed: number
      readonly view: View
    }
  /** A conditional write did not apply: somebody else wrote first, and this is what the store holds. */
  | { readonly type: "Superseded"; readonly now: number; readonly view: View }
  /** The server answered with tokens; they are in memory and not yet stored. `view` is what storing them will give. */
  | { readonly type: "Granted"; readonly now: number; readonly generation: number; readonly view: View }
  /** The server refused this refresh token for good, by its code. */
  | { readonly type: "Denied"; readonly now: number; readonly generation: number; readonly reason: DeadReason }
  /** Nothing was consumed: not sent, or refused for a passing reason. `jitter` in [0, 1) spreads the retries. */
  | {
      readonly type: "Unavailable"
      readonly now: number
      readonly generation: number
      readonly retryAt: number
      readonly jitter: number
    }
  /** The refresh token was sent and no usable answer came back: nobody knows what the server did. */
  | { readonly type: "Vanished"; readonly now: number; readonly generation: number; readonly jitter: number }
  /** The conditional write applied: committed, released or condemned. This is what the store holds now. */
  | { readonly type: "Stored"; readonly now: number; readonly view: View }
  /** The store did not take a write. Nothing of what was asked happened, as far as anyone can tell. */
  | { readonly type: "StoreFailed"; readonly now: number }
  /** The store could not be read: not an answer to any write that may be under way. */
  | { readonly type: "Unreadable"; readonly now: number }

export type Command =
  /** Read the store and answer with `Looked`. */
  | { readonly type: "look"; readonly params: { readonly generation: number } }
  /** Ask the store for the ticket. `after` names the ticket in doubt that attempt 2 follows. */
  | {
      readonly type: "claim"
      readonly params: { readonly generation: number; readonly attempt: 1 | 2; readonly after: string | undefined }
    }
  /** Present the refresh token, once. `forced` is the count of forced refreshes in a row that the answer will carry. */
  | { readonly type: "exchange"; readonly params: { readonly generation: number; readonly forced: number } }
  /** Read the answer that is written down beside a ticket, as if it had just arrived. */
  | { readonly type: "replay"; readonly params: { readonly generation: number; readonly forced: number } }
  | { readonly type: "commit"; readonly params: { readonly generation: number } }
  /** Give the ticket back: nothing was consumed. With `pauseUntil` every process waits until then. */
  | {
      readonly type: "release"
      readonly params: { readonly generation: number; readonly pauseUntil: number; readonly failures: number }
    }
  /** Write down that the refresh token was sent and that nobody knows what the server did with it. */
  | { readonly type: "doubt"; readonly params: { readonly generation: number } }
  /** Write the verdict, only while exactly that ticket is open: it may have been given back, or followed, meanwhile. */
  | {
      readonly type: "condemn"
      readonly params: {
        readonly generation: number
        readonly reason: DeadReason
        readonly ticketId: string | undefined
      }
    }
  /** Send `Woke` at this instant, in place of any earlier wish. `Infinity`: nothing to wait for. */
  | { readonly type: "wake"; readonly params: { readonly at: number } }
  /** Give every waiting caller the token of this generation. */
  | { readonly type: "serve"; readonly params: { readonly generation: number } }
  /** Give every waiting caller the typed verdict. */
  | { readonly type: "refuse"; readonly params: { readonly reason: DeadReason } }
  /** Tell every waiting caller that there is no token now, and when to ask again. */
  | { readonly type: "postpone"; readonly params: { readonly retryAt: number } }

/** The parameters of one command. */
export type ParamsOf<Type extends Command["type"]> = Extract<Command, { readonly type: Type }>["params"]

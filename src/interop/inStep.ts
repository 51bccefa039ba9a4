/**
 * A login that stands in two places, ours and its owner's: which of the two has the newer tokens. Pure.
 *
 * **Invariants**
 *
 * - A file is written only while it holds a token of which we know that it was before ours (`Behind`). Whatever else is in it,
 *   its owner put there.
 * - A token that works is not given up for one that has ended (I5).
 */
import { accessFingerprint, type Credential, type Tokens } from "../lifecycle/Credential.ts"

const endOf = ({ expiry }: Tokens): number => (expiry._tag === "Known" ? expiry.at : Infinity)

/** How the tokens in the owner's file stand to those of `credential` at `now` (epoch milliseconds). */
export const compare = (
  { foreign, tokens: ours, verdict }: Credential,
  theirs: Tokens,
  now: number,
): "InStep" | "Moved" | "Behind" | "Apart" => {
  const print = accessFingerprint(theirs)
  if (print === accessFingerprint(ours)) return "InStep"
  const isOver = endOf(theirs) <= now && now < endOf(ours)
  // Of a borrowed login the file alone counts, while it holds anything that works.
  if (foreign?.mode === "borrow") return isOver ? "InStep" : "Moved"
  if (foreign?.earlier?.includes(print)) return "Behind"
  if (verdict !== undefined) return "Moved"
  // A login of its own with a shorter life, or an old copy that somebody put back: nobody can tell the two apart.
  return endOf(theirs) < endOf(ours) ? "Apart" : "Moved"
}

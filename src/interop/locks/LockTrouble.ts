/**
 * Why a lock of another program is not ours. One class, and `reason` says what has to happen next.
 */
import * as Schema from "effect/Schema"

const LockReason = Schema.Literals([
  /** Somebody holds it: try again. */
  "busy",
  /** This machine has no way to take a lock of this kind. */
  "unsupported",
  /** Something stands in its place that its owner can never remove, so that the owner waits for ever too. */
  "blocked",
  /** The disk or its rights. */
  "broken",
])

/** No lock is held. `holder`, `ageMillis` and `staleInMillis` say what is known about one that is busy. */
export class LockTrouble extends Schema.TaggedError<LockTrouble>()("LockTrouble", {
  reason: LockReason,
  place: Schema.String,
  message: Schema.String,
  holder: Schema.optionalKey(Schema.String),
  /** Milliseconds since its holder last showed that it is alive. */
  ageMillis: Schema.optionalKey(Schema.Finite),
  /** Milliseconds until its owner takes it over, if its holder shows no life any more. */
  staleInMillis: Schema.optionalKey(Schema.Finite),
}) {}

export const unsupported = (place: string, message: string): LockTrouble =>
  new LockTrouble({ reason: "unsupported", place, message })

export const blocked = (place: string, problem: string): LockTrouble =>
  new LockTrouble({
    reason: "blocked",
    place,
    message: `${place} is in the way: ${problem}. End the program that it belongs to, and remove it`,
  })

const causes: Readonly<Record<string, string>> = {
  EACCES: "access is denied",
  EPERM: "access is denied",
  EROFS: "the disk is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "this user's share of the disk is full",
  ENOENT: "the folder that it belongs in is not there",
  ENOTDIR: "the folder that it belongs in is a file",
}

export const broken = (place: string, code: string | undefined): LockTrouble =>
  new LockTrouble({
    reason: "broken",
    place,
    message: `The lock ${place} cannot be taken: ${causes[code ?? ""] ?? `the system says ${code ?? "nothing more"}`}`,
  })

const seconds = (millis: number): string => `${Math.ceil(millis / 1000)} s`

export const busy = (
  place: string,
  { ageMillis, holder }: { readonly holder?: string | undefined; readonly ageMillis?: number | undefined },
  staleMillis: number | undefined,
): LockTrouble => {
  const staleInMillis =
    ageMillis === undefined || staleMillis === undefined ? undefined : Math.max(0, staleMillis - ageMillis)
  const age = ageMillis === undefined ? "" : `, and last showed life ${seconds(ageMillis)} ago`
  const stale = staleInMillis === undefined ? "" : `. Should it be gone, its lock ends in ${seconds(staleInMillis)}`
  return new LockTrouble({
    reason: "busy",
    place,
    message: `${holder ?? "Another program"} holds the lock ${place}${age}${stale}`,
    ...(holder !== undefined && { holder }),
    ...(ageMillis !== undefined && { ageMillis }),
    ...(staleInMillis !== undefined && { staleInMillis }),
  })
}

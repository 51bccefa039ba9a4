/** What endangers a login, told from what stands where. Pure: whoever looks at the machine hands over what was seen. */
import type { ReuseClass } from "../lifecycle/Credential.ts"

/** One login, ours or another program's. */
export interface Seen {
  /** Whose it is, as a person calls it. */
  readonly owner: string
  readonly place: string
  readonly name: string
  /** Absent where it is no grant. */
  readonly refreshFingerprint?: string | undefined
  readonly isGrant: boolean
  /** Another access token comes without a refresh token. */
  readonly isMinted?: boolean
  readonly reuse?: ReuseClass | undefined
  readonly refreshTokenRule?: string | undefined
  readonly clockOffsetMillis?: number | undefined
  /** Its owner itself would not refresh it. */
  readonly ignored?: string | undefined
  /** Where the same login stands that is kept fresh together with its owner. */
  readonly coOwned?: { readonly place: string; readonly entry: string } | undefined
}

export interface Danger {
  readonly kind:
    | "shared"
    | "apart"
    | "noRefreshToken"
    | "clock"
    | "ignored"
    | "readable"
    | "unreadable"
    | "oldSchema"
    | "staleLock"
    | "retired"
  readonly message: string
}

const seconds = (millis: number): string => `${Math.round(Math.abs(millis) / 1000)} s`

/** By how much a clock may be off before somebody should know. */
const tolerableMillis = 30_000

/** The two are one login, and whoever refreshes it tells the other. */
const areTogether = (one: Seen, other: Seen): boolean =>
  [[one, other] as const, [other, one] as const].some(
    ([ours, theirs]) => ours.coOwned?.place === theirs.place && ours.coOwned.entry === theirs.name,
  )

const apart = (one: Seen, all: ReadonlyArray<Seen>): ReadonlyArray<Danger> => {
  const owners = one.coOwned && all.find((each) => each !== one && areTogether(one, each))
  if (owners === undefined || owners.refreshFingerprint === one.refreshFingerprint) return []
  const message = `${owners.owner} (${owners.place}) does not hold the same tokens now: tokenkeep token ${one.name} follows it, or tells it`
  return [{ kind: "apart", message }]
}

const shared = (one: Seen, all: ReadonlyArray<Seen>): ReadonlyArray<Danger> => {
  if (one.refreshFingerprint === undefined) return []
  const others = all.filter(
    (each) => each !== one && each.refreshFingerprint === one.refreshFingerprint && !areTogether(one, each),
  )
  if (others.length === 0) return []
  const where = others.map(({ name, owner, place }) => `${name} of ${owner} (${place})`).join(", ")
  const isHarmless = one.reuse === "notRotating"
  const what = isHarmless
    ? "its server lets both use it, but to sign out in one place may end it for both"
    : "the first to refresh takes it from the other, and its server may then end it for both: sign in anew in all places but one"
  return [{ kind: "shared", message: `the same refresh token is also ${where}; ${what}` }]
}

/** What endangers `one` among `all` that was seen. */
export const dangersOf = (one: Seen, all: ReadonlyArray<Seen>): ReadonlyArray<Danger> => [
  ...shared(one, all),
  ...apart(one, all),
  ...(one.isGrant && !one.isMinted && one.refreshFingerprint === undefined
    ? [
        {
          kind: "noRefreshToken" as const,
          message:
            `there is no refresh token: when the access token ends, a person has to sign in again. ${one.refreshTokenRule ?? ""}`.trim(),
        },
      ]
    : []),
  ...(Math.abs(one.clockOffsetMillis ?? 0) >= tolerableMillis
    ? [
        {
          kind: "clock" as const,
          message: `this machine's clock was ${seconds(one.clockOffsetMillis!)} ${one.clockOffsetMillis! > 0 ? "behind" : "ahead of"} the server's at the last refresh: set it by NTP (timedatectl set-ntp true)`,
        },
      ]
    : []),
  ...(one.ignored === undefined ? [] : [{ kind: "ignored" as const, message: one.ignored }]),
]

/** Others on this machine can read the file. `mode`: its permission bits, where there are any. */
export const readable = (place: string, mode: number | undefined, isFolder: boolean): ReadonlyArray<Danger> => {
  if (mode === undefined || (mode & 0o077) === 0) return []
  const octal = mode.toString(8).padStart(3, "0")
  return [
    {
      kind: "readable",
      message: `other users of this machine may reach it (mode ${octal}): chmod ${isFolder ? "700" : "600"} '${place.replaceAll("'", `'\\''`)}'`,
    },
  ]
}

/** The provider profiles that are known on this machine: those that come with the program, and those people have written. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { InvalidProfile } from "./ProfileFile.ts"
import { builtIn } from "./builtIn.ts"
import type { ProviderProfile } from "./ProviderProfile.ts"

export interface Known {
  /** Those of people first: a file named like a built-in profile stands in its place. */
  readonly profiles: ReadonlyArray<ProviderProfile>
  /** Those of people alone. */
  readonly own: ReadonlyArray<ProviderProfile>
  /** Files that say something which cannot be understood. They hold up only who names them. */
  readonly broken: ReadonlyArray<InvalidProfile>
}

export const make = (own: ReadonlyArray<ProviderProfile>, broken: ReadonlyArray<InvalidProfile>): Known => ({
  profiles: [...own, ...builtIn.filter(({ id }) => own.every((profile) => profile.id !== id))],
  own,
  broken,
})

/** Looked up anew each time, so that a file that is added or mended counts from the next request on. */
export const Profiles = Context.Reference<Effect.Effect<Known>>("tokenkeep/provider/Profiles", {
  defaultValue: () => Effect.succeed(make([], [])),
})

/** Why there is no profile of that id, and what to do about it. It does not repeat the id: anything may have been typed. */
export const missing = ({ broken, profiles }: Known, id: string): string =>
  broken.find((file) => file.id === id)?.message ??
  "no provider profile has this id. Put one of your own into providers/ID.json in tokenkeep's folder, " +
    `or take one of ${profiles.map((profile) => profile.id).join(", ")}`

/** `--provider ID|FILE`, for the commands that bring a credential in. */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidProfile } from "../provider/ProfileFile.ts"
import { type Known, missing } from "../provider/Profiles.ts"
import { find, type ProviderProfile } from "../provider/ProviderProfile.ts"
import { currentHome } from "../store/home.ts"
import * as ProfileFiles from "../store/profileFiles.ts"
import { advise } from "./terminal.ts"

export const providerFlag = Flag.String("provider").pipe(
  Flag.withMetavar("ID|FILE"),
  Flag.withDescription("The provider profile: an id of `tokenkeep providers`, or a file of your own, which is copied"),
  Flag.optional,
)

/** All profiles of this machine. Files that cannot be used are told of, because nobody else would miss them. */
export const knownProfiles: Effect.Effect<Known> = Effect.sync(() => ProfileFiles.known(currentHome())).pipe(
  Effect.tap(({ broken }) =>
    Effect.forEach(broken, ({ message }) => advise(`a provider profile is left out. ${message}`), { discard: true }),
  ),
)

const isFile = (text: string): boolean => /[\\/]/.test(text) || text.endsWith(".json")

/**
 * The profile that `--provider` names among `known`. A file is copied into the home folder first: each refresh to come
 * needs it, in whatever process.
 */
export const namedProfile = Effect.fnUntraced(function* (
  known: Known,
  provider: Option.Option<string>,
): Effect.fn.Return<ProviderProfile | undefined, InvalidProfile> {
  if (Option.isNone(provider)) return undefined
  const text = provider.value
  if (isFile(text)) {
    const kept = yield* Effect.fromResult(ProfileFiles.keep(currentHome(), text))
    yield* advise(`the provider profile ${kept.id} is kept in ${ProfileFiles.fileOf(currentHome(), kept.id)}`)
    return kept
  }
  const found = find(known.profiles, text)
  return found ?? (yield* new InvalidProfile({ id: text, message: missing(known, text) }))
})

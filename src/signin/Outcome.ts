/** What came of a sign-in, and what somebody should hear of it who has just signed in. */
import type { Credential } from "../lifecycle/Credential.ts"
import * as ProviderProfile from "../provider/ProviderProfile.ts"
import { words } from "./Request.ts"

export interface Outcome {
  readonly credential: Credential
  /** Scopes that were asked for and not granted, and those that nobody asked for. */
  readonly withheld: ReadonlyArray<string>
  readonly unasked: ReadonlyArray<string>
  /** Why there is no refresh token, and the command that asks again; absent when there is one. */
  readonly noRefreshToken: { readonly why: string; readonly again: string } | undefined
}

/** Servers leave these out of the granted scope although they honour them: what they ask for shows elsewhere. */
const isSilent = (scope: string): boolean => ["offline_access", "openid"].includes(scope)

/** `granted`: the scope as the server said it, if it did. */
export const differences = (
  asked: ReadonlyArray<string>,
  scope: string | undefined,
): Pick<Outcome, "withheld" | "unasked"> => {
  const granted = words(scope)
  return {
    withheld: granted.length === 0 ? [] : asked.filter((each) => !granted.includes(each) && !isSilent(each)),
    unasked: asked.length === 0 ? [] : granted.filter((each) => !asked.includes(each)),
  }
}

export const whyNone = (
  name: string,
  profile: ProviderProfile.ProviderProfile,
  scopes: ReadonlyArray<string>,
  sent: URLSearchParams,
): Outcome["noRefreshToken"] => {
  const { flags, why } = ProviderProfile.whyNoRefreshToken(profile, sent)
  const asksOffline = scopes.includes("offline_access") || profile.id !== ProviderProfile.generic.id
  const more = flags.length > 0 || asksOffline ? flags : ["--add-scope", "offline_access"]
  // `--scope` would take the place of those asked for now.
  const added = more.map((flag) => (flag === "--scope" ? "--add-scope" : flag))
  return { why, again: ["tokenkeep login", name, ...added].join(" ") }
}

/**
 * The browser logins of one MCP client: at most one is open, and others who want one attach to it.
 *
 * **Invariants**
 *
 * - A code is redeemed with the verifier of the login that it came from: verifiers are found by the challenge in the URL
 *   that was opened (RFC 7636 §4.2), logins by their `state`. The SDKs have one slot for all.
 * - What comes back is believed only with a `state` that went out, from the issuer that it went to (RFC 9207 §2.4).
 * - After a while a login counts as given up, and the next one opens a browser again. Its answer is still taken.
 */
import * as Crypto from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DiscoveryState } from "./mcpShapes.ts"

/** For so long nobody else opens a browser: time to find a password and a second factor. */
const patienceMillis = 120_000

/** Logins that were given up and may yet be answered. */
const mostKept = 10

interface Login {
  readonly state: string
  readonly scope: string | null
  readonly verifier: string
  readonly openedAt: number
  readonly discovered: DiscoveryState | undefined
}

/** What came back from the browser is no answer to a login of this client, or says that it failed. */
export class LoginFailed extends Error {
  override readonly name = "LoginFailed"
}

const challengeOf = (verifier: string): string => Crypto.createHash("sha256").update(verifier).digest("base64url")

export const now = (): number => Effect.runSync(Clock.currentTimeMillis)

/** RFC 9207 §2.4, and MCP 2026-07-28: compared as it is written. */
const issuerProblem = ({ discovered }: Login, iss: string | null): string | undefined => {
  const metadata = discovered?.authorizationServerMetadata
  if (iss === null) {
    return metadata?.authorization_response_iss_parameter_supported === true
      ? "the answer does not say which authorization server it is from, as that server's do"
      : undefined
  }
  return metadata !== undefined && metadata.issuer !== iss
    ? "the answer is from another authorization server"
    : undefined
}

export const make = () => {
  const verifiers = new Set<string>()
  let logins: ReadonlyArray<Login> = []
  let current: Login | undefined
  let discovered: DiscoveryState | undefined
  let opening: { readonly scope: string | null; readonly done: Promise<void> } | undefined

  /** The login that a person is busy with. */
  const pending = (): Login | undefined =>
    current !== undefined && now() - current.openedAt < patienceMillis ? current : undefined

  const verifierFor = (url: URL): string => {
    const challenge = url.searchParams.get("code_challenge")
    const verifier = [...verifiers].find((each) => challengeOf(each) === challenge)
    if (verifier === undefined) throw new LoginFailed("The authorization URL has no code_challenge of this client.")
    verifiers.delete(verifier)
    return verifier
  }

  return {
    state: (): string => Crypto.randomUUID(),

    noteVerifier: (verifier: string): void => void verifiers.add(verifier),

    /** What was found out belongs to the login that it was found for; the next one looks again. */
    noteDiscovery: (state: DiscoveryState): void => void (discovered = state),
    discovered: (): DiscoveryState | undefined => discovered,

    /** Opens the browser with `url`, unless a login for the same scope is open already. */
    open: async (url: URL, show: (url: URL) => void | Promise<void>): Promise<void> => {
      const verifier = verifierFor(url)
      const scope = url.searchParams.get("scope")
      if (opening?.scope === scope) return opening.done
      if (pending()?.scope === scope) return
      const before = current
      const login = { state: url.searchParams.get("state") ?? "", scope, verifier, openedAt: now(), discovered }
      current = login
      logins = [...logins, login].slice(-mostKept)
      opening = { scope, done: Promise.resolve(show(url)).finally(() => (opening = undefined)) }
      try {
        await opening.done
      } catch (error) {
        // No browser: nobody can answer it, so nobody shall wait for it.
        current = before
        logins = logins.filter((each) => each !== login)
        throw error
      }
    },

    /** The verifier for the code that is redeemed now. */
    verifier: (): string => {
      if (current === undefined) throw new LoginFailed("No login is open.")
      return current.verifier
    },

    isOpen: (): boolean => current !== undefined,

    /** What the browser came back with, as the URL of the callback. Throws `LoginFailed`. */
    callback: (url: string | URL): { readonly code: string; readonly iss: string | undefined } => {
      const { searchParams } = new URL(url)
      const login = logins.find(({ state }) => state === searchParams.get("state"))
      if (login === undefined)
        throw new LoginFailed("The callback does not belong to a login of this program: ignored.")
      const iss = searchParams.get("iss")
      const problem = issuerProblem(login, iss)
      // RFC 9207: from a server that is not the one asked nothing is shown, its error text included.
      if (problem !== undefined) throw new LoginFailed(`The login cannot be trusted: ${problem}.`)
      const code = searchParams.get("code")
      logins = logins.filter((each) => each !== login)
      if (code === null || code === "") {
        if (current === login) current = undefined
        const error = (searchParams.get("error") ?? "").replace(/[^\w.-]/g, "").slice(0, 60)
        throw new LoginFailed(`The login did not succeed${error === "" ? "" : `: ${error}`}. Try again.`)
      }
      current = login
      discovered = login.discovered
      return { code, iss: iss ?? undefined }
    },

    /** The code was not taken: nobody shall wait for this login, though the SDK may try it again. */
    fail: (): void => void (current &&= { ...current, openedAt: -Infinity }),

    /** A login came to its end, or is not wanted any more. */
    end: (): void => {
      current = undefined
      logins = []
      discovered = undefined
      verifiers.clear()
    },
    forgetDiscovery: (): void => void (discovered = undefined),
  }
}

export type Logins = ReturnType<typeof make>

/**
 * Sends one refresh request (RFC 6749 §6) and collects whatever comes back, bit by bit, so that an answer that breaks
 * off or runs out of time can still be judged by what arrived.
 */
import type { CustomFetchOptions } from "oauth4webapi"
import type { Answer, Credential, Mint } from "../lifecycle/Credential.ts"
import { type ProviderProfile, refreshParams } from "../provider/ProviderProfile.ts"
import { clientAuth } from "./clientAuth.ts"
import { handleOf } from "./dpop.ts"
import { jwtBearer } from "./identityAssertion.ts"
import { userAgent } from "./userAgent.ts"
import type { FetchFunction } from "./Fetch.ts"

const longestBodyBytes = 1_048_576

/** What of an answer's head says something about its meaning. */
export type Head = Pick<Answer, "status" | "contentType" | "retryAfter" | "location" | "date">

/** What has arrived so far. It grows while the request runs. */
export interface Arrived {
  /** The request was handed to `fetch`. Until then nothing can have been sent. */
  handedOver: boolean
  head: Head | undefined
  body: string
  /** The body is longer than any answer of a token endpoint, and was not kept. */
  tooLong: boolean
  failure: { readonly error: unknown } | undefined
}

export const nothing = (): Arrived => ({
  handedOver: false,
  head: undefined,
  body: "",
  tooLong: false,
  failure: undefined,
})

const readBody = async (response: Response, arrived: Arrived): Promise<void> => {
  if (response.body === null) return
  const decoder = new TextDecoder()
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.byteLength
    if (size > longestBodyBytes) {
      arrived.body = ""
      arrived.tooLong = true
      // Leaving the loop cancels the body, which ends the connection.
      return
    }
    arrived.body += decoder.decode(chunk, { stream: true })
  }
}

const headOf = ({ headers, status }: Response): Head => {
  const header = <Name extends string>(member: Name, name: string = member) => {
    const value = headers.get(name)
    return (value === null ? {} : { [member]: value }) as { readonly [Key in Name]?: string }
  }
  return {
    status,
    ...header("contentType", "content-type"),
    ...header("retryAfter", "retry-after"),
    ...header("location"),
    ...header("date"),
  }
}

/** The form that oauth4webapi writes, as the JSON object that some servers want in its place. */
export const inJson = (init: RequestInit): RequestInit => {
  const headers = new Headers(init.headers)
  headers.set("content-type", "application/json")
  const body = JSON.stringify(Object.fromEntries(init.body as URLSearchParams))
  return { ...init, headers: Object.fromEntries(headers), body }
}

/** What a client asks for in its own name, beside the token itself. */
export const mintParams = (
  { sendResource }: Pick<ProviderProfile, "sendResource">,
  resource: string | undefined,
  { scope }: Mint,
): Record<string, string> => ({
  ...(sendResource && resource !== undefined && { resource }),
  ...(scope !== undefined && { scope }),
})

export interface Options {
  readonly credential: Credential
  /** Absent where the credential mints. */
  readonly refreshToken: string | undefined
  /** The identity provider's word, for a credential that is minted by one. */
  readonly assertion: string | undefined
  readonly profile: ProviderProfile
  /** Told the names of the request's parameters when it leaves. */
  readonly sent: (parameters: ReadonlyArray<string>) => void
  /** Hands a request to the transport. */
  readonly fetch: FetchFunction
  readonly signal: AbortSignal
}

/** Never rejects: what goes wrong is part of what arrived. */
export const send = async (options: Options, arrived: Arrived): Promise<void> => {
  const { credential, signal } = options
  try {
    // Loaded by the first exchange: a process that finds a valid token never needs it.
    const oauth = await import("oauth4webapi")
    const { mint, resource, tokens } = credential
    const server = { issuer: credential.issuer ?? credential.tokenEndpoint, token_endpoint: credential.tokenEndpoint }
    const client = { client_id: credential.client.clientId }
    const auth = clientAuth(credential.client)
    const proof = credential.dpopKey && { DPoP: await handleOf(credential.dpopKey) }
    const transport = {
      ...proof,
      [oauth.customFetch]: (url: string, init: CustomFetchOptions<"POST", URLSearchParams>) => {
        signal.throwIfAborted()
        arrived.handedOver = true
        options.sent([...new URLSearchParams(init.body).keys()])
        const request = options.profile.requestBody === "json" ? inJson(init) : init
        return options.fetch(url, { ...request, signal })
      },
      // Whoever calls has made sure that `http:` means loopback.
      [oauth.allowInsecureRequests]: true,
      headers: { "user-agent": userAgent, connection: "close" },
    } as const
    const response =
      mint === undefined
        ? await oauth.refreshTokenGrantRequest(server, client, auth, options.refreshToken ?? "", {
            ...transport,
            additionalParameters: refreshParams(options.profile, { resource, scope: tokens.scope }),
          })
        : options.assertion === undefined
          ? await oauth.clientCredentialsGrantRequest(
              server,
              client,
              auth,
              mintParams(options.profile, resource, mint),
              transport,
            )
          : await oauth.genericTokenEndpointRequest(
              server,
              client,
              auth,
              jwtBearer,
              { ...mintParams(options.profile, resource, mint), assertion: options.assertion },
              transport,
            )
    arrived.head = headOf(response)
    await readBody(response, arrived)
  } catch (error) {
    arrived.failure = { error }
  }
}

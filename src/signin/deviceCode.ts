/** The device authorization grant (RFC 8628): a code that a person enters in a browser anywhere. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as oauth from "oauth4webapi"
import { clientAuth } from "../exchange/clientAuth.ts"
import type { Tokens } from "../lifecycle/Credential.ts"
import { SignInFailed } from "./errors.ts"
import * as Guard from "./guard.ts"
import { Person } from "./Person.ts"
import * as TokenRequest from "./tokenRequest.ts"

export const grantType = "urn:ietf:params:oauth:grant-type:device_code"

/** RFC 8628 §3.2 and §3.5: between two questions, and more after each `slow_down`. */
const defaultIntervalSeconds = 5
const slowDownSeconds = 5
/** RFC 8628 §3.5: after trouble the interval doubles; beyond this nobody would notice a finished sign-in. */
const longestIntervalSeconds = 60

/** Google calls it `verification_url`. */
const normalized = async (response: Response): Promise<Response> => {
  if (response.status !== 200) return response
  const members: unknown = await response
    .clone()
    .json()
    .catch(() => undefined)
  if (typeof members !== "object" || members === null || !("verification_url" in members)) return response
  return Response.json({ verification_uri: members.verification_url, ...members })
}

const begin = Effect.fnUntraced(function* (
  { client, server }: TokenRequest.Context,
  parameters: Readonly<Record<string, string>>,
) {
  const { metadata } = server
  const url = metadata.device_authorization_endpoint
  if (url === undefined) {
    const message = "the server offers no device sign-in (device_authorization_endpoint): leave --device out"
    return yield* new SignInFailed({ reason: "unsupported", message })
  }
  const oauthClient = { client_id: client.clientId }
  const device = yield* Guard.call("the device authorization endpoint", url, server.source, async (options) =>
    oauth.processDeviceAuthorizationResponse(
      metadata,
      oauthClient,
      await normalized(
        await oauth.deviceAuthorizationRequest(metadata, oauthClient, clientAuth(client), { ...parameters }, options),
      ),
    ),
  )
  for (const uri of [device.verification_uri, device.verification_uri_complete]) {
    const problem = uri === undefined ? undefined : Guard.urlProblem(uri, server.source, "the verification URI")
    if (problem !== undefined) return yield* problem
  }
  return device
})

const expired = new SignInFailed({ reason: "expired", message: "nobody entered the code before it ended" })

export const authorize = Effect.fnUntraced(function* (
  context: TokenRequest.Context,
  parameters: Readonly<Record<string, string>>,
): Effect.fn.Return<Tokens, SignInFailed, Person> {
  const person = yield* Person
  const device = yield* begin(context, parameters)
  const deadline = (yield* Clock.currentTimeMillis) + device.expires_in * 1000
  yield* person.enterCode({
    // A server's text in a terminal: nothing but what is visible.
    userCode: device.user_code.replace(/[^\x20-\x7e]/g, "").slice(0, 64),
    verificationUri: new URL(device.verification_uri).href,
    completeUri: device.verification_uri_complete && new URL(device.verification_uri_complete).href,
    lifetimeMillis: device.expires_in * 1000,
  })
  const { client, server } = context
  const resource = parameters["resource"]
  const ask = TokenRequest.send(context, [device.device_code], (options) =>
    oauth.deviceCodeGrantRequest(
      server.metadata,
      { client_id: client.clientId },
      clientAuth(client),
      device.device_code,
      { ...options, ...(resource !== undefined && { additionalParameters: { resource } }) },
    ),
  )
  let seconds = device.interval ?? defaultIntervalSeconds
  while (true) {
    yield* Effect.sleep(seconds * 1000)
    if ((yield* Clock.currentTimeMillis) >= deadline) return yield* expired
    const answer = yield* Effect.result(ask)
    if (answer._tag === "Success") return answer.success
    const { code, reason } = answer.failure
    if (code === "slow_down") seconds += slowDownSeconds
    else if (reason === "unavailable") seconds = Math.min(seconds * 2, Math.max(seconds, longestIntervalSeconds))
    else if (code !== "authorization_pending") return yield* reason === "expired" ? expired : answer.failure
  }
})

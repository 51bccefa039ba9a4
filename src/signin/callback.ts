/**
 * Whether an authorization response is the answer to our request. Pure.
 *
 * | `state` | metadata says `iss` is sent | `iss` | verdict |
 * |---|---|---|---|
 * | another, none, or twice | | | foreign: nobody's business here, and the sign-in goes on waiting |
 * | ours | yes | the issuer's | granted, or the server's error |
 * | ours | yes | none | mixed up (RFC 9207 §2.4): the sign-in ends, and the server's words are not repeated |
 * | ours | no | none | granted, or the server's error |
 * | ours | any | another's | mixed up |
 */
import * as oauth from "oauth4webapi"

export type Verdict =
  | { readonly _tag: "Foreign" }
  | { readonly _tag: "MixedUp"; readonly cause: string }
  | { readonly _tag: "Refused"; readonly error: oauth.AuthorizationResponseError }
  /** What `authorizationCodeGrantRequest` accepts, and nothing else does. */
  | { readonly _tag: "Granted"; readonly parameters: URLSearchParams }

export const judge = (
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  state: string,
  parameters: URLSearchParams,
): Verdict => {
  const states = parameters.getAll("state")
  if (states.length !== 1 || states[0] !== state) return { _tag: "Foreign" }
  try {
    const validated = oauth.validateAuthResponse(server, client, parameters, state)
    if (parameters.getAll("code").length === 1 && parameters.get("code") !== "") {
      return { _tag: "Granted", parameters: validated }
    }
    return { _tag: "MixedUp", cause: "the answer holds neither a code nor an error" }
  } catch (error) {
    if (error instanceof oauth.AuthorizationResponseError) return { _tag: "Refused", error }
    const cause = parameters.has("iss")
      ? "the answer comes from another authorization server than was asked (iss, RFC 9207)"
      : "the answer does not say which authorization server it comes from, although this one always does (iss, RFC 9207)"
    return { _tag: "MixedUp", cause }
  }
}

/** The parameters in what a person pasted: the URL that the browser was sent to, or its query alone. */
export const pasted = (text: string): URLSearchParams | undefined => {
  const trimmed = text.trim()
  if (trimmed === "" || trimmed.length > 16_384) return undefined
  const url = URL.parse(trimmed)
  const query = url?.search || (/^\??[\w.-]+=/.test(trimmed) ? trimmed : "")
  const parameters = new URLSearchParams(query)
  return parameters.has("state") ? parameters : undefined
}

/** Requests and answers of a simulated authorization server, as tests write them down. */
import type { Answer } from "../../src/testing/answers.ts"
import type { AuthorizationServer } from "../../src/testing/AuthorizationServer.ts"
import type { Request } from "../../src/testing/clientAuth.ts"

export const refreshing = (refreshToken: string, more: Readonly<Record<string, string>> = {}): Request => ({
  parameters: new URLSearchParams({
    grant_type: "refresh_token",
    client_id: "client",
    refresh_token: refreshToken,
    ...more,
  }),
})

export const basic = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`

export const fieldsOf = (answer: Answer): Record<string, unknown> => JSON.parse(answer.body) as Record<string, unknown>

/** `2`: granted, with `rt-2` (or `at-2` alone); `-`: refused. */
export const granted = (answer: Answer): string => {
  const { access_token, refresh_token } = fieldsOf(answer)
  const token = refresh_token ?? access_token
  return typeof token === "string" ? token : "-"
}

/** Presents one token at several instants; each answer in one word. */
export const presentAll = (
  server: AuthorizationServer,
  steps: ReadonlyArray<readonly [at: number, refreshToken: string]>,
): ReadonlyArray<string> => steps.map(([at, token]) => granted(server.exchange(refreshing(token), at)))

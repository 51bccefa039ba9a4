/** A token endpoint on loopback with single-use refresh tokens, and a knob for what it does next. */
import * as http from "node:http"
import type { AddressInfo } from "node:net"

export interface AuthorizationServer {
  readonly tokenEndpoint: string
  /** The refresh tokens that were presented, in order. */
  readonly presented: Array<string>
  mode: "ok" | "unavailable" | "denied" | "slow"
  readonly close: () => Promise<void>
}

const slowMillis = 700

export const start = async (): Promise<AuthorizationServer> => {
  let issued = 1
  const answer = (body: string): [status: number, headers: Record<string, string>, body: object] => {
    const form = new URLSearchParams(body)
    const refreshToken = form.get("refresh_token") ?? ""
    server.presented.push(refreshToken)
    if (server.mode === "unavailable") return [503, { "retry-after": "7" }, { error: "temporarily_unavailable" }]
    if (server.mode === "denied" || refreshToken !== `secret-refresh-${issued}`)
      return [400, {}, { error: "invalid_grant" }]
    issued++
    return [
      200,
      {},
      {
        access_token: `secret-access-${issued}`,
        refresh_token: `secret-refresh-${issued}`,
        token_type: "Bearer",
        expires_in: 3600,
        scope: "a b",
      },
    ]
  }
  const listener = http.createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      const [status, headers, document] = answer(body)
      const send = () => {
        response.writeHead(status, { "content-type": "application/json", ...headers })
        response.end(JSON.stringify(document))
      }
      if (server.mode === "slow") setTimeout(send, slowMillis)
      else send()
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
  const { port } = listener.address() as AddressInfo
  const server: AuthorizationServer = {
    tokenEndpoint: `http://127.0.0.1:${port}/token`,
    presented: [],
    mode: "ok",
    close: async () => {
      listener.closeAllConnections()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  return server
}

/** A token endpoint on loopback with single-use refresh tokens, and what the benchmark needs around it. */
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { openKeeper } from "../../src/promise.ts"

/** As long as real ones: an opaque access token of 200 characters, and a refresh token of 100. */
export const secret = (label: string, length: number): string => `${label}-`.padEnd(length, "0123456789abcdef")

export interface Place {
  readonly home: string
  /** How often a refresh token was presented. */
  readonly presentations: () => number
  /** How long the server thinks before it answers. */
  readonly answerAfter: (millis: number) => void
  /** Puts a grant under the name, with an access token that lives so much longer. */
  readonly grant: (name: string, livesMillis: number) => Promise<void>
  readonly close: () => Promise<void>
}

export const open = async (): Promise<Place> => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "tokenkeep-bench-"))
  const valid = new Set<string>()
  let issued = 0
  let presentations = 0
  let delay = 0

  const mint = () => {
    issued++
    const tokens = { access_token: secret(`access-${issued}`, 200), refresh_token: secret(`refresh-${issued}`, 100) }
    valid.add(tokens.refresh_token)
    return tokens
  }
  const respond = (body: string): readonly [status: number, document: object] => {
    presentations++
    if (!valid.delete(new URLSearchParams(body).get("refresh_token") ?? "")) return [400, { error: "invalid_grant" }]
    return [200, { ...mint(), token_type: "Bearer", expires_in: 3600 }]
  }
  const server = http.createServer(async (request, response) => {
    let body = ""
    for await (const chunk of request) body += chunk
    const [status, document] = respond(body)
    setTimeout(
      () => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(document)),
      delay,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo

  return {
    home,
    presentations: () => presentations,
    answerAfter: (millis) => {
      delay = millis
    },
    grant: async (name, livesMillis) => {
      await using keeper = await openKeeper({ home, background: false })
      await keeper.import(name, {
        token_endpoint: `http://127.0.0.1:${port}/token`,
        client: { client_id: "bench" },
        tokens: { ...mint(), expires_at: (Date.now() + livesMillis) / 1000 },
      })
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      fs.rmSync(home, { recursive: true, force: true })
    },
  }
}

/** What stands around the proxy that is measured: an upstream, and the least reverse proxy that node:http makes. */
import * as http from "node:http"
import type { AddressInfo } from "node:net"

const listen = (server: http.Server): void => {
  server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
}

const answer = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { text: "x".repeat(500) } }))

const upstream = (): http.Server =>
  http.createServer((request, response) => {
    if (request.url === "/stream") {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n")
      return
    }
    response.writeHead(200, { "content-type": "application/json", "content-length": answer.length }).end(answer)
  })

const bare = (target: string): http.Server => {
  const agent = new http.Agent({ keepAlive: true })
  const { hostname, port } = new URL(target)
  return http.createServer((request, response) => {
    const { headers, method, url } = request
    const outgoing = http.request({ agent, hostname, port, method, path: url, headers }, (answered) => {
      response.writeHead(answered.statusCode ?? 502, answered.headers)
      answered.pipe(response)
    })
    request.pipe(outgoing)
  })
}

const [what, target = ""] = process.argv.slice(2)
listen(what === "bare" ? bare(target) : upstream())

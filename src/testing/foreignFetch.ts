/** `fetch` for one process of a foreign world: what a request asks, and an answer as a client expects it. */
import type { Answer } from "./answers.ts"
import type { ForeignNetwork, Settled } from "./ForeignNetwork.ts"
import type { Asked } from "./routes.ts"
import type * as Sim from "./Simulation.ts"

/** `undefined`: it has to be read. */
const textOf = (body: RequestInit["body"]): string | undefined =>
  body == null ? "" : typeof body === "string" ? body : body instanceof URLSearchParams ? body.toString() : undefined

const responseOf = ({ body, headers, status }: Answer, url: URL): Response =>
  Object.defineProperty(new Response(body, { status, headers }), "url", { value: url.href })

/** As undici says it. */
const reset = (): TypeError =>
  new TypeError("fetch failed", { cause: Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }) })

export const fetchOf =
  (network: ForeignNetwork, process: Sim.Process): typeof globalThis.fetch =>
  async (input, init) => {
    const request = input instanceof Request ? input : undefined
    const url = new URL(request?.url ?? String(input))
    const headers = new Headers(init?.headers ?? request?.headers)
    const signal = init?.signal ?? request?.signal
    const given = init?.body == null && request?.body != null ? undefined : textOf(init?.body)
    const asked: Asked = {
      method: (init?.method ?? request?.method ?? "GET").toUpperCase(),
      url,
      authorization: headers.get("authorization") ?? undefined,
      contentType: headers.get("content-type") ?? undefined,
      body: given ?? (await new Request(request ?? url, init).text()),
      isLocal: false,
    }
    signal?.throwIfAborted()
    return new Promise<Response>((resolve, reject) => {
      // Nobody is left to hear of it.
      if (!process.alive) return
      const settle = (settled: Settled): void => {
        signal?.removeEventListener("abort", aborted)
        if (settled === "reset") reject(reset())
        else resolve(responseOf(settled, url))
      }
      const giveUp = network.request(process, asked, { settle })
      const aborted = (): void => {
        giveUp()
        reject(signal!.reason as Error)
      }
      signal?.addEventListener("abort", aborted, { once: true })
    })
  }

/** A copy of a request's body while it goes by, kept as long as it is small, for the one case that it is needed again. */
import type { IncomingMessage } from "node:http"

export interface Replay {
  /** The whole body; `undefined` when it is too long or has not ended yet. */
  readonly now: () => Buffer | undefined
  /** The whole body once it has ended; `undefined` when it is too long or breaks off. */
  readonly whole: () => Promise<Buffer | undefined>
  /** It is not needed any more, and what is answered may be a stream that is open for days. */
  readonly drop: () => void
}

/** As long as a body may be to be sent a second time. MCP messages are much smaller; uploads are not kept. */
export const limitBytes = 1_048_576

const keptAs = (body: Buffer | undefined): Replay => ({
  now: () => body,
  whole: async () => body,
  drop: () => {},
})

const lengthOf = ({ headers }: IncomingMessage): number => Number(headers["content-length"] ?? 0)

export const hasBody = (request: IncomingMessage): boolean =>
  request.headers["transfer-encoding"] !== undefined || lengthOf(request) > 0

/** From now on the body flows: whoever else reads it has to begin in the same turn. */
export const keep = (request: IncomingMessage): Replay => {
  if (!hasBody(request)) return keptAs(Buffer.alloc(0))
  if (lengthOf(request) > limitBytes) return keptAs(undefined)
  let chunks: Array<Buffer> | undefined = []
  let size = 0
  let body: Buffer | undefined
  const drop = () => {
    chunks = undefined
    body = undefined
  }
  const known = new Promise<void>((resolve) => {
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= limitBytes) return void chunks?.push(chunk)
      drop()
      resolve()
    })
    request.on("end", () => {
      body = chunks && Buffer.concat(chunks)
      chunks = undefined
      resolve()
    })
    request.on("close", resolve)
  })
  const now = () => body
  return { now, whole: async () => known.then(now), drop }
}

/**
 * What went wrong on the network, in plain words. Only a failure's code is read, never its message: messages quote
 * headers and URLs, and those hold secrets (I10).
 */
import { ThroughProxy, Unsent } from "./Fetch.ts"

/** `fetch` was about to send the request a second time, and was stopped. */
export class Repeated extends Error {
  readonly code = "TOKENKEEP_REPEATED"
}

interface Failure {
  readonly code: string | undefined
  readonly proxy: string | undefined
  /** The status with which a proxy refused to open a tunnel. */
  readonly tunnel: string | undefined
  readonly unsent: string | undefined
}

/** An error, its causes, and the errors of an attempt per address (`AggregateError`), outermost first. */
const chain = (error: unknown, depth = 8): ReadonlyArray<Error> =>
  depth > 0 && error instanceof Error
    ? [
        error,
        ...chain(error.cause, depth - 1),
        ...(error instanceof AggregateError ? chain(error.errors[0], depth - 1) : []),
      ]
    : []

const ownCode = (error: Error): string | undefined => {
  const code: unknown = "code" in error ? error.code : undefined
  if (typeof code === "string" && /^[A-Z][A-Z0-9_]{2,63}$/.test(code)) return code
  // undici gives this one a code only sometimes.
  return error.name === "HTTPParserError" ? "HPE_INVALID" : undefined
}

const read = (error: unknown): Failure => {
  const errors = chain(error)
  return {
    code: errors.map(ownCode).findLast((code) => code !== undefined),
    proxy: errors.find((error) => error instanceof ThroughProxy)?.proxy,
    tunnel: errors.flatMap(({ message }) => /^Proxy response \((\d{3})\)/.exec(message)?.[1] ?? [])[0],
    // Ports that the Fetch standard forbids (2.9); undici refuses them before it makes a request.
    unsent:
      errors.find((error) => error instanceof Unsent)?.message ??
      (errors.some(({ message }) => message === "bad port") ? "its port is one that fetch does not allow" : undefined),
  }
}

/** The code of a failure, such as `ECONNREFUSED`: the innermost that there is. */
export const codeOf = (error: unknown): string | undefined => read(error).code

/** The sender of the request knows for itself that nothing left. */
export const isUnsent = (error: unknown): boolean => read(error).unsent !== undefined

/** By code, or by the beginning of one. The first that fits. */
const sayings: ReadonlyArray<readonly [RegExp, (peer: string, code: string) => string]> = [
  [/^ECONNREFUSED$/, (peer) => `${peer} refused the connection`],
  [/^ENOTFOUND$/, (peer) => `${peer} is not known to the DNS`],
  [/^EAI_/, (peer) => `the name of ${peer} could not be looked up`],
  [/^(?:EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL)$/, (peer) => `${peer} cannot be reached from this network`],
  [/^(?:ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/, (peer) => `${peer} did not accept the connection in time`],
  [/CERT|^UNABLE_TO_|SELF_SIGNED|ALTNAME/, (peer, code) => `the certificate of ${peer} is not trusted (${code})`],
  [/^(?:ERR_SSL_|ERR_TLS_|EPROTO$)/, (peer, code) => `no TLS connection to ${peer} came about (${code})`],
  [/^(?:ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/, (peer) => `${peer} closed the connection`],
  [/^TOKENKEEP_REPEATED$/, (peer) => `${peer} wanted the request again on another connection (421)`],
  [/^HPE_/, (peer, code) => `${peer} answered with something that is not HTTP (${code})`],
]

/** The failure of a request to `host`, as a sentence without an end. */
export const explain = (error: unknown, host: string): string => {
  const { code, proxy, tunnel, unsent } = read(error)
  if (unsent !== undefined) return `no request to ${host} was made: ${unsent}`
  if (tunnel !== undefined) return `the proxy ${proxy} refused to connect to ${host} (status ${tunnel})`
  const peer = proxy === undefined ? host : `the proxy ${proxy} (on the way to ${host})`
  const saying = code === undefined ? undefined : sayings.find(([pattern]) => pattern.test(code))
  if (code !== undefined && saying !== undefined) return saying[1](peer, code)
  return `the request to ${peer} failed${code === undefined ? "" : ` (${code})`}`
}

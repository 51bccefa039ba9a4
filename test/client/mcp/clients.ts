/** Clients of both SDK lines as their users write them: alone, with tokens in a file, and with each face of `tokenkeep/mcp`. */
import { Client as ClientTwo, StreamableHTTPClientTransport as TransportTwo } from "@modelcontextprotocol/client"
import type { OAuthClientProvider } from "@modelcontextprotocol/sdk/client/auth.js"
import { Client as ClientOne } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as TransportOne } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { OAuthTokens } from "@modelcontextprotocol/sdk/shared/auth.js"
import * as Fs from "node:fs"
import { mcpAuth } from "../../../src/client/mcp.ts"
import type { PromiseKeeper } from "../../../src/promise.ts"

export type Line = "1.x" | "2.x"
export type Face = "alone" | "fetch" | "authProvider" | "login"

export interface Setup {
  readonly line: Line
  readonly face: Face
  readonly url: string
  /** The credential's name; alone: the file with the tokens. */
  readonly name: string
}

export interface Client {
  readonly call: () => Promise<unknown>
  readonly close: () => Promise<void>
  readonly browsers: () => number
}

const redirectUrl = "http://127.0.0.1:1/callback"

/** The straightforward provider of the SDKs' examples. */
const providerOver = (file: string, show: () => void): OAuthClientProvider => {
  let verifier = ""
  return {
    redirectUrl,
    clientMetadata: { redirect_uris: [redirectUrl] },
    clientInformation: () => ({ client_id: "client" }),
    tokens: () => (Fs.existsSync(file) ? (JSON.parse(Fs.readFileSync(file, "utf8")) as OAuthTokens) : undefined),
    saveTokens: (tokens) => {
      Fs.writeFileSync(`${file}.${process.pid}`, JSON.stringify(tokens))
      Fs.renameSync(`${file}.${process.pid}`, file)
    },
    invalidateCredentials: (scope) => {
      if (scope === "all" || scope === "tokens") Fs.rmSync(file, { force: true })
    },
    redirectToAuthorization: show,
    saveCodeVerifier: (value) => void (verifier = value),
    codeVerifier: () => verifier,
  }
}

/** Transport options for either line; their types are held against the SDKs' elsewhere. */
const optionsOf = ({ face, name, url }: Setup, keeper: PromiseKeeper | undefined, show: () => void): object => {
  if (face === "alone") return { authProvider: providerOver(name, show) }
  const auth = mcpAuth(keeper!, { credential: name, server: url })
  if (face === "fetch") return { fetch: auth.fetch }
  return face === "authProvider"
    ? auth.withAuthProvider
    : auth.withLogin({ redirectUrl, clientInformation: { client_id: "client" }, open: show })
}

/** A client of the line with these transport options, connected. */
export const clientWith = async (line: Line, url: string, options: object) => {
  const info = { name: "test", version: "1" }
  const to = new URL(url)
  if (line === "1.x") {
    const client = new ClientOne(info)
    const transport = new TransportOne(to, options)
    await client.connect(transport)
    return { transport, call: () => client.callTool({ name: "ping" }), close: () => client.close() }
  }
  const client = new ClientTwo(info)
  const transport = new TransportTwo(to, options)
  await client.connect(transport)
  return { transport, call: () => client.callTool({ name: "ping" }), close: () => client.close() }
}

export const connect = async (setup: Setup, keeper: PromiseKeeper | undefined): Promise<Client> => {
  let browsers = 0
  const { call, close } = await clientWith(
    setup.line,
    setup.url,
    optionsOf(setup, keeper, () => void browsers++),
  )
  return { call, close, browsers: () => browsers }
}

/** The SDK's own exchange of a code, on a transport that nobody has connected. */
export const finishAuth = async (line: Line, url: string, options: object, code: string, iss?: string): Promise<void> =>
  line === "1.x"
    ? new TransportOne(new URL(url), options).finishAuth(code)
    : new TransportTwo(new URL(url), options).finishAuth(code, iss)

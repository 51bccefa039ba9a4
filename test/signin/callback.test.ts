/** The four rows of RFC 9207, and the listener under fire. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Net from "node:net"
import { judge, pasted } from "../../src/signin/callback.ts"
import { browser, listen } from "./oidcProvider.ts"
import { world } from "./world.ts"

const issuer = "https://as.example"
const state = "state-of-this-sign-in"
const verdict = (supported: boolean | undefined, parameters: Record<string, string>) =>
  judge(
    { issuer, ...(supported !== undefined && { authorization_response_iss_parameter_supported: supported }) },
    { client_id: "a" },
    state,
    new URLSearchParams(parameters),
  )._tag

describe("an authorization response", () => {
  it.each([
    [true, issuer, "Granted"],
    [true, undefined, "MixedUp"],
    [true, "https://evil.example", "MixedUp"],
    [undefined, undefined, "Granted"],
    [undefined, issuer, "Granted"],
    [undefined, "https://evil.example", "MixedUp"],
    [false, "https://evil.example", "MixedUp"],
    // Compared as text: no case folding, no slash.
    [false, `${issuer}/`, "MixedUp"],
    [false, "HTTPS://AS.EXAMPLE", "MixedUp"],
  ] as const)("iss advertised %s, iss %s: %s", (supported, iss, expected) => {
    assert.strictEqual(verdict(supported, { state, code: "c", ...(iss && { iss }) }), expected)
    // The same before an error is believed.
    const error = verdict(supported, { state, error: "access_denied", ...(iss && { iss }) })
    assert.strictEqual(error, expected === "Granted" ? "Refused" : "MixedUp")
  })

  it("of another sign-in is foreign, whatever else it says", () => {
    for (const parameters of [
      "",
      "code=c",
      "state=&code=c",
      "state=other&code=c",
      `state=${state}&state=${state}&code=c`,
    ]) {
      assert.strictEqual(judge({ issuer }, { client_id: "a" }, state, new URLSearchParams(parameters))._tag, "Foreign")
    }
  })

  it("without one code is none", () => {
    for (const parameters of ["", "code=", "code=a&code=b", "response=jwt", "code=a&token=b", "error=a&error=b"]) {
      const found = judge({ issuer }, { client_id: "a" }, state, new URLSearchParams(`state=${state}&${parameters}`))
      assert.strictEqual(found._tag, "MixedUp", parameters)
    }
  })

  it("is found in what a person pastes", () => {
    assert.strictEqual(pasted(" http://127.0.0.1:1/callback?code=a&state=b \n")?.get("state"), "b")
    assert.strictEqual(pasted("?code=a&state=b")?.get("code"), "a")
    assert.strictEqual(pasted("com.example:/x?state=b")?.get("state"), "b")
    for (const text of ["", "state", "http://127.0.0.1/", "b", "x".repeat(20_000)]) assert.isUndefined(pasted(text))
  })
})

const publicClient = { clientId: "public", authMethod: "none" } as const

/** Sends bytes as they are, and says what came back. */
const raw = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = Net.connect({ host: "127.0.0.1", port }, () => socket.end(bytes, "latin1"))
    let text = ""
    socket.on("data", (chunk) => (text += chunk.toString("latin1")))
    socket.on("error", () => resolve(text))
    socket.on("close", () => resolve(text))
  })

const hostile = (host: string, state: string): fc.Arbitrary<string> => {
  const query = fc.oneof(
    fc
      .array(fc.tuple(fc.constantFrom("code", "state", "iss", "error", "response", "x"), fc.string({ maxLength: 8 })))
      .map((pairs) => new URLSearchParams(pairs).toString()),
    fc.string({ maxLength: 20 }),
    // Nearly ours.
    fc.constantFrom(
      `code=x&state=${state.slice(1)}`,
      `code=x&state=${state}&state=${state}`,
      `code=x&state=${state.toLowerCase()}_`,
      `code=x&State=${state}`,
      `code=x&state=${state}%00`,
    ),
  )
  const line = fc
    .tuple(
      fc.constantFrom("GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "CONNECT", "X"),
      fc.constantFrom(
        "/callback",
        "/callback",
        "/",
        "//callback",
        "/callback/",
        "/../callback",
        "http://evil.example/callback",
      ),
      query,
      fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""),
    )
    .map(([method, path, query, version]) => `${method} ${path}?${query.replace(/[\r\n ]/g, "")} ${version}`)
  const headers = fc.array(
    fc.oneof(
      fc.constantFrom(
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Expect: 100-continue",
      ),
      fc.string({ maxLength: 10 }),
    ),
    { maxLength: 3 },
  )
  const hosts = fc.constantFrom(host, host, host, "evil.example", "localhost", "127.0.0.1", `${host}.evil.example`, "")
  const request = fc
    .tuple(line, hosts, headers)
    .map(([line, host, headers]) => [line, `Host: ${host}`, "Connection: close", ...headers, "", ""].join("\r\n"))
  return fc.oneof({ weight: 9, arbitrary: request }, { weight: 1, arbitrary: fc.string({ maxLength: 60 }) })
}

describe("the listener", () => {
  it.live(
    "10,000 hostile requests: it neither breaks nor believes one, and the sign-in ends well",
    () =>
      Effect.gen(function* () {
        const { issuer, requests } = yield* listen()
        const { keeper, signIn, visited, done } = yield* world({
          onVisit: async (url) => {
            const { searchParams } = new URL(url)
            const { host, port } = new URL(searchParams.get("redirect_uri")!)
            const samples = fc.sample(hostile(host, searchParams.get("state")!), { numRuns: 10_000, seed: 20_261_121 })
            const asked = requests.length
            for (let at = 0; at < samples.length; at += 50) {
              const answers = await Promise.all(samples.slice(at, at + 50).map((bytes) => raw(Number(port), bytes)))
              assert.isFalse(
                answers.some((answer) => answer.startsWith("HTTP/1.1 200") || answer.includes("Signed in")),
              )
            }
            // Not one led to a question at the server.
            assert.strictEqual(requests.length, asked)
            await browser().signIn(url)
          },
        })
        const { credential } = yield* signIn.login({
          name: "a",
          target: { issuer },
          client: publicClient,
          scopes: ["openid"],
        })
        yield* done
        assert.strictEqual((yield* keeper.status("a")).credential.generation, credential.generation)
        assert.match(yield* visited, /code_challenge_method=S256/)
      }).pipe(Effect.scoped),
    60_000,
  )

  it.live("another machine's name for this one is turned away (DNS rebinding)", () =>
    Effect.gen(function* () {
      const { issuer } = yield* listen()
      const { done, signIn } = yield* world({
        onVisit: async (url) => {
          const { searchParams } = new URL(url)
          const { port } = new URL(searchParams.get("redirect_uri")!)
          const path = `/callback?code=stolen&state=${searchParams.get("state")}`
          const answer = await raw(
            Number(port),
            `GET ${path} HTTP/1.1\r\nHost: evil.example:${port}\r\nConnection: close\r\n\r\n`,
          )
          assert.match(answer, /^HTTP\/1\.1 421/)
          await browser().signIn(url)
        },
      })
      yield* signIn.login({ name: "a", target: { issuer }, client: publicClient, scopes: ["openid"] })
      yield* done
    }).pipe(Effect.scoped),
  )

  it.live("an answer of another server ends the sign-in, and its words are not repeated", () =>
    Effect.gen(function* () {
      const { issuer, requests } = yield* listen()
      const { signIn } = yield* world({
        onVisit: (url) => {
          const { searchParams } = new URL(url)
          const query = new URLSearchParams({
            state: searchParams.get("state")!,
            iss: "https://evil.example",
            error: "call_this_number",
          })
          return fetch(`${searchParams.get("redirect_uri")}?${query}`)
        },
      })
      const error = yield* Effect.flip(
        signIn.login({ name: "a", target: { issuer }, client: publicClient, scopes: ["openid"] }),
      )
      assert.strictEqual(error._tag === "SignInFailed" && error.reason, "untrusted")
      assert.notInclude(error.message, "call_this_number")
      assert.isFalse(requests.some(({ path }) => path === "/token"))
    }).pipe(Effect.scoped),
  )
})

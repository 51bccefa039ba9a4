/** The way through a real browser: what a person sees there, and what a page on another origin can do to it: nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { http } from "../exchange/loopback.ts"
import * as Chromium from "./chromium.ts"
import { listen } from "./oidcProvider.ts"
import { world } from "./world.ts"

const client = { clientId: "public", authMethod: "none" } as const
const scopes = ["openid", "offline_access", "mail"]

/** Signs in and consents, by the buttons of the provider's own pages. */
const consent = async (page: Chromium.Page, url: string) => {
  await page.go(url)
  await page.until(`document.querySelector("input[name=login]") !== null`)
  await page.run(`
    document.querySelector("input[name=login]").value = "ada"
    document.querySelector("input[name=password]").value = "any"
    document.querySelector("button[type=submit]").click()`)
  await page.until(
    `document.querySelector("input[name=prompt][value=consent]") !== null && document.readyState === "complete"`,
  )
  await page.run(`document.querySelector("button[type=submit]").click()`)
}

const started = Effect.gen(function* () {
  const { issuer, requests } = yield* listen()
  const made = yield* world()
  const login = yield* Effect.forkChild(
    Effect.result(made.signIn.login({ name: "panva", target: { issuer }, client, scopes })),
  )
  const url = yield* made.visited
  const { searchParams } = new URL(url)
  const { page } = yield* Chromium.launch
  const redirectUri = searchParams.get("redirect_uri")!
  return { ...made, issuer, requests, login, url, page, redirectUri, state: searchParams.get("state")! }
})

describe.skipIf(Chromium.isMissing)("in Chromium (CHROMIUM names it; skipped where there is none)", () => {
  it.live(
    "a person signs in, consents, and reads that it is done; the code is nowhere to be read",
    () =>
      Effect.gen(function* () {
        const { keeper, login, page: open, url } = yield* started
        const page = yield* open
        yield* Effect.promise(() => consent(page, url))
        yield* Effect.promise(() => page.until(`document.title.startsWith("Signed in")`))
        assert.include(yield* Effect.promise(() => page.text()), "You can close this window")
        assert.strictEqual((yield* Fiber.join(login))._tag, "Success")
        assert.isDefined((yield* keeper.status("panva")).credential.tokens.refreshToken)
        // The page runs nothing, so that nothing can read the code out of its address.
        const ran = yield* Effect.promise(() =>
          page.run<boolean>(`(() => {
          const script = document.createElement("script")
          script.textContent = "window.ran = true"
          document.body.append(script)
          return window.ran === true
        })()`),
        )
        assert.isFalse(ran)
      }).pipe(Effect.scoped),
    60_000,
  )

  it.live(
    "another state is refused, and the sign-in goes on; another issuer ends it",
    () =>
      Effect.gen(function* () {
        const { issuer, login, page: open, redirectUri, requests, state } = yield* started
        const page = yield* open
        yield* Effect.promise(() =>
          page.go(`${redirectUri}?code=stolen&state=guessed&iss=${encodeURIComponent(issuer)}`),
        )
        assert.include(yield* Effect.promise(() => page.text()), "Not an answer to this sign-in")
        yield* Effect.promise(() => page.go(`${redirectUri}?code=stolen&state=${state}&iss=https://evil.example`))
        assert.include(yield* Effect.promise(() => page.text()), "Not signed in")
        const result = yield* Fiber.join(login)
        assert.strictEqual(
          result._tag === "Failure" && result.failure._tag === "SignInFailed" && result.failure.reason,
          "untrusted",
        )
        assert.isFalse(requests.some(({ path }) => path === "/token"))
      }).pipe(Effect.scoped),
    60_000,
  )

  it.live(
    "a page on another origin can neither complete a sign-in nor read one",
    () =>
      Effect.gen(function* () {
        const { keeper, login, page: open, redirectUri, requests, url } = yield* started
        const { port } = yield* http((_request, response) => {
          response.writeHead(200, { "content-type": "text/html" }).end("<body></body>")
        })
        const evil = yield* open
        // It knows everything but the state.
        const target = JSON.stringify(`${redirectUri}?code=stolen&state=guessed`)
        yield* Effect.promise(() => evil.go(`http://localhost:${port}/`))
        const outcomes = yield* Effect.promise(() =>
          evil.run<Record<string, unknown>>(`(async () => {
          const frame = (src) => new Promise((resolve) => {
            const element = document.createElement("iframe")
            element.src = src
            element.onload = () => {
              let text
              try { text = element.contentDocument?.body?.innerText || null } catch { text = null }
              resolve(text)
            }
            document.body.append(element)
          })
          const form = (method) => new Promise((resolve) => {
            const name = "target-" + method
            const element = document.createElement("iframe")
            element.name = name
            document.body.append(element)
            const form = Object.assign(document.createElement("form"), { method, action: ${target}, target: name })
            document.body.append(form)
            element.onload = () => resolve("sent")
            form.submit()
          })
          const image = () => new Promise((resolve) => {
            const element = new Image()
            element.onload = () => resolve("loaded")
            element.onerror = () => resolve("refused")
            element.src = ${target}
          })
          const script = () => new Promise((resolve) => {
            const element = document.createElement("script")
            element.onload = () => resolve("loaded")
            element.onerror = () => resolve("refused")
            element.src = ${target}
            document.head.append(element)
          })
          const read = (init) => fetch(${target}, init).then(async (r) => (await r.text()) || "opaque", () => "refused")
          return {
            cors: await read({}),
            noCors: await read({ mode: "no-cors" }),
            post: await read({ method: "POST", mode: "no-cors", body: "x" }),
            preflight: await read({ headers: { "x-a": "b" } }),
            frame: await frame(${target}),
            get: await form("get"),
            form: await form("post"),
            image: await image(),
            script: await script(),
          }
        })()`),
        )
        assert.deepStrictEqual(
          { ...outcomes, get: undefined, form: undefined },
          {
            cors: "refused",
            noCors: "refused",
            post: "refused",
            preflight: "refused",
            frame: null,
            image: "refused",
            script: "refused",
            get: undefined,
            form: undefined,
          },
        )
        assert.isFalse(requests.some(({ path }) => path === "/token"))

        // The person it meant to harm signs in all the same.
        const page = yield* open
        yield* Effect.promise(() => consent(page, url))
        assert.strictEqual((yield* Fiber.join(login))._tag, "Success")
        assert.strictEqual((yield* keeper.status("panva")).credential.generation, 1)
      }).pipe(Effect.scoped),
    60_000,
  )
})

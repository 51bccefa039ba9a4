import { assert, it } from "@effect/vitest"
import { foreign, unsafe } from "../../src/client/destination.ts"

it("a token goes to its own origin, and below its own path", () => {
  const goesTo = (url: string, resource: string | undefined) => foreign(new URL(url), resource) === undefined
  const resource = "https://api.example/v1"
  for (const url of [resource, `${resource}/`, `${resource}/a?b#c`, `${resource}?b`])
    assert.isTrue(goesTo(url, resource), url)
  for (const url of [
    "https://else.example/v1",
    "https://api.example:8443/v1",
    "https://api.example.else/v1",
    "http://api.example/v1",
    "https://api.example/v10",
    "https://api.example/",
    "https://api.example/v1/../v2",
    "https://api.example/v1/%2e%2e/v2",
  ])
    assert.isFalse(goesTo(url, resource), url)
  assert.isTrue(goesTo("https://anywhere.example/", undefined))
})

it("and by nothing that others can read", () => {
  for (const url of ["https://api.example/", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost/"])
    assert.isUndefined(unsafe(new URL(url)), url)
  for (const url of ["http://api.example/", "http://127.0.0.1.example/", "ws://127.0.0.1/", "file:///etc/passwd"])
    assert.strictEqual(unsafe(new URL(url))?.name, "ForeignResource", url)
})

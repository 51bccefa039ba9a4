/** To which URLs a secret may be sent. */
import { assert, describe, it } from "@effect/vitest"
import { isAllowedEndpoint } from "../../src/exchange/endpointUrl.ts"

describe("isAllowedEndpoint", () => {
  it.each([
    "https://as.example/token",
    "https://as.example:8443/token?a=b",
    "https://192.0.2.1/token",
    "http://localhost/token",
    "http://LOCALHOST:8080/token",
    "http://127.0.0.1:8080/token",
    "http://127.255.0.3/token",
    "http://127.1/token",
    "http://0x7f000001/token",
    "http://[::1]:8080/token",
    "http://[0:0:0:0:0:0:0:1]/token",
  ])("yes: %s", (url) => assert.isTrue(isAllowedEndpoint(url)))

  it.each([
    "",
    "as.example/token",
    "http://as.example/token",
    "http://127.0.0.1.as.example/token",
    "http://localhost.as.example/token",
    "http://as.example/?http://localhost",
    "http://128.0.0.1/token",
    "http://0.0.0.0/token",
    "http://[::ffff:7f00:2]/token",
    "http://[::]/token",
    "https://user@as.example/token",
    "https://user:pass@as.example/token",
    "http://localhost@as.example/token",
    "https://as.example/token#fragment",
    "ws://localhost/token",
    "file:///etc/passwd",
    "javascript:alert(1)",
  ])("no: %s", (url) => assert.isFalse(isAllowedEndpoint(url)))

  it("takes a URL as well", () => assert.isTrue(isAllowedEndpoint(new URL("https://as.example/token"))))
})

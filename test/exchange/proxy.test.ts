/** Which proxy the environment wants is a pure function. That it is then used is shown in http.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import { type Environment, proxyFor } from "../../src/exchange/proxy.ts"

const chosen = (url: string, env: Environment) => proxyFor(new URL(url), env)

describe("proxyFor", () => {
  it.each<readonly [string, Environment, string | undefined]>([
    ["https://a.example", {}, undefined],
    ["https://a.example", { HTTPS_PROXY: "http://p:1" }, "http://p:1"],
    ["https://a.example", { https_proxy: "http://p:1", HTTPS_PROXY: "http://p:2" }, "http://p:1"],
    ["https://a.example", { https_proxy: "", HTTPS_PROXY: "http://p:2" }, undefined],
    ["https://a.example", { HTTPS_PROXY: "p:1" }, "http://p:1"],
    ["https://a.example", { ALL_PROXY: "socks5h://p:1" }, "socks5h://p:1"],
    ["https://a.example", { ALL_PROXY: "http://p:1", HTTP_PROXY: "http://p:2" }, "http://p:1"],
    ["https://a.example", { HTTP_PROXY: "http://p:2" }, "http://p:2"],
    ["https://a.example", { HTTPS_PROXY: "http://p:1", NO_PROXY: "*" }, undefined],
    ["http://127.0.0.1:9", { HTTPS_PROXY: "http://127.0.0.1:1" }, undefined],
    ["http://127.0.0.1:9", { HTTP_PROXY: "http://127.0.0.1:1" }, "http://127.0.0.1:1"],
    ["http://127.0.0.1:9", { HTTP_PROXY: "http://p:1" }, undefined],
    ["https://localhost:9", { HTTPS_PROXY: "http://p:1" }, undefined],
    ["https://[::1]:9", { ALL_PROXY: "http://[::1]:1" }, "http://[::1]:1"],
  ])("%s with %j", (url, env, expected) => {
    assert.strictEqual(chosen(url, env), expected)
  })

  it.each<readonly [noProxy: string, url: string, direct: boolean]>([
    ["a.example", "https://a.example", true],
    ["a.example", "https://b.a.example", true],
    ["a.example", "https://xa.example", false],
    ["A.Example.", "https://a.example", true],
    [".a.example", "https://a.example", true],
    [".a.example", "https://b.a.example", true],
    ["*.a.example", "https://b.a.example", true],
    ["*.a.example", "https://a.example", false],
    ["x.example, a.example", "https://a.example", true],
    ["x.example a.example", "https://a.example", true],
    ["a.example:443", "https://a.example", true],
    ["a.example:8443", "https://a.example", false],
    ["a.example:8443", "https://a.example:8443", true],
    ["*:443", "https://a.example", true],
    ["*:80", "https://a.example", false],
    ["192.0.2.7", "https://192.0.2.7", true],
    ["[2001:db8::1]:443", "https://[2001:db8::1]", true],
    ["[2001:db8::1]", "https://[2001:db8::1]", true],
    ["2001:db8::1", "https://[2001:db8::1]", true],
    [" , ", "https://a.example", false],
  ])("NO_PROXY=%s for %s", (noProxy, url, direct) => {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      const proxy = chosen(url, { HTTPS_PROXY: "http://p:1", [name]: noProxy })
      assert.strictEqual(proxy, direct ? undefined : "http://p:1")
    }
  })
})

import { assert, describe, it } from "@effect/vitest"
import { homeFolder } from "../../src/store/home.ts"

const folder = (platform: string, env: Record<string, string>) =>
  homeFolder({ env, platform, homedir: () => "/users/me" })

describe("the home folder", () => {
  it("is what TOKENKEEP_HOME says, on every platform", () => {
    for (const platform of ["linux", "darwin", "win32"]) {
      assert.strictEqual(folder(platform, { TOKENKEEP_HOME: "/keep", XDG_DATA_HOME: "/x", HOME: "/h" }), "/keep")
    }
  })

  it("is the platform's place for data otherwise", () => {
    assert.strictEqual(folder("linux", {}), "/users/me/.local/share/tokenkeep")
    assert.strictEqual(folder("linux", { HOME: "/h", TOKENKEEP_HOME: "" }), "/h/.local/share/tokenkeep")
    assert.strictEqual(folder("linux", { HOME: "/h", XDG_DATA_HOME: "/data" }), "/data/tokenkeep")
    assert.strictEqual(folder("linux", { HOME: "/h", XDG_DATA_HOME: "data" }), "/h/.local/share/tokenkeep")
    assert.strictEqual(folder("darwin", { HOME: "/h" }), "/h/Library/Application Support/tokenkeep")
    assert.strictEqual(folder("win32", { LOCALAPPDATA: "C:\\L" }), "C:\\L\\tokenkeep")
    assert.strictEqual(folder("win32", {}), "/users/me\\AppData\\Local\\tokenkeep")
  })
})

/** The layout rules of the design, as far as a reader of the import lines can check them. */
import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as path from "node:path"

const src = path.join(import.meta.dirname, "../src")

/** A folder imports only from itself and from folders before it. */
const order = ["lifecycle", "provider", "store", "exchange", "keeper", "signin", "interop", "client", "testing", "cli"]

/** Imports of values. A type may come from anywhere: it is gone before anything runs. */
const imports = fs
  .readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .flatMap((file) => {
    const source = fs.readFileSync(path.join(src, file), "utf8")
    const statements = source.matchAll(/\b(?:import|export)\b(?!\s+type\b)(?:[\s\w{},*]*\bfrom)?\s*\(?\s*"([^"]+)"/g)
    return [...statements].map(([, name = ""]) => ({ file, name, resolved: path.join(path.dirname(file), name) }))
  })

const layer = (file: string): number => order.indexOf(file.split(path.sep)[0] ?? "")

const said = (found: typeof imports): ReadonlyArray<string> => found.map(({ file, name }) => `${file} imports ${name}`)

describe("the layout", () => {
  it("has no import from a later layer", () => {
    const relative = imports.filter(({ file, name }) => name.startsWith(".") && layer(file) >= 0)
    assert.isNotEmpty(relative)
    assert.deepStrictEqual(said(relative.filter(({ file, resolved }) => layer(resolved) > layer(file))), [])
  })

  it("keeps XState in one module", () => {
    const found = imports.filter(({ name }) => name.startsWith("xstate"))
    assert.deepStrictEqual(said(found), [`${path.join("lifecycle", "machine.ts")} imports xstate`])
  })

  it("keeps the lifecycle and the profiles free of I/O", () => {
    // A digest is not I/O.
    const pure = imports.filter(({ file }) => layer(file) >= 0 && layer(file) <= order.indexOf("provider"))
    assert.deepStrictEqual(
      said(pure.filter(({ name }) => /^(node:(?!crypto$)|undici|effect\/http|@effect\/platform)/.test(name))),
      [],
    )
  })
})

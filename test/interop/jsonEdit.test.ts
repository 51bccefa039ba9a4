import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import type { Edit, Json } from "../../src/interop/ForeignStore.ts"
import { edited } from "../../src/interop/jsonEdit.ts"

const set = (text: string, ...edits: ReadonlyArray<readonly [path: Edit["path"], value: Json]>): string =>
  Result.getOrThrow(
    edited(
      text,
      edits.map(([path, value]) => ({ path, value })),
    ),
  )

const why = (text: string, path: Edit["path"], value: Json = 1): string =>
  Result.match(edited(text, [{ path, value }]), { onFailure: (reason) => reason, onSuccess: () => "edited" })

const notJson = "it is not JSON, or only the first part of it"
const otherForm = "it is not made the way that its owner makes it"

/** A plain model of what an edit does to a value: keys are set on copies, last. */
const modelOf = (value: Json, [key, ...rest]: Edit["path"], by: Json): Json => {
  if (key === undefined) return by
  if (Array.isArray(value)) {
    const copy = [...value]
    copy[key as number] = modelOf(value[key as number], rest, by)
    return copy
  }
  const own = Object.entries((value ?? {}) as object)
  const inner = modelOf(own.find(([name]) => name === key)?.[1], rest, by)
  return Object.fromEntries([...own.filter(([name]) => name !== key), [key, inner]])
}

/** How a text may be written: the same value has many texts. */
const layouts: ReadonlyArray<(value: Json) => string> = [
  (value) => JSON.stringify(value),
  (value) => JSON.stringify(value, null, 2),
  (value) => `${JSON.stringify(value, null, "\t")}\n`,
  (value) => `\uFEFF${JSON.stringify(value, null, 4).replaceAll("\n", "\r\n")}\r\n`,
  // As Python writes it.
  (value) =>
    JSON.stringify(value, null, 1)
      .replaceAll(/\n\s*(?=[\]}])/g, "")
      .replaceAll(/(?<=[[{])\n\s*/g, "")
      .replaceAll(/\n\s*/g, " "),
]

/** No others with a quotation mark or a backslash: JSON.parse of Node 24 may take the key `"` for `\\` after one like it. */
const key = fc.oneof(
  fc.constantFrom("a", "b", 'q"', "b\\s", "é", "x y", "{", ","),
  fc.string({ maxLength: 4 }).filter((key) => !/["\\]|__proto__/.test(key)),
)
const { value } = fc.letrec<{ readonly value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, 0, -1.5, 1e300),
    fc.string(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}))
const path = fc.array(key, { minLength: 1, maxLength: 3 })

/** Whether the path leads only through objects, or to where there is nothing. */
const isOpen = (value: Json, path: Edit["path"]): boolean =>
  path.length === 0 ||
  value === undefined ||
  (typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    isOpen(Object.hasOwn(value, path[0]!) ? (value as Record<string, Json>)[path[0]!] : undefined, path.slice(1)))

describe("a JSON text that is edited", () => {
  it("says what it said, but for what was edited", () => {
    let open = 0
    fc.assert(
      fc.property(
        fc.dictionary(key, value, { noNullPrototype: true }),
        fc.constantFrom(...layouts),
        fc.array(fc.tuple(path, value), { maxLength: 3 }),
        (before, layout, edits) => {
          const text = layout(before)
          let model: Json = JSON.parse(JSON.stringify(before))
          let after = text
          for (const [path, value] of edits) {
            if (!isOpen(model, path)) {
              assert.strictEqual(why(after, path, value), otherForm)
              continue
            }
            open++
            model = modelOf(model, path, JSON.parse(JSON.stringify(value)))
            after = set(after, [path, value])
          }
          assert.deepStrictEqual(JSON.parse(after.replace("\uFEFF", "")), model)
          // The same once more changes nothing.
          for (const [path, value] of edits.slice(-1)) {
            if (isOpen(model, path)) assert.strictEqual(set(after, [path, value]), after)
          }
        },
      ),
      { numRuns: 1_000 },
    )
    assert.isAbove(open, 200)
  })

  it("stays to the letter outside of what was edited", () => {
    fc.assert(
      fc.property(value, value, value, fc.constantFrom(...layouts), (one, two, by, layout) => {
        // Numbers that look like none, and keys of which some stand twice.
        const marked = layout({ one, token: "BEFORE", two, last: 1 })
          .replace('"BEFORE"', " 1.50e+0 ")
          .replace(/"last":/, '"two"  :1,$&')
        const [head, tail] = marked.split("1.50e+0") as [string, string]
        const after = set(marked, [["token"], by])
        if (JSON.stringify(by) === "1.5") assert.strictEqual(after, marked)
        assert.isTrue(after.startsWith(head) && after.endsWith(tail))
        assert.deepStrictEqual(
          JSON.parse(after.slice(head.length, after.length - tail.length)),
          JSON.parse(JSON.stringify(by)),
        )

        const grown = set(marked, [["new"], by])
        const at = marked.lastIndexOf("1", marked.lastIndexOf("}"))
        assert.strictEqual(grown.slice(0, at + 1), marked.slice(0, at + 1))
        assert.isTrue(grown.endsWith(marked.slice(at + 1)))
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['{"a":1}', '{"a":1,"b":{"c":[1]}}'],
    ['{"a": 1}', '{"a": 1, "b": {"c":[1]}}'],
    ['{ "a": 1 }\n', '{ "a": 1, "b": {"c":[1]} }\n'],
    ["{}", '{"b":{"c":[1]}}'],
    ['{\n  "a": 1\n}', '{\n  "a": 1,\n  "b": {\n    "c": [\n      1\n    ]\n  }\n}'],
    ['{\r\n\t"a": 1\r\n}\r\n', '{\r\n\t"a": 1,\r\n\t"b": {\r\n\t\t"c": [\r\n\t\t\t1\r\n\t\t]\r\n\t}\r\n}\r\n'],
    ['{\n  "a": 1,\n  "b": {}\n}', '{\n  "a": 1,\n  "b": {\n    "c": [\n      1\n    ]\n  }\n}'],
    ['{\n  "b": {"x":1}\n}', '{\n  "b": {"x":1,"c":[1]}\n}'],
    ['{\n "a": 1}', '{\n "a": 1,\n "b": {\n  "c": [\n   1\n  ]\n }}'],
  ])("%j grows in its own way", (before, after) => {
    assert.strictEqual(set(before, [["b", "c"], [1]]), after)
  })

  it("takes a new value in the way of the file", () => {
    const pretty = '{\n  "tokens": {\n    "scopes": [\n      "a"\n    ]\n  },\n  "n": 1\n}'
    assert.strictEqual(
      set(pretty, [
        ["tokens", "scopes"],
        ["b", "c"],
      ]),
      '{\n  "tokens": {\n    "scopes": [\n      "b",\n      "c"\n    ]\n  },\n  "n": 1\n}',
    )
    assert.strictEqual(set('{"tokens":{"scopes":["a"]}}', [["tokens", "scopes"], ["b"]]), '{"tokens":{"scopes":["b"]}}')
    assert.strictEqual(set('[{"a":1}, {"a":2}]', [[1, "a"], 3], [[2, "a"], 4]), '[{"a":1}, {"a":3}, {"a":4}]')
  })

  it("has the last of two equal keys edited", () => {
    assert.strictEqual(set('{"a":1,"a":2}', [["a"], 3]), '{"a":1,"a":3}')
  })

  it("is refused unless it is JSON as a whole", () => {
    for (const text of ["", " ", '{"a":1', '{"a":1}}', "{'a':1}", '{"a":1,}', '{"a":1} // b', "\uFEFF\uFEFF{}"]) {
      assert.strictEqual(why(text, ["a"]), notJson)
    }
  })

  it("is refused where it has no such place", () => {
    assert.strictEqual(why('{"a":1}', ["a", "b"]), otherForm)
    assert.strictEqual(why('{"a":[]}', ["a", "b"]), otherForm)
    assert.strictEqual(why('{"a":[]}', ["a", 1]), otherForm)
    assert.strictEqual(why('{"a":{}}', ["a", 0]), otherForm)
    assert.strictEqual(why("{}", ["a", 1]), otherForm)
    assert.strictEqual(why("null", ["a"]), otherForm)
  })
})

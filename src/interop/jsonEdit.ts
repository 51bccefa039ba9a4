/**
 * Gives members of a JSON file other values, in its text: whatever is not edited stays to the letter, however it is
 * written.
 *
 * **Invariants**
 *
 * - A text that is not JSON from its first to its last character is refused. A byte order mark stays.
 * - Text outside the edited values is unchanged; a value that is the same already keeps its spelling. A new member comes
 *   last in its object, written as its neighbours are.
 * - Of a key that stands twice in an object the last one counts, as it does for JSON.parse.
 *
 * `jsonc-parser` edits JSON too, but the first of two equal keys, and it writes the neighbours of a new member anew.
 */
import * as Result from "effect/Result"
import { isDeepStrictEqual } from "node:util"
import type { Edit, Json } from "./ForeignStore.ts"

/** Why a text was not edited. Quotes nothing of it. */
export type NotEdited =
  | "it is not JSON, or only the first part of it"
  | "it is not made the way that its owner makes it"

/** From the first character of a value to behind its last. */
interface Value {
  readonly start: number
  readonly end: number
  /** In the order of the text; absent for a value that has none. */
  readonly parts?: ReadonlyArray<Part>
  readonly isList?: boolean
}

interface Part {
  readonly key: string | number
  /** Where its key begins, or the value of a list. */
  readonly start: number
  /** What stands between its key and its value. */
  readonly colon: string
  readonly value: Value
}

const token = /[{}[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/g

/** Where everything is in a text that JSON.parse takes. */
const locate = (text: string): Value => {
  const tokens = text.matchAll(token)
  const next = () => tokens.next().value as RegExpExecArray
  const valueAt = ({ 0: word, index: start }: RegExpExecArray): Value => {
    if (word !== "{" && word !== "[") return { start, end: start + word.length }
    const isList = word === "["
    const parts: Array<Part> = []
    for (let found = next(); ; found = next()) {
      if (found[0] === "}" || found[0] === "]") return { start, end: found.index + 1, parts, isList }
      if (found[0] === ",") found = next()
      const { 0: name, index } = found
      if (!isList) next()
      const value = valueAt(isList ? found : next())
      const colon = isList ? "" : text.slice(index + name.length, value.start)
      parts.push({ key: isList ? parts.length : (JSON.parse(name) as string), start: index, colon, value })
    }
  }
  return valueAt(next())
}

/** How a text is laid out: `break` before each line, `unit` more for each level. Both empty where all is in one line. */
interface Layout {
  readonly break: string
  readonly unit: string
}

const layoutOf = (text: string): Layout => {
  const unit = /\n([ \t]+)\S/.exec(text)?.[1] ?? ""
  return { break: unit === "" ? "" : text.includes("\r\n") ? "\r\n" : "\n", unit }
}

/** The layout of what stands in the line of `at`. */
const layoutAt = (text: string, at: number, layout: Layout): Layout => {
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at)
  return { ...layout, break: layout.break && layout.break + (/^[ \t]*/.exec(line)?.[0] ?? "") }
}

const oneLine: Layout = { break: "", unit: "" }

const written = (value: Json, layout: Layout): string =>
  JSON.stringify(value, null, layout.unit).replaceAll("\n", layout.break)

/** What stands before a part of `parent`, behind the comma or the brace. */
const spaceIn = (text: string, parent: Value, index: number): string => {
  const { parts = [], start } = parent
  const before = text.slice(parts[index - 1]?.value.end ?? start + 1, parts[index]?.start)
  return before.replace(/^\s*,/, "")
}

/** The layout of values in `parent`: of their lines, if each has one, and otherwise all in one. */
const layoutIn = (text: string, parent: Value, layout: Layout): Layout => {
  const [first] = parent.parts ?? []
  return first !== undefined && !spaceIn(text, parent, 0).includes("\n")
    ? oneLine
    : layoutAt(text, parent.start, layout)
}

const splice = (text: string, start: number, end: number, by: string): string =>
  text.slice(0, start) + by + text.slice(end)

/** With a new last part. */
const appended = (text: string, parent: Value, key: string | number, value: Json, layout: Layout): string => {
  const { parts = [] } = parent
  const last = parts.at(-1)
  const outer = layoutIn(text, parent, layout)
  const inner = { ...outer, break: outer.break && outer.break + outer.unit }
  const colon = last?.colon ?? (layout.unit === "" ? ":" : ": ")
  const part = `${typeof key === "number" ? "" : JSON.stringify(key) + colon}${written(value, inner)}`
  if (last === undefined) return splice(text, parent.start + 1, parent.end - 1, inner.break + part + outer.break)
  const space = spaceIn(text, parent, parts.length - 1)
  // Of an only part nothing tells what is between two, but what is behind its colon.
  const between = parts.length > 1 || space !== "" ? space : /\s*$/.exec(colon)?.[0]
  return splice(text, last.value.end, last.value.end, `,${between}${part}`)
}

/** `value` as what stands at `path` in something new. */
const nested = (path: Edit["path"], value: Json): Json | undefined =>
  path.some((key) => typeof key === "number" && key !== 0)
    ? undefined
    : path.reduceRight<Json>((inner, key) => (typeof key === "number" ? [inner] : { [key]: inner }), value)

/** `undefined`: there is no such place, and none can be made. */
const edit = (text: string, { path, value }: Edit): string | undefined => {
  const layout = layoutOf(text)
  let found = locate(text)
  let around = layout
  for (const [depth, key] of path.entries()) {
    const { isList, parts } = found
    if (parts === undefined || isList !== (typeof key === "number")) return undefined
    const part = parts.findLast((part) => part.key === key)
    if (part === undefined) {
      const inner = nested(path.slice(depth + 1), value)
      const hasPlace = inner !== undefined && (typeof key === "string" || key === parts.length)
      return hasPlace ? appended(text, found, key, inner, layout) : undefined
    }
    around = layoutIn(text, found, layout)
    if (around.break !== "") around = layoutAt(text, part.start, layout)
    found = part.value
  }
  const isSame = isDeepStrictEqual(JSON.parse(text.slice(found.start, found.end)), JSON.parse(JSON.stringify(value)))
  return isSame ? text : splice(text, found.start, found.end, written(value, around))
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The text with the edits made in their order. What an edit's path leads through is made where it is not there. */
export const edited = (text: string, edits: ReadonlyArray<Edit>): Result.Result<string, NotEdited> => {
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : ""
  const json = text.slice(mark.length)
  if (!isJson(json)) return Result.fail("it is not JSON, or only the first part of it")
  const result = edits.reduce<string | undefined>(
    (text, each) => (text === undefined ? undefined : edit(text, each)),
    json,
  )
  return result === undefined
    ? Result.fail("it is not made the way that its owner makes it")
    : Result.succeed(mark + result)
}

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as ReplaceFile from "../../src/interop/replaceFile.ts"
import { temporaryFolder } from "../run.ts"

const isRoot = process.getuid?.() === 0

const folderOf = (): string => temporaryFolder("replace")

const fresh = (text: string, mode = 0o600): string => {
  const place = path.join(folderOf(), "auth.json")
  fs.writeFileSync(place, text, { mode })
  fs.chmodSync(place, mode)
  return place
}

const textOf = (place: string): string => fs.readFileSync(place, "utf8")
const names = (place: string): ReadonlyArray<string> => fs.readdirSync(path.dirname(place)).toSorted()

const replaced = (reading: ReplaceFile.Reading, text: string) => ReplaceFile.replace(reading, Redacted.make(text))

/** Read, probed and replaced, as it is done around a refresh. */
const put = Effect.fnUntraced(function* (place: string, text: string) {
  const reading = yield* ReplaceFile.read(place)
  yield* ReplaceFile.probe(reading)
  yield* replaced(reading, text)
})

/** Runs a command as root, until the test is over. */
const during = (on: ReadonlyArray<string>, off: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => childProcess.spawnSync(on[0]!, on.slice(1), { encoding: "utf8" }).status === 0),
    () => Effect.sync(() => childProcess.spawnSync(off[0]!, off.slice(1))),
  )

describe("a file that is replaced", () => {
  it.effect("has the new text and its old mode, and nothing is beside it", () =>
    Effect.gen(function* () {
      for (const mode of [0o600, 0o644, 0o660]) {
        const place = fresh("\uFEFFold", mode)
        const before = fs.statSync(place)
        yield* put(place, "\uFEFFnew é")
        assert.strictEqual(textOf(place), "\uFEFFnew é")
        assert.strictEqual(fs.statSync(place).mode & 0o777, mode)
        assert.notStrictEqual(fs.statSync(place).ino, before.ino)
        assert.deepStrictEqual(names(place), ["auth.json"])
      }
    }),
  )

  it.effect("is the one that links lead to, and they stay", () =>
    Effect.gen(function* () {
      const target = fresh("old")
      const links = folderOf()
      fs.symlinkSync(path.dirname(target), path.join(links, "folder"))
      const place = path.join(links, "auth.json")
      fs.symlinkSync(path.join("folder", "auth.json"), place)
      yield* put(place, "new")
      assert.isTrue(fs.lstatSync(place).isSymbolicLink())
      assert.strictEqual(textOf(target), "new")
      assert.deepStrictEqual(names(place), ["auth.json", "folder"])
      assert.deepStrictEqual(names(target), ["auth.json"])
    }),
  )

  it.effect("has a later time of change by a millisecond at least", () =>
    Effect.gen(function* () {
      const place = fresh("old")
      // A clock was wrong, or the two writes are in one millisecond.
      const ahead = Date.now() + 60_000
      fs.utimesSync(place, ahead / 1000, ahead / 1000)
      yield* put(place, "new")
      assert.isAtLeast(Math.floor(fs.statSync(place).mtimeMs), ahead + 1)
      assert.isBelow(fs.statSync(place).mtimeMs, ahead + 10)
    }),
  )

  it.effect("is left as it is when somebody wrote it meanwhile", () =>
    Effect.gen(function* () {
      const place = fresh("old")
      const reading = yield* ReplaceFile.read(place)
      fs.writeFileSync(place, "another's")
      const trouble = yield* Effect.flip(replaced(reading, "new"))
      assert.strictEqual(trouble.reason, "changed")
      assert.strictEqual(textOf(place), "another's")
      assert.deepStrictEqual(names(place), ["auth.json"])
    }),
  )

  it.effect("is not the one that a link leads to by now", () =>
    Effect.gen(function* () {
      const [one, two] = [fresh("old"), fresh("old")]
      const place = path.join(folderOf(), "auth.json")
      fs.symlinkSync(one, place)
      const reading = yield* ReplaceFile.read(place)
      fs.rmSync(place)
      fs.symlinkSync(two, place)
      assert.strictEqual((yield* Effect.flip(replaced(reading, "new"))).reason, "changed")
      assert.deepStrictEqual([textOf(one), textOf(two)], ["old", "old"])
    }),
  )

  it.effect("does not come back when its owner removed it", () =>
    Effect.gen(function* () {
      const place = fresh("old")
      const reading = yield* ReplaceFile.read(place)
      fs.rmSync(place)
      assert.strictEqual((yield* Effect.flip(replaced(reading, "new"))).reason, "missing")
      assert.deepStrictEqual(names(place), [])
      assert.strictEqual((yield* Effect.flip(ReplaceFile.read(place))).reason, "missing")
    }),
  )

  it.effect("is a text", () =>
    Effect.gen(function* () {
      const place = fresh("")
      fs.writeFileSync(place, Buffer.from([0x7b, 0xff, 0x7d]))
      assert.strictEqual((yield* Effect.flip(ReplaceFile.read(place))).reason, "unreadable")
      assert.strictEqual((yield* Effect.flip(ReplaceFile.read(path.dirname(place)))).reason, "unreadable")
    }),
  )

  it.effect("is rid of what a killed process left beside it, and of nothing else", () =>
    Effect.gen(function* () {
      const place = fresh("old")
      yield* TestClock.setTime(Date.now())
      const beside = (name: string, ageMillis: number): void => {
        const file = path.join(path.dirname(place), name)
        fs.writeFileSync(file, "")
        fs.utimesSync(file, (Date.now() - ageMillis) / 1000, (Date.now() - ageMillis) / 1000)
      }
      beside(".auth.json.tokenkeep-old", 700_000)
      beside(".auth.json.tokenkeep-new", 1_000)
      beside(".auth.json.other", 700_000)
      yield* put(place, "new")
      assert.deepStrictEqual(names(place), [".auth.json.other", ".auth.json.tokenkeep-new", "auth.json"])
    }),
  )
})

describe("before a token is spent it is known", () => {
  /** The reason, and that nothing has changed. */
  const refused = Effect.fnUntraced(function* (
    place: string,
    step: (reading: ReplaceFile.Reading) => Effect.Effect<void, ReplaceFile.FileTrouble> = ReplaceFile.probe,
  ) {
    const before = names(place)
    const text = textOf(place)
    const trouble = yield* Effect.flip(step(yield* ReplaceFile.read(place)))
    assert.deepStrictEqual(names(place), before)
    assert.strictEqual(textOf(place), text)
    return trouble
  })

  it.effect("that the file is read-only, to root as well", () =>
    Effect.gen(function* () {
      const trouble = yield* refused(fresh("old", 0o400))
      assert.strictEqual(trouble.reason, "denied")
      assert.include(trouble.message, "chmod u+w")
    }),
  )

  it.effect.runIf(isRoot)("that it or its folder is immutable", () =>
    Effect.gen(function* () {
      const place = fresh("old")
      for (const protectedOne of [place, path.dirname(place)]) {
        const [on, off] = ["+i", "-i"].map((flag) => ["chattr", flag, protectedOne])
        yield* Effect.scoped(
          Effect.gen(function* () {
            // Not every file system has it.
            if (!(yield* during(on!, off!))) return
            assert.strictEqual((yield* refused(place)).reason, "denied")
          }),
        )
      }
      yield* put(place, "new")
    }),
  )

  it.effect.runIf(isRoot)("that its disk is full, or read-only", () =>
    Effect.gen(function* () {
      const folder = folderOf()
      if (!(yield* during(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], ["umount", folder]))) return
      const place = path.join(folder, "auth.json")
      fs.writeFileSync(place, "old", { mode: 0o600 })
      fs.writeFileSync(path.join(folder, "ballast"), "x".repeat(96 * 1024))
      assert.strictEqual((yield* refused(place)).reason, "full")
      assert.strictEqual((yield* refused(place, (reading) => replaced(reading, "x".repeat(100_000)))).reason, "full")
      childProcess.spawnSync("mount", ["-o", "remount,ro", folder])
      assert.strictEqual((yield* refused(place)).reason, "denied")
    }),
  )

  it.effect.runIf(isRoot)("that the file is mounted by itself", () =>
    Effect.gen(function* () {
      const [source, place] = [fresh("old"), fresh("")]
      if (!(yield* during(["mount", "--bind", source, place], ["umount", place]))) return
      const trouble = yield* refused(place)
      assert.include(trouble.message, "mount its folder")
      // And that it was right to say so.
      assert.strictEqual((yield* refused(place, (reading) => replaced(reading, "new"))).reason, "denied")
    }),
  )

  it.effect.runIf(isRoot)("that it is another user's, whom it would be lost to", () =>
    Effect.gen(function* () {
      const place = fresh("old")
      fs.chownSync(place, 65_534, 65_534)
      yield* put(place, "new")
      const { gid, uid } = fs.statSync(place)
      assert.deepStrictEqual([uid, gid], [65_534, 65_534])

      fs.chownSync(place, 1, 1)
      fs.chmodSync(place, 0o666)
      fs.chmodSync(path.dirname(place), 0o777)
      const trouble = yield* Effect.acquireUseRelease(
        Effect.sync(() => process.seteuid!(65_534)),
        () => refused(place),
        () => Effect.sync(() => process.seteuid!(0)),
      )
      assert.strictEqual(trouble.reason, "denied")
      assert.include(trouble.message, "another user's")
    }),
  )
})

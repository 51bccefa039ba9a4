import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
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

/** A file system of its own, gone when the process ends. A container may forbid it. */
const canMount = childProcess.spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0

const setImmutable = (file: string, is: boolean): boolean =>
  childProcess.spawnSync("chattr", [is ? "+i" : "-i", file]).status === 0

/** Only root can, and not on every file system. */
const canFreeze = ((): boolean => {
  const file = fresh("")
  return setImmutable(file, true) && setImmutable(file, false)
})()

interface Tried {
  readonly probed?: ReplaceFile.FileTrouble
  readonly replaced?: ReplaceFile.FileTrouble
  readonly isUnchanged: boolean
  readonly names: ReadonlyArray<string>
}

const worker = fileURLToPath(new URL("./replaceWorker.ts", import.meta.url))

/** What comes of it where a shell has mounted something first. */
const triedAfter = (script: string, place: string, bytes: number): Tried => {
  const command = `${script} && exec "$NODE" "$WORKER" "$PLACE" ${bytes}`
  const { stderr, stdout } = childProcess.spawnSync("unshare", ["-m", "bash", "-c", command], {
    encoding: "utf8",
    env: { ...process.env, NODE: process.execPath, WORKER: worker, PLACE: place, FOLDER: path.dirname(place) },
  })
  assert.notStrictEqual(stdout, "", stderr)
  return JSON.parse(stdout)
}

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
  const refused = Effect.fnUntraced(function* (place: string) {
    const before = names(place)
    const text = textOf(place)
    const trouble = yield* Effect.flip(ReplaceFile.probe(yield* ReplaceFile.read(place)))
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

  it.effect.runIf(canFreeze)("that it or its folder is immutable", () =>
    Effect.gen(function* () {
      const place = fresh("old")
      for (const frozen of [place, path.dirname(place)]) {
        const trouble = yield* Effect.acquireUseRelease(
          Effect.sync(() => setImmutable(frozen, true)),
          () => refused(place),
          () => Effect.sync(() => setImmutable(frozen, false)),
        )
        assert.strictEqual(trouble.reason, "denied")
      }
      yield* put(place, "new")
    }),
  )

  it.runIf(canMount)("that its disk is full", () => {
    const place = path.join(folderOf(), "auth.json")
    const script = [
      'mount -t tmpfs -o size=128k tmpfs "$FOLDER"',
      'echo old >"$PLACE"',
      'head -c 98304 /dev/zero >"$FOLDER/ballast"',
    ].join(" && ")
    const tried = triedAfter(script, place, 100_000)
    assert.deepStrictEqual([tried.probed?.reason, tried.replaced?.reason], ["full", "full"])
    assert.isTrue(tried.isUnchanged)
    assert.deepStrictEqual(tried.names, ["auth.json", "ballast"])
  })

  it.runIf(canMount)("that its disk is read-only", () => {
    const place = fresh("old")
    const script = 'mount --bind "$FOLDER" "$FOLDER" && mount -o remount,ro,bind "$FOLDER"'
    const tried = triedAfter(script, place, 1)
    assert.deepStrictEqual([tried.probed?.reason, tried.replaced?.reason], ["denied", "denied"])
    assert.include(tried.probed?.message, "read-only")
  })

  it.runIf(canMount)("that it is mounted by itself, as containers do", () => {
    const place = path.join(path.dirname(fresh("old")), "a b.json")
    fs.writeFileSync(place, "old")
    const tried = triedAfter('mount --bind "$FOLDER/auth.json" "$PLACE"', place, 1)
    assert.include(tried.probed?.message, "mount its folder")
    // And that is so.
    assert.strictEqual(tried.replaced?.reason, "denied")
    assert.isTrue(tried.isUnchanged)
    assert.deepStrictEqual(tried.names, ["a b.json", "auth.json"])
  })

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

/**
 * The habits of single programs on which a login can be lost, as the facts have them: whoever lives beside one has to
 * reckon with them. Here the fakes show them among themselves.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Json, rewrite } from "./together.ts"
import { down, hour, locksIn, steps, world } from "./world.ts"

describe("pi", () => {
  it.live("one that only starts takes a lock of ten seconds away, and a third presents the same refresh token", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("pi", -1_000)
        const before = held.tokens()!
        const third = yield* world.owner("pi")
        const one = yield* world.owner("pi", { stopAt: ["presenting"] })
        yield* one.order("use")
        yield* one.reached("presenting")
        yield* world.owner("pi")
        assert.lengthOf(world.locks("pi"), 1)
        world.age("pi", 12_000)
        yield* world.owner("pi")
        assert.deepStrictEqual(world.locks("pi"), [])
        yield* third.use
        yield* one.order("free")
        assert.strictEqual((yield* one.reached("used", "failed")).step, "failed")
        assert.deepStrictEqual(
          world.presentations().map(({ fingerprint, was }) => [fingerprint, was]),
          [
            [before.refresh, "current"],
            [before.refresh, "reuse"],
          ],
        )
      }),
    ),
  )

  it.live("a file that is no folder where its lock should be stops it", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("pi", -1_000)
        const owner = yield* world.owner("pi")
        Fs.writeFileSync(`${held.path}.lock`, "")
        world.age("pi", hour)
        assert.include(yield* owner.use, { step: "failed", code: "ENOTDIR" })
        assert.lengthOf(world.presentations(), 0)
      }),
    ),
  )
})

describe("opencode", () => {
  it.live("what it cannot read is gone with its next write: an entry, or half a file", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("opencode", -1_000)
        rewrite(held.path, (all) => ({ ...all, later: { type: "new", token: "fake" } }))
        const owner = yield* world.owner("opencode", { stopAt: ["granted"] })
        yield* owner.order("use")
        yield* owner.reached("granted")
        yield* owner.order("go")
        yield* owner.reached("used")
        assert.hasAllKeys(held.content(), ["openrouter", "openai", "github-copilot"])

        yield* world.later(hour + 1_000)
        yield* owner.order("use")
        yield* owner.reached("granted")
        const whole = Fs.readFileSync(held.path)
        Fs.writeFileSync(held.path, whole.subarray(0, whole.length >> 1))
        yield* owner.order("go")
        yield* owner.reached("used")
        assert.hasAllKeys(held.content(), ["openai"])
      }),
    ),
  )

  it.live("an answer without a refresh token costs it the login", () =>
    world((world) =>
      Effect.gen(function* () {
        world.seed("opencode", -1_000, { omitsRefreshToken: true })
        const owner = yield* world.owner("opencode")
        assert.strictEqual((yield* owner.use).step, "used")
        assert.strictEqual((yield* owner.use).step, "failed")
        assert.include(steps(owner), "signedOut")
      }),
    ),
  )

  it.live("locks the write of mcp-auth.json alone, and takes a stale lock away", () =>
    world((world) =>
      Effect.gen(function* () {
        world.seed("opencodeMcp", -1_000, { reuse: "fork", graceMillis: hour })
        const [one, two] = [
          yield* world.owner("opencodeMcp", { stopAt: ["locked"] }),
          yield* world.owner("opencodeMcp"),
        ]
        yield* one.order("use")
        yield* one.reached("locked")
        yield* two.order("use")
        yield* two.reached("presenting")
        yield* one.kill("SIGKILL")
        yield* one.finished
        const folder = Path.join(world.user, ".local/state/opencode/locks")
        const [lock] = Fs.readdirSync(folder)
        Fs.utimesSync(Path.join(folder, lock!, "heartbeat"), 0, 0)
        assert.deepStrictEqual(Fs.readdirSync(Path.join(folder, lock!)).toSorted(), ["heartbeat", "meta.json"])
        yield* two.reached("used", "failed")
        assert.deepStrictEqual(
          steps(two).filter((step) => /wait|lock|broke/.test(step)),
          ["waiting", "broke", "locked", "unlocked"],
        )
      }),
    ),
  )
})

describe("gemini", () => {
  it.live("keeps the refresh token that it had, whatever the server gives, and never reads its file again", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("gemini", -1_000, { reuse: "strict", omitsRefreshToken: false })
        const before = held.tokens()!
        const [one, two] = [yield* world.owner("gemini"), yield* world.owner("gemini")]
        yield* one.use
        assert.strictEqual(held.tokens()!.refresh, before.refresh)
        assert.hasAllKeys(held.content(), ["access_token", "refresh_token", "expiry_date", "scope", "token_type"])
        // What the first one has written does not help it.
        assert.strictEqual((yield* two.use).step, "failed")
        assert.strictEqual(world.presentations().at(-1)!.was, "reuse")
      }),
    ),
  )

  it.live("deletes a login to an MCP server when the server has trouble, and leaves the others", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("geminiMcp", -1_000)
        world.server.script(down)
        const owner = yield* world.owner("geminiMcp")
        assert.strictEqual((yield* owner.use).step, "failed")
        assert.deepStrictEqual(
          (held.content() as ReadonlyArray<Json>).map(({ serverName }) => serverName),
          ["other"],
        )
      }),
    ),
  )
})

describe("qwen", () => {
  it.live("one that exits removes the lock of another, and a third presents the same refresh token", () =>
    world((world) =>
      Effect.gen(function* () {
        world.seed("qwen", -1_000)
        const one = yield* world.owner("qwen", { stopAt: ["presenting"] })
        const two = yield* world.owner("qwen")
        yield* one.order("use")
        yield* one.reached("presenting")
        assert.lengthOf(world.locks("qwen"), 1)
        assert.strictEqual((yield* two.exit).code, 0)
        assert.deepStrictEqual(world.locks("qwen"), [])
        const third = yield* world.owner("qwen")
        yield* third.use
        yield* one.order("free")
        yield* one.reached("used", "failed")
        assert.deepStrictEqual(
          world.presentations().map(({ was }) => was),
          ["current", "reuse"],
        )
      }),
    ),
  )

  it.live("a rejection deletes the file, although another has just renewed the login", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("qwen", -1_000, { reuse: "rejectOnly" })
        const one = yield* world.owner("qwen", { stopAt: ["presenting"] })
        yield* one.order("use")
        yield* one.reached("presenting")
        // Somebody who does not mind its lock.
        Fs.rmSync(Path.join(world.user, ".qwen/oauth_creds.lock"))
        yield* (yield* world.owner("qwen")).use
        assert.strictEqual(world.server.introspect(held.accessToken(), Date.now()).active, true)
        yield* one.order("free")
        assert.strictEqual((yield* one.reached("used", "failed")).step, "failed")
        assert.isFalse(Fs.existsSync(held.path))
      }),
    ),
  )

  it.live("takes a file for changed when it is younger, and for none without its end", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("qwen", hour)
        const owner = yield* world.owner("qwen")
        const { access } = held.tokens()!
        const seconds = Math.floor(Date.now() / 1000)
        Fs.utimesSync(held.path, seconds, seconds)
        assert.strictEqual((yield* owner.use)["access"], access)
        world.seed("qwen", hour)
        assert.notStrictEqual(held.tokens()!.access, access)
        Fs.utimesSync(held.path, seconds, seconds)
        yield* world.later(6_000)
        assert.strictEqual((yield* owner.use)["access"], access)
        Fs.utimesSync(held.path, seconds + 1, seconds + 1)
        yield* world.later(6_000)
        assert.strictEqual((yield* owner.use)["access"], held.tokens()!.access)
        rewrite(held.path, (credentials) => ({ ...credentials, expiry_date: undefined }))
        assert.strictEqual((yield* (yield* world.owner("qwen")).use).step, "failed")
        assert.lengthOf(world.presentations(), 0)
      }),
    ),
  )
})

describe("claude", () => {
  it.live("takes both locks in order, writes under a third, and leaves what it does not know", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("claude", -1_000)
        const before = held.content() as { readonly claudeAiOauth: Json }
        const owner = yield* world.owner("claude")
        yield* owner.use
        assert.deepStrictEqual(locksIn(owner), [
          ["locked", ".oauth_refresh.lock"],
          ["locked", ".claude.lock"],
          ["locked", ".storage-write.lock"],
          ["unlocked", ".storage-write.lock"],
          ["unlocked", ".claude.lock"],
          ["unlocked", ".oauth_refresh.lock"],
        ])
        const after = held.content() as { readonly claudeAiOauth: Json }
        const { accessToken, expiresAt, refreshToken } = after.claudeAiOauth
        const same = { ...before, claudeAiOauth: { ...before.claudeAiOauth, accessToken, expiresAt, refreshToken } }
        assert.strictEqual(JSON.stringify(after) === JSON.stringify(same), true)
      }),
    ),
  )

  it.live("blanks a login that is dead, and puts a file in the place of a symbolic link", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("claude", -1_000)
        Fs.renameSync(held.path, `${held.path}.real`)
        Fs.symlinkSync(`${held.path}.real`, held.path)
        world.server.revokeGrant(1)
        const owner = yield* world.owner("claude")
        assert.strictEqual((yield* owner.use).step, "failed")
        assert.deepStrictEqual(held.tokens(), { access: "", refresh: "" })
        const { claudeAiOauth } = held.content() as { readonly claudeAiOauth: Json }
        assert.strictEqual(claudeAiOauth["expiresAt"], 0)
        assert.isAbove(Number(claudeAiOauth["refreshTokenExpiresAt"]), 0)
        assert.isFalse(Fs.lstatSync(held.path).isSymbolicLink())
        assert.strictEqual((yield* owner.use).step, "failed")
        assert.lengthOf(world.presentations(), 1)
      }),
    ),
  )

  it.live("gives up when another one refreshes for longer than it waits", () =>
    world((world) =>
      Effect.gen(function* () {
        world.seed("claude", -1_000)
        const one = yield* world.owner("claude", { stopAt: ["presenting"] })
        const two = yield* world.owner("claude", { haste: 50 })
        yield* one.order("use")
        yield* one.reached("presenting")
        assert.strictEqual((yield* two.use).step, "failed")
        assert.include(steps(two), "lockedOut")
        assert.lengthOf(world.locks("claude"), 2)
      }),
    ),
  )
})

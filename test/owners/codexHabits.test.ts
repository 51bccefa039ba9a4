/** The habits of Codex on which a login can be lost, as the facts have them, among fakes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Json, rewrite } from "./together.ts"
import { down, hasFlock, hour, steps, world } from "./world.ts"

describe.skipIf(!hasFlock)("codex", () => {
  it.live("a loser lives on, where its presentation costs the winner nothing", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("codex", -1_000, { reuse: "rejectOnly" })
        const [one, two] = [yield* world.owner("codex"), yield* world.owner("codex", { stopAt: ["presenting"] })]
        yield* two.order("use")
        yield* two.reached("presenting")
        yield* one.use
        yield* two.order("free")
        assert.include(yield* two.reached("used"), { access: held.tokens()!.access, status: 200 })
        assert.deepStrictEqual(
          steps(two).filter((step) => step !== "locked" && step !== "unlocked"),
          ["ready", "read", "presenting", "rejected", "unauthorized", "adopted", "used"],
        )
      }),
    ),
  )

  it.live("asks without a lock, and throws its answer away when another has written meanwhile", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("codex", -1_000, { reuse: "fork", graceMillis: hour })
        const one = yield* world.owner("codex", { stopAt: ["locked"] })
        const two = yield* world.owner("codex")
        yield* one.order("use")
        yield* one.reached("locked")
        yield* two.order("use")
        // The first one holds `auth.lock`.
        yield* two.reached("granted")
        assert.strictEqual((yield* two.reached("waiting"))["lock"], "auth.lock")
        yield* one.order("free")
        const first = yield* one.reached("used")
        assert.strictEqual((yield* two.reached("used"))["access"], first["access"])
        assert.include(steps(two), "discarded")
        assert.strictEqual(held.tokens()!.access, first["access"])
        assert.lengthOf(world.presentations(), 2)
      }),
    ),
  )

  it.live("does not bring back a login that was ended meanwhile", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("codex", -1_000)
        const owner = yield* world.owner("codex", { stopAt: ["granted"] })
        yield* owner.order("use")
        yield* owner.reached("granted")
        Fs.rmSync(held.path)
        yield* owner.order("free")
        yield* owner.reached("failed")
        assert.isFalse(Fs.existsSync(held.path))
      }),
    ),
  )

  it.live("loses what it does not know, and follows a symbolic link", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("codex", -1_000)
        const elsewhere = Path.join(world.user, "elsewhere")
        Fs.mkdirSync(elsewhere)
        Fs.renameSync(held.path, Path.join(elsewhere, "real.json"))
        Fs.symlinkSync(Path.join(elsewhere, "real.json"), held.path)
        const owner = yield* world.owner("codex")
        const used = yield* owner.use
        assert.isTrue(Fs.lstatSync(held.path).isSymbolicLink())
        assert.strictEqual(held.tokens()!.access, used["access"])
        assert.isTrue(Fs.existsSync(Path.join(elsewhere, "auth.json.lock")))
        const content = held.content() as { readonly tokens: Json }
        assert.deepStrictEqual(Object.keys(content), ["auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"])
        assert.deepStrictEqual(Object.keys(content.tokens), ["id_token", "access_token", "refresh_token", "account_id"])
      }),
    ),
  )

  it.live("never refreshes a login without its account", () =>
    world((world) =>
      Effect.gen(function* () {
        const { path } = world.seed("codex", -1_000)
        rewrite(path, (auth) => ({ ...auth, tokens: { ...(auth["tokens"] as Json), account_id: null } }))
        const owner = yield* world.owner("codex")
        assert.strictEqual((yield* owner.use).step, "failed")
        assert.include(steps(owner), "signedOut")
        assert.lengthOf(world.presentations(), 0)
      }),
    ),
  )

  it.live("asks again after a passing failure, and not after a lasting one", () =>
    world((world) =>
      Effect.gen(function* () {
        world.seed("codex", -1_000)
        const owner = yield* world.owner("codex")
        world.server.script({ ...down, times: 2 })
        yield* owner.use
        assert.lengthOf(world.presentations(), 2)
        world.server.revokeGrant(1)
        yield* owner.use
        yield* owner.use
        assert.lengthOf(world.presentations(), 3)
      }),
    ),
  )
})

describe.skipIf(!hasFlock)("codexMcp", () => {
  it.live("two that were refused refresh one after the other, although the first had done it", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("codexMcp", hour)
        world.server.revokeToken(held.accessToken())
        const plan = { stopAt: ["recovering"] }
        const [one, two] = [yield* world.owner("codexMcp", plan), yield* world.owner("codexMcp", plan)]
        for (const each of [one, two]) {
          yield* each.order("use")
          yield* each.reached("recovering")
        }
        for (const each of [one, two]) {
          yield* each.order("free")
          assert.strictEqual((yield* each.reached("used", "failed")).step, "used")
        }
        assert.deepStrictEqual(
          world.presentations().map(({ was }) => was),
          ["current", "current"],
        )
      }),
    ),
  )

  it.live("never refreshes a login without its issuer", () =>
    world((world) =>
      Effect.gen(function* () {
        const { path } = world.seed("codexMcp", -1_000)
        rewrite(path, (all) =>
          Object.fromEntries(
            Object.entries(all).map(([key, entry]) => [key, { ...(entry as Json), issuer: undefined }]),
          ),
        )
        const owner = yield* world.owner("codexMcp")
        assert.strictEqual((yield* owner.use).step, "failed")
        assert.lengthOf(world.presentations(), 0)
      }),
    ),
  )

  it.live("leaves a tombstone for a login that was rejected, and loses its successor behind a symbolic link", () =>
    world((world) =>
      Effect.gen(function* () {
        const held = world.seed("codexMcp", -1_000)
        world.server.revokeGrant(1)
        const { access } = held.tokens()!
        const owner = yield* world.owner("codexMcp")
        assert.strictEqual((yield* owner.use).step, "failed")
        assert.deepStrictEqual(held.tokens(), { access, refresh: undefined })

        world.seed("codexMcp", -1_000)
        Fs.renameSync(held.path, `${held.path}.real`)
        Fs.symlinkSync(`${held.path}.real`, held.path)
        const before = held.tokens()
        assert.include(yield* owner.use, { step: "failed", code: "ELOOP" })
        assert.deepStrictEqual(held.tokens(), before)
        assert.strictEqual(world.presentations().at(-1)!.outcome, "granted")
      }),
    ),
  )
})

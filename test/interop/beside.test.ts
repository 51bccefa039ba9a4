/** A login kept beside its owner, in the ordinary cases: a Keeper, virtual time, and a file of Gemini CLI's on the disk. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as path from "node:path"
import * as ForeignOwners from "../../src/interop/foreignOwners.ts"
import { inMode } from "../../src/interop/modes.ts"
import type { Foreign } from "../../src/lifecycle/Credential.ts"
import { fileOf, type Login } from "../../src/testing/loginFile.ts"
import { denied, elapse, hour, makeWorld } from "../keeper/world.ts"
import { temporaryFolder } from "../run.ts"

// The layer loads them when they are first needed, and virtual time does not wait for a disk.
beforeAll(() => Promise.all([import("../../src/interop/borrow.ts"), import("../../src/interop/coOwn.ts")]))

const form = fileOf.none

const loginOf = (number: number, expiresAt = number * hour): Login => ({
  accessToken: `access-${number}`,
  refreshToken: `refresh-${number}`,
  expiresAt,
})

const ended = 2 * hour

/** A Keeper with the login in `mode`, its first token good for an hour, and what its owner may do to its file. */
const beside = Effect.fnUntraced(function* (mode: Foreign["mode"]) {
  // What stands in it is what another program holds.
  const folder = path.join(temporaryFolder("beside"), "given")
  fs.mkdirSync(folder)
  const place = path.join(folder, path.basename(form.place))
  const write = (text: string): void => fs.writeFileSync(place, text, { mode: 0o600 })
  const text = (): string => fs.readFileSync(place, "utf8")
  write(form.written(loginOf(1)))
  const world = makeWorld()
  const keeper = yield* Effect.provide(world.open("one", { background: false }), ForeignOwners.layer)
  const take = (as: Foreign["mode"], login = loginOf(1)) => {
    const { entry, owner, program } = form
    const expiry = { _tag: "Known", at: login.expiresAt, lifetimeMillis: hour } as const
    const grant = world.grant({ client: { clientId: "client", authMethod: "none" }, seed: login.refreshToken })
    const tokens = {
      ...grant.tokens,
      accessToken: Redacted.make(login.accessToken),
      refreshToken: Redacted.make(login.refreshToken),
      expiry,
    }
    const foreign: Foreign = { owner, program, place, entry, signIn: "gemini, then /auth", mode: as }
    return keeper.put(inMode({ ...grant, tokens }, foreign))
  }
  yield* take(mode)
  const credential = keeper.credential("github")
  return {
    ...world,
    place,
    write,
    text,
    take,
    inFile: () => form.login(text())?.accessToken,
    refreshedByOwner: (login: Login) => write(form.with(text(), login)),
    signedOutThere: () => write(form.with(text(), undefined)),
    token: Effect.map(elapse(credential.access()), (access) => Redacted.value(access.token)),
    error: Effect.flip(elapse(credential.access())),
  }
})

const later = (millis: number) => elapse(Effect.sleep(millis), 1_000, 60_000)

describe("borrow", () => {
  it.effect("hands out what the owner keeps fresh, and presents nothing", () =>
    Effect.gen(function* () {
      const { presented, refreshedByOwner, token } = yield* beside("borrow")
      assert.strictEqual(yield* token, "access-1")
      yield* later(hour)
      refreshedByOwner(loginOf(7, ended))
      assert.strictEqual(yield* token, "access-7")
      assert.deepStrictEqual(presented, [])
    }),
  )

  it.effect("says which program has to be used where the owner has not refreshed it", () =>
    Effect.gen(function* () {
      const { error, presented, refreshedByOwner, token } = yield* beside("borrow")
      yield* later(hour)
      const found = yield* error
      assert.strictEqual(found._tag, "TemporarilyUnavailable")
      assert.include(found.message, "use Gemini CLI once")
      refreshedByOwner(loginOf(7, ended))
      yield* later(60_000)
      assert.strictEqual(yield* token, "access-7")
      assert.deepStrictEqual(presented, [])
    }),
  )

  it.effect("ends with its owner's login, and comes back with it", () =>
    Effect.gen(function* () {
      const { error, refreshedByOwner, signedOutThere, token } = yield* beside("borrow")
      yield* later(hour)
      signedOutThere()
      const found = yield* error
      assert.strictEqual(found._tag, "SignInRequired")
      refreshedByOwner(loginOf(7, ended))
      assert.strictEqual(yield* token, "access-7")
    }),
  )

  it.effect("waits for a file that is only half there", () =>
    Effect.gen(function* () {
      const { error, text, token, write } = yield* beside("borrow")
      const whole = form.with(text(), loginOf(7, ended))
      yield* later(hour)
      write(whole.slice(0, 40))
      const found = yield* error
      assert.strictEqual(found._tag, "TemporarilyUnavailable")
      assert.include(found.message, "only the first part of it")
      write(whole)
      yield* later(60_000)
      assert.strictEqual(yield* token, "access-7")
    }),
  )
})

describe("co-own", () => {
  it.effect("refreshes, and writes what it was granted into the owner's file and nothing else", () =>
    Effect.gen(function* () {
      const { inFile, presented, text, token } = yield* beside("co-own")
      const before = form.rest(text())
      yield* later(hour)
      assert.strictEqual(yield* token, "access-2")
      assert.strictEqual(inFile(), "access-2")
      assert.strictEqual(form.rest(text()), before)
      assert.deepStrictEqual(presented, ["refresh-1"])
    }),
  )

  it.effect("goes on from what its owner was granted", () =>
    Effect.gen(function* () {
      const { inFile, presented, refreshedByOwner, token } = yield* beside("co-own")
      yield* later(hour)
      refreshedByOwner(loginOf(7, ended))
      assert.strictEqual(yield* token, "access-7")
      assert.strictEqual(inFile(), "access-7")
      assert.deepStrictEqual(presented, [])
    }),
  )

  it.effect("gives an owner that may be asking its turn first", () =>
    Effect.gen(function* () {
      const { presented, refreshedByOwner, token } = yield* beside("co-own")
      yield* later(hour)
      const began = yield* Clock.currentTimeMillis
      const owner = Effect.andThen(
        Effect.sleep(1_200),
        Effect.sync(() => refreshedByOwner(loginOf(7, ended))),
      )
      const [found] = yield* Effect.all([token, elapse(owner)], { concurrency: "unbounded" })
      assert.strictEqual(found, "access-7")
      assert.isAtLeast((yield* Clock.currentTimeMillis) - began, 1_200)
      assert.deepStrictEqual(presented, [])
    }),
  )

  it.effect("writes a file again that its owner has written back as it was", () =>
    Effect.gen(function* () {
      const { inFile, presented, text, token, write } = yield* beside("co-own")
      const old = text()
      yield* later(hour)
      yield* token
      write(old)
      yield* later(hour)
      assert.strictEqual(yield* token, "access-3")
      assert.strictEqual(inFile(), "access-3")
      assert.deepStrictEqual(presented, ["refresh-1", "refresh-2"])
    }),
  )

  it.effect("spends no token whose successor the file would not take", () =>
    Effect.gen(function* () {
      const { error, inFile, place, presented, token } = yield* beside("co-own")
      yield* later(hour)
      fs.chmodSync(place, 0o400)
      const found = yield* error
      assert.strictEqual(found._tag, "TemporarilyUnavailable")
      assert.include(found.message, "read-only")
      assert.deepStrictEqual(presented, [])
      fs.chmodSync(place, 0o600)
      yield* later(60_000)
      assert.strictEqual(yield* token, "access-2")
      assert.strictEqual(inFile(), "access-2")
    }),
  )

  it.effect("spends no token while the file is only half there", () =>
    Effect.gen(function* () {
      const { error, presented, text, token, write } = yield* beside("co-own")
      const whole = text()
      yield* later(hour)
      write(whole.slice(0, 40))
      const found = yield* error
      assert.include(found.message, "only the first part of it")
      assert.deepStrictEqual(presented, [])
      write(whole)
      yield* later(60_000)
      assert.strictEqual(yield* token, "access-2")
    }),
  )

  it.effect("writes what was granted once the file is whole again", () =>
    Effect.gen(function* () {
      const { inFile, slow, text, token, write } = yield* beside("co-own")
      const whole = text()
      yield* later(hour)
      slow(5_000)
      const owner = Effect.sync(() => write(whole.slice(0, 40))).pipe(
        Effect.delay(4_000),
        Effect.andThen(
          Effect.delay(
            Effect.sync(() => write(whole)),
            6_000,
          ),
        ),
      )
      const [found] = yield* Effect.all([token, elapse(owner)], { concurrency: "unbounded" })
      assert.strictEqual(found, "access-2")
      assert.strictEqual(inFile(), "access-2")
    }),
  )

  it.effect("lives on where its owner has dropped it, signs nobody in there, and follows a new login", () =>
    Effect.gen(function* () {
      const { inFile, refreshedByOwner, signedOutThere, token } = yield* beside("co-own")
      yield* later(hour)
      signedOutThere()
      assert.strictEqual(yield* token, "access-2")
      assert.isUndefined(inFile())
      refreshedByOwner(loginOf(7, 3 * hour))
      yield* later(hour)
      assert.strictEqual(yield* token, "access-7")
    }),
  )

  it.effect("is ended by the server's word, and back with a new login of its owner", () =>
    Effect.gen(function* () {
      const { error, refreshedByOwner, script, signedOutThere, token } = yield* beside("co-own")
      yield* later(hour)
      signedOutThere()
      script.push(denied)
      const found = yield* error
      assert.isTrue(found._tag === "SignInRequired" && found.advice === "gemini, then /auth")
      refreshedByOwner(loginOf(7, ended))
      assert.strictEqual(yield* token, "access-7")
    }),
  )

  it.effect("finds its place in a list from which another entry has gone meanwhile", () =>
    Effect.gen(function* () {
      const { slow, text, token, write } = yield* beside("co-own")
      const [mine] = JSON.parse(text())
      const others = ["first", "second"].map((serverName) => ({ ...mine, serverName }))
      write(JSON.stringify([others[0], mine, others[1]]))
      yield* later(hour)
      slow(5_000)
      const owner = Effect.delay(
        Effect.sync(() => write(JSON.stringify([mine, others[1]]))),
        4_000,
      )
      yield* Effect.all([token, elapse(owner)], { concurrency: "unbounded" })
      const held = JSON.parse(text()).map(({ token }: { readonly token: { readonly accessToken: string } }) => token)
      assert.deepStrictEqual(
        held.map(({ accessToken }: { readonly accessToken: string }) => accessToken),
        ["access-2", "access-1"],
      )
    }),
  )

  it.effect("neither follows nor overwrites a login of another client", () =>
    Effect.gen(function* () {
      const { inFile, text, token, write } = yield* beside("co-own")
      write(form.with(text(), loginOf(7, ended)).replace('"client"', '"another"'))
      assert.strictEqual(yield* token, "access-1")
      yield* later(hour)
      assert.strictEqual(yield* token, "access-2")
      assert.strictEqual(inFile(), "access-7")
    }),
  )
})

describe("taking a login over again", () => {
  it.effect("changes the mode", () =>
    Effect.gen(function* () {
      const { inFile, presented, take, token } = yield* beside("borrow")
      yield* take("co-own")
      yield* later(hour)
      assert.strictEqual(yield* token, "access-2")
      assert.strictEqual(inFile(), "access-2")
      yield* take("import", loginOf(2, ended))
      yield* later(hour)
      assert.strictEqual(yield* token, "access-3")
      assert.strictEqual(inFile(), "access-2")
      assert.deepStrictEqual(presented, ["refresh-1", "refresh-2"])
    }),
  )

  it.effect("does not forget which tokens were before: an old copy is written, and not gone back to", () =>
    Effect.gen(function* () {
      const { inFile, presented, take, text, token, write } = yield* beside("co-own")
      const old = text()
      yield* later(hour)
      yield* token
      write(old)
      yield* take("co-own")
      assert.strictEqual(yield* token, "access-2")
      yield* later(1_000)
      assert.strictEqual(inFile(), "access-2")
      assert.deepStrictEqual(presented, ["refresh-1"])
    }),
  )
})

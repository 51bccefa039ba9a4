import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Memory from "../../src/store/memory.ts"
import { suite, Views } from "./CredentialStoreContract.ts"

suite(
  "memory",
  Layer.effect(
    Views,
    Effect.sync(() => Memory.makeShared()),
  ),
)

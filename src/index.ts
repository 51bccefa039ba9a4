/**
 * Tokenkeep's Effect services and values, one namespace a module. Programs without Effect use `tokenkeep/promise`.
 */
export * as Change from "./lifecycle/Change.ts"
export * as Credential from "./lifecycle/Credential.ts"
export * as CredentialStore from "./store/CredentialStore.ts"
export * as Diagram from "./lifecycle/diagram.ts"
export * as Errors from "./keeper/errors.ts"
export * as GrantDocument from "./interop/GrantDocument.ts"
export * as HttpTokenEndpoint from "./exchange/http.ts"
export * as Keeper from "./keeper/Keeper.ts"
export * as KeeperHooks from "./keeper/hooks.ts"
export * as KeeperLive from "./keeper/live.ts"
export * as Lifecycle from "./lifecycle/machine.ts"
export * as MemoryStore from "./store/memory.ts"
export * as ProviderProfile from "./provider/ProviderProfile.ts"
export * as SqliteStore from "./store/sqlite.ts"
export * as TokenEndpoint from "./exchange/TokenEndpoint.ts"
